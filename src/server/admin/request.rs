//! The head of a request over HTTP/1: what is asked, whether the connection goes
//! on, and what is said of one that makes no sense, as NATS 2.15 does.
//!
//! Not here: the socket (`talk`), the answers (`http`).

use super::target::Target;

/// A request without its body.
#[derive(Debug)]
pub struct Request {
    /// `GET`, and whatever else a client comes up with.
    pub method: Vec<u8>,
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

/// Bytes of the head at the beginning of `received`, the empty line included;
/// `None`: there is more to come.
pub fn head_len(received: &[u8]) -> Option<usize> {
    let mut begin = 0;
    while let Some(len) = received[begin..].iter().position(|&byte| byte == b'\n') {
        let line = &received[begin..begin + len];
        // A first line that is empty ends it too: it is none.
        begin += len + 1;
        if matches!(line, b"" | b"\r") {
            return Some(begin);
        }
    }
    None
}

impl Request {
    /// From a head.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(head: &[u8]) -> Result<Self, Malformed> {
        let mut lines = head
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = lines.next().ok_or(BAD)?;
        let (method, rest) = cut(first, b' ').ok_or(BAD)?;
        let (text, version) = cut(rest, b' ').ok_or(BAD)?;
        let (major, minor) = version_of(version).ok_or(BAD)?;
        if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) {
            return Err(BAD);
        }
        let target = Target::read(method, text).ok_or(BAD)?;
        let is_old = (major, minor) == (1, 0);
        let headers = Headers::read(lines)?;
        if headers.hosts.len() > 1 {
            return Err(BAD);
        }
        let body = headers.body(is_old)?;
        let is_preface = (major, method) == (2, b"PRI") && target.path == "*";
        if major != 1 && !is_preface {
            return Err(Malformed::new(
                "505 HTTP Version Not Supported: unsupported protocol version",
            ));
        }
        match headers.hosts.first() {
            None if !is_old && !is_preface && method != b"CONNECT" => {
                let text = "400 Bad Request: missing required Host header";
                return Err(Malformed::new(text));
            }
            Some(host) if !host.iter().all(|&byte| is_of_host(byte)) => {
                return Err(Malformed::new("400 Bad Request: malformed Host header"));
            }
            _ => {}
        }
        if headers.has_wrong_name {
            return Err(Malformed::new("400 Bad Request: invalid header name"));
        }
        let waits = headers.expectation.eq_ignore_ascii_case(b"100-continue");
        Ok(Self {
            method: method.to_vec(),
            target,
            is_old,
            keeps_alive: !headers.closes && (!is_old || headers.keeps_alive),
            body: match waits && body != Body::Bytes(0) {
                true => Body::Unknown,
                false => body,
            },
            expects: !waits && !headers.expectation.is_empty(),
        })
    }
}

/// What matters of the headers.
#[derive(Default)]
struct Headers {
    hosts: Vec<Vec<u8>>,
    lengths: Vec<Vec<u8>>,
    encodings: Vec<Vec<u8>>,
    expectation: Vec<u8>,
    closes: bool,
    keeps_alive: bool,
    /// Names may hold spaces, though none should.
    has_wrong_name: bool,
}

impl Headers {
    fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Self, Malformed> {
        let mut headers = Self::default();
        let mut last: Option<(&[u8], Vec<u8>)> = None;
        for line in lines {
            if line.first().is_some_and(|first| b" \t".contains(first)) {
                // A value goes on.
                let (_, value) = last.as_mut().ok_or(BAD)?;
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
                continue;
            }
            if let Some((name, value)) = last.take() {
                headers.note(name, value)?;
            }
            if line.is_empty() {
                break;
            }
            let (name, value) = cut(line, b':').ok_or(BAD)?;
            last = Some((name, value.trim_ascii().to_vec()));
        }
        Ok(headers)
    }

    fn note(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), Malformed> {
        let is_wrong = |byte: u8| byte != b' ' && !is_token(byte);
        let is_control = |&byte: &u8| byte.is_ascii_control() && byte != b'\t';
        if name.is_empty() || name.iter().any(|&byte| is_wrong(byte)) {
            return Err(BAD);
        }
        if value.iter().any(is_control) {
            return Err(BAD);
        }
        self.has_wrong_name |= name.contains(&b' ');
        match name.to_ascii_lowercase().as_slice() {
            b"host" => self.hosts.push(value),
            b"content-length" => self.lengths.push(value),
            b"transfer-encoding" => self.encodings.push(value),
            b"expect" if self.expectation.is_empty() => self.expectation = value,
            b"connection" => {
                for word in value.split(|&byte| byte == b',') {
                    let is = |wanted: &[u8]| word.trim_ascii().eq_ignore_ascii_case(wanted);
                    self.closes |= is(b"close");
                    self.keeps_alive |= is(b"keep-alive");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&self, is_old: bool) -> Result<Body, Malformed> {
        match self.encodings.as_slice() {
            [] => {}
            _ if is_old => {}
            [one] if one.eq_ignore_ascii_case(b"chunked") => return Ok(Body::Unknown),
            _ => {
                return Err(Malformed {
                    status: "501 Not Implemented",
                    text: "Unsupported transfer encoding",
                });
            }
        }
        let Some((first, others)) = self.lengths.split_first() else {
            return Ok(Body::Bytes(0));
        };
        let is_number = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
        if !is_number || others.iter().any(|other| other != first) {
            return Err(BAD);
        }
        let len = str::from_utf8(first)
            .ok()
            .and_then(|text| text.parse().ok());
        len.map(Body::Bytes).ok_or(BAD)
    }
}

/// What stands before and after the first `at`.
fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|&byte| byte == at)?;
    Some((&text[..place], &text[place + 1..]))
}

/// `HTTP/1.1` as 1 and 1.
fn version_of(text: &[u8]) -> Option<(u8, u8)> {
    match text.strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
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
        assert_eq!(head_len(head), Some(head.len()), "{text}");
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
        let closing = "POST / HTTP/1.1\r\nhost: x\r\nconnection: a,\r\n CLOSE\r\ntransfer-encoding: Chunked\r\n\r\n";
        let closing = read(closing).unwrap();
        assert!(!closing.keeps_alive && closing.body == Body::Unknown);
        assert_eq!(head_len(b"GET / HTTP/1.1\r\nHost: x\r\n"), None);
    }

    #[test]
    fn what_makes_no_sense_is_told_so() {
        for (head, status) in [
            ("\r\n", "400 Bad Request"),
            ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
            ("G(T / HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", "400 Bad Request"),
            ("GET / HTTP/1.1\r\n A: x\r\n\r\n", "400 Bad Request"),
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
