//! Messages into the stores of this core, what comes of them to clients, and the disk.
//!
//! What a store tells leaves through here when its records are durable: as messages of the
//! server, which wait for links and wide fan-outs like all others.
//!
//! Not here: requests (`errands`).

use super::Shard;
use super::message::{Message, Place};
use super::output::Output;
use super::storage::{Registered, Suspended};
use super::system::ServerMessage;
use crate::api::answer::publish_ack;
use crate::base::id::{AccountId, Nanos};
use crate::base::limits::{STORE_WORK_NS, STORED_BYTES_PER_NS};
use crate::base::moment::WallNanos;
use crate::route::receivers::StoreTarget;
use crate::store::disk::{DiskDone, PartitionId};
use crate::store::{Fact, Published, Store};
use crate::subject::pattern::Pattern;
use crate::wire::parse::number;

impl Shard {
    /// Gives this core its stores, before anything comes in: those of the partitions with
    /// its number, that plus the number of cores, and so on. `registered` are all streams of
    /// all partitions; core 0 keeps them.
    pub fn open_stores(
        &mut self,
        partitions: u16,
        stores: Vec<Store>,
        registered: Vec<(AccountId, Box<str>, Registered)>,
    ) {
        self.storage.partitions = partitions;
        self.storage.stores = stores;
        if self.config.core.index() == 0 {
            for (account, name, one) in registered {
                self.storage.registrar.set(account, &name, one);
            }
        }
        for store in 0..self.storage.stores.len() {
            let slots: Vec<u32> = self.storage.stores[store]
                .streams()
                .map(|(slot, _)| slot)
                .collect();
            for slot in slots {
                self.hear_subjects(store, slot, true);
            }
            let consumers = self.storage.stores[store].consumers().map(|(slot, _)| slot);
            let consumers: Vec<u32> = consumers.collect();
            for slot in consumers {
                self.remember_push(store, slot);
            }
        }
    }

