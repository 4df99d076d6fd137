//! Asks the kernel whether a peer has read everything that was sent to it.
//!
//! Writing in two pieces does not make a server read in two pieces: the kernel may join them. The only
//! way to force a split without a pause is to wait until the receive queue of the server's socket is
//! empty before the next piece is written. `sock_diag` answers that for one socket in microseconds
//! (`/proc/net/tcp` has the same number, but lists every socket of the machine each time).

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, netlink, recv, send, socket};
use std::cell::OnceCell;
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

/// How long a server may leave bytes unread before the caller goes on regardless. A server that
/// holds back on purpose (back-pressure) must not hang a test.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until the server's end of `stream` has no unread bytes. False when it did not come to that.
pub fn wait_until_read(stream: &TcpStream) -> bool {
    let (Ok(SocketAddr::V4(server)), Ok(SocketAddr::V4(client))) =
        (stream.peer_addr(), stream.local_addr())
    else {
        return false;
    };
    let deadline = Instant::now() + PATIENCE;
    let mut sleep = Duration::from_micros(5);
    while Instant::now() < deadline {
        match unread(server, client) {
            Some(0) => return true,
            // The socket is gone: nobody will read the rest.
            None => return false,
            Some(_) => std::thread::sleep(sleep),
        }
        sleep = (sleep * 2).min(Duration::from_millis(1));
    }
    false
}

/// Bytes that wait in the receive queue of the socket `server` that talks to `client`; `None` when
/// there is no such socket (any more).
fn unread(server: SocketAddrV4, client: SocketAddrV4) -> Option<u32> {
    thread_local! {
        static KERNEL: OnceCell<OwnedFd> = const { OnceCell::new() };
    }
    KERNEL.with(|kernel| {
        let kernel = kernel.get_or_init(|| {
            socket(
                AddressFamily::NETLINK,
                SocketType::RAW,
                Some(netlink::SOCK_DIAG),
            )
            .expect("the kernel has sock_diag")
        });
        send(kernel, &request(server, client), SendFlags::empty()).ok()?;
        let mut answer = [0u8; 4096];
        let (length, _) = recv(kernel, &mut answer, RecvFlags::empty()).ok()?;
        queue_length(&answer[..length])
    })
}

const HEADER: usize = 16;
/// `SOCK_DIAG_BY_FAMILY`, see `linux/sock_diag.h`.
const BY_FAMILY: u16 = 20;

/// One `inet_diag_req_v2` for exactly this socket (`linux/inet_diag.h`).
fn request(server: SocketAddrV4, client: SocketAddrV4) -> Vec<u8> {
    const INET: u8 = 2;
    const TCP: u8 = 6;
    const NLM_F_REQUEST: u16 = 1;
    let mut message = Vec::with_capacity(72);
    message.extend_from_slice(&72u32.to_ne_bytes());
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[INET, TCP, 0, 0]);
    message.extend_from_slice(&u32::MAX.to_ne_bytes());
    message.extend_from_slice(&server.port().to_be_bytes());
    message.extend_from_slice(&client.port().to_be_bytes());
    for address in [server, client] {
        message.extend_from_slice(&address.ip().octets());
        message.extend_from_slice(&[0; 12]);
    }
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(&[0xFF; 8]);
    message
}

/// `idiag_rqueue` of the `inet_diag_msg` in the answer; an error message means no such socket.
fn queue_length(answer: &[u8]) -> Option<u32> {
    const RECEIVE_QUEUE: usize = HEADER + 4 + 48 + 4;
    const STATE: usize = HEADER + 1;
    /// ESTABLISHED and CLOSE_WAIT: in any other state nobody reads any more.
    const READING: [u8; 2] = [1, 8];
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind != BY_FAMILY || !READING.contains(answer.get(STATE)?) {
        return None;
    }
    let length = answer.get(RECEIVE_QUEUE..RECEIVE_QUEUE + 4)?;
    Some(u32::from_ne_bytes(length.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn the_queue_is_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let (SocketAddr::V4(here), SocketAddr::V4(there)) =
            (server.local_addr().unwrap(), client.local_addr().unwrap())
        else {
            panic!("IPv4");
        };
        client.write_all(b"hello").unwrap();
        assert_eq!(unread(here, there), Some(5));
        server.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(unread(here, there), Some(0));
        assert!(wait_until_read(&client));
        drop(server);
        assert_eq!(unread(here, there), None);
    }
}
