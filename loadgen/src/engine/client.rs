//! Request-reply: a client with one request outstanding and an inbox of its own, and the responder.

use std::sync::Arc;

use crate::engine::publisher::State;
use crate::engine::subscriber::Controls;
use crate::engine::tally::Tally;
use crate::parse::SizeSpec;
use crate::random::Random;
use crate::wire::encode;
use crate::wire::scan::{self, Control, Message, MessageScanner, Sink, WireError};

/// A requesting client. As in the official clients, one wildcard subscription on its inbox takes all replies, and the
/// last token of the reply subject says which request it answers.
pub struct Client {
    subject: Vec<u8>,
    /// `_INBOX.x.y.`, with the last dot.
    inbox: Vec<u8>,
    reply_subject: Vec<u8>,
    payload: Arc<Vec<u8>>,
    size: SizeSpec,
    random: Random,
    /// Token of the latest request.
    token: u64,
    /// When the outstanding request was (meant to be) sent.
    outstanding_ns: Option<u64>,
    /// Requests of this phase.
    pub sent: u64,
    /// Replies of this phase.
    pub replies: u64,
    /// Where the client is in this phase; it has no barrier.
    pub state: State,
}

impl Client {
    /// A client that sends requests to `subject` and takes replies on `inbox`, with payloads cut from `payload`.
    pub fn new(
        subject: &str,
        inbox: &str,
        payload: Arc<Vec<u8>>,
        size: SizeSpec,
        seed: u64,
    ) -> Self {
        Client {
            subject: subject.into(),
            inbox: format!("{inbox}.").into(),
            reply_subject: Vec::new(),
            payload,
            size,
            random: Random::new(seed),
            token: 0,
            outstanding_ns: None,
            sent: 0,
            replies: 0,
            state: State::Done,
        }
    }

    /// Begins a phase.
    pub fn restart(&mut self) {
        (self.sent, self.replies, self.state, self.outstanding_ns) = (0, 0, State::Sending, None);
    }

    /// Whether the latest request has its reply.
    pub fn is_free(&self) -> bool {
        self.outstanding_ns.is_none()
    }

    /// Appends the next request to `out`; latency will count from `time_ns`. Returns the payload's size.
    pub fn request(&mut self, time_ns: u64, out: &mut Vec<u8>) -> usize {
        self.token += 1;
        self.sent += 1;
        self.outstanding_ns = Some(time_ns);
        self.reply_subject.clear();
        self.reply_subject.extend_from_slice(&self.inbox);
        encode::decimal(&mut self.reply_subject, self.token);
        let size = self.size.draw(&mut self.random);
        encode::publish(
            out,
            &self.subject,
            &self.reply_subject,
            &self.payload[..size],
        );
        size
    }

    /// Takes received bytes; returns how many were used.
    pub fn scan(
        &mut self,
        bytes: &[u8],
        now_ns: u64,
        tally: &mut Tally,
        controls: &mut Controls,
    ) -> Result<usize, WireError> {
        MessageScanner::scan(
            bytes,
            &mut Replies {
                client: self,
                now_ns,
                tally,
                controls,
            },
        )
    }
}

struct Replies<'a> {
    client: &'a mut Client,
    now_ns: u64,
    tally: &'a mut Tally,
    controls: &'a mut Controls,
}

impl Sink for Replies<'_> {
    fn message(&mut self, message: &Message<'_>) {
        let token = message
            .subject
            .strip_prefix(self.client.inbox.as_slice())
            .and_then(scan::digits);
        let outstanding = self
            .client
            .outstanding_ns
            .filter(|_| token == Some(self.client.token));
        let Some(sent_ns) = outstanding else {
            // Answered twice, or never asked.
            self.tally.surplus += 1;
            return;
        };
        self.client.outstanding_ns = None;
        if message.headers.starts_with(b"NATS/1.0 503") {
            self.tally
                .error("no responders for the request (503)".into());
            return;
        }
        self.client.replies += 1;
        self.tally.received += 1;
        self.tally.received_bytes += message.payload.len() as u64;
        self.tally
            .latency
            .saturating_record(self.now_ns.saturating_sub(sent_ns).max(1));
    }

    fn control(&mut self, control: Control<'_>) {
        self.controls.take(control);
    }
}

/// Takes bytes received by a responder and appends an answer to `out` for each request: the payload, sent back.
pub fn respond(
    bytes: &[u8],
    out: &mut Vec<u8>,
    controls: &mut Controls,
) -> Result<usize, WireError> {
    MessageScanner::scan(bytes, &mut Responder { out, controls })
}

struct Responder<'a> {
    out: &'a mut Vec<u8>,
    controls: &'a mut Controls,
}

impl Sink for Responder<'_> {
    fn message(&mut self, message: &Message<'_>) {
        if !message.reply.is_empty() {
            encode::publish(self.out, message.reply, b"", message.payload);
        }
    }

    fn control(&mut self, control: Control<'_>) {
        self.controls.take(control);
    }
}
