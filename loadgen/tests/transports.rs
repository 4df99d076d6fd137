//! Every plan over TLS and WebSocket, with every kind of credentials; and what is said when they are refused.

#![allow(clippy::unwrap_used)]

mod fake;

use std::process::{Command, Output};

use fake::front::{self, Front};
use fake::{Fake, Fault};

fn loadgen(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

#[track_caller]
fn succeeds(arguments: &str) -> String {
    let output = loadgen(&format!("{arguments} --json"));
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments}: {text} {errors}");
    text
}

#[track_caller]
fn fails(arguments: &str, expected: &str) {
    let output = loadgen(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    let is_one_line = text.lines().count() == 1 && text.starts_with("loadgen: ");
    assert!(
        output.status.code() == Some(2) && text.contains(expected) && is_one_line,
        "{arguments}: {text}"
    );
}

#[test]
fn plans_run_over_every_transport() {
    let plans = [
        "pub --count 1000",
        "pubsub --count 2000 --verify --size uniform:16..5000",
        "pubsub --count 30 --size 200KiB --verify",
        "fanin --connections 5 --count 200 --verify",
        "reqrep --clients 2 --count 50",
        "pubsub --count 200 --rate 2000 --size 16",
        "idle --connections 3 --duration 50ms",
    ];
    for (kind, options, transport) in [
        (Front::Tls, "--tls", "TLS (TLS 1.3 AES_128_GCM_SHA256)"),
        (
            Front::TlsFirst,
            "--tls-first",
            "TLS (TLS 1.3 AES_128_GCM_SHA256)",
        ),
        (Front::WebSocket, "--ws", "\"WebSocket\""),
        (
            Front::SecureWebSocket,
            "--ws --tls",
            "WebSocket over TLS (TLS 1.3",
        ),
    ] {
        for plan in plans {
            let fake = Fake::start(Fault::None);
            let fronted = front::start(kind, fake.address);
            let trust = match kind {
                Front::WebSocket => String::new(),
                _ => format!("--tls-ca {}", fronted.ca.display()),
            };
            let server = fronted.address;
            let report = succeeds(&format!("{plan} --server {server} {options} {trust}"));
            assert!(report.contains(transport), "{plan}: {report}");
        }
    }
}

#[test]
fn a_tls_connection_that_closes_in_mid_run_fails_the_run() {
    let fake = Fake::start(Fault::Close(50));
    let fronted = front::start(Front::TlsFirst, fake.address);
    let output = loadgen(&format!(
        "pubsub --count 100000 --tls-first --tls-insecure --server {} --drain-timeout 500ms",
        fronted.address
    ));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && text.contains("publisher 0: "),
        "{text}"
    );
}

#[test]
fn every_certificate_that_is_refused_leads_to_the_option_that_takes_it() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, SanType, date_time_ymd};
    type Change = fn(&mut CertificateParams);
    let cases: [(&str, Change); 5] = [
        ("self-signed", |_| {}),
        // What `openssl req -x509` makes.
        ("CA:TRUE", |wanted| {
            wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
        }),
        ("has expired", |wanted| {
            wanted.not_after = date_time_ymd(2020, 1, 1)
        }),
        ("not valid yet", |wanted| {
            wanted.not_before = date_time_ymd(2200, 1, 1)
        }),
        ("is for other.example", |wanted| {
            wanted.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())];
        }),
    ];
    for (reason, change) in cases {
        let fake = Fake::start(Fault::None);
        let fronted = front::start_with(Front::Tls, fake.address, change);
        let plan = format!("pub --count 10 --tls --server {}", fronted.address);
        fails(&plan, "--tls-insecure");
        // Trusted or not: what else is wrong with it is told, and the way on.
        let trust = match reason {
            "self-signed" => String::new(),
            _ => format!("--tls-ca {}", fronted.ca.display()),
        };
        fails(&format!("{plan} {trust}"), reason);
        fails(&format!("{plan} {trust}"), "--tls-insecure");
        succeeds(&format!("{plan} --tls-insecure"));
    }
}

#[test]
fn what_tls_refuses_is_one_clear_line() {
    let fake = Fake::start(Fault::None);
    let tls = front::start(Front::Tls, fake.address);
    let first = front::start(Front::TlsFirst, fake.address);
    let websocket = front::start(Front::WebSocket, fake.address);
    let other = front::start(Front::Tls, fake.address);
    let cases = [
        (format!("pub --server {}", tls.address), "give --tls"),
        (
            format!("pub --tls --server {}", tls.address),
            "--tls-insecure",
        ),
        (
            format!(
                "pub --tls --tls-ca {} --server {}",
                other.ca.display(),
                tls.address
            ),
            "self-signed",
        ),
        (
            format!(
                "pub --tls --tls-ca {} --server localhost:{}",
                tls.ca.display(),
                tls.address.port()
            ),
            "is for 127.0.0.1, not for --server",
        ),
        (
            format!("pub --tls --tls-insecure --server {}", fake.address),
            "does not offer TLS",
        ),
        (
            format!("pub --tls-first --tls-insecure --server {}", fake.address),
            "does not speak TLS",
        ),
        (
            format!("pub --ws --ws-compress --server {}", websocket.address),
            "does not compress",
        ),
        (
            format!("pub --ws --server {}", fake.address),
            "WebSocket upgrade",
        ),
        (
            "pub --tls --tls-ca /nonexistent.pem".into(),
            "/nonexistent.pem",
        ),
        ("pub --server http://127.0.0.1:1".into(), "scheme"),
    ];
    for (arguments, expected) in cases {
        fails(&arguments, expected);
    }
    for (server, options) in [(&tls, "--tls"), (&first, "--tls-first")] {
        succeeds(&format!(
            "pub --count 10 {options} --tls-insecure --server {}",
            server.address
        ));
    }
}

#[test]
fn credentials_of_every_kind() {
    let seed = std::env::temp_dir().join(format!("loadgen-test-{}.nk", std::process::id()));
    std::fs::write(&seed, fake::login::SEED).unwrap();
    let nkey = format!("--nkey-seed {} --server ", seed.display());
    for options in [
        "--user u --password right --server ",
        "--server nats://u:right@",
        "--token token --server ",
        "--server token@",
        &nkey,
    ] {
        let fake = Fake::start(Fault::RequireAuth);
        succeeds(&format!("pubsub --count 10 {options}{}", fake.address));
    }
    let fake = Fake::start(Fault::RequireAuth);
    for (options, expected) in [
        ("--user u --password wrong", "Authorization Violation"),
        ("--token wrong", "Authorization Violation"),
        ("--nkey-seed /nonexistent", "/nonexistent"),
        ("", "requires credentials"),
    ] {
        let server = fake.address;
        fails(
            &format!("pubsub --count 10 --server {server} {options}"),
            expected,
        );
    }
    std::fs::remove_file(seed).unwrap();
}
