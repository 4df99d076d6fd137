//! Certificates of clients: who has to show one, and which are accepted.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_parser::asn1_rs::{Any, FromDer};

use super::certificate::identity_of;
use super::chain::{Authorities, Chain, Search};
use super::chain_certificate::ChainCertificate;
use super::chain_fault::Fault;

/// How much of refused certificates is shown.
const SHOWN_BYTES_MAX: usize = 4096;

thread_local! {
    /// Why the last handshake of this thread has failed that failed for a certificate. The library
    /// takes an alert from the verifier and no words with it; they are fetched right after.
    static REASON: Cell<Option<String>> = const { Cell::new(None) };
}

/// Why a certificate was refused just now, on this thread.
pub fn take_reason() -> Option<String> {
    REASON.take()
}

/// Judges certificates of clients.
#[derive(Debug)]
pub struct ClientCertificates {
    authorities: Authorities,
    subjects: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
    /// Judges names that authorities may give; `None`: it cannot use any of the authorities.
    names: Option<Arc<dyn ClientCertVerifier>>,
    is_mandatory: bool,
}

impl ClientCertificates {
    /// Those of these authorities are accepted.
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
        is_mandatory: bool,
    ) -> Option<Self> {
        let algorithms = provider.signature_verification_algorithms;
        let mut authorities = Authorities::default();
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            // Those that nothing can be checked with are left out, as long as one is left.
            if let Ok(authority) = ChainCertificate::read(&certificate) {
                authorities.add(authority);
            }
            let _unusable = roots.add(certificate);
        }
        let all = authorities.all();
        if all.is_empty() {
            return None;
        }
        let subject = |authority: &ChainCertificate| authority.subject.clone().into();
        Some(Self {
            subjects: all.iter().map(subject).collect(),
            authorities,
            algorithms,
            names: WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .ok(),
            is_mandatory,
        })
    }

    /// Whether the first of some certificates is accepted, behind which its intermediates stand and
    /// at the end an authority, all of them in DER. For fuzzing.
    pub fn accept_chain(mut chain: &[u8], now: u64) -> bool {
        let mut all = Vec::new();
        while let Ok((rest, one)) = Any::from_der(chain) {
            let header = chain.len() - rest.len() - one.data.len();
            let (certificate, _) = chain.split_at(header + one.data.len());
            all.push(CertificateDer::from(certificate.to_vec()));
            chain = rest;
        }
        let (Some(authority), Some((client, intermediates))) = (all.pop(), all.split_first())
        else {
            return false;
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        Self::new(vec![authority], provider, true)
            .is_some_and(|accepted| accepted.judge(client, intermediates, now).is_ok())
    }

    fn judge(
        &self,
        client: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Fault> {
        let certificate = ChainCertificate::read(client)?;
        let read = intermediates
            .iter()
            .map(|other| ChainCertificate::read(other));
        let others: Vec<_> = read.collect::<Result<_, _>>()?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let search = Search::new(&self.authorities, &others, &self.algorithms, seconds);
        match search.run(&certificate)? {
            Chain::Complete => Ok(()),
            Chain::UnlessNamesAreBarred => {
                let names = self.names.as_ref().ok_or(Fault::NotPermitted)?;
                names
                    .verify_client_cert(client, intermediates, now)
                    .map(drop)
                    .map_err(|_| Fault::NotPermitted)
            }
        }
    }

    /// Checks what a client has signed, with the first algorithms of its scheme.
    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        first: usize,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mut mapping = self.algorithms.mapping.iter();
        let known = mapping.find(|(scheme, _)| *scheme == signed.scheme);
        let algorithms: &[&dyn SignatureVerificationAlgorithm] = known
            .map_or(&[], |(_, algorithms)| {
                &algorithms[..first.min(algorithms.len())]
            });
        let is_valid = ChainCertificate::read(certificate).is_ok_and(|certificate| {
            certificate.has_signed(message, signed.signature(), algorithms)
        });
        match is_valid {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => {
                let text = "tls: invalid signature by the client certificate";
                REASON.set(Some(text.to_owned()));
                Err(Error::InvalidCertificate(CertificateError::BadSignature))
            }
        }
    }
}

/// Certificates by name and fingerprint.
fn shown(client: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for certificate in [client].into_iter().chain(intermediates) {
        let Ok((_, peer)) = identity_of(certificate) else {
            continue;
        };
        let (subject, digest) = (peer.subject, peer.certificate_sha256);
        if text.len() + subject.len() + digest.len() > SHOWN_BYTES_MAX {
            text.push_str("; …");
            break;
        }
        let separator = if text.is_empty() { "" } else { "; " };
        text.push_str(&format!("{separator}{subject} SHA-256: {digest}"));
    }
    text
}

impl ClientCertVerifier for ClientCertificates {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.judge(end_entity, intermediates, now) {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(fault) => {
                REASON.set(Some(match fault {
                    Fault::Malformed => format!("tls: failed to parse client certificate: {fault}"),
                    _ => {
                        let shown = shown(end_entity, intermediates);
                        format!("tls: failed to verify certificate: {fault} ({shown})")
                    }
                }));
                Err(Error::InvalidCertificate(fault.alert()))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // The scheme does not name the curve.
        self.check_signature(message, cert, dss, usize::MAX)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // PKCS #1 signs no handshakes of TLS 1.3.
        let is_old = matches!(
            dss.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        );
        self.check_signature(message, cert, dss, usize::from(!is_old))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
