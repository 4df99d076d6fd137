//! A client's socket and the system calls on it.
//!
//! Reads and sends are done directly, into the core's shared buffer and out of
//! the shard's outboxes: they cost one system call and no buffer per socket.
//! Only waiting goes through the poller.

use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags};

/// How many doors there are.
pub const DOORS: usize = 2;

/// What is spoken behind a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The client protocol.
    Client,
    /// The client protocol over WebSocket.
    Websocket,
}

/// A connection that was just accepted.
pub struct Accepted {
    /// Where it came in.
    pub door: Door,
    /// The socket, non-blocking.
    pub fd: OwnedFd,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Its number in the whole server.
    pub client_id: u64,
    /// Whether there are more connections than allowed.
    pub is_over_limit: bool,
}

/// What came of a read.
pub enum Received {
    /// This many bytes.
    Bytes(usize),
    /// Nothing there.
    WouldBlock,
    /// The peer has closed.
    End,
    /// The socket failed.
    Failed,
}

/// Reads what is there.
pub fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> Received {
    loop {
        return match rustix::net::recv(fd, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => Received::End,
            Ok((len, _)) => Received::Bytes(len),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Received::WouldBlock,
            Err(_) => Received::Failed,
        };
    }
}

/// Reads what is there into two buffers, the second after the first is full.
pub fn receive_into_two(fd: &OwnedFd, first: &mut [u8], second: &mut [u8]) -> Received {
    loop {
        let mut slices = [IoSliceMut::new(first), IoSliceMut::new(second)];
        let mut no_control = RecvAncillaryBuffer::default();
        let received = rustix::net::recvmsg(fd, &mut slices, &mut no_control, RecvFlags::empty());
        return match received {
            Ok(message) if message.bytes == 0 => Received::End,
            Ok(message) => Received::Bytes(message.bytes),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Received::WouldBlock,
            Err(_) => Received::Failed,
        };
    }
}

/// Sends what the socket takes: the number of bytes, or `None` if it failed.
pub fn send(fd: &OwnedFd, slices: &[IoSlice<'_>]) -> Option<usize> {
    loop {
        let sent = if let [slice] = slices {
            rustix::net::send(fd, slice, SendFlags::NOSIGNAL)
        } else {
            let mut no_control = SendAncillaryBuffer::default();
            rustix::net::sendmsg(fd, slices, &mut no_control, SendFlags::NOSIGNAL)
        };
        return match sent {
            Ok(len) => Some(len),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Some(0),
            Err(_) => None,
        };
    }
}

/// Ends a connection so that the peer gets the last bytes: closing a socket
/// with unread input would reset it and could destroy them on their way.
pub fn hang_up(fd: &OwnedFd, buffer: &mut [u8]) {
    let _ = rustix::net::shutdown(fd, rustix::net::Shutdown::Write);
    for _ in 0..16 {
        if !matches!(receive(fd, buffer), Received::Bytes(_)) {
            break;
        }
    }
}
