//! Records that become durable together: what the journal writes with one operation.
//!
//! ```text
//!  0  magic      8 bytes
//!  8  epoch      u64   starts of the server that have written here
//! 16  number     u64   groups before it, over all epochs
//! 24  position   u64   where it lies, see the journal
//! 32  len        u32   bytes with this head, without padding
//! 36  records    u32   how many there are
//! 40  checksum   u32   crc32c of all records
//! 44  of head    u32   crc32c of all before
//! 48  records, zeros up to a multiple of 4,096
//! ```
//!
//! The head has a checksum of its own, so that it tells that a group was begun even if
//! its records are torn. Epoch, number and position are in it: whatever was here before
//! is not taken for what should be, a group of an earlier lap, of another file, or one
//! that was given up when an earlier start found its predecessor torn.

use super::record::Record;
use super::{Flaw, u32_at, u64_at};

/// Groups begin at multiples of this and have as many bytes: what a device writes
/// without reading first.
pub const PAGE_BYTES: usize = 4096;

/// Bytes before the records.
pub const HEAD_BYTES: usize = 48;

const MAGIC: &[u8; 8] = b"TrnkGrp1";

const CHECKSUM_AT: usize = 40;

const HEAD_CHECKSUM_AT: usize = 44;

/// Where a group stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Starts of the server that have written here.
    pub epoch: u64,
    /// Groups before it.
    pub number: u64,
    /// Bytes of the journal before it, of all laps.
    pub position: u64,
}

/// A group that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group<'a> {
    /// What its head says.
    pub head: Head,
    records: &'a [u8],
}

/// Bytes of a group on the device if head and records have this many.
#[must_use]
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(PAGE_BYTES)
}

/// Completes a group: `bytes` has room for the head, then records, then zeros.
///
/// # Panics
/// If there are 4 GiB of them, or fewer than the head has.
pub fn seal(bytes: &mut [u8], len: usize, count: u32, place: Place) {
    assert!(len >= HEAD_BYTES && len <= bytes.len(), "it has a head");
    let len_number = u32::try_from(len).expect("groups are short");
    let head = &mut bytes[..HEAD_BYTES];
    head.fill(0);
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&place.epoch.to_le_bytes());
    head[16..24].copy_from_slice(&place.number.to_le_bytes());
    head[24..32].copy_from_slice(&place.position.to_le_bytes());
    head[32..36].copy_from_slice(&len_number.to_le_bytes());
    head[36..40].copy_from_slice(&count.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[HEAD_BYTES..len]);
    bytes[CHECKSUM_AT..HEAD_CHECKSUM_AT].copy_from_slice(&checksum.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..HEAD_CHECKSUM_AT]);
    bytes[HEAD_CHECKSUM_AT..HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// What a head says of its group, the records of which need not be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Where the group stands.
    pub place: Place,
    /// Its bytes without padding.
    pub len: usize,
    /// Number of its records.
    pub count: u32,
}

impl Head {
    /// Reads the head at the front of some bytes.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        if bytes.len() < HEAD_BYTES {
            return Err(Flaw::Short);
        }
        if &bytes[..8] != MAGIC {
            return Err(Flaw::Strange);
        }
        if crc32c::crc32c(&bytes[..HEAD_CHECKSUM_AT]) != u32_at(bytes, HEAD_CHECKSUM_AT) {
            return Err(Flaw::Checksum);
        }
        let len = u32_at(bytes, 32) as usize;
        if len < HEAD_BYTES {
            return Err(Flaw::Lengths);
        }
        Ok(Self {
            place: Place {
                epoch: u64_at(bytes, 8),
                number: u64_at(bytes, 16),
                position: u64_at(bytes, 24),
            },
            len,
            count: u32_at(bytes, 36),
        })
    }
}

impl<'a> Group<'a> {
    /// Reads the group at the front of some bytes.
    ///
    /// # Errors
    /// If there is none, or not the whole of it.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let head = Head::read(bytes)?;
        let records = bytes.get(HEAD_BYTES..head.len).ok_or(Flaw::Short)?;
        match crc32c::crc32c(records) == u32_at(bytes, CHECKSUM_AT) {
            true => Ok(Self { head, records }),
            false => Err(Flaw::Checksum),
        }
    }

    /// Bytes that it takes on the device.
    #[must_use]
    pub fn padded_len(&self) -> usize {
        padded(self.head.len)
    }

    /// Its records in their order, and where in the group they lie. One that is not
    /// whole ends them, which a checksum of the group that was right does not let happen.
    pub fn records(&self) -> impl Iterator<Item = Result<(usize, Record<'a>), Flaw>> {
        let (mut at, mut rest) = (HEAD_BYTES, self.records);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let here = at;
            let decoded = Record::decode(rest);
            rest = match decoded {
                Ok((_, taken)) => {
                    at += taken;
                    &rest[taken..]
                }
                Err(_) => &[],
            };
            Some(decoded.map(|(record, _)| (here, record)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::moment::WallNanos;
    use crate::format::record::{Kind, StreamId};

    const PLACE: Place = Place {
        epoch: 3,
        number: 9,
        position: 8192,
    };

    fn record(sequence: u64) -> Record<'static> {
        Record {
            kind: Kind(1),
            stream: StreamId(5),
            sequence,
            time: WallNanos(77),
            subject: b"a.b",
            header: b"",
            payload: b"payload",
        }
    }

    fn group(count: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_BYTES];
        for sequence in 0..u64::from(count) {
            let at = bytes.len();
            bytes.resize(at + record(sequence).encoded_len(), 0);
            record(sequence).encode(&mut bytes[at..]);
        }
        let len = bytes.len();
        bytes.resize(padded(len), 0);
        seal(&mut bytes, len, count, PLACE);
        bytes
    }

    #[test]
    fn what_is_sealed_is_read() {
        for count in [0, 1, 3, 100] {
            let bytes = group(count);
            let read = Group::read(&bytes).expect("whole");
            assert_eq!((read.head.place, read.head.count), (PLACE, count));
            assert_eq!(read.padded_len(), bytes.len());
            let records: Vec<_> = read
                .records()
                .map(|record| record.expect("whole").1)
                .collect();
            let expected: Vec<_> = (0..u64::from(count)).map(record).collect();
            assert_eq!(records, expected);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = group(3);
        let len = Head::read(&bytes).expect("a head").len;
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let is_noticed = Group::read(&flipped).is_err();
            assert_eq!(is_noticed, at / 8 < len, "bit {at}");
        }
        assert_eq!(Group::read(&bytes[..len - 1]), Err(Flaw::Short));
        assert!(Head::read(&bytes[..HEAD_BYTES]).is_ok(), "it was begun");
        assert_eq!(Group::read(&[0; PAGE_BYTES]), Err(Flaw::Strange));
    }
}
