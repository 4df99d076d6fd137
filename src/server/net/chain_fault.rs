//! What is wrong with a certificate of a client or with its chain, in Go's words where it has some.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustls::CertificateError;
use trunkline_core::base::shown::quoted;

use super::certificate::RSA_BITS_MIN;

/// What is wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It cannot be read.
    Malformed,
    /// It is not valid now, in seconds since 1970.
    Expired {
        /// Now.
        now: i64,
        /// Before, it is not valid yet.
        not_before: i64,
        /// After, it is not valid any more.
        not_after: i64,
    },
    /// It has an extension that has to be heeded, and is not.
    UnhandledExtension,
    /// An intermediate certificate is none of an authority.
    NotAuthorizedToSign,
    /// More intermediates than an authority allows.
    TooManyIntermediates,
    /// It is not for clients.
    IncompatibleUsage,
    /// The names in it are not among those that an authority may give.
    NotPermitted,
    /// The issuer may not sign certificates.
    CannotSign,
    /// The hash can be forged.
    Insecure(&'static str),
    /// Nobody here knows this kind of signature.
    Unimplemented,
    /// Somebody else has signed it, in Go's words.
    WrongSignature(&'static str),
    /// An RSA key of so many bits, which is too short.
    ShortKey(usize),
    /// The search for an authority has taken too long.
    TooMuchWork,
    /// No authority that is known, and what spoke against the first that might have been it.
    UnknownAuthority(Option<(Box<Self>, String)>),
}

impl Fault {
    /// The error that leads to the alert that Go sends.
    pub fn alert(&self) -> CertificateError {
        match self {
            Self::UnknownAuthority(_) => CertificateError::UnknownIssuer,
            Self::Expired { .. } => CertificateError::Expired,
            // What makes the library send bad_certificate.
            _ => CertificateError::BadEncoding,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self, Self::WrongSignature(_)) {
            out.write_str("x509: ")?;
        }
        out.write_str(match self {
            Self::Malformed => "malformed certificate",
            Self::Expired {
                now,
                not_before,
                not_after,
            } => {
                let (word, bound) = match now < not_before {
                    true => ("before", not_before),
                    false => ("after", not_after),
                };
                let (now, bound) = (
                    shown(*now, &TimeZone::system()),
                    shown(*bound, &TimeZone::UTC),
                );
                let text = "certificate has expired or is not yet valid: current time";
                return write!(out, "{text} {now} is {word} {bound}");
            }
            Self::UnhandledExtension => "unhandled critical extension",
            Self::NotAuthorizedToSign => "certificate is not authorized to sign other certificates",
            Self::TooManyIntermediates => "too many intermediates for path length constraint",
            Self::IncompatibleUsage => "certificate specifies an incompatible key usage",
            Self::NotPermitted => {
                "a root or intermediate certificate is not authorized to sign for this name"
            }
            Self::CannotSign => {
                "invalid signature: parent certificate cannot sign this kind of certificate"
            }
            Self::Insecure(name) => {
                return write!(out, "cannot verify signature: insecure algorithm {name}");
            }
            Self::Unimplemented => "cannot verify signature: algorithm unimplemented",
            Self::WrongSignature(text) => text,
            Self::ShortKey(bits) => {
                return write!(out, "RSA key of {bits} bits, shorter than {RSA_BITS_MIN}");
            }
            Self::TooMuchWork => {
                "signature check attempts limit reached while verifying certificate chain"
            }
            Self::UnknownAuthority(hint) => {
                out.write_str("certificate signed by unknown authority")?;
                let Some((fault, name)) = hint else {
                    return Ok(());
                };
                let fault = fault.to_string();
                let (fault, name) = (quoted(&fault), quoted(name));
                let text = "while trying to verify candidate authority certificate";
                return write!(out, " (possibly because of {fault} {text} {name})");
            }
        })
    }
}

/// A time as Go writes it (RFC 3339).
fn shown(seconds: i64, zone: &TimeZone) -> String {
    let Ok(time) = Timestamp::from_second(seconds) else {
        return format!("{seconds} s");
    };
    let time = time.to_zoned(zone.clone());
    match time.offset().is_zero() {
        true => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        false => time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
    }
}
