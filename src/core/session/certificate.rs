//! What TLS says of a client: the names in its certificate, by which it may be
//! a user (`verify_and_map`), and what was agreed on.

use super::distinguished_name::DistinguishedName;

/// What a verified certificate says of its owner.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CertificateNames {
    /// E-mail addresses of the alternative names.
    pub emails: Vec<String>,
    /// DNS names of the alternative names.
    pub dns_names: Vec<String>,
    /// URIs of the alternative names.
    pub uris: Vec<String>,
    /// The subject; `None` if it has attributes of unknown types, or others
    /// than texts.
    pub subject: Option<DistinguishedName>,
    /// The subject as Go writes it, with and without its domain.
    pub written: Vec<String>,
}

/// What TLS has agreed on with a client.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsFacts {
    /// The version: `1.2` or `1.3`.
    pub version: String,
    /// The cipher suite as Go names it.
    pub cipher_suite: String,
    /// TLS went before INFO.
    pub is_first: bool,
    /// The names in the client's certificate.
    pub names: Option<CertificateNames>,
    /// The certificates that it has shown, its own first.
    pub peers: Vec<PeerCertificate>,
}

/// A certificate that a client has shown, as monitoring names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerCertificate {
    /// Whose it is.
    pub subject: String,
    /// SHA-256 of the public key in hexadecimal.
    pub key_sha256: String,
    /// SHA-256 of the certificate in hexadecimal.
    pub certificate_sha256: String,
}
