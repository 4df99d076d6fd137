//! What consumers send: messages of streams, to inboxes and deliver subjects.
//!
//! A consumer waits for a receiver that has fallen behind, and for links, as publishers do:
//! it is *stalled* until that has caught up, or for [`STALL_MAX_NS`]. So a request for more
//! than a client can take never cuts the client, and nobody else waits for it.
//!
//! Invariant: a message that a consumer has delivered and that could not go is held by it,
//! and goes first.

use super::Shard;
use super::message::{Message, Place, Source};
use super::system::ServerMessage;
use crate::base::id::{AccountId, ConnectionKey};
use crate::base::limits::{DELIVERIES_AT_ONCE, STALL_MAX_NS, STORE_WORK_NS, STORED_BYTES_PER_NS};
use crate::consumer::status::Status;
use crate::session::stalling::Behind;
use crate::store::{Delivery, Fact, Served};
use crate::wire::encode;

/// What tells the key of a consumer from that of a connection.
const CONSUMER_BIT: u32 = 1 << 31;

/// Bits of the slot of a consumer in its key.
const SLOT_BITS: u32 = 24;

impl Shard {
    /// Has consumers send what they have, as far as the work goes, but each at least one
    /// message.
    pub(super) fn deliver_from_stores(&mut self) {
        self.end_stalls_of_consumers();
        let mut delivery = std::mem::take(&mut self.storage.delivery);
        for store in 0..self.storage.stores.len() {
            for _ in 0..self.storage.stores[store].ready_count() {
                if self.work.is_spent() {
                    break;
                }
                let Some(slot) = self.storage.stores[store].next_ready() else {
                    break;
                };
                self.serve_consumer(store, slot, &mut delivery);
            }
        }
        self.storage.delivery = delivery;
    }

    fn serve_consumer(&mut self, store: usize, slot: u32, delivery: &mut Delivery) {
        let key = self.key_of_consumer(store, slot);
        if self.storage.stalled.contains_key(&key) {
            return;
        }
        let account = self.storage.stores[store].account_of_consumer(slot);
        for _ in 0..DELIVERIES_AT_ONCE {
            self.work.charge(STORE_WORK_NS);
            let (interests, stores) = (&mut self.interests, &mut self.storage.stores);
            let mut is_heard = |subject: &[u8]| {
                let interest = interests.find(account);
                interest.is_some_and(|interest| interest.has_interest(subject))
            };
            let served = stores[store].serve(slot, self.clock, &mut is_heard, delivery);
            let goes_on = match served {
                Served::Message(deliver) => {
                    let goes = self.send_delivery(account, &deliver.to, delivery, key);
                    let now = self.clock;
                    let store = &mut self.storage.stores[store];
                    match goes {
                        true => store.sent(slot, now),
                        false => {
                            store.hold(slot, deliver, &delivery.reply, now);
                            self.stall_consumer(key);
                        }
                    }
                    goes
                }
                Served::Say(say) => {
                    self.tell_from_consumer(account, &say.to, &say.reply, &say.header);
                    true
                }
                Served::Nothing => return,
                Served::Unused => return self.delete_unused(store, slot),
            };
            if !goes_on || self.storage.stalled.contains_key(&key) {
                return;
            }
        }
        self.storage.stores[store].make_ready(slot);
    }

    /// Something that a consumer says itself: it waits behind what was told before.
    fn tell_from_consumer(&mut self, account: AccountId, to: &[u8], reply: &[u8], header: &[u8]) {
        let message = ServerMessage {
            account,
            subject: to,
            reply,
            header,
            payload: b"",
        };
        if !self.publish_as_server(&message) {
            self.storage.told.push_back(Fact::Answer {
                account,
                reply: to.into(),
                header: header.into(),
                payload: Box::default(),
            });
        }
    }

    /// Sends a message of a stream; false if it has to wait.
    fn send_delivery(
        &mut self,
        account: AccountId,
        to: &[u8],
        delivery: &Delivery,
        key: ConnectionKey,
    ) -> bool {
        let Some(interest) = self.interests.find(account) else {
            return true;
        };
        let at = interest.route(to, self.storage.last_route);
        self.storage.last_route = at;
        let route = self.interests[account].route_at(at);
        if self.mesh.full_link_of(route).is_some() || !self.admits_wide(route.receivers()) {
            return false;
        }
        let size = delivery.body.len() - 2;
        let mut line = std::mem::take(&mut self.scratch.tail);
        line.clear();
        if !delivery.reply.is_empty() {
            line.extend_from_slice(&delivery.reply);
            line.push(b' ');
        }
        if delivery.header_len > 0 {
            encode::decimal(delivery.header_len, &mut line);
            line.push(b' ');
        }
        encode::decimal(size, &mut line);
        line.extend_from_slice(b"\r\n");
        line.extend_from_slice(&delivery.body);
        let message = Message {
            source: Source::Consumer { key },
            shown: Some(&delivery.shown),
            line: &line,
            body: b"",
            has_header: delivery.header_len > 0,
            size,
        };
        self.work.charge(size as u64 / STORED_BYTES_PER_NS);
        self.fan_out(Place { account, at }, &message);
        self.scratch.tail = line;
        true
    }

