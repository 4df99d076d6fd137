//! The directory of a store: whose it is, how it is divided, and that nobody else has it.
//!
//! ```text
//! <store_dir>/jetstream/format              version and number of partitions
//!                       lock                locked while a server has the store
//!                       spare-<n>.log       files that wait to be used again
//!                       partition-<n>/<number>.log
//! ```
//!
//! The number of partitions is decided when the store is made: streams are spread over them by their
//! names. Texts are nats-server's where it has one.
//!
//! Not here: the files of a partition (`log_files`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use trunkline_core::base::shown::quoted;
use trunkline_core::store::disk::PartitionId;

use super::files::sync_directory;
use crate::io_failure;

/// The version of all that is written into a store.
const VERSION: u32 = 1;

/// More partitions than a store is made with.
const PARTITIONS_MAX: u16 = 1024;

/// What a format file has at most.
const FORMAT_BYTES_MAX: u64 = 4096;

const FORMAT: &str = "format";
const LOCK: &str = "lock";

/// A store that this process has to itself.
#[derive(Debug)]
pub struct StoreDirectory {
    path: PathBuf,
    partitions: u16,
    /// Locked as long as it is open.
    _lock: File,
}

impl StoreDirectory {
    /// Opens the store in a directory, or makes one with so many partitions.
    ///
    /// # Errors
    /// Why it cannot be used, for people.
    pub fn open(store_dir: &Path, partitions: u16) -> Result<Self, String> {
        make_directory(store_dir)?;
        let path = store_dir.join("jetstream");
        make_directory(&path)?;
        let failed = |failure: io::Error| failed(&path, &failure);
        let is_new = match fs::symlink_metadata(path.join(FORMAT)) {
            Ok(_) => false,
            Err(failure) if failure.kind() == io::ErrorKind::NotFound => {
                refuse_strangers(&path)?;
                true
            }
            Err(failure) => return Err(failed(failure)),
        };
        let lock = lock(&path)?;
        let partitions = match is_new {
            true => {
                write_format(&path, partitions).map_err(failed)?;
                partitions
            }
            false => read_format(&path)?,
        };
        let store = Self {
            path,
            partitions,
            _lock: lock,
        };
        for partition in store.partition_ids() {
            make_directory(&store.partition(partition))?;
        }
        let synced = sync_directory(&store.path).and_then(|()| sync_directory(store_dir));
        synced.map_err(|failure| self::failed(&store.path, &failure))?;
        Ok(store)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All partitions.
    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partitions).map(PartitionId)
    }

    /// The directory of a partition.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> PathBuf {
        self.path.join(format!("partition-{}", partition.0))
    }
}

/// Anybody's but this user's it is not.
fn make_directory(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err("storage directory is not a directory".to_owned()),
        Err(failure) if failure.kind() == io::ErrorKind::NotADirectory => {
            return Err("storage directory is not a directory".to_owned());
        }
        Err(_) => {}
    }
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path);
    made.map_err(|failure| {
        let reason = io_failure::describe(&failure);
        let path = path.display();
        format!("could not create storage directory - mkdir {path}: {reason}")
    })
}

/// A directory in which something stands, and no store, is somebody else's.
fn refuse_strangers(path: &Path) -> Result<(), String> {
    let entries = fs::read_dir(path).map_err(|failure| failed(path, &failure))?;
    // A start that was cut off leaves these two.
    let unfinished = Path::new(FORMAT).with_extension("new");
    let is_stranger = |name: &std::ffi::OsStr| name != LOCK && name != unfinished.as_os_str();
    let mut names = entries.flatten().map(|entry| entry.file_name());
    match names.find(|name| is_stranger(name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "storage directory {} holds {}, which is not of a store of trunkline; the store of a \
             nats-server cannot be taken over: name another directory with --store_dir",
            path.display(),
            quoted(&name.to_string_lossy())
        )),
    }
}

