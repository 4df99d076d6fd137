//! Objects as ADR-20 has them: chunks of 128 KiB on a subject of the object's own, then one message that describes it,
//! with a digest. What an object holds is known from its number, so that whoever reads it can tell.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256};

use crate::plans::jetstream::crew::{Actor, Turn};
use crate::plans::jetstream::flights::Flights;
use crate::plans::jetstream::reader::Taker;
use crate::plans::jetstream::words;
use crate::stamp::{self, STAMP_BYTES, Stamp};
use crate::verify::Verdict;
use crate::wire::encode;
use crate::wire::scan::Message;

/// Payload of all chunks but the last.
pub const CHUNK_BYTES: u64 = 128 * 1024;
/// Headers of a description: it replaces the one before.
const ROLLUP: &[u8] = b"NATS/1.0\r\nNats-Rollup: sub\r\n\r\n";

/// One object of a bucket.
#[derive(Clone)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// Which object.
    pub number: u32,
    /// Its size.
    pub size: u64,
    /// Its digest, as its description says it.
    pub digest: String,
}

impl Object {
    /// An object of so many bytes; computes its digest.
    pub fn new(bucket: &str, number: u32, size: u64) -> Self {
        let mut object = Object {
            bucket: bucket.into(),
            number,
            size,
            digest: String::new(),
        };
        let mut hash = Sha256::new();
        let mut chunk = pattern();
        (0..object.chunks()).for_each(|index| hash.update(object.chunk(index, &mut chunk)));
        object.digest = shown(hash);
        object
    }

    /// How many chunks it has.
    pub fn chunks(&self) -> u64 {
        self.size.div_ceil(CHUNK_BYTES)
    }

    /// Its chunk `index`, written over the beginning of a pattern.
    fn chunk<'a>(&self, index: u64, pattern: &'a mut [u8]) -> &'a [u8] {
        let size = (self.size - index * CHUNK_BYTES).min(CHUNK_BYTES) as usize;
        if size >= STAMP_BYTES {
            let stamp = Stamp {
                time_ns: 0,
                publisher: self.number,
                sequence: index,
            };
            stamp.write(pattern);
        }
        &pattern[..size]
    }

    fn name(&self) -> String {
        format!("object-{}", self.number)
    }

    fn id(&self) -> String {
        format!("loadgen{}", self.number)
    }

    /// Subject of its chunks.
    pub fn chunk_subject(&self) -> String {
        format!("$O.{}.C.{}", self.bucket, self.id())
    }

    /// Subject of its description.
    pub fn meta_subject(&self) -> String {
        let name = URL_SAFE.encode(self.name());
        format!("$O.{}.M.{name}", self.bucket)
    }

    fn description(&self) -> String {
        serde_json::json!({
            "name": self.name(), "bucket": self.bucket, "nuid": self.id(), "size": self.size,
            "mtime": "0001-01-01T00:00:00Z", "chunks": self.chunks(), "digest": self.digest,
            "options": { "max_chunk_size": CHUNK_BYTES },
        })
        .to_string()
    }

    /// Whether a description that was read is its own.
    pub fn is_described_by(&self, text: &[u8]) -> bool {
        let read = serde_json::from_slice::<serde_json::Value>(text).ok();
        let own = serde_json::from_str::<serde_json::Value>(&self.description()).ok();
        read.is_some() && read == own
    }
}

/// What chunks are written over.
fn pattern() -> Vec<u8> {
    let mut bytes = vec![0; CHUNK_BYTES as usize];
    stamp::fill(&mut bytes);
    bytes
}

fn shown(hash: Sha256) -> String {
    format!("SHA-256={}", URL_SAFE.encode(hash.finalize()))
}

/// Puts objects, one after the other.
pub struct Putter {
    objects: Vec<Object>,
    flights: Flights,
    window: usize,
    pattern: Vec<u8>,
    /// Which object is being put, and how many of its chunks are sent; behind the last chunk comes the description.
    at: (usize, u64),
    reply: Vec<u8>,
}

impl Putter {
    /// Puts `objects` with so many chunks under way; acknowledgements come below `inbox`.
    pub fn new(objects: Vec<Object>, window: usize, inbox: &str) -> Self {
        Putter {
            objects,
            flights: Flights::new(inbox),
            window,
            pattern: pattern(),
            at: (0, 0),
            reply: Vec::new(),
        }
    }