    /// The key of a consumer among those of publishers.
    fn key_of_consumer(&self, store: usize, slot: u32) -> ConnectionKey {
        let consumer = self.storage.stores[store].consumer(slot);
        let id = consumer.map_or(0, |consumer| consumer.id());
        let store = u32::try_from(store).unwrap_or(0);
        debug_assert!(slot < 1 << SLOT_BITS, "a partition has fewer consumers");
        ConnectionKey {
            index: CONSUMER_BIT | store << SLOT_BITS | slot,
            generation: u32::try_from(id & 0xffff_ffff).unwrap_or(0),
        }
    }

    /// A receiver of a consumer on this core has fallen behind.
    pub(super) fn note_consumer_behind(&mut self, key: ConnectionKey, behind: Behind) {
        if self.add_stall_waiter(behind, self.config.core, key) {
            self.stall_consumer(key);
        }
    }

    /// Has a consumer wait, if the key is that of one; true if it is.
    pub(super) fn stall_if_consumer(&mut self, key: ConnectionKey) -> bool {
        let is_consumer = key.index & CONSUMER_BIT != 0;
        if is_consumer {
            self.stall_consumer(key);
        }
        is_consumer
    }

    fn stall_consumer(&mut self, key: ConnectionKey) {
        let until = self.clock.mono.after_ns(STALL_MAX_NS);
        self.storage.stalled.insert(key, until);
    }

    /// Lets a consumer go on that was stalled, if the key is that of one.
    pub(super) fn end_stall_if_consumer(&mut self, key: ConnectionKey) -> bool {
        let is_consumer = key.index & CONSUMER_BIT != 0;
        if is_consumer && self.storage.stalled.remove(&key).is_some() {
            self.wake_consumer(key);
        }
        is_consumer
    }

    fn wake_consumer(&mut self, key: ConnectionKey) {
        let slot = key.index & ((1 << SLOT_BITS) - 1);
        let store = (key.index & !CONSUMER_BIT) >> SLOT_BITS;
        if let Some(store) = self.storage.stores.get_mut(store as usize) {
            store.make_ready(slot);
        }
    }

    fn end_stalls_of_consumers(&mut self) {
        if self.storage.stalled.is_empty() {
            return;
        }
        let now = self.clock.mono;
        let over: Vec<ConnectionKey> = self
            .storage
            .stalled
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(&key, _)| key)
            .collect();
        for key in over {
            self.storage.stalled.remove(&key);
            self.wake_consumer(key);
        }
    }

    fn delete_unused(&mut self, store: usize, slot: u32) {
        self.forget_push(store, slot);
        let store = &mut self.storage.stores[store];
        let account = store.account_of_consumer(slot);
        let says = store.delete_consumer(slot, &Status::ConsumerDeleted);
        store.tell_all(account, says);
    }

    /// Notes whether somebody listens where a consumer delivers, if it does.
    pub(super) fn look_at_push(&mut self, store: usize, slot: u32) {
        let Some(one) = self.storage.stores[store].consumer(slot) else {
            return;
        };
        let crate::consumer::config::Kind::Push(push) = &one.consumer().config().kind else {
            return;
        };
        let account = self.storage.stores[store].account_of_consumer(slot);
        let (subject, group) = (push.deliver_subject.clone(), push.deliver_group.clone());
        let is_bound = self.interests.find(account).is_some_and(|interest| {
            interest.has_receiver(
                subject.as_bytes(),
                Some(group.as_bytes()).filter(|one| !one.is_empty()),
            )
        });
        let (now, store) = (self.clock, &mut self.storage.stores[store]);
        store.with_consumer(slot, now, |consumer, _| consumer.set_bound(is_bound, now));
    }

    /// A consumer that sends to a subject is there.
    pub(super) fn remember_push(&mut self, store: usize, slot: u32) {
        let one = self.storage.stores[store].consumer(slot);
        if one.is_some_and(|one| !one.consumer().config().is_pull()) {
            self.storage.pushes.insert((store, slot));
            self.look_at_push(store, slot);
        }
    }

    /// A consumer is going.
    pub(super) fn forget_push(&mut self, store: usize, slot: u32) {
        self.storage.pushes.remove(&(store, slot));
        let key = self.key_of_consumer(store, slot);
        self.storage.stalled.remove(&key);
    }

    /// Interest has changed: whoever sends to a subject looks whether it is heard.
    pub(super) fn look_at_pushes(&mut self) {
        let changes = self.mesh.interest_changes;
        let heard = std::mem::replace(&mut self.storage.interest_changes, changes);
        if heard == changes || self.storage.pushes.is_empty() {
            return;
        }
        let pushes: Vec<(usize, u32)> = self.storage.pushes.iter().copied().collect();
        for (store, slot) in pushes {
            self.work.charge(STORE_WORK_NS);
            self.look_at_push(store, slot);
            self.storage.stores[store].make_ready(slot);
        }
    }
}
