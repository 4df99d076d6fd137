//! The settings of a `websocket {}` block.

use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::{ListenerCredentials, Policy, Secret};
use trunkline_core::wire::websocket::upgrade::{Origin, UpgradeRules};

use super::address::{HOST, PortChoice, Refusal, port_choice};
use super::tls::TlsOptions;

/// How long TLS and the upgrade may take, unless that is said.
pub const HANDSHAKE_TIMEOUT_NS: u64 = 10_000_000_000;

/// Fields of the answer that are the server's own.
const OWN_FIELDS: [&str; 5] = [
    "host",
    "content-length",
    "connection",
    "upgrade",
    "nats-no-masking",
];

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct RequestedWebsocket {
    /// Empty: every address.
    pub host: String,
    /// 0: no listener.
    pub port: i64,
    /// Empty: none.
    pub advertise: String,
    /// Without TLS.
    pub no_tls: bool,
    /// Its TLS.
    pub tls: Option<TlsOptions>,
    /// As written.
    pub allowed_origins: Vec<String>,
    /// Everything about the upgrade but the origins and TLS.
    pub rules: UpgradeRules,
    /// 0: the default.
    pub handshake_timeout_ns: u64,
    /// `authorization`; empty: none.
    pub user: String,
    /// `authorization`.
    pub password: Secret,
    /// `authorization`; empty: none.
    pub token: Secret,
    /// 0: as for others.
    pub auth_timeout_ns: u64,
    /// 0: as for others.
    pub ping_interval_ns: u64,
    /// Empty: none.
    pub no_auth_user: String,
    /// Empty: none.
    pub jwt_cookie: String,
}

/// The WebSocket listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebsocketOptions {
    /// Address or name to bind to.
    pub host: String,
    /// Its port.
    pub port: PortChoice,
    /// What clients are told to connect to, as host and port.
    pub advertise: Option<String>,
    /// Its TLS.
    pub tls: Option<TlsOptions>,
    /// What the upgrade demands and offers.
    pub rules: UpgradeRules,
    /// How long TLS and the upgrade may take together.
    pub handshake_timeout_ns: u64,
    /// Time for credentials; `None`: as for others.
    pub auth_timeout_ns: Option<u64>,
    /// Silence after which the server sends a PING; `None`: as for others.
    pub ping_interval_ns: Option<u64>,
}

impl WebsocketOptions {
    /// How its URLs begin.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "wss" } else { "ws" }
    }
}

impl RequestedWebsocket {
    /// Checks what only the whole can tell, and puts the listener's own users
    /// into the policy; `None` if there is no listener.
    pub(super) fn resolve(self, policy: &mut Policy) -> Result<Option<WebsocketOptions>, Refusal> {
        if self.port == 0 {
            return Ok(None);
        }
        let wrong = |text: String| Err(Refusal::Setting(text));
        if self.tls.is_none() && !self.no_tls {
            return wrong("websocket requires TLS configuration".to_owned());
        }
        let allowed_origins: Result<Vec<Origin>, String> = self
            .allowed_origins
            .iter()
            .map(|text| origin(text))
            .collect();
        let rules = UpgradeRules {
            has_tls: self.tls.is_some(),
            allowed_origins: allowed_origins.map_err(Refusal::Setting)?,
            ..self.rules
        };
        check_fields(&rules).map_err(Refusal::Setting)?;
        if !self.jwt_cookie.is_empty() {
            return wrong(format!(
                "trusted operators or trusted keys configuration is required for JWT \
                 authentication via cookie {}",
                quoted(&self.jwt_cookie)
            ));
        }
        if !policy.users.is_empty() && !policy.has_single_user {
            let name = match (&*self.user, &*self.token.0) {
                ("", "") => None,
                ("", _) => Some("token"),
                _ => Some("username"),
            };
            if let Some(name) = name {
                return wrong(format!(
                    "websocket authentication {name} not compatible with presence of users/nkeys"
                ));
            }
        }
        policy.websocket_override = match (&*self.user, &*self.token.0) {
            ("", "") => None,
            ("", _) => Some(ListenerCredentials::Token(self.token)),
            _ => Some(ListenerCredentials::User {
                user: self.user,
                password: self.password,
            }),
        };
        policy.websocket_no_auth_user = match &*self.no_auth_user {
            "" => None,
            name => Some(super::access::find_no_auth_user(policy, name).map_err(Refusal::Setting)?),
        };
        policy.websocket_maps_certificates = self.tls.as_ref().is_some_and(|tls| tls.map);
        let given = |number: u64| Some(number).filter(|&number| number > 0);
        let host = match &*self.host {
            "" => HOST.to_owned(),
            _ => self.host,
        };
        Ok(Some(WebsocketOptions {
            port: port_choice(&host, self.port)?,
            host,
            advertise: Some(self.advertise).filter(|text| !text.is_empty()),
            tls: self.tls,
            rules,
            handshake_timeout_ns: given(self.handshake_timeout_ns).unwrap_or(HANDSHAKE_TIMEOUT_NS),
            auth_timeout_ns: given(self.auth_timeout_ns),
            ping_interval_ns: given(self.ping_interval_ns),
        }))
    }
}

