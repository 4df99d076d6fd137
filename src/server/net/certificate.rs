//! What a peer's certificate says: its names and digests, written as Go writes
//! them, since users and monitoring know them so (NATS 2.15).

use std::io;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use trunkline_core::session::certificate::{CertificateNames, PeerCertificate};
use trunkline_core::session::distinguished_name::DistinguishedName;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// The shortest RSA key that signs anything. Go takes 1024 bits, which can be broken.
pub const RSA_BITS_MIN: usize = 2048;

/// Types of attributes that have a name in Go, in the order in which Go writes
/// them backwards.
const NAMED: [(&str, &str); 9] = [
    ("2.5.4.6", "C"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.17", "POSTALCODE"),
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
];

/// A part of a domain, which only names of users have as `DC`.
const DOMAIN: (&str, &str) = ("0.9.2342.19200300.100.1.25", "DC");

/// The parts of a subject as the certificate has them: type and value.
type Groups = Vec<Vec<(String, Option<String>)>>;

/// The names in a certificate and its digests.
///
/// # Errors
/// It is no certificate.
pub fn identity_of(
    certificate: &CertificateDer<'_>,
) -> io::Result<(CertificateNames, PeerCertificate)> {
    let parsed = parse(certificate)?;
    let groups: Groups = parsed
        .subject()
        .iter_rdn()
        .map(|group| {
            let attributes = group.iter().map(|attribute| {
                let value = attribute.as_str().ok().map(str::to_owned);
                (attribute.attr_type().to_id_string(), value)
            });
            attributes.collect()
        })
        .collect();
    let named = named(&groups);
    let domain = domain(&groups);
    let with_domain = (!domain.is_empty()).then(|| format!("{named},{domain}"));
    let mut names = CertificateNames {
        subject: distinguished(&groups),
        written: with_domain.into_iter().chain([named.clone()]).collect(),
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
    let peer = PeerCertificate {
        subject: join(&named, &unnamed(&groups)),
        key_sha256: hexadecimal(&Sha256::digest(parsed.public_key().raw)),
        certificate_sha256: hexadecimal(&Sha256::digest(certificate)),
    };
    Ok((names, peer))
}

/// How many bits the key of a certificate has, if it is one of RSA.
pub fn rsa_bits(certificate: &X509Certificate<'_>) -> Option<usize> {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => {
            let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
            let first = key.modulus.get(zeros)?;
            let bytes = key.modulus.len() - zeros;
            Some(bytes * 8 - usize::try_from(first.leading_zeros()).ok()?)
        }
        _ => None,
    }
}

/// When a certificate expires, in seconds since 1970.
///
/// # Errors
/// It is no certificate.
pub fn expires_at(certificate: &CertificateDer<'_>) -> io::Result<i64> {
    Ok(parse(certificate)?.validity().not_after.timestamp())
}

/// The public key of a certificate with its algorithm (DER), and the length of it for RSA.
///
/// # Errors
/// It is no certificate.
pub fn key_of(certificate: &CertificateDer<'_>) -> io::Result<(Vec<u8>, Option<usize>)> {
    let parsed = parse(certificate)?;
    Ok((parsed.public_key().raw.to_vec(), rsa_bits(&parsed)))
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> io::Result<X509Certificate<'a>> {
    X509Certificate::from_der(certificate)
        .map(|(_, parsed)| parsed)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// The subject for comparisons, if all its types are known there.
fn distinguished(groups: &Groups) -> Option<DistinguishedName> {
    let group = |group: &Vec<(String, Option<String>)>| {
        let attributes = group.iter().rev().map(|(kind, value)| {
            let mut known = NAMED.iter().chain([&DOMAIN]);
            let (_, name) = known.find(|(known, _)| known == kind)?;
            Some(((*name).to_owned(), value.clone()?))
        });
        attributes.collect::<Option<Vec<_>>>()
    };
    let groups = groups.iter().rev().filter(|group| !group.is_empty());
    groups
        .map(group)
        .collect::<Option<_>>()
        .map(DistinguishedName)
}

/// Values of a type, in the order of the certificate.
fn values<'a>(groups: &'a Groups, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let of_type = groups
        .iter()
        .flatten()
        .filter(move |(kind, _)| kind == wanted);
    of_type.filter_map(|(_, value)| value.as_deref())
}

