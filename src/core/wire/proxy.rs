//! The PROXY protocol, versions 1 and 2: a header with which a proxy says whose
//! connection it passes on (NATS 2.15, `proxy_protocol`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Both versions are told apart by this many bytes.
const PREFIX_BYTES: usize = 6;

const TEXT_PREFIX: &[u8; PREFIX_BYTES] = b"PROXY ";

/// Longest header of version 1, its end included.
const TEXT_BYTES_MAX: usize = 107;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length.
const BINARY_HEAD_BYTES: usize = 16;

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// Not a header of a proxy: all of it is the client's.
    Absent,
    /// A header of this many bytes, and whose connection it is if that is not
    /// the proxy's own.
    Present(usize, Option<SocketAddr>),
}

/// Why a header cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadHeader(pub String);

impl fmt::Display for BadHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadHeader {}

fn invalid(what: impl fmt::Display) -> BadHeader {
    BadHeader(format!("invalid PROXY protocol header: {what}"))
}

fn unsupported(what: impl fmt::Display) -> BadHeader {
    BadHeader(format!("unsupported PROXY protocol feature: {what}"))
}

/// Reads a header at the beginning of a connection; `None` if there are too
/// few bytes to tell.
///
/// # Errors
/// It is a header, but one that makes no sense.
pub fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, BadHeader> {
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    if prefix == TEXT_PREFIX {
        parse_text(bytes)
    } else if prefix[..] == SIGNATURE[..PREFIX_BYTES] {
        parse_binary(bytes)
    } else {
        Ok(Some(ProxyHeader::Absent))
    }
}

fn parse_text(bytes: &[u8]) -> Result<Option<ProxyHeader>, BadHeader> {
    let line = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(line, b"\r\n") else {
        return match bytes.len() < TEXT_BYTES_MAX {
            true => Ok(None),
            false => Err(invalid("v1 line too long")),
        };
    };
    let text =
        std::str::from_utf8(&line[PREFIX_BYTES..end]).map_err(|_| invalid("invalid v1 format"))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let client = match words[..] {
        ["UNKNOWN", ..] => None,
        [protocol, source, destination, source_port, destination_port] => {
            let address = |text: &str| {
                text.parse::<IpAddr>()
                    .map_err(|_| invalid("invalid address"))
            };
            let (source, destination) = (address(source)?, address(destination)?);
            let port = |text: &str, name| {
                let port = text.parse::<u16>().ok();
                let port = port.filter(|_| !text.starts_with('+'));
                port.ok_or_else(|| BadHeader(format!("invalid {name} port")))
            };
            let source_port = port(source_port, "source")?;
            port(destination_port, "dest")?;
            match (protocol, source.is_ipv4() && destination.is_ipv4()) {
                ("TCP4", true) => {}
                ("TCP4", false) => return Err(invalid("TCP4 with IPv6 address")),
                ("TCP6", _) if source.is_ipv6() && destination.is_ipv6() => {}
                ("TCP6", _) => return Err(invalid("TCP6 with IPv4 address")),
                _ => return Err(invalid(format_args!("invalid protocol {protocol}"))),
            }
            Some(SocketAddr::new(source.to_canonical(), source_port))
        }
        _ => return Err(invalid("invalid v1 format")),
    };
    Ok(Some(ProxyHeader::Present(end + 2, client)))
}