/// Keeps every other server out.
fn lock(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join(LOCK));
    let mut file = file.map_err(|failure| failed(path, &failure))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Whoever has it may be about to write its number.
            let _ = (&file).take(20).read_to_string(&mut holder);
            let holder = match holder.trim().parse::<u32>() {
                Ok(process) => format!("process {process}"),
                Err(_) => "another server".to_owned(),
            };
            return Err(format!(
                "storage directory {} is in use by {holder}: name another one with --store_dir, or keep \
                 no streams with --jetstream=false",
                path.display()
            ));
        }
        Err(TryLockError::Error(failure)) => return Err(failed(path, &failure)),
    }
    let noted = file
        .set_len(0)
        .and_then(|()| write!(file, "{}", std::process::id()));
    noted.map_err(|failure| failed(path, &failure))?;
    Ok(file)
}

/// Why the system does not let a store be used.
fn failed(path: &Path, failure: &io::Error) -> String {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match failure.kind() {
        PermissionDenied | ReadOnlyFilesystem => "storage directory is not writable".to_owned(),
        _ => format!(
            "storage directory {}: {}",
            path.display(),
            io_failure::describe(failure)
        ),
    }
}

/// There for good when it returns; before, the store is none.
fn write_format(path: &Path, partitions: u16) -> io::Result<()> {
    let format = path.join(FORMAT);
    let unfinished = format.with_extension("new");
    let mut file = File::create(&unfinished)?;
    write!(
        file,
        "trunkline store\nversion {VERSION}\npartitions {partitions}\n"
    )?;
    file.sync_all()?;
    fs::rename(&unfinished, &format)?;
    sync_directory(path)
}

/// The number of partitions.
fn read_format(path: &Path) -> Result<u16, String> {
    let format = path.join(FORMAT);
    let mut text = String::new();
    let read =
        File::open(&format).and_then(|file| file.take(FORMAT_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|failure| failed(&format, &failure))?;
    let mut lines = text.lines();
    let is_store = lines.next() == Some("trunkline store");
    let mut number = |name: &str| lines.next()?.strip_prefix(name)?.parse::<u32>().ok();
    let version = number("version ").filter(|_| is_store);
    match version {
        Some(VERSION) => {}
        Some(version) => {
            return Err(format!(
                "{} is of version {version}, this server knows version {VERSION}",
                format.display()
            ));
        }
        None => return Err(format!("{} is damaged", format.display())),
    }
    let partitions = number("partitions ").and_then(|number| u16::try_from(number).ok());
    let partitions = partitions.filter(|number| (1..=PARTITIONS_MAX).contains(number));
    partitions.ok_or_else(|| format!("{} is damaged", format.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::files::tests::scratch;

    #[test]
    fn a_store_keeps_its_partitions() {
        let directory = scratch("partitions");
        let store = StoreDirectory::open(&directory, 3).unwrap();
        assert_eq!(store.partition_ids().count(), 3);
        assert!(store.partition(PartitionId(2)).is_dir());
        drop(store);
        let store = StoreDirectory::open(&directory, 5).unwrap();
        assert_eq!(store.partition_ids().count(), 3);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_store_has_one_server() {
        let directory = scratch("lock");
        let store = StoreDirectory::open(&directory, 1).unwrap();
        let refusal = StoreDirectory::open(&directory, 1).unwrap_err();
        let process = format!("is in use by process {}:", std::process::id());
        assert!(refusal.contains(&process), "{refusal}");
        drop(store);
        StoreDirectory::open(&directory, 1).unwrap();
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn what_is_no_store_is_refused_and_left_alone() {
        let directory = scratch("strangers");
        let inner = directory.join("jetstream");
        let refusal = || StoreDirectory::open(&directory, 1).unwrap_err();
        fs::create_dir_all(inner.join("$G/streams")).unwrap();
        assert!(refusal().contains("holds \"$G\""), "{}", refusal());
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
        fs::remove_dir_all(&inner).unwrap();
        fs::write(&inner, "x").unwrap();
        assert_eq!(refusal(), "storage directory is not a directory");
        fs::remove_file(&inner).unwrap();
        drop(StoreDirectory::open(&directory, 1).unwrap());
        for (text, expected) in [
            ("trunkline store\nversion 2\npartitions 1\n", "version 2"),
            ("trunkline store\nversion 1\npartitions 0\n", "is damaged"),
            ("trunkline store\nversion 1\n", "is damaged"),
            ("something\nversion 1\npartitions 1\n", "is damaged"),
        ] {
            fs::write(inner.join(FORMAT), text).unwrap();
            assert!(refusal().contains(expected), "{text}: {}", refusal());
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
