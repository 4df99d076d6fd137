//! The progress as a terminal sees it: one line, never wider than the terminal, taken away in the end; and nothing where
//! there is no terminal.

#![allow(clippy::unwrap_used)]

mod fake;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use fake::{Fake, Fault};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What the program writes to a terminal of so many columns; to stderr alone if `piped`.
fn on_terminal(columns: u16, arguments: &str, piped: bool) -> String {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let far: OwnedFd = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&far, size).unwrap();
    let stdout = match piped {
        true => Stdio::null(),
        false => far.try_clone().unwrap().into(),
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments.split_whitespace())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::from(far))
        .spawn()
        .unwrap();
    let mut text = Vec::new();
    // Ends with an error once nobody has the other side open.
    let _ = File::from(near).read_to_end(&mut text);
    assert!(child.wait().unwrap().success());
    String::from_utf8(text).unwrap()
}

/// The lines that were drawn before anything else was printed.
fn drawn(text: &str) -> Vec<&str> {
    let before = text.split("pubsub · ").next().unwrap();
    before.split("\r\x1b[2K").collect()
}

fn plan(options: &str) -> String {
    let fake = Fake::start(Fault::None);
    let server = fake.address;
    format!("pubsub --rate 1000 --duration 900ms --server {server} {options}")
}

#[test]
fn the_line_fits_the_terminal_and_leaves_nothing_behind() {
    for columns in [40, 60, 120] {
        let text = on_terminal(columns, &plan(""), false);
        let lines = drawn(&text);
        let widths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
        assert!(
            widths.iter().all(|width| *width <= usize::from(columns)),
            "{text:?}"
        );
        assert!(
            lines.len() > 3 && lines.iter().any(|line| line.contains("/s, 1 s")),
            "{text:?}"
        );
        // The last thing drawn is taken away before the result is printed.
        assert_eq!(lines.last(), Some(&""), "{text:?}");
        // Nothing goes up or down: one line of the terminal is all that is touched.
        assert!(!lines.concat().contains('\x1b'), "{text:?}");
    }
}

#[test]
fn nothing_is_drawn_without_a_terminal_or_when_quiet() {
    assert_eq!(on_terminal(80, &plan(""), true), "");
    for options in ["--quiet", "--json"] {
        let text = on_terminal(80, &plan(options), false);
        assert!(!text.contains('\x1b') && !text.contains(" %"), "{text:?}");
    }
}
