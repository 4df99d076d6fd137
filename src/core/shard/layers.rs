//! What the layers between a socket and the shard have to tell it: a proxy's
//! header, TLS, WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Shard;
use crate::base::id::ConnectionKey;
use crate::base::limits::CLOSED_AT_ONCE_MAX;
use crate::session::certificate::TlsFacts;
use crate::session::close_reason::CloseReason;
use crate::session::policy::ConnectionType;

impl Shard {
    /// Notes that the peer has taken its leave: it still gets what waits for it.
    pub fn on_goodbye(&mut self, key: ConnectionKey) {
        if let Some(index) = self.connections.find(key) {
            self.close(index, CloseReason::ClientClosed);
        }
    }

    /// Has a connection sent to when the output of the turn leaves, though
    /// nothing waits in its outbox.
    pub fn request_flush(&mut self, key: ConnectionKey) {
        if let Some(index) = self.connections.find(key) {
            self.connections.mark_prompt(index);
        }
    }

    /// Notes what TLS says of a connection, before its CONNECT.
    pub fn on_secured(&mut self, key: ConnectionKey, facts: TlsFacts) {
        if let Some(index) = self.connections.find(key) {
            self.connections[index].peer.tls = Some(Arc::new(facts));
        }
    }

    /// Notes what a connection begins with that may come through a proxy: the
    /// client's address, or nothing of the kind.
    pub fn on_proxy_header(&mut self, key: ConnectionKey, client: Option<SocketAddr>) {
        if let Some(index) = self.connections.find(key) {
            let connection = &mut self.connections[index];
            connection.peer.address = client.unwrap_or(connection.peer.address);
            connection.hides_address = false;
        }
    }

    /// Closes clients whose TLS has become unacceptable: the question gets the
    /// way in which a client is connected, and what TLS says of it. Returns how
    /// many these were; if [`CLOSED_AT_ONCE_MAX`], there may be more.
    pub fn close_unacceptable(
        &mut self,
        is_acceptable: impl Fn(ConnectionType, Option<&TlsFacts>) -> bool,
    ) -> usize {
        let is_meant = |key: &ConnectionKey| {
            let connection = &self.connections[key.index];
            let tls = connection.peer.tls.as_deref();
            !connection.input.is_closing() && !is_acceptable(connection.connection_type, tls)
        };
        let keys = self.connections.keys().filter(is_meant);
        let keys: Vec<ConnectionKey> = keys.take(CLOSED_AT_ONCE_MAX).collect();
        for key in &keys {
            self.close(key.index, CloseReason::TlsHandshakeFailure);
        }
        keys.len()
    }
}
