//! Gets objects as clients do: the description by direct get, then the chunks through an ordered consumer that pushes.

use std::sync::Arc;

use crate::plans::jetstream::consumers;
use crate::plans::jetstream::crew::{Actor, Turn};
use crate::plans::jetstream::objects::{Chunks, Object};
use crate::plans::jetstream::reader::{Reader, Way, delivery_subject};
use crate::plans::jetstream::words;
use crate::verify::Verdict;
use crate::wire::encode;
use crate::wire::scan::Message;

/// Gets objects, one after the other.
pub struct ObjectGetter {
    objects: Vec<Arc<Object>>,
    /// The stream of the bucket.
    stream: String,
    inbox: String,
    /// Digests are computed.
    hashed: bool,
    /// Objects whose descriptions have been asked for.
    begun: usize,
    /// The last description is awaited.
    is_asked: bool,
    /// When the last of them was.
    asked_ns: u64,
    reader: Option<Reader<Chunks>>,
    /// What was wrong with objects that were read.
    verdict: Verdict,
}

impl ObjectGetter {
    /// Gets `objects`, which `stream` holds; all that it receives comes below `inbox`.
    pub fn new(objects: Vec<Arc<Object>>, stream: &str, inbox: &str, hashed: bool) -> Self {
        ObjectGetter {
            objects,
            stream: stream.into(),
            inbox: inbox.into(),
            hashed,
            begun: 0,
            is_asked: false,
            asked_ns: 0,
            reader: None,
            verdict: Verdict::default(),
        }
    }

    /// Where the description asked for last comes to.
    fn meta_reply(&self) -> String {
        format!("{}.meta{}", self.inbox, self.begun)
    }

    fn ask(&mut self, turn: &mut Turn<'_>) {
        let Some(object) = self.objects.get(self.begun) else {
            return;
        };
        self.begun += 1;
        self.is_asked = true;
        self.asked_ns = turn.now_ns;
        let subject = format!(
            "$JS.API.DIRECT.GET.{}.{}",
            self.stream,
            object.meta_subject()
        );
        let reply = self.meta_reply();
        encode::publish(turn.out, subject.as_bytes(), reply.as_bytes(), b"");
    }

    /// The description is there: the chunks are next.
    fn begin_chunks(&mut self, description: &[u8], turn: &mut Turn<'_>) {
        let object = self.objects[self.begun - 1].clone();
        if !object.is_described_by(description) {
            self.verdict.corrupt += 1;
        }
        let (name, filter) = (format!("reader{}", object.number), object.chunk_subject());
        let subject = consumers::create_subject(&self.stream, &name, &filter);
        let inbox = delivery_subject(&self.inbox);
        let body = consumers::ordered_push(&self.stream, &name, &filter, &inbox);
        let way = Way::Push {
            subject: format!("$JS.API.{subject}"),
            body: body.to_string(),
        };
        let chunks = Chunks::new(object.clone(), self.hashed);
        let mut reader = Reader::new(way, &self.inbox, object.chunks(), chunks);
        reader.begin(turn);
        self.reader = Some(reader);
    }
}

impl ObjectGetter {
    /// What came of all objects; chunks that never came are lost.
    pub fn into_verdict(self) -> Verdict {
        let begun = self.reader.map(|reader| reader.taker.conclude());
        // One that is under way is in the reader, unless its description is all that is awaited.
        let unread = self.begun - usize::from(self.is_asked);
        let lost = self.objects.iter().skip(unread);
        let lost = Verdict {
            lost: lost.map(|object| object.chunks()).sum(),
            ..Verdict::default()
        };
        [self.verdict, lost].into_iter().chain(begun).sum()
    }

    /// An object is over, whole or not.
    fn conclude(&mut self, reader: Reader<Chunks>, turn: &mut Turn<'_>) {
        let verdicts = [self.verdict, reader.taker.conclude()];
        self.verdict = verdicts.into_iter().sum();
        let latency_ns = turn.now_ns.saturating_sub(self.asked_ns).max(1);
        turn.tally.latency.saturating_record(latency_ns);
        self.ask(turn);
    }
}

impl Actor for ObjectGetter {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        self.ask(turn);
    }

    fn message(&mut self, message: &Message<'_>, turn: &mut Turn<'_>) {
        if let Some(mut reader) = self.reader.take() {
            reader.message(message, turn);
            match reader.is_done() {
                true => self.conclude(reader, turn),
                false => self.reader = Some(reader),
            }
            return;
        }
        if message.subject != self.meta_reply().as_bytes() {
            return;
        }
        self.is_asked = false;
        match words::status(message.headers) {
            None => self.begin_chunks(message.payload, turn),
            Some((code, words)) => {
                let words = String::from_utf8_lossy(words);
                self.verdict.lost += self.objects[self.begun - 1].chunks();
                turn.tally
                    .error(format!("the get of an object says {code} {words}"));
                self.ask(turn);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.begun >= self.objects.len() && !self.is_asked && self.reader.is_none()
    }

    fn awaits(&self) -> String {
        match &self.reader {
            Some(reader) => reader.awaits(),
            None => "the description of an object".into(),
        }
    }
}
