//! What the commands of a client do.

use super::Shard;
use super::input::Outcome;
use super::life::Occasion;
use super::mutants::Mutant;
use super::protocol_log::log_end;
use crate::base::id::{AccountId, Nanos};
use crate::base::limits::{FIRST_PING_NS, SEND_WORK_NS, SUBSCRIPTION_WORK_NS};
use crate::base::shown::quoted_bytes;
use crate::session::close_reason::CloseReason;
use crate::session::input::Hold;
use crate::subject::pattern::{Pattern, tokens};
use crate::wire::encode;
use crate::wire::json::fields;
use crate::wire::parse::Command;

/// The queue name that belongs to the server (NATS 2.14 `sysGroup`).
const SYSTEM_QUEUE: &[u8] = b"_sys_";

impl Shard {
    /// Executes one command.
    #[inline(always)]
    pub(super) fn execute(&mut self, index: u32, command: &Command<'_>) -> Outcome {
        match command {
            Command::Publish(message) => return self.publish(index, message),
            Command::Subscribe {
                subject,
                queue,
                sid,
            } => return self.subscribe(index, subject, *queue, sid),
            Command::Unsubscribe { sid, max } => return self.unsubscribe(index, sid, *max),
            Command::Ping => return self.ping(index),
            Command::Pong => self.pong(index),
            Command::Connect(json) => return self.connect(index, json),
            Command::Info(json) => {
                if fields(json).is_err() {
                    self.close(index, CloseReason::ProtocolViolation);
                }
            }
            Command::ForeignMessage => {
                if self.connections[index].options.verbose {
                    self.send(index, encode::OK);
                }
            }
            Command::Ok => {}
            Command::Err(text) => {
                let text = String::from_utf8_lossy(text);
                self.log_error(index, &format!("Client Error {text}"));
                self.close(index, CloseReason::ParseError);
            }
        }
        Outcome::Done
    }

    fn connect(&mut self, index: u32, json: &[u8]) -> Outcome {
        let now = self.clock.mono;
        let keeps_headers = self.is_mutant(Mutant::KeepHeaders);
        if self.connections[index].login.connected && self.withdraw(index) {
            self.connections[index].input.hold_for(Hold::Withdrawing);
            return Outcome::Postponed;
        }
        let connection = &mut self.connections[index];
        connection.login.deadline = Nanos::NEVER;
        if connection.options.apply(json).is_err() {
            self.close(index, CloseReason::ProtocolViolation);
            return Outcome::Done;
        }
        connection.login.connected = true;
        // The first estimate of the round trip (NATS 2.15).
        connection.liveness.round_trip_ns = now.since_ns(connection.started).max(1);
        connection.echo = connection.options.echo;
        connection.checks_messages = connection.options.pedantic || connection.options.verbose;
        connection.headers =
            keeps_headers || (self.config.server.headers && connection.options.headers);
        // The first PING comes soon and spread out, to measure the round trip.
        let first_ping_ns = self.ping_interval_ns(index).min(FIRST_PING_NS);
        let spread_ns = self.rng.below(first_ping_ns / 5 + 1);
        self.connections[index].liveness.next_ping = now.after_ns(first_ping_ns + spread_ns);
        self.schedule(index);
        self.log_out(index);
        self.authenticate(index);
        Outcome::Done
    }

    /// Goes on with CONNECT once it is known who the client is.
    pub(super) fn finish_connect(&mut self, index: u32) {
        let connection = &mut self.connections[index];
        connection.login.awaiting_credentials = false;
        let (protocol, verbose) = (connection.options.protocol, connection.options.verbose);
        let headers_missing = connection.options.no_responders && !connection.headers;
        if !(0..=1).contains(&protocol) {
            self.send_error(index, b"invalid client protocol");
            self.close(index, CloseReason::BadClientProtocolVersion);
            return;
        }
        if headers_missing {
            self.send_error(index, b"no responders requires headers support");
            self.close(index, CloseReason::NoRespondersRequiresHeaders);
            return;
        }
        if verbose {
            self.send(index, encode::OK);
        }
    }

    /// Answers a PING; after new subscriptions or messages for other cores only
    /// when those have dealt with them, since PONG tells the client that its
    /// subscriptions are live and its messages are out. What the client sends
    /// meanwhile waits.
    fn ping(&mut self, index: u32) -> Outcome {
        self.connections[index].liveness.last_input = self.clock.mono;
        self.work.charge(SEND_WORK_NS / 8);
        if std::mem::take(&mut self.connections[index].has_unconfirmed) {
            let key = self.connections.key(index);
            let cores_left = self.mesh.begin_barrier(key);
            if cores_left > 0 && !self.is_mutant(Mutant::SkipBarrier) {
                let hold = Hold::Barrier { cores_left };
                self.connections[index].input.hold_for(hold);
                return Outcome::Done;
            }
        }
        self.send_pong(index);
        Outcome::Done
    }

    /// Sends PONG, and after the first one INFO again with what is known since
    /// CONNECT (NATS 2.12).
    pub(super) fn send_pong(&mut self, index: u32) {
        self.send(index, encode::PONG);
        let connection = &mut self.connections[index];
        if connection.login.connected && !connection.liveness.first_pong_sent {
            connection.liveness.first_pong_sent = true;
            if connection.options.protocol >= 1 {
                self.send_info(index, Occasion::FirstPing);
            }
        }
    }

    fn pong(&mut self, index: u32) {
        let now = self.clock.mono;
        self.connections[index].liveness.note_pong(now);
    }

