//! What is durable, and what follows from that: the way between a store and its disk.

use std::sync::Arc;

use super::Store;
use super::disk::{DiskDone, DiskError, DiskOp};
use super::fact::{Fact, Gated};
use crate::base::id::AccountId;
use crate::journal::WriteFailed;

impl Store {
    /// The next operation of the disk.
    pub fn next_disk_op(&mut self) -> Option<DiskOp> {
        if let Some(op) = self.ops.pop_front() {
            return Some(op);
        }
        self.write_removals();
        if !self.is_disk_full
            && let Some(file) = self.journal.next_file()
        {
            return Some(DiskOp::Make { file });
        }
        let write = self.journal.next_write()?;
        Some(DiskOp::Write {
            file: write.file,
            at: write.at,
            pages: write.pages,
        })
    }

    /// An operation is over.
    pub fn on_disk(&mut self, done: DiskDone) {
        match done {
            DiskDone::Written { result } => self.on_written(result),
            DiskDone::Read {
                ticket,
                pages,
                result,
            } => self.on_read(ticket, pages, result),
            DiskDone::Made { file, result } => {
                self.is_disk_full = result.is_err();
                let result = result.map_err(|_| WriteFailed);
                self.journal.on_file_made(file, result);
            }
            // A file that stays takes room and nothing else: it is removed after the next start.
            DiskDone::Removed { .. } => {}
        }
    }

    fn on_written(&mut self, result: Result<(), DiskError>) {
        let group = self.journal.on_written(result.map_err(|_| WriteFailed));
        let Some(group) = group else {
            // Nobody knows what of it is there: nobody is told anything.
            self.gated.clear();
            return;
        };
        let freed = self.cache.add(group.position, Arc::clone(&group.pages));
        if let Some(pages) = freed {
            self.journal.recycle(pages);
        }
        self.commit();
    }

    /// Lets out what waited for records that are durable now.
    pub(super) fn commit(&mut self) {
        let committed = self.journal.committed();
        while let Some(first) = self.gated.front()
            && first.lsn <= committed
            && let Some(gated) = self.gated.pop_front()
        {
            self.open(gated);
        }
    }

    /// Has something wait for its records, if it has to.
    pub(super) fn gate(&mut self, gated: Gated) {
        if self.journal.is_frozen() && gated.lsn > self.journal.committed() {
            return;
        }
        match gated.lsn <= self.journal.committed() {
            true => self.open(gated),
            false => self.gated.push_back(gated),
        }
    }

    fn open(&mut self, gated: Gated) {
        if let Some(visible) = gated.visible
            && let Some(entry) = self.streams.get(visible.slot)
            && entry.id == visible.id
        {
            self.show(visible.slot, visible.sequence);
        }
        match gated.fact {
            Some(Fact::Ready(slot)) => self.make_ready(slot),
            fact => self.ready.extend(fact),
        }
    }

    /// Has something told when everything that is staged now is durable.
    pub fn tell(&mut self, fact: Fact) {
        self.gate(Gated {
            lsn: self.journal.appended(),
            visible: None,
            fact: Some(fact),
        });
    }

    /// Has an answer told when everything that is staged now is durable.
    pub fn tell_answer(&mut self, account: AccountId, reply: Box<[u8]>, text: String) {
        if !reply.is_empty() {
            self.tell(Fact::Answer {
                account,
                reply,
                header: Box::default(),
                payload: text.into_bytes().into(),
            });
        }
    }

    /// The next thing that may be told.
    pub fn next_fact(&mut self) -> Option<Fact> {
        self.ready.pop_front()
    }

    /// It could not be told yet: it is the next one again.
    pub fn put_back(&mut self, fact: Fact) {
        self.ready.push_front(fact);
    }

    /// Whether something may be told or is left to be done.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.untidy.is_empty() || !self.ready_consumers.is_empty()
    }

    /// What follows from a change of a stream: removed messages are noted, and what is
    /// left to be removed is.
    pub(super) fn after_change(&mut self, slot: u32) {
        self.after_removal(slot, true);
        let entry = &mut self.streams[slot];
        if !entry.is_untidy && entry.is_busy() {
            entry.is_untidy = true;
            self.untidy.push_back(slot);
        }
        self.schedule_expiry(slot);
    }

    /// Messages that were removed are noted, and consumers hear of them.
    pub(super) fn after_removal(&mut self, slot: u32, by_purge: bool) {
        let entry = &mut self.streams[slot];
        let is_durable = entry.is_durable();
        let gone = entry.stream.take_gone();
        if gone.is_empty() {
            return;
        }
        for gone in &gone {
            if is_durable {
                if entry.removed.is_empty() {
                    self.forgetful.push(slot);
                }
                entry.removed.add(gone.sequence);
                let (file, _) = self.journal.layout().file_of(gone.position);
                if let Some(live) = self.live.get_mut(&file) {
                    *live = live.saturating_sub(gone.record_len);
                }
            }
        }
        self.tell_gone(slot, &gone, by_purge);
    }

    pub(super) fn add_live(&mut self, position: u64, len: u64) {
        let (file, _) = self.journal.layout().file_of(position);
        *self.live.entry(file).or_default() += len;
    }

    /// Writes down what was removed: with the next group.
    fn write_removals(&mut self) {
        for slot in std::mem::take(&mut self.forgetful) {
            if let Some(entry) = self.streams.get_mut(slot)
                && !entry.removed.is_empty()
            {
                self.write_removed(slot);
            }
        }
    }
}
