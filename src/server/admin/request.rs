//! The head of a request over HTTP/1: what is asked, whether the connection goes
//! on, and what is said of one that makes no sense, as NATS 2.15 does.
//!
//! Not here: the socket (`talk`), the answers (`http`).
//!
//! Bounds: [`HEADERS_MAX`]; how long a head may be is up to the caller.

use super::target::Target;

/// Headers beyond are too many: 431.
const HEADERS_MAX: usize = 128;

/// A request without its body.
#[derive(Debug)]
pub struct Request {
    /// `GET`, and whatever else a client comes up with.
    pub method: String,
    /// What it asks for.
    pub target: Target,
    /// HTTP/1.0.
    pub is_old: bool,
    /// Another request may follow.
    pub keeps_alive: bool,
    /// What follows the head.
    pub body: Body,
    /// It wants something of the server that this one does not do.
    pub expects: bool,
}

/// What follows a request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// That many bytes.
    Bytes(usize),
    /// Nobody knows: it comes in chunks, or the client waits for a word before
    /// it sends them.
    Unknown,
}

/// A head that makes no sense: the status, and what is said of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// `400 Bad Request`, with a reason or without.
    pub status: &'static str,
    /// The body of the answer.
    pub text: &'static str,
}

impl Malformed {
    /// A status that is its own text.
    pub const fn new(status: &'static str) -> Self {
        Self {
            status,
            text: status,
        }
    }
}

const BAD: Malformed = Malformed::new("400 Bad Request");

/// Where heads that are too large end.
pub const TOO_LARGE: Malformed = Malformed::new("431 Request Header Fields Too Large");

/// Finds the end of a head in what arrives piece by piece.
#[derive(Debug, Default)]
pub struct HeadEnd {
    /// Where the line begins whose end has not been seen,
    line_begin: usize,
    /// and how far it was looked for.
    seen: usize,
}

impl HeadEnd {
    /// Bytes of the head at the beginning of all that was received, the empty
    /// line included; `None`: there is more to come.
    pub fn find(&mut self, received: &[u8]) -> Option<usize> {
        while let Some(len) = received[self.seen..].iter().position(|&byte| byte == b'\n') {
            let end = self.seen + len;
            let line = &received[self.line_begin..end];
            (self.line_begin, self.seen) = (end + 1, end + 1);
            // A first line that is empty ends it too: it is none.
            if matches!(line, b"" | b"\r") {
                return Some(self.seen);
            }
        }
        self.seen = received.len();
        None
    }
}

impl Request {
    /// From a head.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(head: &[u8]) -> Result<Self, Malformed> {
        let head = readable(head);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(head.as_bytes()) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(BAD),
            Err(failure) => return Err(malformed(failure, &head)),
        }
        let (Some(method), Some(target), Some(version)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(BAD);
        };
        let target = Target::read(method, target).ok_or(BAD)?;
        let headers = Headers(parsed.headers);
        let is_old = version == 0;
        let body = headers.body(is_old)?;
        headers.check_host(is_old || method == "CONNECT")?;
        let expectation = headers.first("expect");
        let waits = expectation.eq_ignore_ascii_case(b"100-continue");
        let connection = |word| headers.has("connection", word);
        Ok(Self {
            method: method.to_owned(),
            target,
            is_old,
            keeps_alive: !connection(b"close") && (!is_old || connection(b"keep-alive")),
            body: match waits && body != Body::Bytes(0) {
                true => Body::Unknown,
                false => body,
            },
            expects: !waits && !expectation.is_empty(),
        })
    }
}

