//! The options that say which server, and as whom; and what they come to.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::Args;

use crate::net::nkey::NkeyUser;
use crate::net::tls::{TlsOptions, TlsSettings};
use crate::net::upgrade::UpgradeSettings;
use crate::wire::encode::Credentials;

/// Options of all plans that open connections.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Server as host:port or URL: nats://, tls://, ws:// or wss://, with user:password@ or token@ if need be.
    #[arg(long, default_value = "127.0.0.1:4222", value_name = "HOST:PORT|URL")]
    pub server: String,
    /// Allow a server that is not on a loopback address.
    #[arg(long)]
    pub allow_remote: bool,
    /// User name.
    #[arg(long, requires = "password")]
    pub user: Option<String>,
    /// Password.
    #[arg(long, requires = "user")]
    pub password: Option<String>,
    /// Token, instead of user and password.
    #[arg(long, conflicts_with = "user")]
    pub token: Option<String>,
    /// File with the seed (SU…) of an nkey user, which signs the server's nonce.
    #[arg(long, value_name = "FILE")]
    pub nkey_seed: Option<PathBuf>,
    /// Encrypt: TLS after INFO, as clients do (as tls://).
    #[arg(long)]
    pub tls: bool,
    /// The TLS handshake comes before INFO, for servers with handshake_first.
    #[arg(long)]
    pub tls_first: bool,
    /// Trust the certificates in this PEM file instead of those of the system.
    #[arg(long, value_name = "FILE", conflicts_with = "tls_insecure")]
    pub tls_ca: Option<PathBuf>,
    /// Trust any certificate.
    #[arg(long)]
    pub tls_insecure: bool,
    /// Our certificate (PEM), for servers that verify clients.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of our certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Connect through a WebSocket (as ws://); with --tls, a secure one.
    #[arg(long)]
    pub ws: bool,
    /// Compress the WebSocket's messages (permessage-deflate); implies --ws.
    #[arg(long)]
    pub ws_compress: bool,
}

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct Target {
    /// Server address.
    pub address: SocketAddr,
    /// Credentials for CONNECT.
    pub credentials: Credentials,
    /// TLS, if wanted.
    pub tls: Option<TlsSettings>,
    /// The WebSocket, if wanted.
    pub upgrade: Option<UpgradeSettings>,
    /// Get our own messages too.
    pub echo: bool,
}

impl Target {
    /// How the connections look, in words.
    pub fn transport(&self) -> String {
        let websocket = self.upgrade.as_ref().map(|upgrade| match upgrade.compress {
            true => "compressed WebSocket",
            false => "WebSocket",
        });
        match (&self.tls, websocket) {
            (None, None) => "plain TCP".into(),
            (None, Some(websocket)) => websocket.into(),
            (Some(_), None) => "TLS".into(),
            (Some(_), Some(websocket)) => format!("{websocket} over TLS"),
        }
    }
}

/// A server's URL in parts.
#[derive(Debug, Default, PartialEq)]
struct Place<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host_and_port: String,
    path: &'a str,
}

impl<'a> Place<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("nats", text));
        if !["nats", "tls", "ws", "wss"].contains(&scheme) {
            return Err(format!(
                "--server {text}: the scheme must be nats, tls, ws or wss"
            ));
        }
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, authority),
        };
        let (user, password) = match login.map(|login| login.split_once(':').ok_or(login)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(token)) => (Some(token), None),
            None => (None, None),
        };
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        let port = match scheme {
            "ws" => 80,
            "wss" => 443,
            _ => 4222,
        };
        let host_and_port = if has_port {
            host.into()
        } else {
            format!("{host}:{port}")
        };
        Ok(Place {
            scheme,
            user,
            password,
            host_and_port,
            path,
        })
    }
}