fn parse_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, BadHeader> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(invalid("invalid signature"));
    }
    let Some(head) = bytes.first_chunk::<BINARY_HEAD_BYTES>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *head;
    if command & 0xf0 != 0x20 {
        let version = command & 0xf0;
        return Err(invalid(format_args!("invalid version 0x{version:02x}")));
    }
    let len = usize::from(u16::from_be_bytes([high, low]));
    let is_passed_on = match command & 0x0f {
        0 => false,
        1 => true,
        other => {
            return Err(BadHeader(format!(
                "unknown PROXY protocol command: 0x{other:02x}"
            )));
        }
    };
    if is_passed_on && family & 0x0f != 1 {
        return Err(unsupported("only STREAM protocol supported"));
    }
    let least = match family & 0xf0 {
        _ if !is_passed_on => 0,
        0x00 => 0,
        0x10 => 12,
        0x20 => 36,
        other => {
            return Err(unsupported(format_args!(
                "unsupported address family 0x{other:02x}"
            )));
        }
    };
    if len < least {
        let name = if least == 12 { "IPv4" } else { "IPv6" };
        return Err(BadHeader(format!(
            "{name} address data too short: {len} bytes"
        )));
    }
    let Some(addresses) = bytes.get(BINARY_HEAD_BYTES..BINARY_HEAD_BYTES + len) else {
        return Ok(None);
    };
    let client = match (least, addresses) {
        (12, [a, b, c, d, _, _, _, _, high, low, ..]) => {
            let ip = Ipv4Addr::new(*a, *b, *c, *d).into();
            Some(SocketAddr::new(ip, u16::from_be_bytes([*high, *low])))
        }
        (36, _) => addresses.first_chunk::<16>().map(|source| {
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            SocketAddr::new(Ipv6Addr::from(*source).to_canonical(), port)
        }),
        _ => None,
    };
    Ok(Some(ProxyHeader::Present(BINARY_HEAD_BYTES + len, client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let len = (addresses.len() as u16).to_be_bytes();
        [SIGNATURE, &[command, family][..], &len, addresses].concat()
    }

    /// Reads a header cut at every byte; the client's bytes behind it do not
    /// count.
    #[track_caller]
    fn present(header: &[u8], client: Option<&str>) {
        for len in 0..header.len() {
            assert_eq!(parse(&header[..len]), Ok(None), "{len}");
        }
        let client = client.map(|text| text.parse().expect("an address"));
        let expected = Ok(Some(ProxyHeader::Present(header.len(), client)));
        assert_eq!(parse(header), expected);
        assert_eq!(parse(&[header, b"CONNECT {}\r\n"].concat()), expected);
    }

    #[test]
    fn headers_name_the_client() {
        present(
            b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 4222\r\n",
            Some("192.0.2.1:5000"),
        );
        present(
            b"PROXY TCP6 2001:db8::1 ::1 5000 4222\r\n",
            Some("[2001:db8::1]:5000"),
        );
        present(
            b"PROXY TCP6 ::ffff:192.0.2.1 ::1 5000 4222\r\n",
            Some("192.0.2.1:5000"),
        );
        present(b"PROXY UNKNOWN\r\n", None);
        present(b"PROXY UNKNOWN ff 1 2\r\n", None);
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 0x10, 0x7e];
        present(&binary(0x21, 0x11, &four), Some("192.0.2.1:5000"));
        let more = [&four[..], b"tlv"].concat();
        present(&binary(0x21, 0x11, &more), Some("192.0.2.1:5000"));
        let mut six = [0; 36];
        (six[0], six[15], six[33]) = (0x20, 1, 7);
        present(&binary(0x21, 0x21, &six), Some("[2000::1]:7"));
        present(&binary(0x20, 0x11, &four), None);
        present(&binary(0x20, 0x00, b""), None);
        present(&binary(0x21, 0x01, b"what"), None);
    }

    #[test]
    fn other_beginnings_are_the_clients() {
        for bytes in [
            &b"CONNECT {}"[..],
            b"PING\r\nPING\r\n",
            b"\x16\x03\x01\x02\0\x01",
        ] {
            assert_eq!(parse(bytes), Ok(Some(ProxyHeader::Absent)));
        }
    }

    #[test]
    fn wrong_headers_are_refused_with_the_reason() {
        let long = format!("PROXY TCP4 {}", "1".repeat(200));
        let invalid = "invalid PROXY protocol header: ";
        for (bytes, reason) in [
            (long.as_bytes(), "v1 line too long"),
            (b"PROXY \r\n", "invalid v1 format"),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", "invalid v1 format"),
            (b"PROXY TCP4 a 1.1.1.1 1 1\r\n", "invalid address"),
            (b"PROXY TCP4 ::1 ::1 1 1\r\n", "TCP4 with IPv6 address"),
            (b"PROXY TCP6 1.1.1.1 ::1 1 1\r\n", "TCP6 with IPv4 address"),
            (
                b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
                "invalid protocol UDP4",
            ),
            (b"\r\n\r\n\0\rXQUIT\n", "invalid signature"),
            (&binary(0x11, 0x11, &[0; 12]), "invalid version 0x10"),
        ] {
            let expected = BadHeader(format!("{invalid}{reason}"));
            assert_eq!(parse(bytes), Err(expected));
        }
        for (bytes, reason) in [
            (
                binary(0x22, 0x11, &[0; 12]),
                "unknown PROXY protocol command: 0x02",
            ),
            (
                binary(0x21, 0x12, &[0; 12]),
                "unsupported PROXY protocol feature: only STREAM protocol supported",
            ),
            (
                binary(0x21, 0x31, &[0; 12]),
                "unsupported PROXY protocol feature: unsupported address family 0x30",
            ),
            (
                binary(0x21, 0x11, &[0; 11]),
                "IPv4 address data too short: 11 bytes",
            ),
            (
                binary(0x21, 0x21, &[0; 35]),
                "IPv6 address data too short: 35 bytes",
            ),
        ] {
            assert_eq!(parse(&bytes), Err(BadHeader(reason.to_owned())));
        }
        for port in ["70000", "+1", "-1", "1x"] {
            let line = format!("PROXY TCP4 1.1.1.1 1.1.1.1 {port} 1\r\n");
            let expected = BadHeader("invalid source port".to_owned());
            assert_eq!(parse(line.as_bytes()), Err(expected));
        }
    }
}
