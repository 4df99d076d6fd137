//! Which certificates of clients are accepted, what those are told that are not, and what the log says.

use crate::certificates::{Authority, authority_params};
use crate::support::GUARD;
use crate::tls::{after_info, connect, echo, info};
use crate::websocket;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    NameConstraints, date_time_ymd,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trunkline_tests::{RunningServer, ServerUnderTest};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Takes any server for the right one: what clients show is the matter here.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A client that shows the chain in a file, whatever it is.
fn client(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    identity: Option<&str>,
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let file = authority.file(&format!("{name}.pem"));
            let chain = CertificateDer::pem_file_iter(file).unwrap();
            let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_file(authority.file(&format!("{name}.key")));
            let key = provider.key_provider.load_private_key(key.unwrap());
            let shown = CertifiedKey::new(chain, key.unwrap());
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
        }
    })
}

/// Which alert an attempt ends with; nothing is sent that the server could stumble over.
fn alert(mut stream: StreamOwned<ClientConnection, TcpStream>) -> Option<AlertDescription> {
    let read = stream.read(&mut [0]);
    let failure = read.err()?;
    match failure.get_ref()?.downcast_ref()? {
        Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

fn over_websocket(
    server: &RunningServer,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).unwrap();
    StreamOwned::new(session, websocket::tcp(server))
}

/// Two listeners that demand certificates.
fn both_listeners(authority: &Authority, more: &str) -> String {
    let tls = authority.config(more);
    format!("{tls}\nwebsocket {{ listen: \"127.0.0.1:-1\", {tls} }}")
}

#[test]
fn who_is_refused_hears_why_and_so_does_the_log() {
    use AlertDescription::{
        BadCertificate, CertificateExpired, CertificateRequired, HandshakeFailure, UnknownCA,
    };
    let authority = Authority::new("alerts");
    let copy = |other: &Authority, name: &str| {
        for end in ["pem", "key"] {
            let from = other.file(&format!("client.{end}"));
            std::fs::copy(from, authority.file(&format!("{name}.{end}"))).unwrap();
        }
    };
    copy(&Authority::new("alerts-namesake"), "namesake");
    copy(&Authority::named("alerts-stranger", "Stranger"), "stranger");
    authority.issue_with("expired", |params| {
        params.not_after = date_time_ymd(2020, 1, 1)
    });
    authority.issue_with("usage", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    let unrestricted = authority_params("Below", BasicConstraints::Unconstrained);
    let last = authority_params("Last", BasicConstraints::Constrained(0));
    authority.issue_below("below-the-last", &[last, unrestricted.clone()]);
    let mut for_servers = unrestricted.clone();
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    authority.issue_below("below-one-for-servers", &[for_servers]);
    let mut plain = unrestricted;
    plain.is_ca = IsCa::ExplicitNoCa;
    authority.issue_below("below-no-authority", &[plain]);
    let failed = "tls: failed to verify certificate: x509";
    let unknown = format!("{failed}: certificate signed by unknown authority");
    let because = |fault: &str, name: &str| {
        let text = "while trying to verify candidate authority certificate";
        format!("{unknown} (possibly because of \"x509: {fault}\" {text} \"{name}\")")
    };
    let usage = format!("{failed}: certificate specifies an incompatible key usage");
    let nobody = "tls: client didn't provide a certificate".to_owned();
    let cannot_sign = "invalid signature: parent certificate cannot sign this kind of certificate";
    let too_many = "too many intermediates for path length constraint";
    let old = format!("{failed}: certificate has expired or is not yet valid: current time 20");
    for (identity, alerts, said) in [
        (None, [HandshakeFailure, CertificateRequired], nobody),
        (
            Some("namesake"),
            [UnknownCA; 2],
            because("ECDSA verification failure", "Authority of a test"),
        ),
        (
            Some("stranger"),
            [UnknownCA; 2],
            format!("{unknown} (CN=rcgen self signed cert SHA-256: "),
        ),
        (
            Some("usage"),
            [BadCertificate; 2],
            format!("{usage} (CN=rcgen self signed cert SHA-256: "),
        ),
        (Some("expired"), [CertificateExpired; 2], old),
        (
            Some("below-the-last"),
            [BadCertificate; 2],
            format!("{failed}: {too_many} ("),
        ),
        (
            Some("below-one-for-servers"),
            [BadCertificate; 2],
            usage.clone(),
        ),
        (
            Some("below-no-authority"),
            [UnknownCA; 2],
            because(cannot_sign, "Below"),
        ),
    ] {
        let text = both_listeners(&authority, ", verify: true");
        let server = ServerUnderTest::with_config(&text);
        for (version, expected) in VERSIONS.into_iter().zip(alerts) {
            let config = client(&authority, version, identity);
            let heard = alert(after_info(&server, &config));
            assert_eq!(heard, Some(expected), "{identity:?}: {}", server.log());
            server.wait_for_log(&format!("TLS handshake error: {said}"));
            let heard = alert(over_websocket(&server, &config));
            assert_eq!(heard, Some(expected), "{identity:?} over WebSocket");
        }
        let line = server.wait_for_log("websocket: TLS handshake error from");
        // Names of certificates are not in all of the lines of nats-server.
        let (said, _) = said.split_once(" (CN=").unwrap_or((&said, ""));
        assert!(line.contains(said.trim_end_matches(" (")), "{line}");
    }
}

#[test]
fn whatever_leads_to_an_authority_is_accepted() {
    let authority = Authority::new("accepted");
    authority.issue_v1("first-version");
    let mut params = authority_params("Authority as a client", BasicConstraints::Unconstrained);
    authority.issue_as("authority", params.clone());
    params.distinguished_name.push(DnType::CommonName, "Alone");
    authority.self_issue("alone", params.clone());
    params.is_ca = IsCa::NoCa;
    params
        .distinguished_name
        .push(DnType::CommonName, "Alone too");
    authority.self_issue("no-authority", params);
    let name = |number| format!("Authority {number}");
    let long: Vec<_> = (0..9)
        .map(|number| authority_params(&name(number), BasicConstraints::Unconstrained))
        .collect();
    authority.issue_below("long", &long);
    let mut permits = authority_params("Permits", BasicConstraints::Unconstrained);
    let names = |name: &str| NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(name.to_owned())],
        excluded_subtrees: Vec::new(),
    };
    permits.name_constraints = Some(names("localhost"));
    let mut forbids = permits.clone();
    forbids.name_constraints = Some(names("example.org"));
    authority.issue_below("permitted", &[permits]);
    authority.issue_below("forbidden", &[forbids]);
    let authorities = ["ca.pem", "alone.pem", "no-authority.pem"]
        .map(|name| std::fs::read_to_string(authority.file(name)).unwrap());
    std::fs::write(authority.file("ca.pem"), authorities.concat()).unwrap();
    let server = ServerUnderTest::with_config(&authority.config(", verify: true"));
    for version in VERSIONS {
        for (identity, is_let_in) in [
            ("client", true),
            ("first-version", true),
            ("authority", true),
            ("alone", true),
            ("no-authority", true),
            ("long", true),
            ("permitted", true),
            ("forbidden", false),
        ] {
            let config = client(&authority, version, Some(identity));
            let outcome = echo(&mut after_info(&server, &config), 10);
            let log = server.log();
            assert_eq!(outcome.is_ok(), is_let_in, "{identity}: {outcome:?}\n{log}");
        }
    }
}

