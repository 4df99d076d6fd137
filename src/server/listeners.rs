//! The listening sockets: opened before anything else starts, since a port that is taken ends the start;
//! and the addresses by which others find them.
//!
//! The one for clients is opened last: whoever has waited for it finds the others open.

use std::net::{SocketAddr, TcpListener};

use crate::files::{self, Ports};
use crate::leaf_refusal::LeafRefusal;
use crate::options::{MonitoringOptions, Options};
use crate::preflight;

/// Those that are opened first.
pub struct Listeners {
    /// For monitoring, and the scheme that is spoken there.
    pub monitoring: Option<(TcpListener, &'static str)>,
    /// For clients.
    pub client: TcpListener,
    /// For clients over WebSocket.
    pub websocket: Option<TcpListener>,
    /// For leaf nodes.
    pub leaf: Option<LeafRefusal>,
}

impl Listeners {
    /// Listens where the options say.
    ///
    /// # Errors
    /// The text of the fatal log line of nats-server.
    pub fn open(options: &Options) -> Result<Self, String> {
        let websocket = options.websocket.as_ref().map(|websocket| {
            preflight::listen(&websocket.host, websocket.port).map_err(|text| {
                let reason = preflight::reason_of(&text);
                format!("Unable to listen for websocket connections: {reason}")
            })
        });
        let monitoring = options.monitoring.as_ref().map(|monitoring| {
            open_monitoring(options, monitoring)
                .map_err(|reason| format!("Can't start monitoring: {reason}"))
        });
        Ok(Self {
            monitoring: monitoring.transpose()?,
            websocket: websocket.transpose()?,
            leaf: options.leaf.as_ref().map(LeafRefusal::open).transpose()?,
            client: preflight::listen(&options.host, options.port)?,
        })
    }

    /// Where they listen.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn bound(&self) -> std::io::Result<Bound> {
        let websocket = self.websocket.as_ref().map(TcpListener::local_addr);
        let monitoring = self.monitoring.as_ref().map(|(listener, scheme)| {
            let bound = listener.local_addr()?;
            Ok::<_, std::io::Error>((*scheme, bound))
        });
        Ok(Bound {
            monitoring: monitoring.transpose()?,
            client: self.client.local_addr()?,
            websocket: websocket.transpose()?,
            leaf_port: self.leaf.as_ref().map(LeafRefusal::port),
        })
    }
}

/// Where the server listens.
#[derive(Clone, Copy)]
pub struct Bound {
    /// For monitoring, and the scheme that is spoken there.
    pub monitoring: Option<(&'static str, SocketAddr)>,
    /// For clients.
    pub client: SocketAddr,
    /// For clients over WebSocket.
    pub websocket: Option<SocketAddr>,
    /// For leaf nodes.
    pub leaf_port: Option<u16>,
}

impl Bound {
    /// What the ports file says.
    pub fn ports(&self, options: &Options) -> Ports {
        let scheme = if options.tls.is_some() { "tls" } else { "nats" };
        Ports {
            nats: with_scheme(scheme, self.client),
            monitoring: self
                .monitoring
                .map_or_else(Vec::new, |(scheme, bound)| with_scheme(scheme, bound)),
            websocket: match (&options.websocket, self.websocket) {
                (Some(websocket), Some(bound)) => with_scheme(websocket.scheme(), bound),
                _ => Vec::new(),
            },
        }
    }
}

/// Listens for monitoring; also returns the scheme that is spoken there.
///
/// # Errors
/// The texts of nats-server.
fn open_monitoring(
    options: &Options,
    monitoring: &MonitoringOptions,
) -> Result<(TcpListener, &'static str), String> {
    let (port, scheme) = match (monitoring.http_port, monitoring.https_port) {
        (Some(http), Some(https)) => {
            return Err(format!(
                "can't specify both HTTP ({http}) and HTTPs ({https}) ports"
            ));
        }
        (None, Some(_)) if options.tls.is_none() => {
            return Err("TLS cert and key required for HTTPS".to_owned());
        }
        (None, Some(https)) => (https, "https"),
        (Some(http), None) => (http, "http"),
        (None, None) => unreachable!("monitoring has a port"),
    };
    let listener = preflight::listen(&monitoring.host, port).map_err(|text| {
        let reason = preflight::reason_of(&text);
        format!("can't listen to the monitor port: {reason}")
    })?;
    Ok((listener, scheme))
}

/// The addresses of a listener as URLs.
fn with_scheme(scheme: &str, bound: SocketAddr) -> Vec<String> {
    let addresses = files::reachable(bound).into_iter();
    addresses
        .map(|address| format!("{scheme}://{address}"))
        .collect()
}
