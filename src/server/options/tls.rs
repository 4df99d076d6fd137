//! The settings of a `tls {}` block.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// How long a handshake may take, unless that is said (NATS 2.15).
pub const TLS_TIMEOUT_NS: u64 = 2_000_000_000;

/// How a listener speaks TLS. File names are kept, not contents: a reload reads
/// the files again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsOptions {
    /// Certificates: the first one that fits the client is shown.
    pub certificates: Vec<CertificateFiles>,
    /// PEM file with the authorities of client certificates.
    pub ca_file: Option<PathBuf>,
    /// Whether clients present certificates (`verify`, `verify_and_map`).
    pub verify: Verify,
    /// The certificate names the user (`verify_and_map`).
    pub map: bool,
    /// SHA-256 of public keys (lower-case hexadecimal); empty: all.
    pub pinned_certs: BTreeSet<String>,
    /// When TLS begins.
    pub handshake: HandshakeOrder,
    /// How long a handshake may take.
    pub timeout_ns: u64,
    /// Nothing older than TLS 1.3.
    pub only_tls13: bool,
    /// Names of cipher suites of TLS 1.2, as Go has them; empty: all. Those of
    /// TLS 1.3 cannot be chosen (NATS 2.15).
    pub cipher_suites: Vec<String>,
    /// Those may be named that are not safe; none of them is spoken.
    pub allows_insecure_ciphers: bool,
    /// Names of key exchange groups, as Go has them; empty: all.
    pub curve_preferences: Vec<String>,
    /// Handshakes per second; `None`: any number.
    pub connection_rate_limit: Option<u64>,
    /// Clients may also go on without TLS (`allow_non_tls`).
    pub allow_plain: bool,
}

/// Whether clients present certificates; what asks for more comes later.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verify {
    /// Nobody asks for one.
    #[default]
    No,
    /// One that is presented is verified (`verify: optional`).
    Optional,
    /// There must be one.
    Required,
}

/// A certificate, by the files that it is in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateFiles {
    /// PEM file with the certificate chain.
    pub cert_file: PathBuf,
    /// PEM file with its key.
    pub key_file: PathBuf,
}

/// When TLS begins (`handshake_first`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HandshakeOrder {
    /// After a plain INFO.
    #[default]
    AfterInfo,
    /// At once.
    First,
    /// At once if the client begins within this time, else after INFO (`auto`
    /// is 50 ms).
    FirstWithin(u64),
}
