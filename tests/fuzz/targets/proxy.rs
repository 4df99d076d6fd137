//! Headers of proxies: cuts do not matter, the length is the header's own, and a plain twin of
//! version 2 agrees.

use std::net::{IpAddr, SocketAddr};
use trunkline_core::wire::proxy::{ProxyHeader, parse};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Input: the beginning of a connection.
pub fn proxy(data: &[u8]) {
    let whole = parse(data);
    let first = (0..=data.len())
        .map(|len| parse(&data[..len]))
        .find(|outcome| *outcome != Ok(None));
    assert_eq!(first.unwrap_or(Ok(None)), whole, "cuts matter");
    match whole {
        Ok(Some(ProxyHeader::Present(len, client))) => {
            assert!(len <= data.len());
            if data.starts_with(b"PROXY ") {
                assert!(len <= 107 && data[..len].ends_with(b"\r\n"));
            } else {
                assert_eq!((len, client), twin(data).expect("a header"));
            }
        }
        Ok(Some(ProxyHeader::Absent)) => {
            assert!(!data.starts_with(b"PROXY ") && !data.starts_with(SIGNATURE));
        }
        Ok(None) => assert!(data.len() < 16 + 65_536),
        Err(failure) => assert!(!failure.0.is_empty()),
    }
}

/// Length and client of a header of version 2 that is in order.
fn twin(data: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    let rest = data.strip_prefix(SIGNATURE)?;
    let (&[command, family, high, low], rest) = rest.split_first_chunk()?;
    let len = usize::from(high) << 8 | usize::from(low);
    let rest = rest.get(..len)?;
    let client = match (command, family) {
        (0x20, _) | (0x21, 0x01) => None,
        (0x21, 0x11) => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            Some((IpAddr::from(*ip), rest.get(4..6)?))
        }
        (0x21, 0x21) => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            Some((IpAddr::from(*ip).to_canonical(), rest.get(16..18)?))
        }
        _ => return None,
    };
    let client =
        client.map(|(ip, port)| SocketAddr::new(ip, u16::from(port[0]) << 8 | u16::from(port[1])));
    Some((SIGNATURE.len() + 4 + len, client))
}
