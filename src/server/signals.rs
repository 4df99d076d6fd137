//! `--signal`: finding a running server and sending it a signal.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::program;

/// Sends what `command` says: `reload`, or `reload=PID`, or `reload=FILE` with
/// the pid in it.
pub fn send(command: &str) -> Result<(), String> {
    let (name, whom) = match command.split_once('=') {
        Some((name, whom)) => (name, Some(whom)),
        None => (command, None),
    };
    let signal = match name {
        "stop" => Signal::KILL,
        "quit" => Signal::INT,
        "term" => Signal::TERM,
        "reopen" => Signal::USR1,
        "reload" => Signal::HUP,
        "ldm" => Signal::USR2,
        _ => return Err(format!("unknown signal {name:?}")),
    };
    let pid = match whom {
        Some(whom) => named(whom)?,
        None => only_one()?,
    };
    kill_process(pid, signal).map_err(|failure| format!("signal {name:?} failed: {failure}"))
}

fn named(whom: &str) -> Result<Pid, String> {
    let invalid = || format!("invalid pid: {whom}");
    let text = match whom.parse::<i32>() {
        Ok(_) => whom.to_owned(),
        Err(_) => std::fs::read_to_string(whom).map_err(|_| invalid())?,
    };
    let number = text.trim().parse().map_err(|_| invalid())?;
    Pid::from_raw(number).ok_or_else(invalid)
}

/// The one other process of this program's name.
fn only_one() -> Result<Pid, String> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").map_err(|failure| failure.to_string())?;
    let pids = entries.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let words = std::fs::read(entry.path().join("cmdline")).ok()?;
        let word = words.split(|&byte| byte == 0).next()?;
        let name = Path::new(std::str::from_utf8(word).ok()?).file_name()?;
        (pid != own && name == program::name()).then_some(pid)
    });
    let pids: Vec<u32> = pids.collect();
    match pids[..] {
        [] => Err(format!("no {} processes running", program::name())),
        [pid] => Pid::from_raw(pid.cast_signed()).ok_or_else(|| "invalid pid".to_owned()),
        _ => {
            let list: Vec<String> = pids.iter().map(u32::to_string).collect();
            let name = program::name();
            Err(format!(
                "multiple {name} processes running:\n{}",
                list.join("\n")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        assert_eq!(send("dance"), Err("unknown signal \"dance\"".to_owned()));
        let nowhere = send("reload=/no/such/file");
        assert_eq!(nowhere, Err("invalid pid: /no/such/file".to_owned()));
        assert_eq!(send("reload=0"), Err("invalid pid: 0".to_owned()));
    }
}
