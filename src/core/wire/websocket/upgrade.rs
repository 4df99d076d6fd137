//! The upgrade from HTTP to WebSocket (RFC 6455, 4.2), judged in the order and
//! answered in the words of NATS 2.15.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::base::shown::quoted;
use crate::wire::connect::ConnectOptions;

/// A request may have this many bytes...
pub const REQUEST_BYTES_MAX: usize = 64 << 10;

/// ...and this many fields.
const FIELDS_MAX: usize = 128;

const KEY_BYTES: usize = 16;

/// Goes behind the key before it is hashed (RFC 6455, 1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a listener demands and offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpgradeRules {
    /// The listener speaks TLS.
    pub has_tls: bool,
    /// A browser's page must come from this server.
    pub same_origin: bool,
    /// Pages may come from there; empty: from everywhere.
    pub allowed_origins: Vec<Origin>,
    /// permessage-deflate may be agreed on.
    pub compression: bool,
    /// Fields of the answer.
    pub fields: Vec<(String, String)>,
    /// Name of the cookie with the user's name; empty: none.
    pub user_cookie: String,
    /// Name of the cookie with the password.
    pub password_cookie: String,
    /// Name of the cookie with the token.
    pub token_cookie: String,
}

/// Where a page comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `http` or `https`, in lower case.
    pub scheme: String,
    /// In lower case.
    pub host: String,
    /// As written, or what the scheme implies.
    pub port: String,
}

impl Origin {
    /// Reads `scheme://host[:port]`, whatever path follows.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("parse {}: invalid URI for request", quoted(text));
        let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
        let is_scheme = |letter: u8| letter.is_ascii_alphanumeric() || b"+-.".contains(&letter);
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
            return Err(invalid());
        }
        let scheme = scheme.to_ascii_lowercase();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, place)| place);
        let (host, port) = host_and_port(authority, scheme == "https")?;
        Ok(Self { scheme, host, port })
    }
}

/// Splits an address; the port is implied if there is none.
fn host_and_port(text: &str, has_tls: bool) -> Result<(String, String), String> {
    let wrong = |what: &str| format!("address {text}: {what}");
    let implied = if has_tls { "443" } else { "80" };
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest
            .split_once(']')
            .ok_or_else(|| wrong("missing ']' in address"))?;
        match port.strip_prefix(':') {
            Some(port) => (host, port),
            // Without a port the brackets stay, as in NATS 2.15.
            None if port.is_empty() => (text, implied),
            None => return Err(wrong("unexpected text after ']'")),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(wrong("too many colons")),
            Some((host, port)) => (host, port),
            None => (text, implied),
        }
    };
    Ok((host.to_ascii_lowercase(), port.to_owned()))
}

/// What is agreed on with a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// To be sent.
    pub response: Vec<u8>,
    /// Messages may be compressed.
    pub compresses: bool,
    /// The client masks its payloads.
    pub masks: bool,
    /// It says that it is a browser, which gets small frames.
    pub is_browser: bool,
    /// The client's address, as a proxy says.
    pub client_ip: Option<IpAddr>,
    /// Credentials in cookies.
    pub presented: Option<Box<ConnectOptions>>,
}

/// Why there is no upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// To be sent before the connection ends.
    pub response: Vec<u8>,
    /// For the log; empty: nothing worth a line.
    pub reason: String,
}

/// Judges a request; `None` if it is not whole.
///
/// # Errors
/// The answer to a request that is not in order.
pub fn upgrade(request: &[u8], rules: &UpgradeRules) -> Result<Option<Upgrade>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let len = match parsed.parse(request) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if request.len() < REQUEST_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(bare("431 Request Header Fields Too Large", ""));
        }
        Err(httparse::Error::Version) => {
            let detail = "unsupported protocol version";
            return Err(bare("505 HTTP Version Not Supported", detail));
        }
        Err(httparse::Error::HeaderName) => {
            return Err(bare("400 Bad Request", "invalid header name"));
        }
        Err(httparse::Error::HeaderValue) => {
            return Err(bare("400 Bad Request", "invalid header value"));
        }
        Err(_) => return Err(bare("400 Bad Request", "")),
    };
    let request_line = (parsed.method.unwrap_or(""), parsed.path.unwrap_or(""));
    let fields = Fields(parsed.headers);
    let hosts = fields.all("host").count();
    if parsed.version == Some(1) && hosts == 0 {
        return Err(bare("400 Bad Request", "missing required Host header"));
    }
    if hosts > 1 {
        return Err(bare("400 Bad Request", "too many Host headers"));
    }
    let accepted = judge(request_line, &fields, rules)?;
    if len < request.len() {
        // It cannot know yet what it may send.
        let mut refusal = refused(
            "400 Bad Request",
            "client sent data before handshake is complete",
        );
        refusal.response.clear();
        return Err(refusal);
    }
    Ok(Some(accepted))
}