/// The attributes with names, grouped by type whatever groups they come in.
fn named(groups: &Groups) -> String {
    let written = NAMED.iter().rev().filter_map(|(kind, name)| {
        let all: Vec<&str> = values(groups, kind).collect();
        let shown = match *name {
            // There is one of these; the last counts.
            "CN" | "SERIALNUMBER" => all
                .last()
                .filter(|text| !text.is_empty())
                .as_slice()
                .to_vec(),
            _ => all.iter().collect(),
        };
        let shown = shown
            .iter()
            .map(|value| format!("{name}={}", escaped(value)));
        let group = shown.collect::<Vec<_>>().join("+");
        (!group.is_empty()).then_some(group)
    });
    written.collect::<Vec<_>>().join(",")
}

/// The attributes without names, the last first.
fn unnamed(groups: &Groups) -> String {
    let all = groups.iter().flatten().rev();
    let unnamed = all.filter(|(kind, _)| NAMED.iter().all(|(named, _)| named != kind));
    let written = unnamed.filter_map(|(kind, value)| {
        let value = value.as_deref()?;
        // Encoded anew: a printable string if it is one, else UTF-8.
        let tag = if value.bytes().all(is_printable) {
            0x13
        } else {
            0x0c
        };
        let mut encoded = vec![tag];
        match u8::try_from(value.len()) {
            Ok(len @ 0..0x80) => encoded.push(len),
            Ok(len) => encoded.extend([0x81, len]),
            Err(_) => {
                // A longer one is in no certificate that a handshake has room for.
                let len = u16::try_from(value.len()).ok()?;
                encoded.push(0x82);
                encoded.extend(len.to_be_bytes());
            }
        }
        encoded.extend_from_slice(value.as_bytes());
        Some(format!("{kind}=#{}", hexadecimal(&encoded)))
    });
    written.collect::<Vec<_>>().join(",")
}

fn domain(groups: &Groups) -> String {
    let parts = values(groups, DOMAIN.0).map(|value| format!("DC={value}"));
    parts.collect::<Vec<_>>().join(",")
}

fn join(first: &str, second: &str) -> String {
    let both = [first, second].into_iter().filter(|text| !text.is_empty());
    both.collect::<Vec<_>>().join(",")
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (at, character) in value.chars().enumerate() {
        let is_special = match character {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            '#' => at == 0,
            ' ' => at == 0 || at == last,
            _ => false,
        };
        if is_special {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &[&[(&str, &str)]]) -> Groups {
        let own = |&(kind, value): &(&str, &str)| (kind.to_owned(), Some(value.to_owned()));
        text.iter()
            .map(|group| group.iter().map(own).collect())
            .collect()
    }

    #[test]
    fn subjects_are_written_as_go_writes_them() {
        let subject = groups(&[
            &[("2.5.4.3", "foo")],
            &[(DOMAIN.0, "com")],
            &[("2.5.4.10", "Acme, Inc"), ("2.5.4.11", "a")],
            &[("2.5.4.11", " b#"), ("0.9.2342.19200300.100.1.1", "77")],
        ]);
        assert_eq!(named(&subject), "CN=foo,OU=a+OU=\\ b#,O=Acme\\, Inc");
        assert_eq!(
            unnamed(&subject),
            "0.9.2342.19200300.100.1.1=#13023737,0.9.2342.19200300.100.1.25=#1303636f6d"
        );
        assert_eq!(domain(&subject), "DC=com");
        assert_eq!(distinguished(&subject), None, "an unknown type");
        assert_eq!(
            distinguished(&groups(&[
                &[("2.5.4.6", "US")],
                &[("2.5.4.3", "a"), (DOMAIN.0, "b")]
            ])),
            DistinguishedName::parse("DC=b+CN=a,C=US")
        );
    }
}
