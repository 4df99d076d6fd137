//! Errors of TLS in words, with the option that helps.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// How to go on with a certificate that is fine but not known.
const TRUST: &str = "trust its issuer with --tls-ca FILE, or any certificate with --tls-insecure";
/// How to go on with one that nothing makes fine.
const INSECURE: &str = "--tls-insecure takes it all the same";

/// What went wrong, and what to do about it.
pub fn in_words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(fault) => certificate(fault),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "TLS: the server does not speak TLS here".into()
        }
        other => format!("TLS: {other}"),
    }
}

fn certificate(fault: &CertificateError) -> String {
    use CertificateError as Fault;
    let (reason, help) = match fault {
        Fault::UnknownIssuer => ("is self-signed, or its issuer is not known here", TRUST),
        // Somebody else of the issuer's name is trusted.
        Fault::BadSignature
        | Fault::UnsupportedSignatureAlgorithmContext { .. }
        | Fault::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (
            "is self-signed, or signed by another issuer than the one that is trusted",
            TRUST,
        ),
        Fault::NotValidForName => ("is for another server", INSECURE),
        Fault::NotValidForNameContext { presented, .. } => {
            return for_others(presented);
        }
        Fault::Expired | Fault::ExpiredContext { .. } => ("has expired", INSECURE),
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => ("is not valid yet", INSECURE),
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            ("is not for servers", INSECURE)
        }
        Fault::BadEncoding => ("cannot be read", INSECURE),
        fault => (of_chain(&fault.to_string()), INSECURE),
    };
    format!("TLS: the server's certificate {reason}; {help}")
}

/// What the library that checks chains names, and rustls does not.
fn of_chain(name: &str) -> &'static str {
    match name {
        name if name.contains("CaUsedAsEndEntity") => {
            "is that of an authority (CA:TRUE), as self-signed ones often are"
        }
        name if name.contains("UnsupportedCertVersion") => "is not of X.509 version 3",
        _ => "cannot be verified",
    }
}

/// The certificate is fine, but for others: names that come as `Kind("name")`.
fn for_others(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        inner.trim_end_matches(')').trim_matches('"').to_string()
    };
    let names: Vec<String> = presented.iter().map(bare).collect();
    let names = match names.is_empty() {
        true => "no name at all".into(),
        false => names.join(", "),
    };
    format!("TLS: the server's certificate is for {names}, not for --server; {INSECURE}")
}

fn alerted(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::CertificateRequired => {
            "it wants a certificate of ours; give --tls-cert and --tls-key"
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => {
            "it does not accept our certificate; see --tls-cert and --tls-key"
        }
        AlertDescription::HandshakeFailure => {
            "no agreement on versions and suites, or a certificate of ours is missing (--tls-cert and --tls-key)"
        }
        _ => return format!("TLS: the server broke off with alert {}", u8::from(alert)),
    };
    format!("TLS: the server refused: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_server_certificate_leads_on() {
        for fault in [
            CertificateError::UnknownIssuer,
            CertificateError::NotValidForName,
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::BadSignature,
            CertificateError::BadEncoding,
            CertificateError::InvalidPurpose,
            CertificateError::Revoked,
        ] {
            let name = fault.to_string();
            let text = in_words(&Error::InvalidCertificate(fault));
            assert!(text.contains("--tls-insecure"), "{text}");
            assert!(!text.contains(&name), "{text}");
        }
    }

    #[test]
    fn names_are_those_of_the_certificate() {
        let presented = ["DnsName(\"a.example\")", "IpAddress(10.0.0.1)"].map(String::from);
        assert!(for_others(&presented).contains("is for a.example, 10.0.0.1, not for"));
        assert!(for_others(&[]).contains("no name at all"));
    }

    #[test]
    fn alerts_say_what_is_missing() {
        for alert in [
            AlertDescription::CertificateRequired,
            AlertDescription::UnknownCA,
            AlertDescription::HandshakeFailure,
        ] {
            assert!(in_words(&Error::AlertReceived(alert)).contains("--tls-cert"));
        }
        let text = in_words(&Error::AlertReceived(AlertDescription::InternalError));
        assert!(text.ends_with("alert 80"), "{text}");
    }
}
