//! Tests of the upgrade: what is accepted, and every way to be refused.

use super::*;

/// The request of RFC 6455, 1.3, with other fields.
fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let usual = [
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let replaced = |name: &str| fields.iter().any(|(other, _)| other == &name);
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    let kept = usual.iter().filter(|(name, _)| !replaced(name));
    for (name, value) in kept.chain(fields).filter(|(_, value)| *value != "-") {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

fn accepted(rules: &UpgradeRules, fields: &[(&str, &str)]) -> Upgrade {
    upgrade(&request("GET", "/", fields), rules)
        .expect("accepted")
        .expect("whole")
}

fn status(rules: &UpgradeRules, request: &[u8]) -> (String, String) {
    let refusal = upgrade(request, rules).expect_err("refused");
    let text = String::from_utf8(refusal.response).expect("text");
    let line = text.lines().next().unwrap_or_default().to_owned();
    (line, refusal.reason)
}

#[test]
fn the_example_of_the_rfc() {
    let upgrade = accepted(&UpgradeRules::default(), &[]);
    let text = String::from_utf8(upgrade.response).expect("text");
    assert_eq!(
        text,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    assert!(upgrade.masks && !upgrade.compresses && upgrade.presented.is_none());
}

#[test]
fn a_request_in_part_is_waited_for() {
    let whole = request("GET", "/", &[]);
    for len in 0..whole.len() {
        assert_eq!(upgrade(&whole[..len], &UpgradeRules::default()), Ok(None));
    }
    let endless = [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec(),
        vec![b'x'; 70_000],
    ]
    .concat();
    let (line, _) = status(&UpgradeRules::default(), &endless);
    assert_eq!(line, "HTTP/1.1 431 Request Header Fields Too Large");
}

#[test]
fn every_missing_or_wrong_field_is_refused() {
    let rules = UpgradeRules::default();
    for (field, value, reason) in [
        ("Upgrade", "-", "invalid value for header 'Upgrade'"),
        ("Upgrade", "h2c", "invalid value for header 'Upgrade'"),
        (
            "Connection",
            "close",
            "invalid value for header 'Connection'",
        ),
        ("Sec-WebSocket-Key", "-", "key missing"),
        ("Sec-WebSocket-Key", "c2hvcnQ=", "invalid websocket key"),
        ("Sec-WebSocket-Key", "!!!", "invalid websocket key"),
        ("Sec-WebSocket-Version", "8", "invalid version"),
    ] {
        let (line, said) = status(&rules, &request("GET", "/", &[(field, value)]));
        assert_eq!(line, "HTTP/1.1 400 Bad Request", "{field}");
        assert_eq!(said, format!("websocket handshake error: {reason}"));
    }
    let (line, _) = status(&rules, &request("POST", "/", &[]));
    assert_eq!(line, "HTTP/1.1 405 Method Not Allowed");
    let (line, _) = status(&rules, &request("POST", "/a/mqtt?x", &[]));
    assert_eq!(line, "HTTP/1.1 404 Not Found");
    let (line, reason) = status(&rules, &request("GET", "/leafnode", &[]));
    assert_eq!(line, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(reason, "Not configured to accept leaf node connections");
    let (line, _) = status(&rules, &request("GET", "/", &[("Host", "-")]));
    assert_eq!(
        line,
        "HTTP/1.1 400 Bad Request: missing required Host header"
    );
    let (line, _) = status(&rules, b"GET / HTTP/3.7\r\n\r\n");
    assert!(line.starts_with("HTTP/1.1 505"), "{line}");
    for garbage in [
        &b"\x16\x03\x01\x02\0\x01"[..],
        b"CONNECT {}\r\n",
        b"PUB a 1\r\n\r\n",
    ] {
        let (line, _) = status(&rules, garbage);
        let is_refused = ["400", "505"].contains(&&line[9..12]);
        assert!(is_refused, "{line}");
    }
    let early = [request("GET", "/", &[]), b"x".to_vec()].concat();
    let refusal = upgrade(&early, &rules).expect_err("refused");
    assert!(refusal.response.is_empty());
}

#[test]
fn origins() {
    let from = |rules: &UpgradeRules, host: &str, origin: &str| {
        upgrade(
            &request("GET", "/", &[("Host", host), ("Origin", origin)]),
            rules,
        )
        .is_ok()
    };
    let mut rules = UpgradeRules {
        same_origin: true,
        ..UpgradeRules::default()
    };
    assert!(from(&rules, "a.com", "http://A.com"));
    assert!(from(&rules, "a.com:80", "http://a.com/page"));
    assert!(from(&rules, "[::1]:9", "http://[::1]:9"));
    assert!(!from(&rules, "a.com", "https://a.com"));
    assert!(!from(&rules, "a.com", "http://b.com"));
    assert!(!from(&rules, "a.com", "http://a.com:81"));
    assert!(!from(&rules, "a.com", "null"));
    assert!(from(&rules, "a.com", "-"), "not a browser");
    rules.has_tls = true;
    assert!(from(&rules, "a.com", "https://a.com:443"));
    rules.same_origin = false;
    rules.allowed_origins = vec![Origin::parse("https://Good.com").expect("valid")];
    assert!(from(&rules, "a.com", "https://good.com:443"));
    assert!(!from(&rules, "a.com", "http://good.com:443"));
    let wrong = ("Sec-WebSocket-Origin", "https://bad.com");
    let (line, reason) = status(&rules, &request("GET", "/", &[wrong]));
    assert_eq!(line, "HTTP/1.1 403 Forbidden");
    assert!(reason.ends_with("origin not allowed: not in the allowed list"));
    for bad in ["good.com", "://x", "http://a:1:2", "http://[::1"] {
        assert!(Origin::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn compression_and_masks_are_agreed_on() {
    let rules = UpgradeRules {
        compression: true,
        ..UpgradeRules::default()
    };
    let offer = (
        "Sec-WebSocket-Extensions",
        "foo, permessage-deflate; client_max_window_bits",
    );
    let upgrade = accepted(&rules, &[offer, ("nats-no-masking", "true")]);
    assert!(upgrade.compresses && !upgrade.masks);
    let text = String::from_utf8(upgrade.response).expect("text");
    assert!(text.contains("permessage-deflate; server_no_context_takeover; client_no_context"));
    assert!(text.contains("\r\nNats-No-Masking: true\r\n"));
    assert!(!accepted(&rules, &[]).compresses);
    assert!(!accepted(&UpgradeRules::default(), &[offer]).compresses);
}

#[test]
fn cookies_addresses_and_further_fields() {
    let rules = UpgradeRules {
        user_cookie: "u".to_owned(),
        password_cookie: "p".to_owned(),
        token_cookie: "t".to_owned(),
        fields: vec![("X-Extra".to_owned(), "1".to_owned())],
        ..UpgradeRules::default()
    };
    let cookie = ("Cookie", "a=b; u=me; p=\"se=cret\"");
    let upgrade = accepted(&rules, &[cookie, ("X-Forwarded-For", "10.1.2.3")]);
    let presented = upgrade.presented.expect("cookies");
    assert_eq!((&*presented.user, &*presented.password), ("me", "se=cret"));
    assert_eq!(presented.token, "");
    assert_eq!(upgrade.client_ip, "10.1.2.3".parse().ok());
    assert!(upgrade.response.ends_with(b"\r\nX-Extra: 1\r\n\r\n"));
    let forwarded = ("X-Forwarded-For", "10.1.2.3, 10.0.0.1");
    let upgrade = accepted(&UpgradeRules::default(), &[cookie, forwarded]);
    assert_eq!((upgrade.client_ip, upgrade.presented), (None, None));
}
