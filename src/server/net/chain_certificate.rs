//! A certificate as far as chains are judged by it. How they are built is in `chain`.
//!
//! What Go's `crypto/x509` refuses is refused (NATS 2.15); where this is stricter, it says so.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{SignatureVerificationAlgorithm, alg_id};
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry;
use x509_parser::x509::{X509Name, X509Version};

use super::certificate::{RSA_BITS_MIN, rsa_bits};
use super::chain_fault::Fault;

/// How long a serial number may be (RFC 5280) that is shown.
const SERIAL_BYTES_MAX: usize = 20;

/// Signatures that are refused by name, since their hashes can be forged.
const INSECURE: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.5", "SHA1-RSA"),
    ("1.2.840.10045.4.1", "ECDSA-SHA1"),
    ("1.2.840.113549.1.1.4", "MD5-RSA"),
    ("1.3.14.3.2.29", "SHA1-RSA"),
];

/// A certificate of a chain.
#[derive(Debug)]
pub struct ChainCertificate {
    /// All of it.
    pub der: Vec<u8>,
    /// DER of the subject's name.
    pub subject: Vec<u8>,
    /// DER of the issuer's name.
    pub issuer: Vec<u8>,
    /// How it is called in the log.
    pub name: String,
    /// DER of the public key with its algorithm.
    pub key_info: Vec<u8>,
    /// What identifies the key, and the one that has signed.
    pub key_id: Option<Vec<u8>>,
    /// The same of the issuer.
    pub issuer_key_id: Option<Vec<u8>>,
    /// Its issuers' names are to be compared with what it allows.
    pub has_name_constraints: bool,
    /// It may identify a client, or issue what does.
    pub allows_clients: bool,
    is_v3: bool,
    /// What basic constraints say, if there are any.
    is_authority: Option<bool>,
    intermediates_max: Option<u32>,
    /// The key may be used for signing certificates.
    may_sign: bool,
    has_unhandled_extension: bool,
    /// In seconds since 1970.
    not_before: i64,
    not_after: i64,
    rsa_bits: Option<usize>,
    key_algorithm: Vec<u8>,
    key: Vec<u8>,
    signed: Vec<u8>,
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
    insecure: Option<&'static str>,
}

impl ChainCertificate {
    /// Reads one.
    ///
    /// # Errors
    /// It is malformed.
    pub fn read(der: &[u8]) -> Result<Self, Fault> {
        Self::try_read(der).ok_or(Fault::Malformed)
    }

    fn try_read(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        let (_, whole) = Any::from_der(der).ok()?;
        let (after_signed, _) = Any::from_der(whole.data).ok()?;
        let (_, signature_algorithm) = Any::from_der(after_signed).ok()?;
        let (key_algorithm, rsa_bits) = key_of(&parsed)?;
        let is_v3 = parsed.version() == X509Version::V3;
        let is_sound = rest.is_empty()
            && parsed.signature == parsed.signature_algorithm
            && parsed.extensions_map().is_ok()
            && (is_v3 || parsed.extensions().is_empty())
            && parsed.extensions().iter().all(is_readable);
        if !is_sound {
            return None;
        }
        let constraints = parsed.basic_constraints().ok()?;
        let usage = parsed.key_usage().ok()?;
        let purposes = parsed.extended_key_usage().ok()?;
        let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
        let insecure = INSECURE.iter().find(|(id, _)| *id == algorithm);
        let (key_id, issuer_key_id) = key_ids(&parsed);
        Some(Self {
            der: der.to_vec(),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            name: shown(&parsed),
            key_info: parsed.public_key().raw.to_vec(),
            key_id,
            issuer_key_id,
            has_name_constraints: parsed.name_constraints().ok()?.is_some(),
            allows_clients: purposes
                .is_none_or(|purposes| purposes.value.any || purposes.value.client_auth),
            is_v3,
            is_authority: constraints.as_ref().map(|found| found.value.ca),
            intermediates_max: constraints.and_then(|found| found.value.path_len_constraint),
            may_sign: usage
                .is_none_or(|usage| usage.value.flags == 0 || usage.value.key_cert_sign()),
            has_unhandled_extension: parsed.extensions().iter().any(is_unhandled),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            rsa_bits,
            key_algorithm,
            key: parsed.public_key().subject_public_key.data.to_vec(),
            signed: parsed.tbs_certificate.as_ref().to_vec(),
            signature_algorithm: signature_algorithm.data.to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            insecure: insecure.map(|(_, name)| *name),
        })
    }

    /// Whether it may be used at this time, in seconds since 1970, by whoever it is for.
    pub fn check_itself(&self, now: i64) -> Result<(), Fault> {
        if self.has_unhandled_extension {
            return Err(Fault::UnhandledExtension);
        }
        if now < self.not_before || now > self.not_after {
            return Err(Fault::Expired {
                now,
                not_before: self.not_before,
                not_after: self.not_after,
            });
        }
        self.check_key()
    }

    /// Whether it may issue certificates with so many intermediates below it.
    pub fn check_as_issuer(&self, is_root: bool, below: usize, now: i64) -> Result<(), Fault> {
        self.check_itself(now)?;
        if !is_root && self.is_authority != Some(true) {
            return Err(Fault::NotAuthorizedToSign);
        }
        let max = self.intermediates_max.map(usize::try_from);
        match max.is_some_and(|max| max.is_ok_and(|max| below > max)) {
            true => Err(Fault::TooManyIntermediates),
            false => Ok(()),
        }
    }