impl ServerArgs {
    /// Resolves the address and reads the files; anything but loopback only with --allow-remote.
    pub fn target(&self) -> Result<Target, String> {
        let place = Place::parse(&self.server)?;
        let address = place
            .host_and_port
            .to_socket_addrs()
            .map_err(|error| format!("--server {}: {error}", place.host_and_port))?
            .next()
            .ok_or_else(|| format!("--server {} has no address", place.host_and_port))?;
        if !address.ip().is_loopback() && !self.allow_remote {
            return Err(format!(
                "{address} is not a loopback address; loading a remote server needs --allow-remote"
            ));
        }
        let wants_tls = self.tls || self.tls_first || ["tls", "wss"].contains(&place.scheme);
        let tls_only = self.tls_ca.is_some() || self.tls_insecure || self.tls_cert.is_some();
        if tls_only && !wants_tls {
            return Err("--tls-ca, --tls-insecure and --tls-cert need --tls".into());
        }
        let host = place
            .host_and_port
            .rsplit_once(':')
            .map_or("", |host| host.0);
        let options = TlsOptions {
            ca: self.tls_ca.as_deref(),
            insecure: self.tls_insecure,
            identity: self.tls_cert.as_deref().zip(self.tls_key.as_deref()),
            first: self.tls_first,
        };
        let wants_websocket = self.ws || self.ws_compress || place.scheme.starts_with("ws");
        Ok(Target {
            address,
            credentials: self.credentials(&place)?,
            tls: match wants_tls {
                true => Some(TlsSettings::new(&options, host)?),
                false => None,
            },
            upgrade: wants_websocket.then(|| UpgradeSettings {
                host: place.host_and_port.clone(),
                path: place.path.into(),
                compress: self.ws_compress,
            }),
            echo: true,
        })
    }

    fn credentials(&self, place: &Place<'_>) -> Result<Credentials, String> {
        let nkey = match &self.nkey_seed {
            None => None,
            Some(file) => {
                let wrong = |error: String| format!("--nkey-seed {}: {error}", file.display());
                let text =
                    std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
                Some(NkeyUser::from_seed_text(&text).map_err(wrong)?)
            }
        };
        let own = |text: &str| Some(text.to_string());
        let (user, password, token) = match (place.user, place.password) {
            (Some(user), Some(password)) => (own(user), own(password), None),
            (Some(token), None) => (None, None, own(token)),
            _ => (None, None, None),
        };
        Ok(Credentials {
            user: self.user.clone().or(user),
            password: self.password.clone().or(password),
            token: self.token.clone().or(token),
            nkey,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let place = |scheme, user, password, host: &str, path| Place {
            scheme,
            user,
            password,
            host_and_port: host.into(),
            path,
        };
        for (text, expected) in [
            ("h:1", place("nats", None, None, "h:1", "/")),
            ("tls://[::1]", place("tls", None, None, "[::1]:4222", "/")),
            ("[::1]:7", place("nats", None, None, "[::1]:7", "/")),
            (
                "nats://u:p@h:1",
                place("nats", Some("u"), Some("p"), "h:1", "/"),
            ),
            ("ws://t@h/a/b", place("ws", Some("t"), None, "h:80", "/a/b")),
        ] {
            assert_eq!(Place::parse(text).unwrap(), expected, "{text}");
        }
        assert!(Place::parse("http://h").is_err());
    }

    #[test]
    fn options_come_to_a_target() {
        let args = |server: &str| ServerArgs {
            server: server.into(),
            ..ServerArgs::default()
        };
        let target = args("wss://u:p@127.0.0.1:1/x").target().unwrap();
        assert_eq!(target.transport(), "WebSocket over TLS");
        assert_eq!(target.credentials.user.as_deref(), Some("u"));
        let target = args("t@127.0.0.1:1").target().unwrap();
        assert_eq!(target.transport(), "plain TCP");
        assert_eq!(target.credentials.token.as_deref(), Some("t"));
        let missing = ServerArgs {
            nkey_seed: Some("/nonexistent".into()),
            ..args("127.0.0.1:1")
        };
        assert!(missing.target().unwrap_err().contains("/nonexistent"));
        let lone = ServerArgs {
            tls_insecure: true,
            ..args("127.0.0.1:1")
        };
        assert!(lone.target().unwrap_err().contains("need --tls"));
        let missing = ServerArgs {
            tls: true,
            tls_ca: Some("/nonexistent".into()),
            ..args("127.0.0.1:1")
        };
        assert!(missing.target().unwrap_err().contains("/nonexistent"));
    }
}
