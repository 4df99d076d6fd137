//! Requests over HTTP as dashboards, people and strangers write them: which are answered, and with which
//! words the others are refused; and that nobody who says nothing is in the way of who asks.

use crate::monitoring::monitoring;
use crate::support::GUARD;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use trunkline_tests::ServerUnderTest;

/// What comes back until the server closes.
fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // What it does not read may be reset behind its answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(target: &[u8]) -> Vec<u8> {
    let rest = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    [b"GET ", target, rest].concat()
}

/// Targets, and what the answer's first line ends with.
const TARGETS: &[(&[u8], &str)] = &[
    (b"/connz?acc=$G&user=a.>", "200 OK"),
    (b"/connz?x=\"y\"", "200 OK"),
    (b"/connz?user=\xc3\xa9", "200 OK"),
    (b"/connz?user=\xff", "200 OK"),
    (b"/connz?user=%zz", "200 OK"),
    (b"/connz?a=|\\^`{}", "200 OK"),
    (b"/%76arz", "200 OK"),
    (b"http://h/varz", "200 OK"),
    (b"/varz?", "200 OK"),
    (b"/varz?x#y", "200 OK"),
    (b"/connz?limit=+1", "400 Bad Request"),
    (b"/varz%2f", "404 Not Found"),
    (b"/debug%2Fvars", "404 Not Found"),
    (b"/healthz%3f", "404 Not Found"),
    (b"/var\xff", "404 Not Found"),
    (b"/a\"b", "404 Not Found"),
    (b"/%2e%2e/varz", "404 Not Found"),
    (b"/varz;x", "404 Not Found"),
    (b"http://h", "307 Temporary Redirect"),
    (b"//varz?a=>", "307 Temporary Redirect"),
    (b"/%zz", "400 Bad Request"),
    (b"varz", "400 Bad Request"),
    (b"*", "400 Bad Request"),
    (b"", "400 Bad Request"),
    (b"/connz?user=a b", "400 Bad Request"),
    (b"/connz?user=\x01", "400 Bad Request"),
    (b"/connz?user=\x7f", "400 Bad Request"),
];

/// Whole heads, the first line of the answer, and its body if it is one that says why.
const HEADS: &[(&str, &str, &str)] = &[
    (
        "GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 400 Bad Request: missing required Host header",
        "400 Bad Request: missing required Host header",
    ),
    (
        "GET /varz HTTP/1.1\r\nHost: a b\r\n\r\n",
        "HTTP/1.1 400 Bad Request: malformed Host header",
        "400 Bad Request: malformed Host header",
    ),
    (
        "GET /varz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "HTTP/1.1 400 Bad Request",
        "400 Bad Request",
    ),
    (
        "GET /varz HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
        "HTTP/1.1 400 Bad Request: invalid header name",
        "400 Bad Request: invalid header name",
    ),
    (
        "GET /varz HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 400 Bad Request",
        "400 Bad Request",
    ),
    (
        "GET /varz HTTP/2.0\r\nHost: a\r\n\r\n",
        "HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version",
        "505 HTTP Version Not Supported: unsupported protocol version",
    ),
    (
        "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n",
        "HTTP/1.1 501 Not Implemented",
        "Unsupported transfer encoding",
    ),
    (
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: x\r\n\r\n",
        "HTTP/1.1 417 Expectation Failed",
        "",
    ),
    (
        "GET /healthz HTTP/1.0\r\n\r\n",
        "HTTP/1.0 200 OK",
        "{\"status\":\"ok\"}",
    ),
    (
        "GET /healthz HTTP/1.1\nHost: a\nConnection: close\n\n",
        "HTTP/1.1 200 OK",
        "{\"status\":\"ok\"}",
    ),
    (
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK",
        "",
    ),
    (
        "FOO /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK",
        "{\"status\":\"ok\"}",
    ),
    (
        "POST //varz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 307 Temporary Redirect",
        "",
    ),
    (
        "nonsense\r\n\r\n",
        "HTTP/1.1 400 Bad Request",
        "400 Bad Request",
    ),
];

#[test]
fn requests_are_answered_and_refused_in_the_words_of_the_reference() {
    let server = ServerUnderTest::with_config("http: 127.0.0.1:-1");
    let address = monitoring(&server);
    for (target, status) in TARGETS {
        let answer = raw(address, &get(target));
        let (first, _) = answer.split_once("\r\n").unwrap();
        let target = String::from_utf8_lossy(target);
        assert_eq!(first, format!("HTTP/1.1 {status}"), "{target}");
    }
    for (head, first, body) in HEADS {
        let answer = raw(address, head.as_bytes());
        let (headers, said) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(headers.lines().next(), Some(*first), "{head}");
        assert_eq!(said, *body, "{head}");
    }
    let refused = raw(address, &get(b"/connz?limit=+1"));
    assert!(
        refused.contains("parsing \" 1\": invalid syntax"),
        "{refused}"
    );
    let moved = raw(address, &get(b"//a?b=\"c"));
    assert!(moved.contains("\r\nLocation: /a?b=\"c\r\n"), "{moved}");
    assert!(moved.contains("href=\"/a?b=&#34;c\""), "{moved}");
}

/// Connections are kept, and bodies are no requests.
#[test]
fn one_request_follows_the_other() {
    let server = ServerUnderTest::with_config("http: 127.0.0.1:-1");
    let address = monitoring(&server);
    let requests = "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
                    HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n\
                    GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = raw(address, requests.as_bytes());
    assert_eq!(
        answers.matches("HTTP/1.1 200 OK\r\n").count(),
        3,
        "{answers}"
    );
    assert_eq!(
        answers.matches("{\"status\":\"ok\"}").count(),
        2,
        "{answers}"
    );
    assert_eq!(answers.matches("Connection: close").count(), 1, "{answers}");
}

/// A supervisor asks whether the server is well; hundreds of connections that say nothing, or one letter
/// after the other, are not in its way.
#[test]
fn silent_and_slow_connections_are_in_nobodys_way() {
    let server = ServerUnderTest::with_config("http: 127.0.0.1:-1");
    let address = monitoring(&server);
    let mut crowd: Vec<TcpStream> = (0..400)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for _ in 0..3 {
        for one in crowd.iter_mut().skip(200) {
            // The server may have let it go.
            let _ = one.write_all(b"G");
        }
        let before = Instant::now();
        let answer = raw(address, &get(b"/healthz"));
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let taken = before.elapsed();
        assert!(taken < Duration::from_secs(2), "{taken:?}");
    }
}
