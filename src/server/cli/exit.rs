//! The end of the process in place of a start, with what it says.

use clap::CommandFactory;

use super::flags::Flags;
use crate::program;

/// The end of the process.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Exit {
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
    /// To be written as a fatal log line (`logging::fatal`) instead.
    pub fatal: Option<String>,
    /// Exit status.
    pub status: u8,
}

impl Exit {
    /// With the reason why the server does not start.
    pub(super) fn refused(text: impl std::fmt::Display) -> Self {
        Exit {
            stderr: format!("{}: {text}\n", program::prefix()),
            status: 1,
            ..Exit::default()
        }
    }

    /// With what is wrong with the command line.
    pub(super) fn wrong_usage(text: impl std::fmt::Display) -> Self {
        // nats-server ends with 0 here, after the bare text (NATS 2.15).
        let (prefix, status) = match program::is_stand_in() {
            true => (String::new(), 0),
            false => (format!("{}: ", program::prefix()), 1),
        };
        let usage = if program::is_stand_in() { "" } else { "\n" };
        let (stdout, usage) = match program::is_stand_in() {
            true => (help(), usage.to_owned()),
            false => (String::new(), format!("{usage}{}", help())),
        };
        Exit {
            stdout,
            stderr: format!("{prefix}{text}\n{usage}"),
            status,
            ..Exit::default()
        }
    }
}

/// The help text, without colours. Under the name of nats-server it is that one's
/// (2.15.3), since scripts and people look for its words.
pub(super) fn help() -> String {
    match program::is_stand_in() {
        true => include_str!("nats_server_help.txt").to_owned(),
        false => Flags::command().render_help().to_string(),
    }
}
