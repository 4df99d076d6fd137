//! What changes of the progress of a consumer, as bytes: a note is appended for every
//! change, and replayed notes make the same progress again. Replayed twice they change
//! nothing more.
//!
//! A note is its kind and numbers of seven bits per byte, the low ones first.

use crate::base::id::Nanos;

/// A pair of sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sequences {
    /// Of the consumer: deliveries.
    pub consumer: u64,
    /// Of the stream.
    pub stream: u64,
}

/// A change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// A new message was delivered; unless it is acknowledged it is due then.
    Delivered {
        /// Its sequences.
        at: Sequences,
        /// When it is due.
        due: Nanos,
    },
    /// A message was delivered again.
    Redelivered {
        /// Its sequence in the stream, and that of this delivery.
        at: Sequences,
        /// How often it has been delivered.
        count: u64,
        /// When it is due.
        due: Nanos,
    },
    /// A message waits no more, by its sequence in the stream.
    Done(u64),
    /// That one and all before it wait no more.
    DoneAll(u64),
    /// A message is due at another time.
    Due {
        /// Its sequence in the stream.
        stream: u64,
        /// When.
        due: Nanos,
    },
    /// A message has had all its deliveries.
    Exhausted(u64),
    /// Everything before this sequence is gone.
    Purged(u64),
    /// It begins anew with this sequence.
    Reset {
        /// The sequence.
        stream: u64,
        /// Up to where it begins with the last messages of all subjects, or 0.
        until: u64,
    },
}

impl Note {
    /// Appends it.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let (kind, numbers, count) = match *self {
            Self::Delivered { at, due } => (1, [at.stream, at.consumer, due.0, 0], 3),
            Self::Redelivered { at, count, due } => (2, [at.stream, at.consumer, count, due.0], 4),
            Self::Done(stream) => (3, [stream, 0, 0, 0], 1),
            Self::DoneAll(stream) => (4, [stream, 0, 0, 0], 1),
            Self::Due { stream, due } => (5, [stream, due.0, 0, 0], 2),
            Self::Exhausted(stream) => (6, [stream, 0, 0, 0], 1),
            Self::Purged(stream) => (7, [stream, 0, 0, 0], 1),
            Self::Reset { stream, until } => (8, [stream, until, 0, 0], 2),
        };
        into.push(kind);
        for &number in &numbers[..count] {
            write_number(number, into);
        }
    }

    /// Takes one from the beginning of bytes; `None` if there is none.
    #[must_use]
    pub fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        *bytes = rest;
        let mut number = || read_number(bytes);
        Some(match kind {
            1 => Self::Delivered {
                at: Sequences {
                    stream: number()?,
                    consumer: number()?,
                },
                due: Nanos(number()?),
            },
            2 => Self::Redelivered {
                at: Sequences {
                    stream: number()?,
                    consumer: number()?,
                },
                count: number()?,
                due: Nanos(number()?),
            },
            3 => Self::Done(number()?),
            4 => Self::DoneAll(number()?),
            5 => Self::Due {
                stream: number()?,
                due: Nanos(number()?),
            },
            6 => Self::Exhausted(number()?),
            7 => Self::Purged(number()?),
            8 => Self::Reset {
                stream: number()?,
                until: number()?,
            },
            _ => return None,
        })
    }
}

/// Appends a number.
pub fn write_number(number: u64, into: &mut Vec<u8>) {
    let mut rest = number;
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            into.push(low);
            return;
        }
        into.push(low | 0x80);
    }
}

/// Takes a number from the beginning of bytes; `None` if there is none.
pub fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let low = u64::from(byte & 0x7f);
        // What does not fit into 64 bits is no number.
        if low << shift >> shift != low {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let at = Sequences {
            consumer: 1 << 40,
            stream: u64::MAX,
        };
        let notes = [
            Note::Delivered {
                at,
                due: Nanos::NEVER,
            },
            Note::Redelivered {
                at,
                count: 128,
                due: Nanos(0),
            },
            Note::Done(127),
            Note::DoneAll(128),
            Note::Due {
                stream: 3,
                due: Nanos(1 << 62),
            },
            Note::Exhausted(5),
            Note::Purged(6),
            Note::Reset {
                stream: 1,
                until: 700,
            },
        ];
        let mut bytes = Vec::new();
        for note in &notes {
            note.encode(&mut bytes);
        }
        let mut rest = &bytes[..];
        for note in &notes {
            assert_eq!(Note::decode(&mut rest), Some(*note));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn what_is_no_note_is_none() {
        let too_long = [3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2];
        let cases: [&[u8]; 5] = [&[], &[0], &[9, 1], &[3, 0x80], &too_long];
        for mut bytes in cases {
            assert_eq!(Note::decode(&mut bytes), None);
        }
    }
}
