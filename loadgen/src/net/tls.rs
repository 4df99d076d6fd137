//! TLS of a client, as bytes in and bytes out: whoever owns the socket sends and receives.
//!
//! rustls' unbuffered interface decrypts where the bytes were received and encrypts into the buffer that is sent, so a
//! write of many messages is one system call, as without TLS. The suites and groups offered are those of most NATS
//! clients, AES-128-GCM and X25519 first, so that every server ends up with the same work. Nothing is resumed: each
//! handshake is a full one.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What TLS needs to know; cheap to clone.
#[derive(Clone)]
pub struct TlsSettings {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The handshake comes before INFO.
    pub first: bool,
}

/// Where the settings come from.
#[derive(Debug, Default)]
pub struct TlsOptions<'a> {
    /// Certificates to trust; those of the system if there is none.
    pub ca: Option<&'a Path>,
    /// Trust whatever the server shows.
    pub insecure: bool,
    /// Our certificate and its key.
    pub identity: Option<(&'a Path, &'a Path)>,
    /// The handshake comes before INFO.
    pub first: bool,
}

impl TlsSettings {
    /// Reads the files; `host` is the name that the server's certificate must carry.
    pub fn new(options: &TlsOptions<'_>, host: &str) -> Result<Self, String> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_string())
            .map_err(|_| format!("\"{host}\" is no name that a certificate could carry"))?;
        let provider = Arc::new(provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let builder = if options.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(TrustAll(provider)))
        } else {
            builder.with_root_certificates(roots(options.ca)?)
        };
        let mut config = match options.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| format!("cannot use {}: {error}", key.display()))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| format!("cannot use {}: {error}", certificate.display()))?
            }
        };
        config.resumption = Resumption::disabled();
        Ok(TlsSettings {
            config: Arc::new(config),
            name,
            first: options.first,
        })
    }
}

impl std::fmt::Debug for TlsSettings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "TlsSettings({:?}, first: {})", self.name, self.first)
    }
}

fn provider() -> CryptoProvider {
    let all = aws_lc_rs::default_provider();
    let mut cipher_suites = all.cipher_suites.clone();
    cipher_suites.sort_by_key(|suite| {
        let name = suite.suite().as_str();
        !name.is_some_and(|name| name.contains("AES_128_GCM"))
    });
    let kx_groups = vec![
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
        aws_lc_rs::kx_group::SECP384R1,
    ];
    CryptoProvider {
        cipher_suites,
        kx_groups,
        ..all
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error| format!("cannot use {}: {error}", file.display());
    let all: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(wrong)?
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    if all.is_empty() {
        return Err(format!("{} holds no certificate", file.display()));
    }
    Ok(all)
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("cannot use {}: {error}", file.display()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// One session.
pub struct Tls {
    session: UnbufferedClientConnection,
    /// The handshake is not over yet.
    pub handshaking: bool,
}

impl Tls {
    /// A session that has put its first message into `out`.
    pub fn start(settings: &TlsSettings, out: &mut Vec<u8>) -> Result<Self, Error> {
        let session =
            UnbufferedClientConnection::new(settings.config.clone(), settings.name.clone())?;
        let mut tls = Tls {
            session,
            handshaking: true,
        };
        tls.receive(&mut [], &mut Vec::new(), out)?;
        Ok(tls)
    }

    /// Version and cipher suite agreed on, for the report.
    pub fn summary(&self) -> String {
        let version = self.session.protocol_version();
        let version = version.and_then(|version| version.as_str());
        let suite = self.session.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str());
        let (version, suite) = (version.unwrap_or_default(), suite.unwrap_or_default());
        format!(
            "{} {}",
            version.replace("TLSv1_", "TLS 1."),
            suite.trim_start_matches("TLS13_")
        )
    }

    /// Takes received bytes: appends what they hide to `clear` and what must be answered to `out`. Returns how many
    /// were used; the rest is an incomplete record and must be offered again.
    pub fn receive(
        &mut self,
        mut bytes: &mut [u8],
        clear: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } = self.session.process_tls_records(bytes);
            let mut over = false;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        clear.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => encode(&mut data, out)?,
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::WriteTraffic(_) => {
                    self.handshaking = false;
                    over = true;
                }
                // Closed, or waiting for more.
                _ => over = true,
            }
            used += discard;
            bytes = &mut bytes[discard..];
            if over {
                return Ok(used);
            }
        }
    }

    /// Encrypts `clear` and appends it to `out`; `waiting` is the incomplete record received last.
    pub fn seal(
        &mut self,
        clear: &[u8],
        waiting: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let status = self.session.process_tls_records(waiting);
        let ConnectionState::WriteTraffic(mut traffic) = status.state? else {
            return Err(Error::HandshakeNotComplete);
        };
        let start = out.len();
        // Enough for a record header and tag per fragment; the session says so if it is not.
        let mut room = clear.len() + (clear.len() / 16_384 + 1) * 64;
        loop {
            out.resize(start + room, 0);
            match traffic.encrypt(clear, &mut out[start..]) {
                Ok(written) => {
                    out.truncate(start + written);
                    return Ok(());
                }
                Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
                Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
            }
        }
    }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    let mut room = 1024;
    loop {
        out.resize(start + room, 0);
        match data.encode(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) => room = size.required_size,
            Err(EncodeError::AlreadyEncoded) => return Err(Error::EncryptError),
        }
    }
}

/// Trusts every server. What the handshake is signed with is not looked at: who may show any certificate may show one
/// of whose key it has, and keys that are too weak or certificates too old to be read are in use too.
#[derive(Debug)]
struct TrustAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAll {
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
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
