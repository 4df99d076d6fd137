//! What the service manager is told: ready, reloading, stopping, and as a
//! watchdog that every core still takes turns (sd_notify(3), systemd 252).
//!
//! The variables that say how are taken out of the environment at start, so
//! that neither a configuration file nor a child process can see them. Without
//! them, all of this does nothing. A manager that cannot be reached is named in
//! the log and changes nothing else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tracing::warn;
use trunkline_core::base::id::CoreId;

use crate::cores::Cores;

/// How long a manager that does not read may hold up the server.
const SEND_PATIENCE: Duration = Duration::from_secs(1);

/// The variables that belong to the manager.
const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// The way to the service manager, if there is one.
pub struct Notifier {
    /// Where it listens: a path, or `@` and the name of an abstract socket.
    manager: Option<OsString>,
    /// How often it wants to hear that the server is alive.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Takes the manager's variables out of the environment.
    ///
    /// To be called before there is a second thread.
    pub fn take_from_environment() -> Self {
        let notifier = Self {
            manager: std::env::var_os(SOCKET),
            watchdog: watchdog_interval(
                std::env::var(WATCHDOG_USEC).ok().as_deref(),
                std::env::var(WATCHDOG_PID).ok().as_deref(),
                std::process::id(),
            ),
        };
        for name in [SOCKET, WATCHDOG_USEC, WATCHDOG_PID] {
            // SAFETY: the caller has not started any thread yet, so nobody
            // reads the environment meanwhile.
            unsafe { std::env::remove_var(name) };
        }
        notifier
    }

    /// The server serves, or serves again after a reload.
    pub fn ready(&self, status: &str) {
        let pid = std::process::id();
        self.send(&format!(
            "READY=1\nMAINPID={pid}\nSTATUS={}",
            one_line(status)
        ));
    }

    /// A reload begins; [`Notifier::ready`] must follow.
    pub fn reloading(&self) {
        // The manager compares it with the moment at which it asked.
        let now = clock_gettime(ClockId::Monotonic);
        let now_usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now_usec}\nSTATUS=Reloading the configuration"
        ));
    }

    /// The end begins, and may take that long.
    pub fn stopping(&self, status: &str, at_most: Duration) {
        let at_most_usec = at_most.as_micros();
        self.send(&format!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={at_most_usec}\nSTATUS={}",
            one_line(status)
        ));
    }

    /// Starts the watchdog if the manager wants one: a thread that tells the
    /// manager that the server is alive whenever all cores have read a letter.
    pub fn watch(self: &Arc<Self>, cores: &Cores) -> io::Result<()> {
        let Some(interval) = self.watchdog.filter(|_| self.manager.is_some()) else {
            return Ok(());
        };
        let (notifier, cores) = (Arc::clone(self), cores.clone());
        let watch = move || loop {
            if all_take_turns(&cores, interval) {
                notifier.send("WATCHDOG=1");
            }
            std::thread::sleep(interval);
        };
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(watch).map(drop)
    }

    fn send(&self, message: &str) {
        if let Some(manager) = &self.manager
            && let Err(failure) = send(manager, message)
        {
            let manager = manager.display();
            warn!("Cannot notify the service manager at {manager}: {failure}");
        }
    }
}

fn send(manager: &OsStr, message: &str) -> io::Result<()> {
    let name = manager.as_bytes();
    let address = match name.first() {
        Some(b'@') => SocketAddr::from_abstract_name(&name[1..])?,
        Some(b'/') => SocketAddr::from_pathname(manager)?,
        _ => {
            let text = "neither an absolute path nor an abstract socket (@name)";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_PATIENCE))?;
    socket
        .send_to_addr(message.as_bytes(), &address)
        .map(|_| ())
}

/// Half the time after which the manager would lose patience, as
/// sd_watchdog_enabled(3) advises; `None` if it does not watch this process.
fn watchdog_interval(usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own_pid)) {
        return None;
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec) / 2)
}

/// Whether every core reads a letter. Waits for those that do not and names
/// them in the log; so at most one letter of the watchdog waits for a core.
fn all_take_turns(cores: &Cores, patience: Duration) -> bool {
    let mut silent: Vec<CoreId> = (0..cores.count()).map(CoreId::at).collect();
    let answers: mpsc::Receiver<CoreId> = cores.ask_all(|core, _| core.id());
    while !silent.is_empty() {
        match answers.recv_timeout(patience) {
            Ok(id) => silent.retain(|core| *core != id),
            Err(RecvTimeoutError::Timeout) => {
                if cores.shared.is_stopping.load(Ordering::Relaxed) {
                    return false;
                }
                let silent: Vec<String> = silent.iter().map(CoreId::to_string).collect();
                let silent = silent.join(", ");
                warn!("No sign of life for the watchdog, for want of turns of {silent}");
            }
            // A core has more letters waiting than it may have.
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

/// A message is made of lines, so a text must not have any.
fn one_line(text: &str) -> String {
    let text = text.trim();
    text.replace(|letter: char| letter.is_control(), " ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_this_process_only() {
        let half = Some(Duration::from_micros(1_500));
        assert_eq!(watchdog_interval(Some("3000"), None, 7), half);
        assert_eq!(watchdog_interval(Some("3000"), Some("7"), 7), half);
        assert_eq!(watchdog_interval(Some("3000"), Some("8"), 7), None);
        for nonsense in ["", "0", "-1", "soon"] {
            assert_eq!(watchdog_interval(Some(nonsense), None, 7), None);
        }
        assert_eq!(watchdog_interval(None, Some("7"), 7), None);
    }

    #[test]
    fn a_status_cannot_add_lines() {
        assert_eq!(one_line("a\nWATCHDOG=1\r\n"), "a WATCHDOG=1");
    }

    #[test]
    fn addresses_that_are_not_unix_sockets_are_refused() {
        for manager in ["vsock:2:1", "relative", ""] {
            let failure = send(OsStr::new(manager), "READY=1").unwrap_err();
            assert_eq!(failure.kind(), io::ErrorKind::InvalidInput, "{manager}");
        }
    }
}
