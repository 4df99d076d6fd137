//! The settings of a `tls {}` block.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// How a listener speaks TLS. File names are kept, not contents: a reload reads
/// the files again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsOptions {
    /// Certificate chains with their keys; the first one without SNI.
    pub certificates: Vec<CertificateFiles>,
    /// Authorities of client certificates.
    pub ca_file: Option<PathBuf>,
    /// Clients must present a certificate (`verify`, `verify_and_map`).
    pub verify: bool,
    /// The certificate names the user (`verify_and_map`).
    pub map: bool,
    /// SHA-256 of public keys (lower-case hexadecimal); empty: all.
    pub pinned_certs: BTreeSet<String>,
    /// When TLS begins.
    pub handshake: HandshakeOrder,
    /// How long a handshake may take.
    pub timeout_ns: u64,
    /// Oldest version, `1.2` or `1.3`.
    pub min_version: TlsVersion,
    /// Names of cipher suites as configured; empty: the defaults.
    pub cipher_suites: Vec<String>,
    /// Names of curves as configured; empty: the defaults.
    pub curve_preferences: Vec<String>,
    /// Handshakes per second beyond which connections are refused; `None`: all.
    pub connection_rate_limit: Option<u32>,
}

/// A certificate chain and its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// PEM file with the chain.
    pub cert_file: PathBuf,
    /// PEM file with the key.
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

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Ord, PartialOrd)]
pub enum TlsVersion {
    /// 1.2.
    #[default]
    V12,
    /// 1.3.
    V13,
}
