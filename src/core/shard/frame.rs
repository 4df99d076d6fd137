//! The bytes in a batch: changes of interest and stalls in its control part,
//! messages in its data part. Written and read by the same build in the same
//! process, so a mistake here is a bug and panics.

use crate::base::id::{AccountId, ConnectionKey, ConnectionKind, CoreId};
use crate::base::limits::FRAME_QUEUES_BYTES_MAX;
use crate::base::width;
use crate::route::interest::Announcement;

const PLAIN_GONE: u8 = 0;
const PLAIN_HERE: u8 = 1;
const QUEUE: u8 = 2;
const STALL: u8 = 3;
const RELEASE: u8 = 4;
const REGISTER: u8 = 5;

/// One entry of a control part.
pub(super) enum Control<'a> {
    /// The sender's interest changed.
    Interest(AccountId, Announcement<'a>),
    /// A publisher of the receiver is too fast: it is to be held back.
    Stall(ConnectionKey),
    /// It may go on.
    Release(ConnectionKey),
    /// A stream of an account takes these subjects now, one per line, or is gone.
    Register(AccountId, &'a [u8], &'a [u8]),
}

/// Writes that a publisher is to be held back, or may go on.
pub(super) fn put_stall(publisher: ConnectionKey, is_stalled: bool, into: &mut Vec<u8>) {
    into.push(if is_stalled { STALL } else { RELEASE });
    into.extend_from_slice(&publisher.to_bits().to_le_bytes());
}

/// Writes which subjects a stream takes now, one per line; none: it is gone.
pub(super) fn put_registered(
    account: AccountId,
    stream: &[u8],
    subjects: &[u8],
    into: &mut Vec<u8>,
) {
    into.push(REGISTER);
    into.extend_from_slice(&account.to_bits().to_le_bytes());
    put(stream, into);
    put(subjects, into);
}

/// Writes a change of interest.
pub(super) fn put_interest(account: AccountId, announcement: Announcement<'_>, into: &mut Vec<u8>) {
    let (kind, pattern, queue, members): (_, _, &[u8], _) = match announcement {
        Announcement::Plain { pattern, present } => (
            if present { PLAIN_HERE } else { PLAIN_GONE },
            pattern,
            b"",
            0,
        ),
        Announcement::Queue {
            pattern,
            queue,
            members,
        } => (QUEUE, pattern, queue, members),
    };
    into.push(kind);
    into.extend_from_slice(&account.to_bits().to_le_bytes());
    into.extend_from_slice(&members.to_le_bytes());
    put(pattern, into);
    put(queue, into);
}

fn put(bytes: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&width::short(bytes.len()).to_le_bytes());
    into.extend_from_slice(bytes);
}

/// Reads what this module has written.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().expect("frames are whole");
        self.0 = rest;
        *array
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// A text with its length before it.
    pub fn text(&mut self) -> &'a [u8] {
        let len = self.u32() as usize;
        self.bytes(len)
    }

    /// The next entry of a control part.
    pub fn control(&mut self) -> Option<Control<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let [kind] = self.array();
        if kind == STALL || kind == RELEASE {
            let key = ConnectionKey::from_bits(u64::from_le_bytes(self.array()));
            return Some(if kind == STALL {
                Control::Stall(key)
            } else {
                Control::Release(key)
            });
        }
        let account = AccountId::from_bits(u64::from_le_bytes(self.array()));
        if kind == REGISTER {
            return Some(Control::Register(account, self.text(), self.text()));
        }
        let members = self.u32();
        let (pattern, queue) = (self.text(), self.text());
        let announcement = if kind == QUEUE {
            Announcement::Queue {
                pattern,
                queue,
                members,
            }
        } else {
            Announcement::Plain {
                pattern,
                present: kind == PLAIN_HERE,
            }
        };
        Some(Control::Interest(account, announcement))
    }
}

/// The connection that published a message, for the cores that it is handed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Publisher {
    /// What it is.
    pub kind: ConnectionKind,
    /// Its key on the core of origin.
    pub key: ConnectionKey,
}

