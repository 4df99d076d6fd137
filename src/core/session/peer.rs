//! The other end of a connection: where it is, and what is known of it before it
//! says anything.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::certificate::{CertificateNames, TlsFacts};

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whom a proxy says that it speaks for.
    pub forwarded_for: Option<Box<IpAddr>>,
    /// What TLS says of it.
    pub tls: Option<Arc<TlsFacts>>,
}

impl Peer {
    /// One of which nothing else is known.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            forwarded_for: None,
            tls: None,
        }
    }

    /// The names in its certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertificateNames> {
        self.tls.as_ref().and_then(|facts| facts.names.as_ref())
    }
}

/// As log lines name it.
impl Display for Peer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match self.forwarded_for.as_deref() {
            None => write!(f, "{address}"),
            Some(IpAddr::V4(client)) => write!(f, "{client}/{address}"),
            Some(IpAddr::V6(client)) => write!(f, "[{client}]/{address}"),
        }
    }
}