/// A head as text: bytes that are none, which Go takes in a target, become escapes.
fn readable(head: &[u8]) -> String {
    let mut text = String::with_capacity(head.len());
    for chunk in head.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// What is said of a head that cannot be read.
fn malformed(failure: httparse::Error, head: &str) -> Malformed {
    match failure {
        httparse::Error::HeaderName => Malformed::new("400 Bad Request: invalid header name"),
        httparse::Error::TooManyHeaders => TOO_LARGE,
        httparse::Error::Version if has_other_version(head) => {
            Malformed::new("505 HTTP Version Not Supported: unsupported protocol version")
        }
        _ => BAD,
    }
}

/// Whether the first line ends with a version that could be one.
fn has_other_version(head: &str) -> bool {
    let line = head.lines().next().unwrap_or_default();
    let version = line.splitn(3, ' ').nth(2).unwrap_or_default();
    let number = version.strip_prefix("HTTP/").unwrap_or_default();
    matches!(number.as_bytes(), [b'0'..=b'9', b'.', b'0'..=b'9'])
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    fn all(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        let named = self.0.iter().filter(named);
        named.map(|header| header.value.trim_ascii())
    }

    fn first(&self, name: &'a str) -> &'a [u8] {
        self.all(name).next().unwrap_or_default()
    }

    /// Whether a list has a word.
    fn has(&self, name: &'a str, word: &[u8]) -> bool {
        let mut words = self
            .all(name)
            .flat_map(|value| value.split(|&byte| byte == b','));
        words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word))
    }

    fn check_host(&self, may_be_absent: bool) -> Result<(), Malformed> {
        let mut hosts = self.all("host");
        match (hosts.next(), hosts.next()) {
            (_, Some(_)) => Err(BAD),
            (None, _) if !may_be_absent => Err(Malformed::new(
                "400 Bad Request: missing required Host header",
            )),
            (Some(host), _) if !host.iter().all(|&byte| is_of_host(byte)) => {
                Err(Malformed::new("400 Bad Request: malformed Host header"))
            }
            _ => Ok(()),
        }
    }

    fn body(&self, is_old: bool) -> Result<Body, Malformed> {
        let mut encodings = self.all("transfer-encoding");
        match (encodings.next(), encodings.next()) {
            (None, _) => {}
            _ if is_old => {}
            (Some(one), None) if one.eq_ignore_ascii_case(b"chunked") => return Ok(Body::Unknown),
            _ => {
                return Err(Malformed {
                    status: "501 Not Implemented",
                    text: "Unsupported transfer encoding",
                });
            }
        }
        let mut lengths = self.all("content-length");
        let Some(first) = lengths.next() else {
            return Ok(Body::Bytes(0));
        };
        let is_number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
        if !is_number || lengths.any(|other| other != first) {
            return Err(BAD);
        }
        let len = str::from_utf8(first)
            .ok()
            .and_then(|text| text.parse().ok());
        len.map(Body::Bytes).ok_or(BAD)
    }
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&()*+,-.:;=['_~]".contains(&byte)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, Malformed> {
        let head = text.as_bytes();
        assert_eq!(HeadEnd::default().find(head), Some(head.len()), "{text}");
        Request::read(head)
    }

    #[test]
    fn heads_are_read() {
        let request = read("GET /varz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n").unwrap();
        assert_eq!(request.target.path, "/varz");
        assert!(request.keeps_alive && !request.is_old && !request.expects);
        assert_eq!(request.body, Body::Bytes(5));
        let old = read("GET / HTTP/1.0\n\n").unwrap();
        assert!(old.is_old && !old.keeps_alive);
        let closing = "POST / HTTP/1.1\r\nhost: x\r\nconnection: a, CLOSE\r\ntransfer-encoding: Chunked\r\n\r\n";
        let closing = read(closing).unwrap();
        assert!(!closing.keeps_alive && closing.body == Body::Unknown);
    }

    #[test]
    fn ends_of_heads_are_found_piece_by_piece() {
        let head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut end = HeadEnd::default();
        for len in 0..head.len() {
            assert_eq!(end.find(&head[..len]), None);
        }
        assert_eq!(end.find(&[head, &b"GET"[..]].concat()), Some(head.len()));
    }

    #[test]
    fn what_makes_no_sense_is_told_so() {
        for (head, status) in [
            ("\r\n", "400 Bad Request"),
            ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
            ("G(T / HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1 x\r\nHost: x\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/one\r\nHost: x\r\n\r\n", "400 Bad Request"),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n",
                "400 Bad Request",
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\n A: x\r\n\r\n",
                "400 Bad Request: invalid header name",
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
                "400 Bad Request",
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                "400 Bad Request",
            ),
            (
                "GET / HTTP/1.1\r\n\r\n",
                "400 Bad Request: missing required Host header",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                "400 Bad Request: malformed Host header",
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
                "400 Bad Request: invalid header name",
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
                "501 Not Implemented",
            ),
            (
                "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
                "505 HTTP Version Not Supported: unsupported protocol version",
            ),
        ] {
            assert_eq!(read(head).unwrap_err().status, status, "{head}");
        }
    }
}