/// The answer to an upgrade has header fields that nobody else may set.
fn check_fields(rules: &UpgradeRules) -> Result<(), String> {
    for (name, _) in &rules.fields {
        let lower = name.to_lowercase();
        if OWN_FIELDS.contains(&&*lower) {
            return Err(format!(
                "websocket: invalid header {name} not allowed",
                name = quoted(&name)
            ));
        }
        if lower.starts_with("sec-websocket-") {
            return Err(format!(
                "websocket: invalid header {name}, \"Sec-WebSocket-\" prefix not allowed",
                name = quoted(&name)
            ));
        }
    }
    Ok(())
}

fn origin(text: &str) -> Result<Origin, String> {
    let origin =
        Origin::parse(text).map_err(|error| format!("unable to parse allowed origin: {error}"))?;
    let named = |problem: &str| {
        Err(format!(
            "unable to parse allowed origin {text}: {problem}",
            text = quoted(&text)
        ))
    };
    match (&*origin.scheme, &*origin.host) {
        ("http" | "https", "") => named("host is required"),
        ("http" | "https", _) => Ok(origin),
        _ => named("allowed origins must be absolute URLs with http or https scheme"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested() -> RequestedWebsocket {
        RequestedWebsocket {
            port: -1,
            no_tls: true,
            ..RequestedWebsocket::default()
        }
    }

    #[test]
    fn without_a_port_there_is_no_listener() {
        let requested = RequestedWebsocket {
            port: 0,
            no_tls: false,
            ..requested()
        };
        assert_eq!(requested.resolve(&mut Policy::open()), Ok(None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refusal = |change: fn(&mut RequestedWebsocket)| {
            let mut requested = requested();
            change(&mut requested);
            let refusal = requested.resolve(&mut Policy::open());
            refusal.expect_err("refused").to_string()
        };
        let no_tls = refusal(|requested| requested.no_tls = false);
        assert_eq!(no_tls, "websocket requires TLS configuration");
        let origin = refusal(|requested| requested.allowed_origins = vec!["ftp://a".to_owned()]);
        assert!(origin.contains("absolute URLs"), "{origin}");
        let field = refusal(|requested| {
            requested.rules.fields = vec![("Sec-WebSocket-X".to_owned(), "1".to_owned())];
        });
        assert!(field.contains("prefix not allowed"), "{field}");
        let user = refusal(|requested| requested.no_auth_user = "x".to_owned());
        assert!(user.contains("no_auth_user"), "{user}");
        assert!(refusal(|requested| requested.jwt_cookie = "j".to_owned()).contains("trusted"));
    }

    #[test]
    fn the_listener_may_have_a_user_of_its_own() {
        let mut policy = Policy::open();
        let requested = RequestedWebsocket {
            user: "w".to_owned(),
            password: Secret("secret".to_owned()),
            ..requested()
        };
        assert!(!format!("{requested:?}").contains("secret"));
        let options = requested
            .resolve(&mut policy)
            .expect("valid")
            .expect("a listener");
        assert_eq!(options.host, "0.0.0.0");
        assert!(policy.websocket_override.is_some() && !policy.requires_credentials());
    }
}