    /// Whether the key of an issuer has signed it.
    pub fn check_signature(
        &self,
        issuer: &Self,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Fault> {
        let is_barred = match issuer.is_authority {
            None => issuer.is_v3,
            Some(is_authority) => !is_authority,
        };
        if is_barred || !issuer.may_sign {
            return Err(Fault::CannotSign);
        }
        if let Some(name) = self.insecure {
            return Err(Fault::Insecure(name));
        }
        issuer.check_key()?;
        let algorithm = algorithms.all.iter().find(|algorithm| {
            algorithm.signature_alg_id().as_ref() == self.signature_algorithm
                && algorithm.public_key_alg_id().as_ref() == issuer.key_algorithm
        });
        algorithm
            .ok_or(Fault::Unimplemented)?
            .verify_signature(&issuer.key, &self.signed, &self.signature)
            .map_err(|_| Fault::WrongSignature(issuer.of_wrong_signature()))
    }

    /// Whether its key has signed what a client said in a handshake, with one of these algorithms.
    pub fn has_signed(
        &self,
        message: &[u8],
        signature: &[u8],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let mut fitting = algorithms
            .iter()
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == self.key_algorithm);
        fitting.any(|algorithm| {
            algorithm
                .verify_signature(&self.key, message, signature)
                .is_ok()
        })
    }

    /// What Go says of a signature that is not by its key.
    fn of_wrong_signature(&self) -> &'static str {
        match self.rsa_bits {
            Some(_) => "crypto/rsa: verification error",
            None if self.key_algorithm == alg_id::ED25519.as_ref() => {
                "x509: Ed25519 verification failure"
            }
            None => "x509: ECDSA verification failure",
        }
    }

    fn check_key(&self) -> Result<(), Fault> {
        match self.rsa_bits {
            Some(bits) if bits < RSA_BITS_MIN => Err(Fault::ShortKey(bits)),
            _ => Ok(()),
        }
    }
}

/// The algorithm of a key as it stands in the certificate, and its length for RSA.
fn key_of(certificate: &X509Certificate<'_>) -> Option<(Vec<u8>, Option<usize>)> {
    let (_, info) = Any::from_der(certificate.public_key().raw).ok()?;
    let (_, algorithm) = Any::from_der(info.data).ok()?;
    Some((algorithm.data.to_vec(), rsa_bits(certificate)))
}

fn key_ids(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut own, mut issuer) = (None, None);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => own = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                issuer = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }
    (own, issuer)
}

/// Whether an extension that counts can be read.
fn is_readable(extension: &X509Extension<'_>) -> bool {
    let counts = [
        oid_registry::OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
        oid_registry::OID_X509_EXT_KEY_USAGE,
        oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME,
        oid_registry::OID_X509_EXT_BASIC_CONSTRAINTS,
        oid_registry::OID_X509_EXT_NAME_CONSTRAINTS,
        oid_registry::OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
        oid_registry::OID_X509_EXT_EXTENDED_KEY_USAGE,
    ];
    let parsed = extension.parsed_extension();
    !counts.contains(&extension.oid)
        || !(parsed.unsupported() || matches!(parsed, ParsedExtension::ParseError { .. }))
}

/// Whether an extension has to be heeded and is not. Constraints of policies are not, critical or not:
/// Go heeds them, and nobody is let in whom it would refuse.
fn is_unhandled(extension: &X509Extension<'_>) -> bool {
    match extension.parsed_extension() {
        ParsedExtension::PolicyConstraints(_) => true,
        _ if extension.oid == oid_registry::OID_X509_EXT_POLICY_CONSTRAINTS => true,
        _ if !extension.critical => false,
        ParsedExtension::SubjectAlternativeName(names) => {
            let is_known = |name: &GeneralName<'_>| {
                matches!(
                    name,
                    GeneralName::RFC822Name(_)
                        | GeneralName::DNSName(_)
                        | GeneralName::URI(_)
                        | GeneralName::IPAddress(_)
                )
            };
            !names.general_names.iter().any(is_known)
        }
        ParsedExtension::KeyUsage(_)
        | ParsedExtension::BasicConstraints(_)
        | ParsedExtension::NameConstraints(_)
        | ParsedExtension::ExtendedKeyUsage(_)
        | ParsedExtension::CRLDistributionPoints(_)
        | ParsedExtension::CertificatePolicies(_) => false,
        _ => true,
    }
}

/// What Go calls a certificate: its common name, its organization or its number.
fn shown(certificate: &X509Certificate<'_>) -> String {
    let subject: &X509Name<'_> = certificate.subject();
    let common = subject.iter_common_name().last();
    let organization = subject.iter_organization().next();
    let found = [common, organization];
    let mut names = found
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().ok());
    match names.find(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        // A number as long as a message would take long to write in decimal.
        None if certificate.raw_serial().len() > SERIAL_BYTES_MAX => "serial".to_owned(),
        None => format!("serial:{}", certificate.serial),
    }
}
