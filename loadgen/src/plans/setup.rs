//! What a plan consists of, and how its connections are opened.

use crate::engine::phase::Group;
use crate::engine::worker::Link;
use crate::net::conn::Connection;
use crate::net::connect;
use crate::net::target::Target;
use crate::wire::info::ServerInfo;

/// Deliveries under way are kept below this many bytes by default: servers drop subscribers that fall far behind.
pub const WINDOW_BYTES: u64 = 32 << 20;

/// What a plan consists of, once connected.
pub struct Setup {
    /// Connections in order; they are dealt to the workers round-robin.
    pub links: Vec<Link>,
    /// Groups of subscribers.
    pub groups: Vec<Group>,
    /// The default bound of deliveries under way.
    pub window: u64,
    /// Subscriptions made in all.
    pub subscriptions: usize,
}

/// Opens connections for a plan.
pub struct Opener {
    /// Which server, and as whom.
    pub target: Target,
    /// INFO of the last connection.
    pub server: ServerInfo,
    /// How the last connection is secured, in words.
    pub secured: String,
}

impl Opener {
    /// Opens `count` connections and checks that `size_max` fits the server's limit.
    pub fn open(
        &mut self,
        name: &str,
        count: usize,
        size_max: usize,
    ) -> Result<Vec<Connection>, String> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (connections, server) =
            connect::connect_all(&self.target, &format!("loadgen {name}"), count)?;
        if server.max_payload > 0 && size_max as u64 > server.max_payload {
            return Err(format!(
                "payloads of {size_max} bytes exceed the server's max_payload of {}",
                server.max_payload
            ));
        }
        self.server = server;
        if let Some(secured) = connections.last().and_then(Connection::secured_by) {
            self.secured = format!(" ({secured})");
        }
        Ok(connections)
    }
}
