//! An answer over HTTP, and its bytes.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::request::Request;

/// An answer.
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// With a body of that type; an empty type: it is not said.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let reply = Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        };
        match content_type {
            "" => reply,
            content_type => reply.with("Content-Type", content_type),
        }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Its bytes as the answer to a request; `goes_on`: another one may follow.
    pub fn bytes(&self, request: &Request, goes_on: bool) -> Vec<u8> {
        let version = if request.is_old { "1.0" } else { "1.1" };
        let (status, reason) = (self.status, reason(self.status));
        let mut head = format!("HTTP/{version} {status} {reason}\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let now = Timestamp::now().to_zoned(TimeZone::UTC);
        let connection = match (goes_on, request.is_old) {
            (true, true) => "Connection: keep-alive\r\n",
            // What both take for granted is not said.
            (true, false) | (false, true) => "",
            (false, false) => "Connection: close\r\n",
        };
        head.push_str(&format!(
            "Date: {}\r\nContent-Length: {}\r\n{connection}\r\n",
            now.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            self.body.len()
        ));
        let mut bytes = head.into_bytes();
        if request.method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// The words of a status.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        404 => "Not Found",
        417 => "Expectation Failed",
        500 => "Internal Server Error",
        _ => "Service Unavailable",
    }
}