#[test]
fn a_key_that_is_not_the_certificates_proves_nothing() {
    let authority = Authority::new("stolen");
    authority.issue_v1("old");
    for (stolen, own) in [("client", "server"), ("old", "server")] {
        let thief = authority.file("thief.pem");
        std::fs::copy(authority.file(&format!("{stolen}.pem")), &thief).unwrap();
        let key = authority.file("thief.key");
        std::fs::copy(authority.file(&format!("{own}.key")), key).unwrap();
        let server = ServerUnderTest::with_config(&authority.config(", verify: true"));
        for version in VERSIONS {
            let config = client(&authority, version, Some("thief"));
            let heard = alert(after_info(&server, &config));
            assert_eq!(heard, Some(AlertDescription::DecryptError));
        }
        server.wait_for_log("tls: invalid signature by the client certificate");
    }
}

#[test]
fn a_server_may_show_a_certificate_of_the_first_version() {
    let authority = Authority::new("old-server");
    authority.issue_v1("server");
    let server = ServerUnderTest::with_config(&authority.config(""));
    for version in VERSIONS {
        let config = client(&authority, version, None);
        echo(&mut after_info(&server, &config), 10).unwrap();
    }
}

/// nats-server takes RSA keys of 1024 bits; here what is wrong with them is said.
#[test]
fn keys_that_are_too_short_are_named() {
    let authority = Authority::new("short");
    let builder = ServerUnderTest::builder();
    if !builder.is_ours() {
        return;
    }
    let short = concat!(env!("CARGO_MANIFEST_DIR"), "/blackbox/short_key.pem");
    let text = format!("tls {{ cert_file: {short:?}, key_file: {short:?} }}");
    let said = builder.config(&text).run_to_end().stderr;
    let named = "short_key.pem: RSA key of 1024 bits, shorter than 2048";
    assert!(said.contains(named), "{said}");
    std::fs::copy(short, authority.file("short.pem")).unwrap();
    std::fs::copy(authority.file("client.key"), authority.file("short.key")).unwrap();
    let server = ServerUnderTest::with_config(&authority.config(", verify: true"));
    let config = client(&authority, &TLS13, Some("short"));
    let heard = alert(after_info(&server, &config));
    assert_eq!(heard, Some(AlertDescription::BadCertificate));
    server.wait_for_log("x509: RSA key of 1024 bits, shorter than 2048");
}

