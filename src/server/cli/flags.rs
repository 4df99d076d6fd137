//! The flags: their spellings, and Go's forms of them rewritten to the one that
//! clap takes.

use std::ffi::OsString;
use std::num::IntErrorKind;
use std::path::PathBuf;

use clap::{ArgAction, Parser};

use super::Exit;

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
pub(super) struct Flags {
    /// Address to bind to [default: 0.0.0.0] (also --net)
    #[arg(short = 'a', long, value_name = "HOST", help_heading = "Server")]
    pub(super) addr: Option<String>,
    /// Port for clients; -1 picks a free one [default: 4222]
    #[arg(short = 'p', long, value_name = "PORT", help_heading = "Server")]
    pub(super) port: Option<i64>,
    /// Name of this server (also --server_name) [default: its identity]
    #[arg(short = 'n', long, value_name = "NAME", help_heading = "Server")]
    pub(super) name: Option<String>,
    /// Configuration file
    #[arg(short = 'c', long, value_name = "FILE", help_heading = "Server")]
    pub(super) config: Option<PathBuf>,
    /// Shards: a count (4), a list of CPUs (0-3,8), or auto [default: auto]
    #[arg(long, value_name = "CORES", help_heading = "Server")]
    pub(super) cores: Option<String>,
    /// File to write the process number to
    #[arg(short = 'P', long, value_name = "FILE", help_heading = "Server")]
    pub(super) pid: Option<PathBuf>,
    /// Port for monitoring over HTTP (also --http_port)
    #[arg(
        short = 'm',
        long = "http_port",
        value_name = "PORT",
        help_heading = "Server"
    )]
    pub(super) http_port: Option<i64>,
    /// Port for monitoring over HTTPS (also -ms)
    #[arg(long = "https_port", value_name = "PORT", help_heading = "Server")]
    pub(super) https_port: Option<i64>,
    /// Directory for the file that names the ports
    #[arg(long = "ports_file_dir", value_name = "DIR", help_heading = "Server")]
    pub(super) ports_file_dir: Option<PathBuf>,
    /// Host and port that clients are told to connect to
    #[arg(
        long = "client_advertise",
        value_name = "HOST:PORT",
        help_heading = "Server"
    )]
    pub(super) client_advertise: Option<String>,
    /// Directory of streams (also --store_dir); kept until there are streams
    #[arg(long = "store_dir", value_name = "DIR", help_heading = "Server")]
    pub(super) store_dir: Option<PathBuf>,
    /// Check the configuration file and end
    #[arg(short = 't', help_heading = "Server")]
    pub(super) check: bool,
    /// Send a signal to a running server: stop, quit, term, reopen, reload or ldm, perhaps
    /// followed by =PID or =FILE
    #[arg(long, value_name = "SIGNAL", help_heading = "Server")]
    pub(super) signal: Option<String>,
    /// User that may connect
    #[arg(long, value_name = "NAME", help_heading = "Authorization")]
    pub(super) user: Option<String>,
    /// Its password
    #[arg(long, value_name = "PASSWORD", help_heading = "Authorization")]
    pub(super) pass: Option<String>,
    /// Token of those who may connect
    #[arg(long, value_name = "TOKEN", help_heading = "Authorization")]
    pub(super) auth: Option<String>,
    /// Speak TLS
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "TLS")]
    pub(super) tls: Option<bool>,
    /// Demand and check certificates of clients
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "TLS")]
    pub(super) tlsverify: Option<bool>,
    /// File with the certificate
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) tlscert: Option<PathBuf>,
    /// File with its key
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) tlskey: Option<PathBuf>,
    /// File with the authorities of client certificates
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) tlscacert: Option<PathBuf>,
    /// File to write the log to
    #[arg(short = 'l', long, value_name = "FILE", help_heading = "Logging")]
    pub(super) log: Option<PathBuf>,
    /// Timestamps in the log [default: true]
    #[arg(short = 'T', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) logtime: Option<bool>,
    /// Timestamps in UTC
    #[arg(long = "logtime_utc", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) logtime_utc: Option<bool>,
    /// Bytes after which a new log file begins
    #[arg(
        long = "log_size_limit",
        value_name = "BYTES",
        help_heading = "Logging"
    )]
    pub(super) log_size_limit: Option<i64>,
    /// Log to the system's log
    #[arg(short = 's', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) syslog: Option<bool>,
    /// Log to another machine: udp://host:514, tcp://host:514
    #[arg(
        short = 'r',
        long = "remote_syslog",
        value_name = "URL",
        help_heading = "Logging"
    )]
    pub(super) remote_syslog: Option<String>,
    /// Log debugging information
    #[arg(short = 'D', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) debug: Option<bool>,
    /// Trace the protocol of every connection
    #[arg(short = 'V', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", hide_possible_values = true,
          help_heading = "Logging")]
    pub(super) trace: Option<bool>,
    /// Bytes of a payload in traces [default: all]
    #[arg(
        long = "max_traced_msg_len",
        value_name = "BYTES",
        help_heading = "Logging"
    )]
    pub(super) max_traced_msg_len: Option<i64>,
    /// Show the version
    #[arg(short = 'v', long, help_heading = "Common")]
    pub(super) version: bool,
    /// Show this help
    #[arg(short = 'h', long, help_heading = "Common")]
    pub(super) help: bool,
    /// Say how TLS is configured
    #[arg(long = "help_tls", help_heading = "Common")]
    pub(super) help_tls: bool,
    /// `help` or `version`; anything else is refused
    #[arg(hide = true)]
    pub(super) words: Vec<String>,
}

