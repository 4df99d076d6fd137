//! TLS of a listener: certificates and keys read from files, and what a session
//! has agreed on.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::tls_failure;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};
use trunkline_core::session::certificate::TlsFacts;

use super::certificate::{RSA_BITS_MIN, expires_at, identity_of, key_of};
use super::client_certificates::ClientCertificates;
use crate::options::tls::{CertificateFiles, TlsOptions, Verify};

/// What every connection of a listener needs.
#[derive(Clone, Debug)]
pub struct TlsSetup {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// The settings.
    pub options: Arc<TlsOptions>,
    /// When the first certificate expires, in seconds since 1970.
    pub expires_at: Option<i64>,
}

impl TlsSetup {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn read(options: &TlsOptions) -> Result<Self, String> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // Of the suites of a kind the one with the short key costs least; it is
        // also the reference server's first choice.
        provider
            .cipher_suites
            .sort_by_key(|suite| !cipher_name(suite.suite()).contains("AES_128"));
        choose(&mut provider, options);
        let provider = Arc::new(provider);
        let versions: &[&rustls::SupportedProtocolVersion] = match options.only_tls13 {
            true => &[&rustls::version::TLS13],
            false => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let shown: Result<Vec<Shown>, String> = options
            .certificates
            .iter()
            .map(|files| Shown::read(files, &provider))
            .collect();
        let shown = Choice(shown?);
        let expires_at = shown.0.first().map(|shown| shown.expires_at);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        // Read even if no client is verified, so that mistakes show.
        let verifier = options.ca_file.as_deref().map(|file| {
            let is_mandatory = options.verify == Verify::Required;
            ClientCertificates::new(certificates(file)?, provider, is_mandatory)
                .ok_or_else(|| format!("{}: failed to parse root ca certificate", file.display()))
        });
        let verifier = verifier.transpose()?;
        let verifier = verifier.filter(|_| options.verify != Verify::No);
        let is_verified = verifier.is_some();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier)),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(shown));
        config.ignore_client_order = true;
        if is_verified {
            // A session that is resumed shows no certificate: one that has expired since, or whose
            // authority is gone, would still let its client in.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer =
                rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| error.to_string())?;
        }
        Ok(Self {
            config: Arc::new(config),
            options: Arc::new(options.clone()),
            expires_at,
        })
    }
}

/// The name that Go has for a cipher suite of the library.
fn cipher_name(suite: rustls::CipherSuite) -> String {
    let name = suite.as_str().unwrap_or("unknown");
    name.replace("TLS13_", "TLS_")
}

/// The name that Go has for a key exchange group of the library.
fn curve_name(group: rustls::NamedGroup) -> String {
    match group {
        rustls::NamedGroup::secp256r1 => "CurveP256".to_owned(),
        rustls::NamedGroup::secp384r1 => "CurveP384".to_owned(),
        rustls::NamedGroup::secp256r1MLKEM768 => "SecP256r1MLKEM768".to_owned(),
        other => other.as_str().unwrap_or("unknown").to_owned(),
    }
}

/// What a session has agreed on, once its handshake is over.
///
/// # Errors
/// The client's certificate cannot be read, or is none of the pinned ones.
pub fn facts(
    session: &ServerConnection,
    options: &TlsOptions,
    is_first: bool,
) -> io::Result<TlsFacts> {
    let chain = session.peer_certificates().unwrap_or_default();
    let peers: io::Result<Vec<_>> = chain.iter().map(identity_of).collect();
    let peers = peers?;
    let pins = &options.pinned_certs;
    let own = peers.first();
    if !pins.is_empty() && own.is_none_or(|(_, peer)| !pins.contains(&peer.key_sha256)) {
        return Err(io::Error::other("certificate not pinned"));
    }
    let suite = session.negotiated_cipher_suite();
    Ok(TlsFacts {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3".to_owned(),
            _ => "1.2".to_owned(),
        },
        cipher_suite: suite.map_or_else(String::new, |suite| cipher_name(suite.suite())),
        is_first,
        names: own.map(|(names, _)| names.clone()),
        peers: peers.into_iter().map(|(_, peer)| peer).collect(),
    })
}

/// Whether there is a cipher suite of this name.
pub fn knows_cipher(name: &str) -> bool {
    cipher_names().iter().any(|known| known == name)
}

