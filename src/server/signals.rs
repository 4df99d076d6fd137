//! `--signal`: finding running servers and sending them a signal, with the words
//! of nats-server.
//!
//! Unlike there, numbers that stand for groups of processes (0, negative ones)
//! are no pids: `--signal stop=-1` would end everything.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::{io_failure, program};
use trunkline_core::base::shown::quoted;

/// Sends what `command` says: `reload`, `reload=PID`, `reload=FILE` with the pid
/// in it, or `reload=12*` for all servers whose pids begin so.
pub fn send(command: &str) -> Result<(), String> {
    let parts: Vec<&str> = command.split('=').collect();
    let (name, whom) = match parts[..] {
        [name] => (name, String::new()),
        [name, whom] => (name, file_or_text(whom)),
        _ => {
            return Err(format!(
                "invalid signal parameters: [{}]",
                parts[2..].join(" ")
            ));
        }
    };
    let (prefix, is_pattern) = match whom.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (&*whom, false),
    };
    let named = match prefix {
        "" => None,
        text => Some(pid(text).ok_or_else(|| format!("invalid pid: {text}"))?),
    };
    let pids = match named {
        Some(pid) if !is_pattern => vec![pid],
        _ => running()?,
    };
    let program = program::name();
    if pids.len() > 1 && !is_pattern {
        let list: String = pids.iter().map(|pid| format!("\n{pid}")).collect();
        return Err(format!("multiple {program} processes running:{list}"));
    }
    if pids.is_empty() {
        return Err(format!("no {program} processes running"));
    }
    let signal =
        signal(name).ok_or_else(|| format!("unknown signal {name}", name = quoted(&name)))?;
    let failures: String = pids
        .into_iter()
        .filter(|pid| pid.to_string().starts_with(prefix))
        .filter_map(|pid| {
            let failure = kill_process(pid, signal).err()?;
            let reason = io_failure::describe(&failure.into());
            Some(format!(
                "\nsignal {name} {pid}: {reason}",
                name = quoted(&name)
            ))
        })
        .collect();
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures),
    }
}

fn signal(name: &str) -> Option<Signal> {
    Some(match name {
        "stop" => Signal::KILL,
        "quit" => Signal::INT,
        "term" => Signal::TERM,
        "reopen" => Signal::USR1,
        "reload" => Signal::HUP,
        "ldm" => Signal::USR2,
        _ => return None,
    })
}

/// What stands in the file of this name, if there is one.
fn file_or_text(whom: &str) -> String {
    match std::fs::read_to_string(whom) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => whom.to_owned(),
    }
}

fn pid(text: &str) -> Option<Pid> {
    let number = text.parse().ok().filter(|&number: &i32| number > 0)?;
    Pid::from_raw(number)
}

/// The other processes of this program's name.
fn running() -> Result<Vec<Pid>, String> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc")
        .map_err(|_| "unable to resolve pid, try providing one".to_owned())?;
    let pids = entries.flatten().filter_map(|entry| {
        let number = entry.file_name();
        let number = number.to_str()?;
        let words = std::fs::read(entry.path().join("cmdline")).ok()?;
        let word = words.split(|&byte| byte == 0).next()?;
        let name = Path::new(std::str::from_utf8(word).ok()?).file_name()?;
        (number != own.to_string() && name == program::name())
            .then(|| pid(number))
            .flatten()
    });
    Ok(pids.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let nowhere = send("reload=/no/such/file");
        assert_eq!(nowhere, Err("invalid pid: /no/such/file".to_owned()));
        for group in ["0", "-1", "-5"] {
            let refused = send(&format!("stop={group}"));
            assert_eq!(refused, Err(format!("invalid pid: {group}")));
        }
        let gone = send("reload=2147483647");
        let expected = "\nsignal \"reload\" 2147483647: no such process";
        assert_eq!(gone, Err(expected.to_owned()));
        let unknown = send(&format!("dance={}", std::process::id()));
        assert_eq!(unknown, Err("unknown signal \"dance\"".to_owned()));
        let words = send("reload=1=2=3");
        assert_eq!(words, Err("invalid signal parameters: [2 3]".to_owned()));
    }
}