    fn put(&mut self, turn: &mut Turn<'_>) {
        while let Some(object) = self.objects.get(self.at.0) {
            let (number, sent) = (self.flights.next(), self.at.1);
            self.reply.clear();
            self.flights.reply(number, &mut self.reply);
            if sent < object.chunks() {
                if self.flights.open() >= self.window {
                    return;
                }
                let subject = object.chunk_subject();
                let chunk = object.chunk(sent, &mut self.pattern);
                encode::publish(turn.out, subject.as_bytes(), &self.reply, chunk);
                turn.tally.published_bytes += chunk.len() as u64;
                self.at.1 += 1;
            } else if self.flights.open() > 0 {
                // The description comes when all chunks are known to be stored.
                return;
            } else {
                let (subject, text) = (object.meta_subject(), object.description());
                let subject = subject.as_bytes();
                encode::publish_with_headers(
                    turn.out,
                    subject,
                    &self.reply,
                    ROLLUP,
                    text.as_bytes(),
                );
                self.at = (self.at.0 + 1, 0);
            }
            self.flights.send(turn.now_ns);
        }
    }
}

impl Actor for Putter {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        self.put(turn);
    }

    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        let Some((_, sent_ns)) = self.flights.answer(message.subject) else {
            turn.tally.surplus += 1;
            return;
        };
        match words::stored_at(message.headers, message.payload) {
            Ok(_) => {
                turn.tally.published += 1;
                turn.tally.last_ns = turn.now_ns;
                let latency_ns = turn.now_ns.saturating_sub(sent_ns).max(1);
                turn.tally.latency.saturating_record(latency_ns);
            }
            Err(text) => turn.tally.error(text),
        }
        self.put(turn);
    }

    fn is_done(&self) -> bool {
        self.at.0 >= self.objects.len() && self.flights.open() == 0
    }

    fn awaits(&self) -> String {
        format!("{} acknowledgements of chunks", self.flights.open())
    }
}

/// Takes the chunks of an object that is read.
pub struct Chunks {
    object: Arc<Object>,
    /// Digests cost more than many a server does, so only where somebody asks for them.
    hash: Option<Sha256>,
    next: u64,
    bytes: u64,
    corrupt: u64,
}

impl Chunks {
    /// Of an object, whose digest is computed if it is `hashed`.
    pub fn new(object: Arc<Object>, hashed: bool) -> Self {
        Chunks {
            object,
            hash: hashed.then(Sha256::new),
            next: 0,
            bytes: 0,
            corrupt: 0,
        }
    }

    /// What came of it.
    pub fn conclude(self) -> Verdict {
        let is_whole = self.bytes == self.object.size;
        let digest = self.hash.map(shown);
        let is_other = is_whole && digest.is_some_and(|digest| digest != self.object.digest);
        Verdict {
            lost: self.object.chunks().saturating_sub(self.next),
            corrupt: self.corrupt + u64::from(is_other),
            ..Verdict::default()
        }
    }
}

impl Taker for Chunks {
    fn take(&mut self, _sequence: u64, payload: &[u8], _turn: &mut Turn<'_>) {
        let stamp = Stamp::read(payload);
        let is_next = payload.len() < STAMP_BYTES
            || stamp.is_some_and(|stamp| {
                stamp.publisher == self.object.number && stamp.sequence == self.next
            });
        self.corrupt += u64::from(!is_next);
        self.next += 1;
        self.bytes += payload.len() as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tally::Tally;
    use crate::parse::Amount;
    use crate::plans::jetstream::crew::Work;
    use std::time::Duration;

    fn verdict_of(object: &Object, payloads: &[Vec<u8>]) -> Verdict {
        let mut chunks = Chunks::new(Arc::new(object.clone()), true);
        let work = Work::new(Amount::Count(0), Duration::ZERO);
        for payload in payloads {
            let mut turn = Turn {
                out: &mut Vec::new(),
                now_ns: 1,
                tally: &mut Tally::new(),
                work: &work,
            };
            chunks.take(1, payload, &mut turn);
        }
        chunks.conclude()
    }

    #[test]
    fn an_object_that_is_damaged_or_cut_is_noticed() {
        let object = Object::new("b", 3, 2 * CHUNK_BYTES + 5);
        assert_eq!(object.chunks(), 3);
        assert!(object.digest.starts_with("SHA-256=") && object.digest.ends_with('='));
        let mut bytes = pattern();
        let all: Vec<Vec<u8>> = (0..3)
            .map(|index| object.chunk(index, &mut bytes).to_vec())
            .collect();
        assert_eq!(verdict_of(&object, &all), Verdict::default());
        assert_eq!(verdict_of(&object, &all[..2]).lost, 1);
        let mut damaged = all.clone();
        damaged[1][1000] ^= 1;
        assert_eq!(verdict_of(&object, &damaged).corrupt, 1);
        let swapped = [all[1].clone(), all[0].clone(), all[2].clone()];
        assert_eq!(verdict_of(&object, &swapped).corrupt, 3);
    }

    #[test]
    fn descriptions_are_those_of_the_object_store() {
        let object = Object::new("b", 0, 1);
        assert_eq!(object.meta_subject(), "$O.b.M.b2JqZWN0LTA=");
        assert_eq!(object.chunk_subject(), "$O.b.C.loadgen0");
        assert!(object.is_described_by(object.description().as_bytes()));
        assert!(!object.is_described_by(b"{}"));
    }
}
