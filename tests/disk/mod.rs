//! A disk that crashes. A write in flight, or not flushed, may be kept, lost or torn, each sector on
//! its own; what was confirmed as durable stays.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]
#![allow(
    dead_code,
    reason = "each test that includes this file uses a part of it"
)]

use std::collections::BTreeMap;

/// What a device writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    /// Sectors that the device has taken and not made durable.
    cached: BTreeMap<usize, Vec<u8>>,
}

struct Write {
    id: u64,
    file: u32,
    at: usize,
    bytes: Vec<u8>,
}

/// The disk.
#[derive(Default)]
pub struct Disk {
    files: BTreeMap<u32, File>,
    in_flight: Vec<Write>,
    ids: u64,
}

impl Disk {
    /// Makes a file of so many zeros.
    pub fn create(&mut self, file: u32, len: usize) {
        let durable = vec![0; len];
        let cached = BTreeMap::new();
        self.files.insert(file, File { durable, cached });
    }

    /// Begins a write that is to be durable when it is done.
    pub fn begin_write(&mut self, file: u32, at: u64, bytes: &[u8]) -> u64 {
        let at = usize::try_from(at).unwrap();
        assert!(at.is_multiple_of(SECTOR_BYTES) && bytes.len().is_multiple_of(SECTOR_BYTES));
        assert!(
            at + bytes.len() <= self.files[&file].durable.len(),
            "files keep their size"
        );
        self.ids += 1;
        self.in_flight.push(Write {
            id: self.ids,
            file,
            at,
            bytes: bytes.to_vec(),
        });
        self.ids
    }

    /// A write is done: it is durable.
    pub fn complete(&mut self, id: u64) {
        let place = self.in_flight.iter().position(|write| write.id == id);
        let write = self.in_flight.remove(place.expect("it is in flight"));
        let file = self.files.get_mut(&write.file).unwrap();
        for (sector, bytes) in sectors(&write) {
            file.cached.remove(&sector);
            put(&mut file.durable, sector, bytes);
        }
    }

    /// A write fails: nobody knows what of it is there.
    pub fn fail(&mut self, id: u64, mut dice: impl FnMut() -> bool) {
        let place = self.in_flight.iter().position(|write| write.id == id);
        let write = self.in_flight.remove(place.expect("it is in flight"));
        self.keep_some(&write, &mut dice);
    }

    /// The process is killed: of writes in flight the device has taken any sectors.
    pub fn kill(&mut self, mut dice: impl FnMut() -> bool) {
        for write in std::mem::take(&mut self.in_flight) {
            self.keep_some(&write, &mut dice);
        }
    }

    /// The power is cut: likewise, and of what was not flushed any sectors are gone.
    pub fn cut_power(&mut self, mut dice: impl FnMut() -> bool) {
        self.kill(&mut dice);
        for file in self.files.values_mut() {
            for (sector, bytes) in std::mem::take(&mut file.cached) {
                if dice() {
                    put(&mut file.durable, sector, &bytes);
                }
            }
        }
    }

    /// A file is gone for good.
    pub fn remove(&mut self, file: u32) {
        self.files.remove(&file);
    }

    /// Makes everything durable that the device has taken.
    pub fn flush(&mut self) {
        for file in self.files.values_mut() {
            for (sector, bytes) in std::mem::take(&mut file.cached) {
                put(&mut file.durable, sector, &bytes);
            }
        }
    }

    /// Reads what was written, durable or not.
    pub fn read(&self, file: u32, at: u64, len: usize) -> Vec<u8> {
        let file = &self.files[&file];
        let at = usize::try_from(at).unwrap();
        let mut bytes = file.durable[at..at + len].to_vec();
        let (first, last) = (at / SECTOR_BYTES, (at + len) / SECTOR_BYTES);
        for (sector, cached) in file.cached.range(first..last) {
            let to = sector * SECTOR_BYTES - at;
            bytes[to..to + SECTOR_BYTES].copy_from_slice(cached);
        }
        bytes
    }

    /// A bit flips at rest.
    pub fn flip(&mut self, file: u32, bit: usize) {
        self.files.get_mut(&file).unwrap().durable[bit / 8] ^= 1 << (bit % 8);
    }

    fn keep_some(&mut self, write: &Write, dice: &mut impl FnMut() -> bool) {
        let file = self.files.get_mut(&write.file).unwrap();
        for (sector, bytes) in sectors(write) {
            if dice() {
                file.cached.insert(sector, bytes.to_vec());
            }
        }
    }
}

fn sectors(write: &Write) -> impl Iterator<Item = (usize, &[u8])> {
    let first = write.at / SECTOR_BYTES;
    (first..).zip(write.bytes.chunks(SECTOR_BYTES))
}

fn put(durable: &mut [u8], sector: usize, bytes: &[u8]) {
    let at = sector * SECTOR_BYTES;
    durable[at..at + bytes.len()].copy_from_slice(bytes);
}