    /// A stream of this core takes the messages of its subjects from now on, or no more.
    pub(super) fn hear_subjects(&mut self, store: usize, slot: u32, is_heard: bool) {
        let Some(entry) = self.storage.stores[store].get(slot) else {
            return;
        };
        let account = entry.account;
        let subjects = entry.stream().config().subjects.clone();
        let target = target_of(store, slot);
        let authority = &self.config.authority;
        let Some(interest) = self.interests.ensure(account, authority, &mut self.rng) else {
            return;
        };
        let mesh = &mut self.mesh;
        for subject in &subjects {
            let announce = |announcement: crate::route::interest::Announcement<'_>| {
                mesh.announce(account, announcement);
            };
            match Pattern::parse(subject.as_bytes()) {
                Some(pattern) if is_heard => interest.add_store(pattern, target, announce),
                Some(_) => interest.remove_store(subject.as_bytes(), target, announce),
                None => debug_assert!(false, "subjects were checked"),
            }
        }
    }

    /// Gives a message to the streams of a route.
    #[inline(never)]
    pub(super) fn store_message(&mut self, place: Place, message: &Message<'_>) {
        let mut joined = Vec::new();
        let parts = parts_of(message, &mut joined);
        let route = self.interests[place.account].route_at(place.at);
        let published = Published {
            subject: route.subject(),
            reply: parts.reply,
            header: parts.header,
            payload: parts.payload,
        };
        for target in &route.stores {
            let store = &mut self.storage.stores[usize::from(target.store)];
            store.publish(target.stream, &published, self.clock.wall);
            let len = published.subject.len() + message.size;
            self.work
                .charge(STORE_WORK_NS + len as u64 / STORED_BYTES_PER_NS);
        }
    }

    /// Has something told that depends on no store.
    pub(super) fn tell_at_once(&mut self, account: AccountId, reply: &[u8], payload: String) {
        if !reply.is_empty() {
            self.storage.told.push_back(Fact::Answer {
                account,
                reply: reply.into(),
                header: Box::default(),
                payload: payload.into_bytes().into(),
            });
        }
    }

    /// Goes on with what stores have left, and tells what may be told, as far as the work
    /// goes.
    pub(super) fn step_stores(&mut self) {
        let now = self.clock;
        for store in &mut self.storage.stores {
            if store.is_due(now) {
                store.step(now);
                self.work.charge(STORE_WORK_NS);
            }
        }
        while !self.work.is_spent()
            && let Some(fact) = self.storage.told.pop_front()
        {
            self.work.charge(STORE_WORK_NS);
            if let Err(fact) = self.tell(0, fact) {
                self.storage.told.push_front(fact);
                break;
            }
        }
        for store in 0..self.storage.stores.len() {
            while !self.work.is_spent()
                && let Some(fact) = self.storage.stores[store].next_fact()
            {
                self.work.charge(STORE_WORK_NS);
                if let Err(fact) = self.tell(store, fact) {
                    self.storage.stores[store].put_back(fact);
                    break;
                }
            }
        }
    }

    /// Tells a fact; gives it back if it has to wait.
    fn tell(&mut self, store: usize, fact: Fact) -> Result<(), Fact> {
        let is_told = match &fact {
            Fact::Published {
                account,
                reply,
                stream,
                admission,
            } => {
                let domain = &self.config.server.jetstream_domain;
                let text = publish_ack(stream, domain, admission);
                self.answer_from_store(*account, reply, b"", text.as_bytes())
            }
            Fact::Answer {
                account,
                reply,
                header,
                payload,
            } => self.answer_from_store(*account, reply, header, payload),
            Fact::Ready(_) => true,
            Fact::Republish { slot, sequence } => self.republish(store, *slot, *sequence),
            Fact::Resume(ticket) => {
                match self.storage.suspended.remove(ticket) {
                    Some(Suspended::Errand(errand)) => self.run_errand(errand),
                    Some(Suspended::Get(get)) => self.step_get(*get),
                    None => debug_assert!(false, "whoever waits is known"),
                }
                true
            }
        };
        match is_told {
            true => Ok(()),
            false => Err(fact),
        }
    }

    fn answer_from_store(
        &mut self,
        account: AccountId,
        reply: &[u8],
        header: &[u8],
        payload: &[u8],
    ) -> bool {
        self.publish_as_server(&ServerMessage {
            account,
            subject: reply,
            reply: b"",
            header,
            payload,
        })
    }

    /// The next operation of the disk.
    pub(super) fn next_disk_op(&mut self) -> Option<Output> {
        for store in &mut self.storage.stores {
            if let Some(op) = store.next_disk_op() {
                return Some(Output::Disk(store.partition(), op));
            }
        }
        None
    }

    /// An operation of the disk is over.
    pub fn on_disk(&mut self, partition: PartitionId, done: DiskDone) {
        let cores = self.config.cores;
        let at = super::storage::Storage::store_of(partition.0, cores);
        let store = &mut self.storage.stores[at];
        debug_assert_eq!(
            store.partition(),
            partition,
            "operations come back to who asked"
        );
        store.on_disk(done);
    }

    /// When a store has something to do because of the time.
    pub(super) fn next_store_deadline(&self) -> Nanos {
        let stores = self.storage.stores.iter();
        let due = stores.clone().map(Store::next_due).min();
        let stalled = self.storage.stalled.values().min().copied();
        let expiry = stores.filter_map(Store::next_expiry).min();
        let expiry = expiry.map_or(Nanos::NEVER, |WallNanos(due)| {
            let left_ns = due.saturating_sub(self.clock.wall.0);
            self.clock.mono.after_ns(left_ns)
        });
        let due = due.unwrap_or(Nanos::NEVER).min(expiry);
        due.min(stalled.unwrap_or(Nanos::NEVER))
    }
}

/// A stream of this core as a receiver.
fn target_of(store: usize, stream: u32) -> StoreTarget {
    StoreTarget {
        store: u16::try_from(store).expect("a core has few partitions"),
        stream,
    }
}

/// A message taken apart.
pub(super) struct Parts<'a> {
    pub reply: &'a [u8],
    pub header: &'a [u8],
    pub payload: &'a [u8],
}

/// Takes a message apart; `joined` has room for one that lies in two pieces.
pub(super) fn parts_of<'a>(message: &'a Message<'_>, joined: &'a mut Vec<u8>) -> Parts<'a> {
    let line_end = memchr::memchr(b'\n', message.line).map_or(message.line.len(), |at| at + 1);
    let rest = &message.line[line_end..];
    let content = match (rest.is_empty(), message.body.is_empty()) {
        (_, true) => rest,
        (true, false) => message.body,
        (false, false) => {
            joined.extend_from_slice(rest);
            joined.extend_from_slice(message.body);
            &joined[..]
        }
    };
    debug_assert_eq!(content.len(), message.size + 2, "it is as long as it says");
    let header_len = match message.has_header {
        true => header_len_of(&message.line[..line_end]),
        false => 0,
    };
    let (header, payload) = content[..message.size].split_at(header_len);
    Parts {
        reply: message.reply().unwrap_or_default(),
        header,
        payload,
    }
}

/// Bytes of the header block, as the line of a message says that has one.
fn header_len_of(line: &[u8]) -> usize {
    let words = line.strip_suffix(b"\r\n").unwrap_or(line);
    let mut words = words.rsplitn(3, |&byte| byte == b' ');
    words.nth(1).and_then(number).unwrap_or(0)
}
