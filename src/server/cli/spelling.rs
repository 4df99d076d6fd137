//! How flags are spelled: Go's forms of them, rewritten to the one that clap takes.

use std::ffi::OsString;
use std::num::IntErrorKind;

use super::exit::Exit;
use crate::{nearest, program};
use trunkline_core::base::shown::quoted;

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
    switch("js", &["jetstream"]),
    switch("jetstream", &["jetstream"]),
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
    valued("test_reload", &["test_reload"]),
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

/// Flags of nats-server 2.15.3 that are refused by name.
pub(super) const UNSUPPORTED: &[&str] = &[
    "cluster",
    "cluster_advertise",
    "cluster_listen",
    "cluster_name",
    "connect_retries",
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
        "invalid value {text} for flag -{name}: {reason}",
        text = quoted(&text)
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
            // nats-server asks nothing.
            let question = match program::is_stand_in() {
                true => String::new(),
                false => nearest::question(name, SPELLINGS.iter().map(|one| one.name)),
            };
            Exit::wrong_usage(format!("flag provided but not defined: -{name}{question}"))
        }
    })
}

/// The booleans of Go's flags.
fn switch_value(name: &str, value: &OsString) -> Result<&'static str, Exit> {
    let text = value.to_string_lossy();
    let is_verify = name == "tlsverify";
    match text.as_ref() {
        text if is_verify && text.eq_ignore_ascii_case("optional") => Ok("optional"),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok("true"),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok("false"),
        other if is_verify => Err(Exit::wrong_usage(format!(
            "invalid boolean value {other} for -{name}: expected true, false, or optional",
            other = quoted(other)
        ))),
        other => Err(Exit::wrong_usage(format!(
            "invalid boolean value {other} for -{name}: parse error",
            other = quoted(&other)
        ))),
    }
}
