//! Where log lines go: standard error, a system log, or a file that is reopened
//! on demand and begins anew when it has grown to its limit.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::syslog::{Severity, Syslog, SyslogAddress};
use trunkline_core::base::shown::quoted;

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

/// Where lines are to go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Stderr,
    /// A file.
    File(LogFile),
    /// A system log.
    Syslog(SyslogAddress),
}

/// One line of the log in its forms.
pub(super) struct Line<'a> {
    /// How much it matters.
    pub(super) severity: Severity,
    /// What it says.
    pub(super) text: &'a str,
    /// With process number, time and label.
    pub(super) full: &'a str,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard error.
    Stderr,
    /// A system log.
    Syslog(Syslog),
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
    /// Opens what lines are to go to.
    pub(super) fn open(target: LogTarget) -> Result<Self, String> {
        match target {
            LogTarget::Stderr => Ok(Self::Stderr),
            LogTarget::File(file) => {
                let path = file.path.clone();
                Self::append(file)
                    .map_err(|failure| format!("error opening file: {}: {failure}", path.display()))
            }
            LogTarget::Syslog(address) => Syslog::open(address)
                .map(Self::Syslog)
                .map_err(|failure| format!("error connecting to syslog: \"{failure}\"")),
        }
    }

    /// Opens a file to append to.
    fn append(settings: LogFile) -> std::io::Result<Self> {
        let file = open(&settings.path)?;
        let len = file.metadata()?.len();
        Ok(Self::File {
            settings,
            file,
            len,
        })
    }

    /// Opens the file of the same name again, after somebody has moved it;
    /// false: it is no file.
    pub(super) fn reopen(&mut self) -> std::io::Result<bool> {
        let Self::File { settings, .. } = self else {
            return Ok(false);
        };
        *self = Self::append(settings.clone())?;
        Ok(true)
    }

    /// Writes a line. A log that cannot be written has nobody to complain to.
    /// Returns what the new file has to say of the one put aside.
    pub(super) fn write(&mut self, line: &Line<'_>) -> Vec<String> {
        match self {
            Self::Stderr => {
                let _ = std::io::stderr().lock().write_all(line.full.as_bytes());
            }
            Self::Syslog(log) => log.write(line.severity, line.text),
            Self::File {
                settings,
                file,
                len,
            } => {
                let _ = file.write_all(line.full.as_bytes());
                *len += line.full.len() as u64;
                if settings.size_limit_bytes > 0 && *len > settings.size_limit_bytes {
                    // If the file cannot be put aside it goes on to grow.
                    if let Ok((new, notes)) = rotate(settings) {
                        (*file, *len) = (new, 0);
                        return notes;
                    }
                }
            }
        }
        Vec::new()
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Puts the file aside under a name with the time, as nats-server does, and
/// removes the oldest ones.
fn rotate(settings: &LogFile) -> std::io::Result<(File, Vec<String>)> {
    let now = Zoned::now();
    let stamp = now.strftime("%Y.%m.%d.%H.%M.%S.%9f");
    let mut aside = settings.path.as_os_str().to_owned();
    aside.push(format!(".{stamp}"));
    std::fs::rename(&settings.path, &aside)?;
    let file = open(&settings.path)?;
    let aside = PathBuf::from(aside);
    let mut notes = vec![format!("Rotated log, backup saved as {}", shown(&aside))];
    if settings.files_max > 0 {
        remove_oldest(settings, &mut notes);
    }
    Ok((file, notes))
}

/// The name of a file in quotes.
fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy()).to_string()
}

fn remove_oldest(settings: &LogFile, notes: &mut Vec<String>) {
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
        let name = Path::new(path.file_name().unwrap_or_default());
        notes.push(match std::fs::remove_file(path) {
            Ok(()) => format!("Purged log file {}", shown(name)),
            Err(failure) => format!(
                "Unable to remove backup log file {} ({failure}), will attempt next rotation",
                shown(name)
            ),
        });
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
        let file = LogFile {
            path: path.clone(),
            size_limit_bytes: 100,
            files_max: 3,
        };
        let mut sink = Sink::open(LogTarget::File(file)).unwrap();
        let line = |full| Line {
            severity: Severity::Notice,
            text: "",
            full,
        };
        let mut notes = Vec::new();
        for _ in 0..50 {
            notes.extend(sink.write(&line("a line of twenty by\n")));
        }
        let begins = |text: &str| notes.iter().filter(|note| note.starts_with(text)).count();
        assert_eq!(begins("Rotated log, backup saved as \""), 8);
        assert_eq!(begins("Purged log file \"a.log."), 6);
        let files = std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(files, 3);
        std::fs::rename(&path, directory.join("moved")).unwrap();
        assert!(sink.reopen().unwrap());
        sink.write(&line("new\n"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
