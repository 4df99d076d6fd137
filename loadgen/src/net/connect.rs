//! Opening many connections, as fast as the server lets them in.

use crate::net::conn::Connection;
use crate::net::handshake::Handshake;
use crate::net::target::Target;
use crate::wire::info::ServerInfo;

/// Connections whose handshakes are under way at once; below the usual listen backlog.
const HANDSHAKES_AT_ONCE: usize = 100;

/// Opens `count` connections named `name`, each past CONNECT and a first PING/PONG, and returns the server's INFO too.
pub fn connect_all(
    target: &Target,
    name: &str,
    count: usize,
) -> Result<(Vec<Connection>, ServerInfo), String> {
    let mut connections = Vec::with_capacity(count);
    let mut server = ServerInfo::default();
    while connections.len() < count {
        let window = HANDSHAKES_AT_ONCE.min(count - connections.len());
        // Step by step over the whole window, so that the server works on many while we wait for one.
        let mut opening = Vec::with_capacity(window);
        for _ in 0..window {
            opening.push(Handshake::open(target)?);
        }
        for handshake in &mut opening {
            server = handshake.greet(target, name)?;
        }
        for mut handshake in opening {
            handshake.wait_for_pong()?;
            connections.push(Connection::new(handshake.into_parts()?));
        }
    }
    Ok((connections, server))
}