/// A message on its way to another core.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageFrame<'a> {
    pub account: AccountId,
    /// Whether plain subscriptions of that core get it.
    pub is_for_plain: bool,
    /// How often cores without a member have handed it on.
    pub hops: u8,
    /// The core that it was published on.
    pub origin: CoreId,
    /// The publisher's connection on that core; `None`: the server itself.
    pub publisher: Option<Publisher>,
    /// Whether it is for the store of that core, not for receivers.
    pub is_errand: bool,
    pub subject: &'a [u8],
    /// What a delivery begins with, if that is not the subject; or empty.
    pub shown: &'a [u8],
    /// Everything after the sid, as it is delivered.
    pub tail: &'a [u8],
    /// Whether the tail has a header block.
    pub has_header: bool,
}

/// A message that came from another core.
pub(super) struct Frame<'a> {
    pub message: MessageFrame<'a>,
    queues: &'a [u8],
}

/// What a frame is for.
const FOR_PLAIN: u8 = 1;
const ERRAND: u8 = 2;

/// Bytes of a frame before its texts.
const HEAD_LEN: usize = 37;
/// Where the length of the queues stands in them.
const QUEUES_LEN_AT: usize = 24;

impl<'a> Frame<'a> {
    #[inline]
    pub fn decode(reader: &mut Reader<'a>) -> Self {
        let head: [u8; HEAD_LEN] = reader.array();
        let u32_at = |at: usize| {
            let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            u32::from_le_bytes(bytes)
        };
        let u64_at = |at: usize| u64::from(u32_at(at + 4)) << 32 | u64::from(u32_at(at));
        let key = ConnectionKey::from_bits(u64_at(8));
        let kind = ConnectionKind::from_number(head[32]);
        let publisher = kind.map(|kind| Publisher { kind, key });
        let message = MessageFrame {
            account: AccountId::from_bits(u64_at(0)),
            is_for_plain: head[28] == FOR_PLAIN,
            is_errand: head[28] == ERRAND,
            hops: head[29],
            origin: CoreId(head[30]),
            publisher,
            subject: reader.bytes(u32_at(16) as usize),
            shown: reader.bytes(u32_at(33) as usize),
            tail: reader.bytes(u32_at(20) as usize),
            has_header: head[31] == 1,
        };
        let queues = reader.bytes(u32_at(QUEUES_LEN_AT) as usize);
        Self { message, queues }
    }

    /// The names of [`Self::queues`] as they are written.
    pub fn queue_bytes(&self) -> &'a [u8] {
        self.queues
    }

    /// Names of the queue groups of which a member here was chosen.
    pub fn queues(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader(self.queues);
        std::iter::from_fn(move || (!reader.0.is_empty()).then(|| reader.text()))
    }
}

impl MessageFrame<'_> {
    /// Writes the message; `body` is what of it does not lie behind its tail. Of
    /// the queues it takes as many as one frame may name.
    #[inline]
    pub fn encode<'q>(
        &self,
        body: &[u8],
        queues: &mut impl Iterator<Item = &'q [u8]>,
        into: &mut Vec<u8>,
    ) {
        let start = into.len();
        let mut head = [0u8; HEAD_LEN];
        head[0..8].copy_from_slice(&self.account.to_bits().to_le_bytes());
        head[28] = match (self.is_errand, self.is_for_plain) {
            (true, _) => ERRAND,
            (false, true) => FOR_PLAIN,
            (false, false) => 0,
        };
        head[29] = self.hops;
        head[30] = self.origin.0;
        head[31] = u8::from(self.has_header);
        if let Some(Publisher { kind, key }) = self.publisher {
            head[32] = kind.number();
            head[8..16].copy_from_slice(&key.to_bits().to_le_bytes());
        }
        head[16..20].copy_from_slice(&width::short(self.subject.len()).to_le_bytes());
        head[20..24].copy_from_slice(&width::short(self.tail.len() + body.len()).to_le_bytes());
        head[33..37].copy_from_slice(&width::short(self.shown.len()).to_le_bytes());
        let texts_len = self.subject.len() + self.shown.len() + self.tail.len() + body.len();
        into.reserve(HEAD_LEN + texts_len);
        into.extend_from_slice(&head);
        into.extend_from_slice(self.subject);
        into.extend_from_slice(self.shown);
        into.extend_from_slice(self.tail);
        into.extend_from_slice(body);
        let queues_start = into.len();
        while into.len() - queues_start < FRAME_QUEUES_BYTES_MAX
            && let Some(queue) = queues.next()
        {
            put(queue, into);
        }
        let queues_len = width::short(into.len() - queues_start);
        let len_at = start + QUEUES_LEN_AT;
        into[len_at..len_at + 4].copy_from_slice(&queues_len.to_le_bytes());
    }
}
