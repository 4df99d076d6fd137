//! Messages that are published again under other subjects as soon as they are stored
//! (`republish`, ADR-28).

use super::Shard;
use super::system::ServerMessage;
use crate::api::answer::moment;
use crate::store::{Body, Entry};
use crate::stream::stored::Stored;

impl Shard {
    /// Publishes a stored message again, as its stream says; false if it has to wait.
    pub(super) fn republish(&mut self, store: usize, slot: u32, sequence: u64) -> bool {
        let store = &self.storage.stores[store];
        let Some(entry) = store.get(slot) else {
            return true;
        };
        let log = entry.stream().log();
        let (Some(republish), Some(stored)) =
            (&entry.stream().config().republish, log.get(sequence))
        else {
            return true;
        };
        let subject = &log.subjects().get(stored.subject).text;
        if !republish.transform.applies_to(subject) {
            return true;
        }
        // It was stored just now, so it is in memory.
        let Body::Here(body) = store.body(entry, sequence, stored) else {
            return true;
        };
        let mut to = Vec::new();
        republish.transform.apply(subject, |_| 0, &mut to);
        let (header, payload) = body[..stored.len()].split_at(stored.lens().0);
        let size = republish.headers_only.then_some(payload.len());
        let header = header_of(entry, sequence, stored, header, size);
        let payload = match republish.headers_only {
            true => Vec::new(),
            false => payload.to_vec(),
        };
        let account = entry.account;
        self.publish_as_server(&ServerMessage {
            account,
            subject: &to,
            reply: b"",
            header: &header,
            payload: &payload,
        })
    }
}

/// The header block of a message with fields that say where it is from.
fn header_of(
    entry: &Entry,
    sequence: u64,
    stored: &Stored,
    own: &[u8],
    size: Option<usize>,
) -> Vec<u8> {
    let mut block = match own.strip_suffix(b"\r\n") {
        Some(own) => own.to_vec(),
        None => b"NATS/1.0\r\n".to_vec(),
    };
    let mut add = |key: &str, value: &[u8]| {
        block.extend_from_slice(key.as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value);
        block.extend_from_slice(b"\r\n");
    };
    let log = entry.stream().log();
    let last = stored.previous_of_subject().unwrap_or(0);
    add("Nats-Stream", entry.name.as_bytes());
    add("Nats-Subject", &log.subjects().get(stored.subject).text);
    add("Nats-Sequence", sequence.to_string().as_bytes());
    add("Nats-Time-Stamp", moment(stored.time).as_bytes());
    add("Nats-Last-Sequence", last.to_string().as_bytes());
    if let Some(size) = size {
        add("Nats-Msg-Size", size.to_string().as_bytes());
    }
    block.extend_from_slice(b"\r\n");
    block
}
