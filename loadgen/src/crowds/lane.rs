//! One attacking connection, used while blocking: it sends what it is told and reads all that comes, so that neither side
//! waits for the other. What comes is not looked at but for PONGs.
//!
//! Nothing lasts beyond a time that the caller names: attacks end by themselves.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt;
use rustix::time::Timespec;

use crate::net::conn::{Connection, Received};
use crate::net::connect;
use crate::net::scratch::Scratch;
use crate::net::target::Target;

const PING: &[u8] = b"PING\r\n";
const PONG: &[u8] = b"PONG\r\n";

/// The connection.
pub struct Lane {
    connection: Connection,
    scratch: Scratch,
    pings: u64,
    pongs: u64,
}

impl Lane {
    /// Connects.
    pub fn open(target: &Target) -> Result<Self, String> {
        let (mut connections, _) = connect::connect_all(target, "loadgen attacker", 1)?;
        let connection = connections.pop().ok_or("no connection")?;
        Ok(Lane::of(connection))
    }

    /// A connection that is open already.
    pub fn of(connection: Connection) -> Self {
        Lane {
            connection,
            scratch: Scratch::default(),
            pings: 0,
            pongs: 0,
        }
    }

    /// What is left when it is over.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// PINGs that have been answered.
    pub fn pongs(&self) -> u64 {
        self.pongs
    }

    /// One compressed WebSocket frame with all of `bytes`, for [`Lane::push_raw`].
    pub fn frame_of(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let no_frames = || "the connection is no WebSocket".to_string();
        self.connection.frame_of(bytes).ok_or_else(no_frames)
    }

    /// Ends without a farewell: what the server has not yet received is lost, so that the attack ends with us.
    pub fn reset_at_close(&self) -> Result<(), String> {
        sockopt::set_socket_linger(self.connection.stream(), Some(Duration::ZERO))
            .map_err(|error| format!("cannot set up a socket: {error}"))
    }

    /// Sends `bytes`, which hold no PING, and waits until the server has worked them off; false when it had not by
    /// `until`.
    pub fn exchange(&mut self, bytes: &[u8], until: Instant) -> Result<bool, String> {
        Ok(self.push(bytes, 0, until)? && self.push(PING, 1, until)? && self.settle(until)?)
    }

    /// Waits until all PINGs are answered; false when they were not by `until`.
    pub fn settle(&mut self, until: Instant) -> Result<bool, String> {
        while self.pongs < self.pings {
            if !self.wait(false, until)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends `bytes`, in which there are `pings` PINGs; false when the server has not taken all of it by `until`.
    pub fn push(&mut self, bytes: &[u8], pings: u64, until: Instant) -> Result<bool, String> {
        self.pings += pings;
        self.pump(bytes, until, Connection::send)
    }

    /// The same past the layers.
    pub fn push_raw(&mut self, bytes: &[u8], pings: u64, until: Instant) -> Result<bool, String> {
        self.pings += pings;
        self.pump(bytes, until, Connection::send_raw)
    }

    fn pump(
        &mut self,
        mut bytes: &[u8],
        until: Instant,
        send: impl Fn(&mut Connection, &[u8]) -> std::io::Result<usize>,
    ) -> Result<bool, String> {
        while !bytes.is_empty() {
            let sent = send(&mut self.connection, bytes).map_err(gone)?;
            bytes = &bytes[sent..];
            if !bytes.is_empty() && !self.wait(true, until)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until something can be received, or sent if `wants_room`, and receives; false when `until` has passed.
    fn wait(&mut self, wants_room: bool, until: Instant) -> Result<bool, String> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut interest = PollFlags::IN;
        interest.set(PollFlags::OUT, wants_room);
        let mut fds = [PollFd::new(self.connection.stream(), interest)];
        let timeout = timespec(left);
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("poll: {error}")),
        }
        let is_readable = !(fds[0].revents() - PollFlags::OUT).is_empty();
        if is_readable {
            self.receive()?;
        }
        Ok(true)
    }

    fn receive(&mut self) -> Result<(), String> {
        let pongs = &mut self.pongs;
        let received = self.connection.receive(&mut self.scratch, |bytes| {
            let (count, used) = pongs_in(bytes);
            *pongs += count;
            Ok(used)
        });
        match received.map_err(gone)? {
            Received::Closed => Err("the server closed an attacker's connection".into()),
            Received::Bytes | Received::Nothing => Ok(()),
        }
    }
}

/// A duration for the kernel.
pub fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// What `append` makes of the numbers below `count`, in one block of bytes.
pub fn block(count: usize, append: impl Fn(&mut Vec<u8>, usize)) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..count).for_each(|index| append(&mut bytes, index));
    bytes
}

/// How many PONGs there are, and how many bytes need not be seen again. Payloads of attacks never hold one.
fn pongs_in(bytes: &[u8]) -> (u64, usize) {
    let (mut count, mut behind) = (0, 0);
    for at in memchr::memmem::find_iter(bytes, PONG) {
        count += 1;
        behind = at + PONG.len();
    }
    (
        count,
        behind.max(bytes.len().saturating_sub(PONG.len() - 1)),
    )
}

fn gone(error: std::io::Error) -> String {
    format!("an attacker's connection: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pong_is_counted_once_however_it_is_cut() {
        let stream = b"MSG a 1 4\r\nPON\r\n\r\nPONG\r\nPONG\r\nMSG b 1 0\r\n\r\nPONG\r\n";
        for size in 1..stream.len() {
            let (mut carry, mut total) = (Vec::new(), 0);
            for part in stream.chunks(size) {
                carry.extend_from_slice(part);
                let (count, used) = pongs_in(&carry);
                total += count;
                carry.drain(..used);
            }
            assert_eq!(total, 3, "cut every {size} bytes");
        }
    }
}
