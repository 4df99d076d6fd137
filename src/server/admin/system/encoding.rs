//! Answers in the encoding that a request accepts (NATS 2.15): framed Snappy
//! before gzip; of another one it is said that it is not used.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use snap::write::FrameEncoder;

/// How an answer is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Nobody asked.
    Unasked,
    /// Nothing that was asked for is known.
    Identity,
    /// gzip.
    Gzip,
    /// Snappy in frames.
    Snappy,
}

impl Encoding {
    /// What a header block asks for.
    pub fn asked_for(header: &[u8]) -> Self {
        let lines = header.split(|&byte| byte == b'\n');
        let accepted = lines
            .filter_map(|line| line.strip_prefix(b"Accept-Encoding:"))
            .map(|value| String::from_utf8_lossy(value).trim().to_lowercase())
            .next();
        match accepted.as_deref() {
            None | Some("") => Self::Unasked,
            Some(list) if list.contains("snappy") || list.contains("s2") => Self::Snappy,
            Some(list) if list.contains("gzip") => Self::Gzip,
            Some(_) => Self::Identity,
        }
    }

    /// The header block and the payload of an answer.
    pub fn encode(self, payload: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let (name, payload) = match self {
            Self::Unasked => return (Vec::new(), payload),
            Self::Identity => ("identity", payload),
            Self::Gzip => ("gzip", gzip(&payload)),
            Self::Snappy => ("snappy", snappy(&payload)),
        };
        let header = format!("NATS/1.0\r\nContent-Encoding: {name}\r\n\r\n");
        (header.into_bytes(), payload)
    }
}

fn gzip(payload: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(payload).and_then(|()| encoder.finish());
    written.expect("memory takes everything")
}

fn snappy(payload: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(payload).expect("memory takes everything");
    encoder.into_inner().expect("memory takes everything")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_header_decides() {
        for (header, encoding) in [
            ("", Encoding::Unasked),
            ("NATS/1.0\r\nX: gzip\r\n\r\n", Encoding::Unasked),
            ("NATS/1.0\r\nAccept-Encoding: gzip\r\n\r\n", Encoding::Gzip),
            (
                "NATS/1.0\r\nAccept-Encoding:GZIP, s2\r\n\r\n",
                Encoding::Snappy,
            ),
            (
                "NATS/1.0\r\nAccept-Encoding: br\r\n\r\n",
                Encoding::Identity,
            ),
        ] {
            assert_eq!(Encoding::asked_for(header.as_bytes()), encoding, "{header}");
        }
    }

    #[test]
    fn what_is_encoded_can_be_decoded() {
        let payload = b"the same and the same and the same".repeat(100);
        let (header, gzip) = Encoding::Gzip.encode(payload.clone());
        assert_eq!(header, b"NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n");
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&gzip[..])
            .read_to_end(&mut decoded)
            .unwrap();
        assert_eq!(decoded, payload);
        let (_, snappy) = Encoding::Snappy.encode(payload.clone());
        decoded.clear();
        snap::read::FrameDecoder::new(&snappy[..])
            .read_to_end(&mut decoded)
            .unwrap();
        assert_eq!(decoded, payload);
        assert!(snappy.len() < payload.len() / 2 && gzip.len() < payload.len() / 2);
    }
}
