//! The command line: Go's flag forms, our flags, and the options they lead to.
//!
//! nats-server's flags follow Go: one dash or two make no difference, a value
//! follows or is joined by `=`, a switch may be switched off with `=false`, and
//! everything after the first word that is no flag is left alone. So words are
//! first rewritten to the one form that clap takes (`--name=value`); clap types
//! the values and writes the help.
//!
//! A flag of nats-server that is not supported yet is refused by its name. Unlike
//! nats-server, which prints its usage and ends with 0, an unknown flag ends with 1.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgAction, CommandFactory, Parser};

use crate::config;
use crate::options::{CoreChoice, Options, Refusal, Requested};

const VERSION: &str = concat!("trunkline: v", env!("CARGO_PKG_VERSION"), " (NATS 2.15.2)");

/// What the process is to do.
#[derive(Debug)]
pub enum Command {
    /// Run a server.
    Start(Box<Start>),
    /// Print and end.
    Exit(Exit),
}

/// A server to run.
#[derive(Debug)]
pub struct Start {
    /// Its settings.
    pub options: Options,
    /// Where some of them came from.
    pub config_file: Option<PathBuf>,
    /// Lines for standard error, before the log begins.
    pub warnings: Vec<String>,
}

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
    fn refused(text: impl std::fmt::Display) -> Self {
        Exit {
            stderr: format!("trunkline: {text}\n"),
            status: 1,
            ..Exit::default()
        }
    }

    fn wrong_usage(text: impl std::fmt::Display) -> Self {
        Exit {
            stderr: format!("trunkline: {text}\n\n{}", help()),
            status: 1,
            ..Exit::default()
        }
    }
}

/// A server for NATS clients.
#[derive(Debug, Parser)]
#[command(
    name = "trunkline",
    about = "Trunkline: a messaging server for NATS clients",
    override_usage = "trunkline [OPTIONS]",
    disable_help_flag = true,
    disable_version_flag = true,
    next_line_help = false,
    max_term_width = 100,
    after_help = "Flags may begin with one dash or two, their values may follow or be joined by '='.\n\
                  -DV stands for -D -V. Flags override the configuration file.\n\
                  --cores auto runs one shard on every CPU that the affinity mask and the cgroup allow."
)]
struct Flags {
    /// Address to bind to [default: 0.0.0.0] (also --net)
    #[arg(short = 'a', long, value_name = "HOST", help_heading = "Server")]
    addr: Option<String>,
    /// Port for clients; -1 picks a free one [default: 4222]
    #[arg(short = 'p', long, value_name = "PORT", help_heading = "Server")]
    port: Option<i64>,
    /// Name of this server (also --server_name) [default: its identity]
    #[arg(short = 'n', long, value_name = "NAME", help_heading = "Server")]
    name: Option<String>,
    /// Configuration file
    #[arg(short = 'c', long, value_name = "FILE", help_heading = "Server")]
    config: Option<PathBuf>,
    /// Shards: a count (4), a list of CPUs (0-3,8), or auto [default: auto]
    #[arg(long, value_name = "CORES", help_heading = "Server")]
    cores: Option<String>,
    /// Log debugging information
    #[arg(short = 'D', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    debug: Option<bool>,
    /// Trace the protocol of every connection
    #[arg(short = 'V', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    trace: Option<bool>,
    /// Show the version
    #[arg(short = 'v', long, help_heading = "Common")]
    version: bool,
    /// Show this help
    #[arg(short = 'h', long, help_heading = "Common")]
    help: bool,
    /// `help` or `version`; anything else is refused
    #[arg(hide = true)]
    words: Vec<String>,
}

/// How a flag is written and what it stands for.
struct Spelling {
    name: &'static str,
    /// Long names in clap; several for `-DV`.
    stands_for: &'static [&'static str],
    is_switch: bool,
}

