//! Where log lines go: standard error, or a file that is reopened on demand and
//! begins anew when it has grown to its limit.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Zoned;

/// A file for the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogFile {
    /// Its name.
    pub path: PathBuf,
    /// Bytes after which it is put aside; zero: never.
    pub size_limit_bytes: u64,
    /// Files that are kept, the current one included; zero: all.
    pub files_max: usize,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard error.
    Stderr,
    /// A file.
    File {
        /// Its settings.
        settings: LogFile,
        /// It is open.
        file: File,
        /// Bytes in it.
        len: u64,
    },
}

impl Sink {
    /// Opens a file to append to.
    pub(super) fn open(settings: LogFile) -> std::io::Result<Self> {
        let file = open(&settings.path)?;
        let len = file.metadata()?.len();
        Ok(Self::File {
            settings,
            file,
            len,
        })
    }

    /// Opens the file of the same name again, after somebody has moved it.
    pub(super) fn reopen(&mut self) -> std::io::Result<()> {
        if let Self::File { settings, .. } = self {
            *self = Self::open(settings.clone())?;
        }
        Ok(())
    }

    /// Writes a line. A log that cannot be written has nobody to complain to.
    pub(super) fn write(&mut self, line: &str) {
        match self {
            Self::Stderr => {
                let _ = std::io::stderr().lock().write_all(line.as_bytes());
            }
            Self::File {
                settings,
                file,
                len,
            } => {
                let _ = file.write_all(line.as_bytes());
                *len += line.len() as u64;
                if settings.size_limit_bytes > 0 && *len > settings.size_limit_bytes {
                    // If the file cannot be put aside it goes on to grow.
                    if let Ok(new) = rotate(settings) {
                        (*file, *len) = (new, 0);
                    }
                }
            }
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Puts the file aside under a name with the time, as nats-server does, and
/// removes the oldest ones.
fn rotate(settings: &LogFile) -> std::io::Result<File> {
    let now = Zoned::now();
    let stamp = now.strftime("%Y.%m.%d.%H.%M.%S.%9f");
    let mut aside = settings.path.as_os_str().to_owned();
    aside.push(format!(".{stamp}"));
    std::fs::rename(&settings.path, &aside)?;
    let file = open(&settings.path)?;
    if settings.files_max > 0 {
        remove_oldest(settings);
    }
    Ok(file)
}

fn remove_oldest(settings: &LogFile) {
    let directory = settings
        .path
        .parent()
        .filter(|path| !path.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let Some(name) = settings.path.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    let prefix = format!("{name}.");
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let is_stamp = |rest: &str| {
        rest.bytes()
            .all(|byte| byte == b'.' || byte.is_ascii_digit())
    };
    let mut aside: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            rest.is_some_and(is_stamp)
        })
        .map(|entry| entry.path())
        .collect();
    // Their names sort by time.
    aside.sort();
    let keep = settings.files_max - 1;
    for path in aside.iter().take(aside.len().saturating_sub(keep)) {
        // What cannot be removed now is tried again next time.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_put_aside_and_reopened() {
        let directory = std::env::temp_dir().join(format!("log-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("a.log");
        let mut sink = Sink::open(LogFile {
            path: path.clone(),
            size_limit_bytes: 100,
            files_max: 3,
        })
        .unwrap();
        for _ in 0..50 {
            sink.write("a line of twenty by\n");
        }
        let files = std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(files, 3);
        std::fs::rename(&path, directory.join("moved")).unwrap();
        sink.reopen().unwrap();
        sink.write("new\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
