//! The HTTP exchange that turns a connection into a WebSocket.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest as _, Sha1};

use crate::random::Random;

/// Most bytes of the server's answer.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const DEFLATE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct UpgradeSettings {
    /// `host:port` for the Host header.
    pub host: String,
    /// Path of the request, `/` for the usual listener.
    pub path: String,
    /// Offer permessage-deflate.
    pub compress: bool,
}

/// A request under way.
pub struct Upgrade {
    key: String,
    compress: bool,
}

impl Upgrade {
    /// Appends the request to `out`.
    pub fn start(settings: &UpgradeSettings, out: &mut Vec<u8>) -> Self {
        let mut random = Random::new(crate::clock::now_ns());
        let key: Vec<u8> = [random.next(), random.next()]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let key = BASE64_STANDARD.encode(key);
        let UpgradeSettings {
            host,
            path,
            compress,
        } = settings;
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        );
        if *compress {
            request.push_str(&format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n"));
        }
        request.push_str("\r\n");
        out.extend_from_slice(request.as_bytes());
        Upgrade {
            key,
            compress: *compress,
        }
    }

    /// Judges the answer in `received` and takes it away, once it is whole.
    pub fn finish(&self, received: &mut Vec<u8>) -> Result<bool, String> {
        let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else {
            if received.len() > ANSWER_BYTES_MAX {
                return Err("it answers the WebSocket upgrade without end".into());
            }
            return Ok(false);
        };
        let text = String::from_utf8_lossy(&received[..end]).into_owned();
        received.drain(..end + 4);
        let mut lines = text.lines();
        let status = lines.next().unwrap_or("");
        if status.split(' ').nth(1) != Some("101") {
            return Err(format!("it refuses the WebSocket upgrade: {status}"));
        }
        let field = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        if field("Sec-WebSocket-Accept") != Some(accept(&self.key).as_str()) {
            return Err("its answer to the WebSocket upgrade is not one to our request".into());
        }
        let agreed = field("Sec-WebSocket-Extensions")
            .is_some_and(|text| text.contains("permessage-deflate"));
        match (self.compress, agreed) {
            (true, false) => {
                Err("it does not compress WebSocket messages (websocket.compression)".into())
            }
            (false, true) => Err("it compresses although nobody asked".into()),
            _ => Ok(true),
        }
    }
}

fn accept(key: &str) -> String {
    BASE64_STANDARD.encode(Sha1::digest(format!("{key}{GUID}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(compress: bool, answer: impl Fn(&str) -> String) -> Result<bool, String> {
        let settings = UpgradeSettings {
            host: "h:1".into(),
            path: "/".into(),
            compress,
        };
        let mut request = Vec::new();
        let upgrade = Upgrade::start(&settings, &mut request);
        assert!(request.starts_with(b"GET / HTTP/1.1\r\nHost: h:1\r\n"));
        let mut received = answer(&accept(&upgrade.key)).into_bytes();
        let result = upgrade.finish(&mut received);
        assert!(result != Ok(true) || received == b"INFO");
        result
    }

    #[test]
    fn answers_are_judged() {
        // The example of RFC 6455, section 1.3.
        let example = accept("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(example, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let good = |accept: &str, more: &str| {
            format!("HTTP/1.1 101 Switching\r\nsec-websocket-accept: {accept}\r\n{more}\r\nINFO")
        };
        let deflate = "Sec-WebSocket-Extensions: permessage-deflate; x\r\n";
        assert_eq!(judge(false, |key| good(key, "")), Ok(true));
        assert_eq!(judge(true, |key| good(key, deflate)), Ok(true));
        assert_eq!(judge(false, |_| "HTTP/1.1 101".into()), Ok(false));
        for (result, expected) in [
            (judge(true, |key| good(key, "")), "does not compress"),
            (judge(false, |key| good(key, deflate)), "nobody asked"),
            (judge(false, |_| good("x", "")), "not one to our request"),
            (
                judge(false, |_| "HTTP/1.1 404 No\r\n\r\n".into()),
                "HTTP/1.1 404 No",
            ),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
