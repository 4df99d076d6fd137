//! The names in a client's certificate, by which it may be a user
//! (`verify_and_map`).

/// What a verified certificate says of its owner.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CertificateNames {
    /// E-mail addresses of the alternative names.
    pub emails: Vec<String>,
    /// DNS names of the alternative names.
    pub dns_names: Vec<String>,
    /// URIs of the alternative names.
    pub uris: Vec<String>,
    /// The subject as RFC 2253 writes it.
    pub subject: String,
}
