//! Requests to the store on their way: from the core of who asks to that of the registrar
//! or of the stream, or from core to core if each has to say something.
//!
//! What an errand takes with it between cores is a message to nobody
//! (`frame`), so it keeps its place among the messages of its publisher.
//!
//! Not here: what is done about them (`requests`).

use super::Shard;
use super::errand::{Errand, Stage};
use super::frame::{Frame, MessageFrame, Reader, put_registered};
use super::message::{Message, Source};
use super::rewrite::size_of_tail;
use super::storage::Storage;
use super::storing::parts_of;
use crate::api::request::{Request, stream_of};
use crate::base::id::{AccountId, CoreId};
use crate::subject::service::Service;
use crate::wire::encode;
use crate::wire::parse::Publish;

/// What requests to JetStream begin with.
const API_PREFIX: &[u8] = b"$JS.API.";

impl Shard {
    /// What stands behind `$JS.API.`, or the same with this server's domain, if a subject
    /// begins so.
    pub(super) fn api_rest<'a>(&self, subject: &'a [u8]) -> Option<&'a [u8]> {
        let domain = self.config.server.jetstream_domain.as_bytes();
        let with_domain = || {
            let rest = subject.strip_prefix(b"$JS.")?.strip_prefix(domain)?;
            rest.strip_prefix(b".API.").filter(|_| !domain.is_empty())
        };
        subject.strip_prefix(API_PREFIX).or_else(with_domain)
    }

    /// The core that has to deal with a subject of the store; `None`: nobody.
    pub(super) fn errand_core(&self, account: AccountId, subject: &[u8]) -> Option<CoreId> {
        if !self.storage.is_on() || account == AccountId::SYSTEM {
            return None;
        }
        let Some(rest) = self.api_rest(subject) else {
            return Some(self.stream_core(account, stream_of(subject)?));
        };
        let request = Request::read(rest)?;
        Some(match request.stream() {
            Some(stream) if !request.is_for_registrar() => self.stream_core(account, stream),
            _ => CoreId::at(0),
        })
    }

    /// The core of a stream.
    pub(super) fn stream_core(&self, account: AccountId, stream: &[u8]) -> CoreId {
        let name = self.config.authority.policy().account_name(account);
        let partition = self.storage.partition_of(name, stream);
        Storage::core_of(partition, self.config.cores)
    }

    /// Whether a publisher has to wait until its request may go to another core.
    #[cold]
    #[inline(never)]
    pub(super) fn must_wait_for_store(
        &mut self,
        service: Service,
        index: u32,
        subject: &[u8],
    ) -> bool {
        if service == Service::SystemRequest {
            return false;
        }
        let account = self.connections[index].account;
        let core = self.errand_core(account, subject);
        let core = core.filter(|core| *core != self.config.core);
        let full = core.filter(|core| self.mesh.links[core.index()].is_full());
        if let Some(core) = full {
            self.wait_for_link(index, core);
        }
        full.is_some()
    }

    /// Sends a message to the store if it is for it; true if it is.
    #[cold]
    #[inline(never)]
    pub(super) fn send_to_store(
        &mut self,
        service: Service,
        index: u32,
        message: &Publish<'_>,
    ) -> bool {
        let account = self.connections[index].account;
        let is_api = service == Service::JetStreamApi && self.api_rest(message.subject).is_some();
        if !self.storage.is_on() || account == AccountId::SYSTEM {
            return false;
        }
        let Some(core) = self.errand_core(account, message.subject) else {
            // As in the reference, somebody listens and says nothing.
            return is_api;
        };
        let (header, payload) = message.payload[..message.size()].split_at(message.header_len);
        let errand = Errand {
            account,
            subject: message.subject.into(),
            reply: message.reply.into(),
            header: header.into(),
            payload: payload.into(),
            stage: Stage::SENT,
            said: Vec::new(),
        };
        if core != self.config.core {
            self.connections[index].has_unconfirmed = true;
        }
        self.send_errand(core, errand);
        true
    }

    /// Hands an errand to a core.
    pub(super) fn send_errand(&mut self, core: CoreId, errand: Errand) {
        if core == self.config.core {
            return self.run_errand(errand);
        }
        let mut tail = Vec::with_capacity(errand.payload.len() + 64);
        if !errand.reply.is_empty() {
            tail.extend_from_slice(&errand.reply);
            tail.push(b' ');
        }
        if !errand.header.is_empty() {
            encode::decimal(errand.header.len(), &mut tail);
            tail.push(b' ');
        }
        encode::decimal(errand.header.len() + errand.payload.len(), &mut tail);
        for part in [&b"\r\n"[..], &errand.header, &errand.payload, b"\r\n"] {
            tail.extend_from_slice(part);
        }
        let frame = MessageFrame {
            account: errand.account,
            is_for_plain: false,
            hops: errand.stage.0,
            origin: self.config.core,
            publisher: None,
            is_errand: true,
            subject: &errand.subject,
            shown: b"",
            tail: &tail,
            has_header: !errand.header.is_empty(),
        };
        let said = (!errand.said.is_empty()).then_some(&errand.said[..]);
        let data = &mut self.mesh.links[core.index()].open.data;
        frame.encode(b"", &mut said.into_iter(), data);
    }

    /// Tells the registrar which subjects a stream takes, one per line; none: it is gone.
    pub(super) fn report_subjects(&mut self, account: AccountId, stream: &[u8], subjects: &[u8]) {
        match self.config.core.index() {
            0 => self.storage.registrar.apply(account, stream, subjects),
            _ => {
                let control = &mut self.mesh.links[0].open.control;
                put_registered(account, stream, subjects, control);
            }
        }
    }

    /// Takes an errand of another core.
    pub(super) fn take_errand(&mut self, frame: &Frame<'_>) {
        let message = Message {
            source: Source::Server,
            shown: None,
            line: frame.message.tail,
            body: b"",
            has_header: frame.message.has_header,
            size: size_of_tail(frame.message.tail),
        };
        let mut joined = Vec::new();
        let parts = parts_of(&message, &mut joined);
        let mut said = Reader(frame.queue_bytes());
        let errand = Errand {
            account: frame.message.account,
            subject: frame.message.subject.into(),
            reply: parts.reply.into(),
            header: parts.header.into(),
            payload: parts.payload.into(),
            stage: Stage(frame.message.hops),
            said: match said.0.is_empty() {
                true => Vec::new(),
                false => said.text().to_vec(),
            },
        };
        self.run_errand(errand);
    }
}