#[test]
fn nobody_resumes_with_a_certificate_that_has_expired() {
    let authority = Authority::new("resumed");
    let text = both_listeners(&authority, ", verify: true");
    let server = ServerUnderTest::with_config(&text);
    for version in VERSIONS {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let end = Duration::from_secs(now.as_secs() + 3);
        params.not_after = date_time_ymd(1970, 1, 1) + end;
        authority.issue_as("short", params);
        let config = client(&authority, version, Some("short"));
        let websocket_config = client(&authority, version, Some("short"));
        let upgrade = websocket::request("");
        let open = || {
            let mut stream = over_websocket(&server, &websocket_config);
            stream.write_all(upgrade.as_bytes())?;
            let mut head = [0; 12];
            stream.read_exact(&mut head)?;
            // What else came, tickets among it, is read as well.
            let _rest = stream.read(&mut [0; 4096])?;
            assert_eq!(&head, b"HTTP/1.1 101");
            Ok::<_, std::io::Error>(())
        };
        echo(&mut after_info(&server, &config), 10).unwrap();
        open().unwrap();
        // It is still valid within its last second.
        let over = UNIX_EPOCH + end + Duration::from_millis(1100);
        std::thread::sleep(over.duration_since(SystemTime::now()).unwrap_or_default());
        let heard = alert(after_info(&server, &config));
        assert_eq!(heard, Some(AlertDescription::CertificateExpired));
        assert!(open().is_err(), "over WebSocket");
    }
}

#[test]
fn who_shows_no_certificate_resumes() {
    let authority = Authority::new("resumes");
    let server = ServerUnderTest::with_config(&authority.config(""));
    for version in VERSIONS {
        let config = client(&authority, version, None);
        let kind = || {
            let mut stream = after_info(&server, &config);
            echo(&mut stream, 10).unwrap();
            stream.conn.handshake_kind()
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
    }
}

#[test]
fn an_optional_certificate_has_to_be_right_if_it_is_shown() {
    let authority = Authority::new("optional");
    let stranger = Authority::named("optional-stranger", "Stranger");
    for end in ["pem", "key"] {
        let from = stranger.file(&format!("client.{end}"));
        std::fs::copy(from, authority.file(&format!("stranger.{end}"))).unwrap();
    }
    let server = ServerUnderTest::with_config(&authority.config(", verify: Optional"));
    assert!(!info(&mut connect(&server)).contains("tls_verify"));
    for version in VERSIONS {
        for (identity, is_let_in) in [
            (None, true),
            (Some("client"), true),
            (Some("stranger"), false),
        ] {
            let config = client(&authority, version, identity);
            let outcome = echo(&mut after_info(&server, &config), 10);
            assert_eq!(outcome.is_ok(), is_let_in, "{identity:?}: {outcome:?}");
        }
    }
    for (more, said) in [
        (
            ", verify: maybe",
            "error parsing tls config, expected 'verify' to be a boolean or 'optional'",
        ),
        (
            ", verify: optional, verify_and_map: true",
            "error parsing tls config, cannot combine 'verify: optional' with options requiring \
             client certificates",
        ),
    ] {
        let text = authority.config(more);
        let finished = ServerUnderTest::builder().config(&text).run_to_end();
        assert!(!finished.status.success());
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
    }
    let files = ["server.pem", "server.key", "ca.pem"].map(|name| authority.file(name));
    let [cert, key, ca] = files.each_ref().map(String::as_str);
    let flags = ["--tlscert", cert, "--tlskey", key, "--tlscacert", ca];
    let start = |verify| {
        let flags = [&flags[..], &[verify]].concat();
        ServerUnderTest::builder().arguments(&flags)
    };
    let server = start("--tlsverify=optional").start();
    assert!(!info(&mut connect(&server)).contains("tls_verify"));
    let config = client(&authority, &TLS13, None);
    echo(&mut after_info(&server, &config), 10).unwrap();
    let said = start("--tlsverify=maybe").run_to_end().stderr;
    assert!(
        said.contains("invalid boolean value \"maybe\" for -tlsverify: expected true, false, or"),
        "{said}"
    );
}

#[test]
fn tls_does_not_hold_up_a_start() {
    let authority = Authority::new("start");
    let fastest = |text: &str| {
        let starts = (0..10).map(|_| {
            let begun = std::time::Instant::now();
            let server = ServerUnderTest::with_config(text);
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(GUARD)).unwrap();
            info(&mut stream);
            begun.elapsed()
        });
        starts.min().unwrap()
    };
    let (plain, secure) = (fastest(""), fastest(&authority.config("")));
    assert!(
        secure < plain + Duration::from_millis(25),
        "{plain:?} without, {secure:?} with TLS"
    );
}
