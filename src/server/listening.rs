//! What new connections meet: TLS with its certificates read, and the rules of the WebSocket listener.
//! A reload makes another one.

use std::sync::Arc;

use trunkline_core::wire::websocket::upgrade::UpgradeRules;

use crate::net::tls::TlsSetup;
use crate::options::Options;
use crate::options::tls::{TlsOptions, Verify};

/// What new connections meet.
#[derive(Clone, Debug, Default)]
pub struct Listening {
    /// TLS of the listener for clients.
    pub tls: Option<TlsSetup>,
    /// Clients may come through a proxy that says so.
    pub proxy_protocol: bool,
    /// The WebSocket listener.
    pub websocket: Option<Arc<WebsocketSetup>>,
    /// TLS of monitoring.
    pub monitoring: Option<Arc<TlsSetup>>,
}

impl Listening {
    /// What the options ask for; certificates are read.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn read(options: &Options) -> Result<Self, String> {
        let read = |tls: &Option<TlsOptions>| tls.as_ref().map(TlsSetup::read).transpose();
        let websocket = options.websocket.as_ref().map(|websocket| {
            Ok::<_, String>(Arc::new(WebsocketSetup {
                tls: read(&websocket.tls)?,
                rules: websocket.rules.clone(),
                handshake_timeout_ns: websocket.handshake_timeout_ns,
            }))
        });
        // Nobody has to present a certificate to monitoring (NATS 2.15).
        let monitoring = options.monitoring.as_ref();
        let monitoring_tls = monitoring.and_then(|monitoring| {
            let tls = options.tls.clone()?;
            monitoring.https_port?;
            Some(TlsOptions {
                verify: Verify::No,
                ..tls
            })
        });
        Ok(Self {
            tls: read(&options.tls)?,
            monitoring: read(&monitoring_tls)?.map(Arc::new),
            proxy_protocol: options.proxy_protocol,
            websocket: websocket.transpose()?,
        })
    }
}

/// What a connection to the WebSocket listener meets.
#[derive(Debug)]
pub struct WebsocketSetup {
    /// Its TLS.
    pub tls: Option<TlsSetup>,
    /// What is demanded and offered.
    pub rules: UpgradeRules,
    /// How long TLS and the upgrade may take together.
    pub handshake_timeout_ns: u64,
}