/// The cipher suites that there are.
pub fn cipher_names() -> Vec<String> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let suites = provider.cipher_suites.iter();
    suites.map(|suite| cipher_name(suite.suite())).collect()
}

/// Whether there is a key exchange group of this name.
pub fn knows_curve(name: &str) -> bool {
    curve_names().iter().any(|known| known == name)
}

/// The key exchange groups that there are.
pub fn curve_names() -> Vec<String> {
    let groups = rustls::crypto::aws_lc_rs::ALL_KX_GROUPS.iter();
    groups.map(|group| curve_name(group.name())).collect()
}

/// Leaves what the options allow.
fn choose(provider: &mut CryptoProvider, options: &TlsOptions) {
    if !options.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| {
            suite.tls13().is_some() || options.cipher_suites.contains(&cipher_name(suite.suite()))
        });
    }
    if !options.curve_preferences.is_empty() {
        let is_allowed = |group: &&dyn SupportedKxGroup| {
            options
                .curve_preferences
                .contains(&curve_name(group.name()))
        };
        let groups = rustls::crypto::aws_lc_rs::ALL_KX_GROUPS.iter().copied();
        provider.kx_groups = groups.filter(is_allowed).collect();
    }
}

/// A certificate with the names that it is for.
#[derive(Debug)]
struct Shown {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    /// In seconds since 1970.
    expires_at: i64,
}

impl Shown {
    fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, String> {
        Self::try_read(files, provider)
            .map_err(|error| format!("error parsing X509 certificate/key pair: {error}"))
    }

    fn try_read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Self, String> {
        let (cert_file, key_file) = (&files.cert_file, &files.key_file);
        let in_cert = |error: String| format!("{}: {error}", cert_file.display());
        let chain = certificates(cert_file)?;
        let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| match error {
            pem::Error::NoItemsFound => format!("{}: no private key in it", key_file.display()),
            other => unreadable(key_file, &other),
        })?;
        let (names, _) =
            identity_of(&chain[0]).map_err(|_| in_cert("malformed certificate".to_owned()))?;
        let expires_at = expires_at(&chain[0]).map_err(|error| in_cert(error.to_string()))?;
        let (public_key, rsa_bits) =
            key_of(&chain[0]).map_err(|error| in_cert(error.to_string()))?;
        if let Some(bits) = rsa_bits.filter(|bits| *bits < RSA_BITS_MIN) {
            let problem = format!("RSA key of {bits} bits, shorter than {RSA_BITS_MIN}");
            return Err(in_cert(problem));
        }
        let key_file = key_file.display();
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|error| format!("{key_file}: {}", tls_failure::describe(&error)))?;
        // Not left to the library, which reads no X.509 v1.
        let own = key.public_key();
        if own.is_some_and(|own| own.as_ref() != public_key) {
            let problem = format!("private key of {key_file} does not match public key");
            return Err(in_cert(problem));
        }
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(chain, key)),
            names: names.dns_names,
            expires_at,
        })
    }

    /// Whether it is for this name; a star stands for one label.
    fn is_for(&self, name: &str) -> bool {
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(domain) => name
                .split_once('.')
                .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
            None => own.eq_ignore_ascii_case(name),
        })
    }
}

/// The certificates of a listener: the first one that fits the client is shown,
/// or else the first.
#[derive(Debug)]
struct Choice(Vec<Shown>);

impl ResolvesServerCert for Choice {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let signs = |shown: &&Shown| {
            let schemes = client.signature_schemes();
            shown.certified.key.choose_scheme(schemes).is_some()
        };
        let is_named = |shown: &&Shown| client.server_name().is_none_or(|name| shown.is_for(name));
        let fitting = self.0.iter().filter(signs).find(is_named);
        fitting
            .or(self.0.first())
            .map(|shown| Arc::clone(&shown.certified))
    }
}

/// The certificates in a file, of which there is at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(file, &error))?;
    let chain: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(file, &error))?;
    match chain.is_empty() {
        true => Err(format!("{}: no certificate in it", file.display())),
        false => Ok(chain),
    }
}

fn unreadable(file: &Path, error: &pem::Error) -> String {
    let file = file.display();
    match error {
        pem::Error::Io(error) => format!("open {file}: {}", crate::io_failure::describe(error)),
        pem::Error::MissingSectionEnd { end_marker } => {
            let marker = String::from_utf8_lossy(end_marker);
            format!("{file}: missing end of section {marker}")
        }
        other => format!("{file}: {other}"),
    }
}
