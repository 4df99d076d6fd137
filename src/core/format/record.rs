//! One durable fact: a stored message, or something that happened to a stream or a
//! consumer.
//!
//! ```text
//!  0  len          u32   bytes from here to the end, without padding
//!  4  checksum     u32   crc32c of all that follows
//!  8  kind         u8
//!  9  –            u8    zero
//! 10  subject len  u16
//! 12  header len   u32
//! 16  stream       u64
//! 24  sequence     u64
//! 32  time         u64   nanoseconds since the Unix epoch
//! 40  subject, header, payload, CR LF, zeros up to a multiple of 8
//! ```
//!
//! Header, payload and line end lie as a client gets them, so that a delivery is a
//! line and a slice of what is stored. What other kinds than messages have to say
//! lies in the payload; its meaning is theirs.

use super::{Flaw, u16_at, u32_at, u64_at};
use crate::base::moment::WallNanos;

/// Bytes before the subject.
pub const HEAD_BYTES: usize = 40;

/// Records begin at multiples of this.
pub const ALIGNMENT: usize = 8;

const LINE_END: &[u8; 2] = b"\r\n";

/// What a record is, as a number: the journal does not know more of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind(pub u8);

/// The number of a stream, of which there is never another one with the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// What it is.
    pub kind: Kind,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// A sequence of the stream; its meaning depends on the kind.
    pub sequence: u64,
    /// When it was made.
    pub time: WallNanos,
    /// The subject of a message.
    pub subject: &'a [u8],
    /// The header block of a message, or nothing.
    pub header: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// Whether lengths fit into a record. Larger ones exist nowhere: subjects are parts
/// of control lines, payloads are at most 64 MiB (`max_payload`).
#[must_use]
pub fn fits(subject: usize, header: usize, payload: usize) -> bool {
    const PART_MAX: usize = (u32::MAX / 4) as usize;
    subject <= u16::MAX as usize && header <= PART_MAX && payload <= PART_MAX
}

/// Bytes that a record with parts of these lengths takes.
#[must_use]
pub fn encoded_len(subject: usize, header: usize, payload: usize) -> usize {
    (HEAD_BYTES + subject + header + payload + LINE_END.len()).next_multiple_of(ALIGNMENT)
}

impl<'a> Record<'a> {
    /// Bytes of the record without padding.
    fn len(&self) -> usize {
        let parts = self.subject.len() + self.header.len() + self.payload.len();
        HEAD_BYTES + parts + LINE_END.len()
    }

    /// Bytes that the record takes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        encoded_len(self.subject.len(), self.header.len(), self.payload.len())
    }

    /// Writes the record into the first bytes of a place that has room for it, and
    /// returns how many these were.
    ///
    /// # Panics
    /// If its parts do not fit into a record ([`fits`]), or not into the place.
    pub fn encode(&self, into: &mut [u8]) -> usize {
        let parts = [self.subject, self.header, self.payload, LINE_END];
        assert!(
            fits(self.subject.len(), self.header.len(), self.payload.len()),
            "what is admitted fits into a record"
        );
        let (len, taken) = (self.len(), self.encoded_len());
        let short = |len: usize| u32::try_from(len).expect("it fits, see above");
        let subject_len = u16::try_from(self.subject.len()).expect("it fits, see above");
        into[0..4].copy_from_slice(&short(len).to_le_bytes());
        into[8..10].copy_from_slice(&[self.kind.0, 0]);
        into[10..12].copy_from_slice(&subject_len.to_le_bytes());
        into[12..16].copy_from_slice(&short(self.header.len()).to_le_bytes());
        into[16..24].copy_from_slice(&self.stream.0.to_le_bytes());
        into[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        into[32..40].copy_from_slice(&self.time.0.to_le_bytes());
        let mut at = HEAD_BYTES;
        for part in parts {
            into[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        into[len..taken].fill(0);
        let checksum = crc32c::crc32c(&into[8..len]);
        into[4..8].copy_from_slice(&checksum.to_le_bytes());
        taken
    }

    /// Reads the record at the front of some bytes; also says how many it takes.
    ///
    /// # Errors
    /// If there is none.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, usize), Flaw> {
        if bytes.len() < HEAD_BYTES {
            return Err(Flaw::Short);
        }
        let len = u32_at(bytes, 0) as usize;
        let taken = len.next_multiple_of(ALIGNMENT);
        if taken > bytes.len() {
            return Err(Flaw::Short);
        }
        let subject_len = usize::from(u16_at(bytes, 10));
        let header_len = u32_at(bytes, 12) as usize;
        let payload_at = HEAD_BYTES + subject_len + header_len;
        let Some(payload_len) = len.checked_sub(payload_at + LINE_END.len()) else {
            return Err(Flaw::Lengths);
        };
        if crc32c::crc32c(&bytes[8..len]) != u32_at(bytes, 4) {
            return Err(Flaw::Checksum);
        }
        let (subject, rest) = bytes[HEAD_BYTES..len].split_at(subject_len);
        let (header, rest) = rest.split_at(header_len);
        let record = Self {
            kind: Kind(bytes[8]),
            stream: StreamId(u64_at(bytes, 16)),
            sequence: u64_at(bytes, 24),
            time: WallNanos(u64_at(bytes, 32)),
            subject,
            header,
            payload: &rest[..payload_len],
        };
        Ok((record, taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Record<'_> = Record {
        kind: Kind(1),
        stream: StreamId(7),
        sequence: 42,
        time: WallNanos(1_700_000_000_123_456_789),
        subject: b"orders.shipped",
        header: b"NATS/1.0\r\nA: b\r\n\r\n",
        payload: b"hello",
    };

    fn encoded(record: &Record<'_>) -> Vec<u8> {
        let mut bytes = vec![0xee; record.encoded_len()];
        assert_eq!(record.encode(&mut bytes), bytes.len());
        bytes
    }

    #[test]
    fn bytes_are_those_of_the_first_version() {
        let bytes = encoded(&RECORD);
        let expected = b"\x4f\0\0\0\xee\xde\x35\x0b\
            \x01\0\x0e\0\x12\0\0\0\x07\0\0\0\0\0\0\0\x2a\0\0\0\0\0\0\0\
            \x15\xcd\x85\x3d\xfe\x9c\x97\x17\
            orders.shippedNATS/1.0\r\nA: b\r\n\r\nhello\r\n\0";
        assert_eq!(
            bytes.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let long = vec![b'x'; 70_000];
        let cases = [
            RECORD,
            Record {
                header: b"",
                payload: b"",
                ..RECORD
            },
            Record {
                subject: b"",
                sequence: u64::MAX,
                ..RECORD
            },
            Record {
                subject: &long[..65_535],
                header: &long,
                payload: &long,
                ..RECORD
            },
        ];
        for record in cases {
            let mut bytes = encoded(&record);
            let len = bytes.len();
            assert_eq!(len % ALIGNMENT, 0);
            bytes.extend_from_slice(b"what follows");
            assert_eq!(Record::decode(&bytes), Ok((record, len)));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encoded(&RECORD);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let is_padding = at / 8 >= RECORD.len();
            assert_eq!(Record::decode(&flipped).is_ok(), is_padding, "bit {at}");
        }
        for len in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..len]), Err(Flaw::Short));
        }
        assert!(Record::decode(&[0; 4096]).is_err());
        assert!(Record::decode(&[0xff; 4096]).is_err());
    }
}