    fn subscribe(
        &mut self,
        index: u32,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) -> Outcome {
        if self.wait_for_any_link(index) {
            return Outcome::Postponed;
        }
        self.connections[index].liveness.last_input = self.clock.mono;
        let limits = &self.config.limits;
        let connection = &self.connections[index];
        let rights = self.config.authority.rights();
        let rights = rights.get(connection.login.rights);
        if queue == Some(SYSTEM_QUEUE)
            || rights.is_some_and(|rights| !rights.may_subscribe(subject, queue))
        {
            self.refuse_subscription(index, subject, queue, sid, "");
            return Outcome::Done;
        }
        let tokens_max = limits.max_subscription_tokens as usize;
        if tokens_max > 0 && tokens(subject).count() > tokens_max {
            self.refuse_subscription(index, subject, None, sid, ", too many tokens");
            return Outcome::Done;
        }
        if connection.subscriptions.len() >= self.subscriptions_max(connection.account) {
            self.log_error(index, "maximum subscriptions exceeded");
            self.send_error(index, b"maximum subscriptions exceeded");
            return Outcome::Done;
        }
        if self.find_subscription(index, sid).is_none() {
            let Some(pattern) = Pattern::parse(subject) else {
                self.send_error(index, b"Invalid Subject");
                return Outcome::Done;
            };
            self.add_subscription(index, pattern, queue, sid);
        }
        if self.connections[index].options.verbose {
            self.send(index, encode::OK);
        }
        Outcome::Done
    }

    /// Subscriptions that a connection of an account may have.
    fn subscriptions_max(&self, account: AccountId) -> usize {
        let own = self.config.limits.max_subscriptions;
        let limits = &self.config.authority.policy().accounts[account.index()].limits;
        let of_account = limits.subscriptions_max.unwrap_or(u32::MAX);
        match own {
            0 => of_account as usize,
            own => own.min(of_account) as usize,
        }
    }

    /// Says that a subscription is not allowed; `addition` ends the text.
    pub(super) fn refuse_subscription(
        &mut self,
        index: u32,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        addition: &str,
    ) {
        let subject = quoted_bytes(subject);
        let mut text = format!("Permissions Violation for Subscription to {subject}");
        let mut log = format!("Subscription Violation - Subject {subject}");
        if let Some(queue) = queue.map(quoted_bytes) {
            text.push_str(&format!(" using queue {queue}"));
            log.push_str(&format!(", Queue: {queue}"));
        }
        text.push_str(addition);
        log.push_str(&format!(", SID {}", String::from_utf8_lossy(sid)));
        self.log_error(index, &log);
        self.send_error(index, text.as_bytes());
    }

    fn unsubscribe(&mut self, index: u32, sid: &[u8], max: u64) -> Outcome {
        if self.wait_for_any_link(index) {
            return Outcome::Postponed;
        }
        self.connections[index].liveness.last_input = self.clock.mono;
        let max = max + u64::from(max > 0 && self.is_mutant(Mutant::UnsubscribeLate));
        if let Some(number) = self.find_subscription(index, sid) {
            let account = self.connections[index].account;
            let subscription = self.interests[account].subscription_mut(number);
            if max > subscription.delivered {
                subscription.delivered_max = max;
            } else {
                self.remove_subscription(index, number);
            }
        }
        if self.connections[index].options.verbose {
            self.send(index, encode::OK);
        }
        Outcome::Done
    }

    fn find_subscription(&self, index: u32, sid: &[u8]) -> Option<u32> {
        let connection = &self.connections[index];
        let interest = &self.interests[connection.account];
        connection
            .subscriptions
            .find(self.hasher.hash_one(sid), |&number| {
                interest.subscription(number).sid.bytes() == sid
            })
    }

    fn add_subscription(
        &mut self,
        index: u32,
        pattern: Pattern<'_>,
        queue: Option<&[u8]>,
        sid: &[u8],
    ) {
        let account = self.connections[index].account;
        let is_deaf_to_queues = self.is_mutant(Mutant::HearInQueues);
        let (mesh, hasher) = (&mut self.mesh, &self.hasher);
        let interest = &mut self.interests[account];
        let number = interest.subscribe(index, pattern, queue, sid, |announcement| {
            mesh.announce(account, announcement);
        });
        self.work.charge(SUBSCRIPTION_WORK_NS);
        let connection = &mut self.connections[index];
        let rights = connection.login.rights;
        let rights = rights.filter(|_| !(is_deaf_to_queues && queue.is_some()));
        let filter = interest.filter_of(pattern, queue, rights);
        interest.set_filter(number, filter);
        connection.has_unconfirmed = true;
        connection
            .subscriptions
            .insert(hasher.hash_one(sid), number, |other| {
                hasher.hash_one(interest.subscription(other).sid.bytes())
            });
    }

    /// Removes one subscription of a connection.
    pub(super) fn remove_subscription(&mut self, index: u32, number: u32) {
        let connection = &mut self.connections[index];
        let account = connection.account;
        let interest = &mut self.interests[account];
        if self.config.trace {
            log_end(connection, interest.subscription(number));
        }
        let hasher = &self.hasher;
        let hash = |other: u32| hasher.hash_one(interest.subscription(other).sid.bytes());
        connection.subscriptions.remove(hash(number), number, hash);
        let mesh = &mut self.mesh;
        interest.unsubscribe(number, |announcement| {
            mesh.announce(account, announcement);
        });
        self.work.charge(SUBSCRIPTION_WORK_NS);
    }
}