/// The fields of a request, by name.
struct Fields<'a>(&'a [httparse::Header<'a>]);

impl<'a> Fields<'a> {
    fn all(&self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| std::str::from_utf8(field.value).unwrap_or("").trim())
    }

    fn first(&self, name: &'a str) -> &'a str {
        self.all(name).next().unwrap_or("")
    }

    /// Whether a list has a word.
    fn has(&self, name: &'a str, word: &str) -> bool {
        let mut words = self.all(name).flat_map(|value| value.split(','));
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    }
}

fn judge(
    (method, target): (&str, &str),
    fields: &Fields<'_>,
    rules: &UpgradeRules,
) -> Result<Upgrade, Refusal> {
    let bad = |reason: &str| Err(refused("400 Bad Request", reason));
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if path.ends_with("/mqtt") {
        return Err(refused(
            "404 Not Found",
            "mqtt websocket endpoint not enabled",
        ));
    }
    if method != "GET" {
        return Err(refused(
            "405 Method Not Allowed",
            "request method must be GET",
        ));
    }
    if fields.first("host").is_empty() {
        return bad("'Host' missing in request");
    }
    if !fields.has("upgrade", "websocket") {
        return bad("invalid value for header 'Upgrade'");
    }
    if !fields.has("connection", "upgrade") {
        return bad("invalid value for header 'Connection'");
    }
    let key = fields.first("sec-websocket-key");
    if key.is_empty() {
        return bad("key missing");
    }
    if STANDARD.decode(key).map_or(0, |bytes| bytes.len()) != KEY_BYTES {
        return bad("invalid websocket key");
    }
    if !fields.has("sec-websocket-version", "13") {
        return bad("invalid version");
    }
    check_origin(fields, rules)
        .map_err(|reason| refused("403 Forbidden", &format!("origin not allowed: {reason}")))?;
    let compresses = rules.compression && offers_deflate(fields);
    let masks = fields.first("nats-no-masking") != "true";
    let mut upgrade = Upgrade {
        response: response(key, compresses, masks, rules),
        compresses,
        masks,
        is_browser: fields.first("user-agent").starts_with("Mozilla/"),
        client_ip: fields
            .all("x-forwarded-for")
            .next()
            .and_then(|ip| ip.parse().ok()),
        presented: cookies(fields, rules),
    };
    if path.ends_with("/leafnode") {
        return Err(Refusal {
            response: std::mem::take(&mut upgrade.response),
            reason: "Not configured to accept leaf node connections".to_owned(),
        });
    }
    Ok(upgrade)
}

/// A request without an origin does not come from a browser's page.
fn check_origin(fields: &Fields<'_>, rules: &UpgradeRules) -> Result<(), String> {
    if !rules.same_origin && rules.allowed_origins.is_empty() {
        return Ok(());
    }
    let origin = match fields.first("origin") {
        "" => fields.first("sec-websocket-origin"),
        origin => origin,
    };
    if origin.is_empty() {
        return Ok(());
    }
    let origin = Origin::parse(origin)?;
    if rules.same_origin {
        let (host, port) = host_and_port(fields.first("host"), rules.has_tls)?;
        let scheme = if rules.has_tls { "https" } else { "http" };
        if (&*origin.scheme, &origin.host, &origin.port) != (scheme, &host, &port) {
            return Err("not same origin".to_owned());
        }
    }
    match rules.allowed_origins.is_empty() || rules.allowed_origins.contains(&origin) {
        true => Ok(()),
        false => Err("not in the allowed list".to_owned()),
    }
}

fn offers_deflate(fields: &Fields<'_>) -> bool {
    let mut words = fields
        .all("sec-websocket-extensions")
        .flat_map(|value| value.split([',', ';']));
    words.any(|word| word.trim().eq_ignore_ascii_case("permessage-deflate"))
}

fn cookies(fields: &Fields<'_>, rules: &UpgradeRules) -> Option<Box<ConnectOptions>> {
    let mut presented: Option<Box<ConnectOptions>> = None;
    for cookie in fields.all("cookie").flat_map(|value| value.split(';')) {
        let Some((name, value)) = cookie.trim().split_once('=') else {
            continue;
        };
        let value = value
            .strip_prefix('"')
            .and_then(|inner| inner.strip_suffix('"'))
            .unwrap_or(value);
        if name.is_empty() {
            continue;
        }
        let mut set = |field: fn(&mut ConnectOptions) -> &mut String| {
            value.clone_into(field(presented.get_or_insert_default()));
        };
        match name {
            _ if name == rules.user_cookie => set(|options| &mut options.user),
            _ if name == rules.password_cookie => set(|options| &mut options.password),
            _ if name == rules.token_cookie => set(|options| &mut options.token),
            _ => {}
        }
    }
    presented
}

fn response(key: &str, compresses: bool, masks: bool, rules: &UpgradeRules) -> Vec<u8> {
    let accept = STANDARD.encode(Sha1::digest(format!("{key}{KEY_SUFFIX}")));
    let mut text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if compresses {
        text.push_str(
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n",
        );
    }
    if !masks {
        text.push_str("Nats-No-Masking: true\r\n");
    }
    for (name, value) in &rules.fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The answer to a request that is HTTP, but no upgrade.
fn refused(status: &str, reason: &str) -> Refusal {
    let body = status.split_once(' ').map_or(status, |(_, text)| text);
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nSec-Websocket-Version: 13\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}\n",
        body.len() + 1
    );
    Refusal {
        response: response.into_bytes(),
        reason: format!("websocket handshake error: {reason}"),
    }
}

/// The answer to what is not HTTP.
fn bare(status: &str, detail: &str) -> Refusal {
    let separator = if detail.is_empty() { "" } else { ": " };
    let response = format!(
        "HTTP/1.1 {status}{separator}{detail}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Connection: close\r\n\r\n{status}{separator}{detail}"
    );
    Refusal {
        response: response.into_bytes(),
        reason: String::new(),
    }
}

#[cfg(test)]
#[path = "upgrade_tests.rs"]
mod tests;