/// How a flag is written and what it stands for.
struct Spelling {
    name: &'static str,
    /// Long names in clap; several for `-DV`.
    stands_for: &'static [&'static str],
    takes: Takes,
}

/// The value of a flag.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Takes {
    /// Perhaps a boolean, joined by `=`.
    Switch,
    /// Anything.
    Text,
    /// An integer.
    Number,
}

const fn spelling(
    name: &'static str,
    stands_for: &'static [&'static str],
    takes: Takes,
) -> Spelling {
    Spelling {
        name,
        stands_for,
        takes,
    }
}

const fn switch(name: &'static str, stands_for: &'static [&'static str]) -> Spelling {
    spelling(name, stands_for, Takes::Switch)
}

const fn valued(name: &'static str, stands_for: &'static [&'static str]) -> Spelling {
    spelling(name, stands_for, Takes::Text)
}

const fn number(name: &'static str, stands_for: &'static [&'static str]) -> Spelling {
    spelling(name, stands_for, Takes::Number)
}

const SPELLINGS: &[Spelling] = &[
    valued("a", &["addr"]),
    valued("addr", &["addr"]),
    valued("net", &["addr"]),
    number("p", &["port"]),
    number("port", &["port"]),
    valued("n", &["name"]),
    valued("name", &["name"]),
    valued("server_name", &["name"]),
    valued("c", &["config"]),
    valued("config", &["config"]),
    valued("cores", &["cores"]),
    valued("P", &["pid"]),
    valued("pid", &["pid"]),
    number("m", &["http_port"]),
    number("http_port", &["http_port"]),
    number("ms", &["https_port"]),
    number("https_port", &["https_port"]),
    valued("ports_file_dir", &["ports_file_dir"]),
    valued("client_advertise", &["client_advertise"]),
    valued("sd", &["store_dir"]),
    valued("store_dir", &["store_dir"]),
    valued("sl", &["signal"]),
    valued("signal", &["signal"]),
    valued("user", &["user"]),
    valued("pass", &["pass"]),
    valued("auth", &["auth"]),
    valued("l", &["log"]),
    valued("log", &["log"]),
    number("log_size_limit", &["log_size_limit"]),
    number("max_traced_msg_len", &["max_traced_msg_len"]),
    switch("s", &["syslog"]),
    switch("syslog", &["syslog"]),
    valued("r", &["remote_syslog"]),
    valued("remote_syslog", &["remote_syslog"]),
    switch("tls", &["tls"]),
    switch("tlsverify", &["tlsverify"]),
    valued("tlscert", &["tlscert"]),
    valued("tlskey", &["tlskey"]),
    valued("tlscacert", &["tlscacert"]),
    switch("t", &["check"]),
    switch("T", &["logtime"]),
    switch("logtime", &["logtime"]),
    switch("logtime_utc", &["logtime_utc"]),
    switch("VV", &["trace"]),
    switch("DVV", &["debug", "trace"]),
    switch("D", &["debug"]),
    switch("debug", &["debug"]),
    switch("V", &["trace"]),
    switch("trace", &["trace"]),
    switch("DV", &["debug", "trace"]),
    switch("v", &["version"]),
    switch("version", &["version"]),
    switch("h", &["help"]),
    switch("help", &["help"]),
    switch("help_tls", &["help_tls"]),
];

/// Flags of nats-server 2.15.2 that are refused by name.
pub(super) const UNSUPPORTED: &[&str] = &[
    "cluster",
    "cluster_advertise",
    "cluster_listen",
    "cluster_name",
    "connect_retries",
    "jetstream",
    "js",
    "no_advertise",
    "profile",
    "routes",
];

/// Rewrites Go's flag forms to `--name=value`. Stops, as Go does, at the first
/// word that is no flag and after a `--`.
pub(super) fn rewrite(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, Exit> {
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
        let is_switch = spelling.takes == Takes::Switch;
        let value = match value {
            Some(value) if is_switch => OsString::from(switch_value(name, &value)?),
            Some(value) => value,
            None if is_switch => OsString::from("true"),
            None => arguments
                .next()
                .ok_or_else(|| Exit::wrong_usage(format!("flag needs an argument: -{name}")))?,
        };
        if spelling.takes == Takes::Number {
            check_number(name, &value.to_string_lossy())?;
        }
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

/// In the words of Go's flags.
fn check_number(name: &str, text: &str) -> Result<(), Exit> {
    let reason = match text.parse::<i64>().map_err(|bad| *bad.kind()) {
        Ok(_) => return Ok(()),
        Err(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => "value out of range",
        Err(_) => "parse error",
    };
    Err(Exit::wrong_usage(format!(
        "invalid value {text:?} for flag -{name}: {reason}"
    )))
}

/// One flag as clap takes it. `--version`, `--help` and `-t` take no value there,
/// and the last has no long form.
fn word(flag: String, value: &OsString) -> Option<OsString> {
    let mut word = OsString::from(flag);
    if word == "--check" {
        word = OsString::from("-t");
    }
    let takes_no_value = ["--version", "--help", "--help_tls", "-t"];
    if takes_no_value.iter().any(|flag| word == *flag) {
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
