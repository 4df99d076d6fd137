//! TLS of a listener: certificates and keys read from files, and what a peer's
//! certificate says.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use trunkline_core::session::certificate::CertificateNames;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::options::tls::TlsOptions;

/// What every connection of a listener needs.
#[derive(Clone)]
pub struct TlsSetup {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// The settings.
    pub options: Arc<TlsOptions>,
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
            .sort_by_key(|suite| !format!("{:?}", suite.suite()).contains("AES_128"));
        let provider = Arc::new(provider);
        let versions: &[&rustls::SupportedProtocolVersion] = match options.only_tls13 {
            true => &[&rustls::version::TLS13],
            false => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let chain = certificates(&options.cert_file)?;
        let key = PrivateKeyDer::from_pem_file(&options.key_file)
            .map_err(|error| named(&options.key_file, error))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let builder = match &options.ca_file {
            Some(file) if options.verify => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| named(file, error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .build()
                    .map_err(|error| named(file, error))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| named(&options.cert_file, error))?;
        config.ignore_client_order = true;
        config.ticketer =
            rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| error.to_string())?;
        Ok(Self {
            config: Arc::new(config),
            options: Arc::new(options.clone()),
        })
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).map_err(|error| named(file, error))?;
    let chain: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| named(file, error))?;
    match chain.is_empty() {
        true => Err(named(file, "no certificate in it")),
        false => Ok(chain),
    }
}

fn named(file: &Path, error: impl std::fmt::Display) -> String {
    format!(
        "error parsing X509 certificate/key pair: {}: {error}",
        file.display()
    )
}

/// What a peer's certificate says: its names, and the SHA-256 of its public key.
pub fn identity_of(certificate: &CertificateDer<'_>) -> io::Result<(CertificateNames, String)> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    let pin: String = Sha256::digest(parsed.public_key().raw)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut names = CertificateNames {
        subject: rfc2253(&parsed),
        ..CertificateNames::default()
    };
    if let Ok(Some(alternatives)) = parsed.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::RFC822Name(email) => names.emails.push((*email).to_owned()),
                GeneralName::DNSName(name) => names.dns_names.push((*name).to_owned()),
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                _ => {}
            }
        }
    }
    Ok((names, pin))
}

/// The subject, most specific name first.
fn rfc2253(certificate: &X509Certificate<'_>) -> String {
    let registry = x509_parser::objects::oid_registry();
    let names = certificate.subject().iter_rdn().map(|rdn| {
        let parts = rdn.iter().map(|attribute| {
            let known = x509_parser::objects::oid2abbrev(attribute.attr_type(), registry);
            let kind = known.map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
            let value = attribute.as_str().unwrap_or_default();
            format!("{kind}={}", escaped(value))
        });
        parts.collect::<Vec<_>>().join("+")
    });
    let mut names: Vec<String> = names.collect();
    names.reverse();
    names.join(",")
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for character in value.chars() {
        if matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}
