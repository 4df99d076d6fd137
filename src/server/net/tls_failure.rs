//! Why TLS with a client came to nothing, in words: Go's where it has some, else
//! those of the library's names.

use std::fmt::Debug;

use rustls::Error;

use super::client_certificates::take_reason;

/// The reason for people.
pub fn describe(failure: &Error) -> String {
    match failure {
        Error::NoCertificatesPresented => "tls: client didn't provide a certificate".to_owned(),
        Error::InvalidCertificate(reason) => take_reason().unwrap_or_else(|| {
            let reason = words(reason);
            format!("tls: failed to verify certificate: x509: {reason}")
        }),
        Error::AlertReceived(alert) => format!("remote error: tls: {}", words(alert)),
        Error::PeerIncompatible(reason) => format!("tls: {}", words(reason)),
        Error::PeerMisbehaved(reason) => format!("tls: {}", words(reason)),
        Error::InvalidMessage(reason) => format!("tls: invalid message: {}", words(reason)),
        Error::InvalidCertRevocationList(reason) => format!("tls: {}", words(reason)),
        Error::InappropriateMessage { got_type, .. } => {
            format!("tls: unexpected message: {}", words(got_type))
        }
        Error::InappropriateHandshakeMessage { got_type, .. } => {
            format!("tls: unexpected message: {}", words(got_type))
        }
        other => format!("tls: {other}"),
    }
}

/// The same of a failure of a socket, which may have been TLS's.
pub fn describe_io(failure: &std::io::Error) -> String {
    let inner = failure.get_ref().and_then(|inner| inner.downcast_ref());
    inner.map_or_else(|| failure.to_string(), describe)
}

/// The name of a value as words, without what it holds: `UnknownIssuer { … }` as
/// `unknown issuer`.
pub fn words(value: &impl Debug) -> String {
    // The library has no other names for most of its reasons.
    let name = format!("{value:?}");
    let end = name.find(|letter: char| !letter.is_ascii_alphanumeric());
    let name = &name[..end.unwrap_or(name.len())];
    let mut words = String::new();
    let mut is_after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && is_after_small {
            words.push(' ');
        }
        is_after_small = !letter.is_ascii_uppercase();
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, CertificateError, PeerIncompatible};

    use super::*;

    #[test]
    fn nothing_of_the_language_is_seen() {
        for (failure, text) in [
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                "tls: failed to verify certificate: x509: unknown issuer",
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "remote error: tls: unknown ca",
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "tls: no cipher suites in common",
            ),
            (
                Error::NoCertificatesPresented,
                "tls: client didn't provide a certificate",
            ),
        ] {
            assert_eq!(describe(&failure), text);
        }
    }
}
