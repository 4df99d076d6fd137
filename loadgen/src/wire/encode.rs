//! Client verbs as bytes: CONNECT, SUB, PUB, HPUB.

use std::io::Write;

use crate::net::nkey::NkeyUser;

/// Credentials for CONNECT; all optional.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// User name.
    pub user: Option<String>,
    /// Password that belongs to the user name.
    pub password: Option<String>,
    /// Token, instead of user and password.
    pub token: Option<String>,
    /// Key pair that signs the server's nonce.
    pub nkey: Option<NkeyUser>,
}

impl Credentials {
    /// There is something to show.
    pub fn are_given(&self) -> bool {
        self.user.is_some() || self.token.is_some() || self.nkey.is_some()
    }
}

/// What CONNECT says.
pub struct Hello<'a> {
    /// Name of the connection.
    pub name: &'a str,
    /// As whom.
    pub credentials: &'a Credentials,
    /// The nonce of INFO, empty if there was none.
    pub nonce: &'a str,
    /// TLS is in use.
    pub secure: bool,
    /// Get our own messages too.
    pub echo: bool,
}

/// Appends `CONNECT {...}` as the official clients send it: not verbose, not pedantic, headers and no-responders on.
pub fn connect(out: &mut Vec<u8>, hello: &Hello<'_>) -> Result<(), String> {
    let Hello {
        name,
        credentials,
        nonce,
        secure,
        echo,
    } = hello;
    let mut options = serde_json::json!({
        "verbose": false, "pedantic": false, "tls_required": secure, "name": name, "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"), "protocol": 1, "echo": echo, "headers": true, "no_responders": true,
    });
    let fields = [
        ("user", &credentials.user),
        ("pass", &credentials.password),
        ("auth_token", &credentials.token),
    ];
    for (key, value) in fields {
        if let Some(value) = value {
            options[key] = value.as_str().into();
        }
    }
    if let Some(nkey) = &credentials.nkey {
        if nonce.is_empty() {
            return Err("the server offers no nonce to sign: it has no nkey users".into());
        }
        options["nkey"] = nkey.public().into();
        options["sig"] = nkey.sign(nonce).into();
    }
    write!(out, "CONNECT {options}\r\n").expect("a Vec takes every write");
    Ok(())
}

/// Appends `SUB subject [queue] sid`.
pub fn subscribe(out: &mut Vec<u8>, subject: &str, queue: Option<&str>, sid: u64) {
    match queue {
        Some(queue) => write!(out, "SUB {subject} {queue} {sid}\r\n"),
        None => write!(out, "SUB {subject} {sid}\r\n"),
    }
    .expect("a Vec takes every write");
}

/// Appends `PUB subject [reply] size`, the payload and its line end.
pub fn publish(out: &mut Vec<u8>, subject: &[u8], reply: &[u8], payload: &[u8]) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(subject);
    out.push(b' ');
    if !reply.is_empty() {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    decimal(out, payload.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends `HPUB subject [reply] …`, with a block of headers that ends with an empty line.
pub fn publish_with_headers(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: &[u8],
    headers: &[u8],
    payload: &[u8],
) {
    out.extend_from_slice(b"HPUB ");
    out.extend_from_slice(subject);
    out.push(b' ');
    if !reply.is_empty() {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    decimal(out, headers.len() as u64);
    out.push(b' ');
    decimal(out, (headers.len() + payload.len()) as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends `number` in decimal, without going through the formatter (requests are built one by one).
pub fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_look_as_the_protocol_says() {
        let mut out = Vec::new();
        subscribe(&mut out, "a.*", None, 7);
        subscribe(&mut out, "a.*", Some("q"), 8);
        publish(&mut out, b"a.b", b"", b"hey");
        publish(&mut out, b"a.b", b"r", b"");
        publish_with_headers(&mut out, b"a", b"r", b"NATS/1.0\r\n\r\n", b"hey");
        assert_eq!(
            out,
            b"SUB a.* 7\r\nSUB a.* q 8\r\nPUB a.b 3\r\nhey\r\nPUB a.b r 0\r\n\r\n\
              HPUB a r 12 15\r\nNATS/1.0\r\n\r\nhey\r\n"
        );
    }

    #[test]
    fn decimals() {
        for number in [0, 9, 10, 4096, u64::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    fn connected(credentials: &Credentials, nonce: &str, secure: bool) -> Result<String, String> {
        let hello = Hello {
            name: "n",
            credentials,
            nonce,
            secure,
            echo: !secure,
        };
        let mut out = Vec::new();
        connect(&mut out, &hello).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn connect_carries_credentials_only_when_given() {
        let credentials = Credentials {
            token: Some("t\"x".into()),
            ..Credentials::default()
        };
        let text = connected(&credentials, "", false).unwrap();
        assert!(
            text.starts_with("CONNECT {") && text.ends_with("}\r\n"),
            "{text}"
        );
        assert!(
            text.contains(r#""auth_token":"t\"x""#) && !text.contains("pass"),
            "{text}"
        );
        assert!(text.contains(r#""echo":true"#), "{text}");
    }

    #[test]
    fn an_nkey_signs_the_nonce() {
        let credentials = Credentials {
            nkey: Some(NkeyUser::from_secret([3; 32])),
            ..Credentials::default()
        };
        let text = connected(&credentials, "abc", true).unwrap();
        assert!(
            text.contains(r#""nkey":"U"#) && text.contains(r#""sig":""#),
            "{text}"
        );
        assert!(text.contains(r#""tls_required":true,"#), "{text}");
        assert!(text.contains(r#""echo":false"#), "{text}");
        assert!(connected(&credentials, "", false).is_err());
    }
}
