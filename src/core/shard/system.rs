//! What the server itself says and answers in the subject space of its clients:
//! requests to it, and messages that the shell publishes.
//!
//! A request is noted where it is published, on the core of its publisher, and
//! taken by the shell like output ([`super::Ask::Request`]); the shell answers
//! with [`Shard::publish_as_server`], on any core.
//!
//! Bounds: what the shell does not drain in the turn is dropped, oldest kept.

use super::Shard;
use super::fanout::Delivery;
use super::question::Question;
use crate::base::id::AccountId;
use crate::base::limits::SYSTEM_NOTES_MAX;
use crate::base::slab::NONE;
use crate::wire::encode;
use crate::wire::parse::Publish;

/// What requests to the server begin with.
const REQUEST_PREFIX: &[u8] = b"$SYS.";

/// A request to the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemRequest {
    /// The account in which it was published.
    pub account: AccountId,
    /// The connection that published it.
    pub client_id: u64,
    /// The user that it is, by its number in the authority.
    pub user: Option<u32>,
    /// Its subject.
    pub subject: Vec<u8>,
    /// Where the answer goes; empty: nowhere in particular.
    pub reply: Vec<u8>,
    /// Its header block, perhaps empty.
    pub header: Vec<u8>,
    /// Its payload without the header block.
    pub payload: Vec<u8>,
}

impl Shard {
    /// Notes a message that may be a request to the server; true if it was.
    #[cold]
    pub(super) fn note_request(&mut self, index: u32, message: &Publish<'_>) -> bool {
        if !message.subject.starts_with(REQUEST_PREFIX) {
            return false;
        }
        let connection = &self.connections[index];
        let server_id = &self.config.server.server_id;
        let is_system = connection.account == AccountId::SYSTEM;
        let subject = std::str::from_utf8(message.subject).unwrap_or_default();
        if Question::of(subject, server_id, is_system).is_none() {
            return false;
        }
        if self.effects.requests.len() >= SYSTEM_NOTES_MAX {
            return true;
        }
        let (header, payload) = message.payload[..message.size()].split_at(message.header_len);
        self.effects.requests.push_back(SystemRequest {
            account: connection.account,
            client_id: connection.client_id,
            user: connection.user,
            subject: message.subject.to_vec(),
            reply: message.reply.to_vec(),
            header: header.to_vec(),
            payload: payload.to_vec(),
        });
        true
    }

    /// Subscriptions of this core that a subject of an account reaches: all, or
    /// those of one queue group.
    pub fn count_wanting(
        &mut self,
        account: AccountId,
        subject: &[u8],
        queue: Option<&[u8]>,
    ) -> usize {
        let interest = self.interests.get_mut(account.index());
        interest.map_or(0, |interest| interest.count_wanting(subject, queue))
    }

    /// Publishes a message of the server itself; `header` is a whole header
    /// block or empty.
    pub fn publish_as_server(
        &mut self,
        account: AccountId,
        subject: &[u8],
        reply: &[u8],
        header: &[u8],
        payload: &[u8],
    ) {
        let mut tail = std::mem::take(&mut self.scratch.tail);
        tail.clear();
        if !reply.is_empty() {
            tail.extend_from_slice(reply);
            tail.push(b' ');
        }
        if !header.is_empty() {
            encode::decimal(header.len(), &mut tail);
            tail.push(b' ');
        }
        encode::decimal(header.len() + payload.len(), &mut tail);
        tail.extend_from_slice(b"\r\n");
        tail.extend_from_slice(header);
        tail.extend_from_slice(payload);
        tail.extend_from_slice(b"\r\n");
        let delivery = Delivery {
            tail: &tail,
            has_header: !header.is_empty(),
            publisher: NONE,
            size: header.len() + payload.len(),
        };
        let at = self.interests[account.index()].route(subject, NONE);
        self.fan_out(account, at, &delivery);
        self.scratch.tail = tail;
    }
}
