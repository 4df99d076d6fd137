//! The server itself in the subject space of its clients: requests to it, who
//! listens, and messages that the shell publishes.
//!
//! A request is noted where it is published, on the core of its publisher, and
//! taken by the shell like output ([`super::Ask::Request`]); the shell answers
//! with [`Shard::publish_as_server`], on any core.
//!
//! Bounds: what the shell does not drain in the turn is dropped, oldest kept.

use super::Shard;
use super::message::{Message, Place, Source, weight};
use super::question::Question;
use super::system::{ServerMessage, SystemRequest};
use crate::base::id::AccountId;
use crate::base::slab::NONE;
use crate::wire::encode;
use crate::wire::parse::Publish;

impl Shard {
    /// Notes a message to [`Service::SystemRequest`] that may be a request to the
    /// server; true if it was.
    ///
    /// [`Service::SystemRequest`]: crate::subject::service::Service
    #[cold]
    pub(super) fn note_request(&mut self, index: u32, message: &Publish<'_>) -> bool {
        let connection = &self.connections[index];
        let server_id = &self.config.server.server_id;
        let is_system = connection.account == AccountId::SYSTEM;
        let subject = std::str::from_utf8(message.subject).unwrap_or_default();
        if Question::of(subject, server_id, is_system).is_none() {
            return false;
        }
        if !self.notices.has_room_for_request() {
            return true;
        }
        // A reload may give its number to another one before the answer.
        let users = &self.config.authority.policy().users;
        let user = connection.login.user.map(|user| &users[user as usize]);
        let (header, payload) = message.payload[..message.size()].split_at(message.header_len);
        self.notices.requests.push_back(SystemRequest {
            account: connection.account,
            client_id: connection.client_id,
            user: user.map_or_else(String::new, |user| user.identity.name().to_owned()),
            permissions: user.and_then(|user| user.permissions.clone()),
            subject: message.subject.to_vec(),
            reply: message.reply.to_vec(),
            header: header.to_vec(),
            payload: payload.to_vec(),
        });
        true
    }

    /// Whether somebody on any core listens to a subject of an account.
    pub fn has_interest(&mut self, account: AccountId, subject: &[u8]) -> bool {
        let interest = self.interests.find(account);
        interest.is_some_and(|interest| interest.has_interest(subject))
    }

    /// Subscriptions of this core that a subject of an account reaches: all, or
    /// those of one queue group.
    pub fn count_interested(
        &mut self,
        account: AccountId,
        subject: &[u8],
        queue: Option<&[u8]>,
    ) -> usize {
        let interest = self.interests.find(account);
        interest.map_or(0, |interest| interest.count_interested(subject, queue))
    }

    /// Publishes a message of the server itself; `header` is a whole header block or
    /// empty. False if it has to wait for room in a link or for wide fan-outs, as
    /// any publisher has: then it is to be tried again in a later turn.
    #[must_use]
    pub fn publish_as_server(&mut self, message: &ServerMessage<'_>) -> bool {
        let ServerMessage {
            account,
            subject,
            reply,
            header,
            payload,
        } = *message;
        let Some(interest) = self.interests.find(account) else {
            // It is gone by now.
            return true;
        };
        let at = interest.route(subject, NONE);
        let route = self.interests[account].route_at(at);
        let weight = weight(route.receivers(), header.len() + payload.len());
        let is_admitted =
            self.admits_wide(weight) || route.receivers() <= self.config.limits.work.bulk_receivers;
        if self.mesh.full_link_of(route).is_some() || !is_admitted {
            return false;
        }
        let mut line = std::mem::take(&mut self.scratch.tail);
        line.clear();
        if !reply.is_empty() {
            line.extend_from_slice(reply);
            line.push(b' ');
        }
        if !header.is_empty() {
            encode::decimal(header.len(), &mut line);
            line.push(b' ');
        }
        encode::decimal(header.len() + payload.len(), &mut line);
        line.extend_from_slice(b"\r\n");
        line.extend_from_slice(header);
        line.extend_from_slice(payload);
        line.extend_from_slice(b"\r\n");
        let delivery = Message {
            source: Source::Server,
            shown: None,
            line: &line,
            body: b"",
            has_header: !header.is_empty(),
            size: header.len() + payload.len(),
        };
        self.fan_out(Place { account, at }, &delivery);
        self.scratch.tail = line;
        true
    }
}