const fn switch(name: &'static str, stands_for: &'static [&'static str]) -> Spelling {
    Spelling {
        name,
        stands_for,
        is_switch: true,
    }
}

const fn valued(name: &'static str, stands_for: &'static [&'static str]) -> Spelling {
    Spelling {
        name,
        stands_for,
        is_switch: false,
    }
}

const SPELLINGS: &[Spelling] = &[
    valued("a", &["addr"]),
    valued("addr", &["addr"]),
    valued("net", &["addr"]),
    valued("p", &["port"]),
    valued("port", &["port"]),
    valued("n", &["name"]),
    valued("name", &["name"]),
    valued("server_name", &["name"]),
    valued("c", &["config"]),
    valued("config", &["config"]),
    valued("cores", &["cores"]),
    switch("D", &["debug"]),
    switch("debug", &["debug"]),
    switch("V", &["trace"]),
    switch("trace", &["trace"]),
    switch("DV", &["debug", "trace"]),
    switch("v", &["version"]),
    switch("version", &["version"]),
    switch("h", &["help"]),
    switch("help", &["help"]),
];

/// Flags of nats-server 2.15.2 that are refused by name.
const UNSUPPORTED: &[&str] = &[
    "DVV",
    "P",
    "T",
    "VV",
    "auth",
    "client_advertise",
    "cluster",
    "cluster_advertise",
    "cluster_listen",
    "cluster_name",
    "connect_retries",
    "help_tls",
    "http_port",
    "https_port",
    "jetstream",
    "js",
    "l",
    "log",
    "log_size_limit",
    "logtime",
    "logtime_utc",
    "m",
    "max_traced_msg_len",
    "ms",
    "no_advertise",
    "pass",
    "pid",
    "ports_file_dir",
    "profile",
    "r",
    "remote_syslog",
    "routes",
    "s",
    "sd",
    "signal",
    "sl",
    "store_dir",
    "syslog",
    "t",
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
    "user",
];

/// Decides what to do from the words after the program's name.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Command {
    match try_command(arguments) {
        Ok(start) => Command::Start(Box::new(start)),
        Err(exit) => Command::Exit(exit),
    }
}

fn try_command(arguments: impl IntoIterator<Item = OsString>) -> Result<Start, Exit> {
    let flags = parse(arguments)?;
    let mut requested = Requested::default();
    let mut warnings = Vec::new();
    if let Some(file) = &flags.config {
        warnings = load(file, &mut requested)?;
    }
    let config_file = flags.config.clone();
    flags.put_into(&mut requested)?;
    let options = requested.resolve().map_err(|refusal| match refusal {
        Refusal::Setting(text) => Exit::refused(text),
        Refusal::Listener(text) => Exit {
            fatal: Some(text),
            status: 1,
            ..Exit::default()
        },
    })?;
    Ok(Start {
        options,
        config_file,
        warnings,
    })
}

fn load(file: &Path, requested: &mut Requested) -> Result<Vec<String>, Exit> {
    let warnings = config::load(file, requested).map_err(Exit::refused)?;
    Ok(warnings.iter().map(ToString::to_string).collect())
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Flags, Exit> {
    let words = rewrite(arguments)?;
    let program = std::iter::once(OsString::from("trunkline"));
    let flags = Flags::try_parse_from(program.chain(words))
        .map_err(|error| Exit::wrong_usage(first_line(&error)))?;
    let word = flags.words.first().map(|word| word.to_lowercase());
    match word.as_deref() {
        _ if flags.version => Err(print(format!("{VERSION}\n"))),
        _ if flags.help => Err(print(help())),
        Some("version") => Err(print(format!("{VERSION}\n"))),
        Some("help") => Err(print(help())),
        Some(_) => Err(Exit::refused(format!(
            "unrecognized command: {:?}",
            flags.words[0]
        ))),
        None => Ok(flags),
    }
}

fn print(stdout: String) -> Exit {
    Exit {
        stdout,
        ..Exit::default()
    }
}

/// The help text, without colours.
pub fn help() -> String {
    Flags::command().render_help().to_string()
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// Rewrites Go's flag forms to `--name=value`. Stops, as Go does, at the first
/// word that is no flag and after a `--`.
fn rewrite(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, Exit> {
    let mut rewritten = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        let body = match text.strip_prefix('-') {
            Some(body) if !body.is_empty() => body.strip_prefix('-').unwrap_or(body),
            _ => {
                rewritten.push(OsString::from("--"));
                rewritten.push(argument);
                break;
            }
        };
        if body.is_empty() {
            rewritten.push(OsString::from("--"));
            break;
        }
        if body.starts_with(['-', '=']) {
            return Err(Exit::wrong_usage(format!("bad flag syntax: {text}")));
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (body, None),
        };
        let spelling = find(name)?;
        let value = match value {
            Some(value) if spelling.is_switch => OsString::from(switch_value(name, &value)?),
            Some(value) => value,
            None if spelling.is_switch => OsString::from("true"),
            None => arguments
                .next()
                .ok_or_else(|| Exit::wrong_usage(format!("flag needs an argument: -{name}")))?,
        };
        for long in spelling.stands_for {
            // The last one wins, where clap would refuse a second.
            let flag = format!("--{long}");
            rewritten.retain(|old: &OsString| {
                let old = old.to_string_lossy();
                old != flag.as_str() && !old.starts_with(&format!("{flag}="))
            });
            rewritten.extend(word(flag, &value));
        }
    }
    rewritten.extend(arguments);
    Ok(rewritten)
}

/// One flag as clap takes it. `--version` and `--help` take no value there.
fn word(flag: String, value: &OsString) -> Option<OsString> {
    let mut word = OsString::from(flag);
    if word == "--version" || word == "--help" {
        return (value == "true").then_some(word);
    }
    word.push("=");
    word.push(value);
    Some(word)
}

fn find(name: &str) -> Result<&'static Spelling, Exit> {
    let spelling = SPELLINGS.iter().find(|spelling| spelling.name == name);
    spelling.ok_or_else(|| {
        if UNSUPPORTED.contains(&name) {
            Exit::refused(format!("flag -{name} is not supported yet"))
        } else {
            Exit::wrong_usage(format!("flag provided but not defined: -{name}"))
        }
    })
}

/// The booleans of Go's flags.
fn switch_value(name: &str, value: &OsString) -> Result<&'static str, Exit> {
    match value.to_string_lossy().as_ref() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true"),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false"),
        other => Err(Exit::wrong_usage(format!(
            "invalid boolean value {other:?} for -{name}: parse error"
        ))),
    }
}

impl Flags {
    /// Overrides what a file said.
    fn put_into(self, requested: &mut Requested) -> Result<(), Exit> {
        fn set<T>(to: &mut T, flag: Option<T>) {
            if let Some(value) = flag {
                *to = value;
            }
        }
        set(&mut requested.host, self.addr);
        set(&mut requested.port, self.port);
        set(&mut requested.server_name, self.name);
        set(&mut requested.debug, self.debug);
        set(&mut requested.trace, self.trace);
        if let Some(cores) = self.cores {
            requested.cores = cores
                .parse::<CoreChoice>()
                .map_err(|text| Exit::refused(format!("--{text}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
