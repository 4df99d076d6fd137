//! What a server has confirmed, and what of that is missing. Pure: the load writes into the ledger
//! (`load.rs`), `look.rs` finds what is there after a crash, and this compares.

use std::collections::{BTreeMap, BTreeSet};

/// How many revisions of a key a bucket keeps.
pub const HISTORY: usize = 3;

/// What may be wrong after a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A confirmed message is gone or another one.
    Message,
    /// A message is there twice, or in another order than its writer sent it, or nobody sent it.
    Order,
    /// A message whose deletion was confirmed is back.
    Deletion,
    /// A message whose acknowledgement was confirmed counts as not acknowledged.
    Acknowledgement,
    /// A confirmed revision of a key is gone or another one, or one that went is back.
    Revision,
    /// A stream is there that should not be, or the other way round.
    Stream,
}

#[derive(Debug)]
pub struct Violation {
    pub kind: Kind,
    pub text: String,
}

/// The messages of one stream as the load knows them; bodies are `WRITER-NUMBER`, each sent once.
#[derive(Debug, Default)]
pub struct Messages {
    pub sent: BTreeSet<String>,
    /// Confirmed, by sequence.
    pub stored: BTreeMap<u64, String>,
    /// Somebody has asked to remove it.
    pub removing: BTreeSet<u64>,
    /// The removal was confirmed.
    pub removed: BTreeSet<u64>,
}

/// One key: one writer, so that at most one operation is without an answer.
#[derive(Debug, Default)]
pub struct Key {
    /// Confirmed; no value is a purge.
    pub revisions: Vec<(u64, Option<String>)>,
    pub unanswered: Option<Option<String>>,
}

#[derive(Debug, Default)]
pub struct Ledger {
    /// Messages that are deleted one by one.
    pub log: Messages,
    /// Messages that go when they are acknowledged.
    pub work: Messages,
    /// Messages of the log that its reader has acknowledged: asked for, and confirmed.
    pub reading: BTreeSet<u64>,
    pub read: BTreeSet<u64>,
    pub keys: BTreeMap<String, Key>,
    pub streams: BTreeSet<String>,
}

/// What is there after a crash.
#[derive(Debug, Default)]
pub struct Found {
    pub log: BTreeMap<u64, String>,
    pub work: BTreeMap<u64, String>,
    /// Messages that the worker has still to acknowledge, as its consumer says.
    pub work_open: u64,
    /// The same for the reader of the log.
    pub reader_open: u64,
    pub keys: BTreeMap<String, Vec<(u64, Option<String>)>>,
    pub streams: BTreeSet<String>,
}

impl Ledger {
    /// Everything that was confirmed and does not hold.
    pub fn violations(&self, found: &Found) -> Vec<Violation> {
        let mut violations = Vec::new();
        self.log
            .compare(&found.log, Kind::Deletion, &mut violations);
        self.work
            .compare(&found.work, Kind::Acknowledgement, &mut violations);
        if found.work_open != found.work.len() as u64 {
            let (open, there) = (found.work_open, found.work.len());
            let text = format!("{open} messages of the queue are open, {there} are there");
            violations.push(Violation {
                kind: Kind::Acknowledgement,
                text,
            });
        }
        violations.extend(self.wrong_reader(found));
        for (name, key) in &self.keys {
            let history = found.keys.get(name).map_or(&[][..], Vec::as_slice);
            if let Some(wrong) = key.wrong(history) {
                let text = format!(
                    "key {name}: {wrong}: {history:?}, confirmed {:?}",
                    key.revisions
                );
                violations.push(Violation {
                    kind: Kind::Revision,
                    text,
                });
            }
        }
        if found.streams != self.streams {
            let text = format!("streams {:?} instead of {:?}", found.streams, self.streams);
            violations.push(Violation {
                kind: Kind::Stream,
                text,
            });
        }
        violations
    }

    /// An acknowledgement without an answer counts either way.
    fn wrong_reader(&self, found: &Found) -> Option<Violation> {
        let unread = || found.log.keys().filter(|each| !self.read.contains(each));
        let most = unread().count() as u64;
        let least = unread().filter(|each| !self.reading.contains(each)).count() as u64;
        let open = found.reader_open;
        let text = format!("{open} messages are open to the reader, not {least} to {most}");
        let kind = Kind::Acknowledgement;
        (open < least || open > most).then_some(Violation { kind, text })
    }

    /// Goes on with what is there: what was not answered has become of it, one way or the other.
    pub fn settle(&mut self, found: &Found) {
        self.log.settle(&found.log);
        self.work.settle(&found.work);
        for (name, key) in &mut self.keys {
            key.revisions = found.keys.get(name).cloned().unwrap_or_default();
            key.unanswered = None;
        }
    }
}

impl Messages {
    fn compare(
        &self,
        found: &BTreeMap<u64, String>,
        of_removal: Kind,
        violations: &mut Vec<Violation>,
    ) {
        let mut report = |kind, text| violations.push(Violation { kind, text });
        for (sequence, body) in &self.stored {
            let there = found.get(sequence);
            if self.removed.contains(sequence) {
                if there.is_some() {
                    report(of_removal, format!("{sequence} ({body}) is back"));
                }
            } else if there != Some(body) && !(there.is_none() && self.removing.contains(sequence))
            {
                report(
                    Kind::Message,
                    format!("{sequence} is {there:?} instead of {body}"),
                );
            }
        }
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (sequence, body) in found {
            if !self.sent.contains(body) {
                report(Kind::Order, format!("{sequence} ({body}) was never sent"));
            }
            let (writer, number) = body.split_once('-').unwrap_or((body, ""));
            let number = number.parse().unwrap_or(0);
            if last
                .insert(writer, number)
                .is_some_and(|before| before >= number)
            {
                report(
                    Kind::Order,
                    format!("{sequence} ({body}) is there twice or too late"),
                );
            }
        }
    }

    fn settle(&mut self, found: &BTreeMap<u64, String>) {
        for (sequence, body) in found {
            self.stored.entry(*sequence).or_insert_with(|| body.clone());
        }
        self.removed
            .retain(|sequence| !found.contains_key(sequence));
        for sequence in std::mem::take(&mut self.removing) {
            if !found.contains_key(&sequence) {
                self.removed.insert(sequence);
            }
        }
    }
}

impl Key {
    /// What is wrong with the history that was found, oldest first.
    fn wrong(&self, history: &[(u64, Option<String>)]) -> Option<&'static str> {
        let known = self.revisions.last();
        let (newest, is_unanswered) = match (history.last(), known) {
            (Some(last), Some(known)) if last.0 > known.0 => (Some(last), true),
            (last, _) => (last, false),
        };
        if is_unanswered && newest.map(|(_, value)| value) != self.unanswered.as_ref() {
            return Some("a value that nobody put");
        }
        if !is_unanswered && newest != known {
            return Some("the last revision is not there");
        }
        let purged = self
            .revisions
            .iter()
            .rposition(|(_, value)| value.is_none());
        let is_purged = is_unanswered && newest.is_some_and(|(_, value)| value.is_none());
        let kept = &self.revisions[purged.unwrap_or(0)..];
        let mut expected = if is_purged { Vec::new() } else { kept.to_vec() };
        expected.extend(newest.filter(|_| is_unanswered).cloned());
        let from = expected.len().saturating_sub(HISTORY);
        (history != &expected[from..]).then_some("another history")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (Ledger, Found) {
        let mut ledger = Ledger::default();
        let mut found = Found::default();
        for (messages, found) in [
            (&mut ledger.log, &mut found.log),
            (&mut ledger.work, &mut found.work),
        ] {
            for number in 1..=4u64 {
                messages.sent.insert(format!("a-{number}"));
                messages.stored.insert(number, format!("a-{number}"));
                found.insert(number, format!("a-{number}"));
            }
            messages.sent.insert("a-5".to_owned());
            messages.removed.insert(2);
            found.remove(&2);
        }
        found.work_open = 3;
        // One of three is read, one may be.
        ledger.read.insert(1);
        ledger.reading.insert(3);
        found.reader_open = 2;
        let values = |from: u64| {
            (from..5)
                .map(|each| (each, Some(each.to_string())))
                .collect()
        };
        let key = Key {
            revisions: values(1),
            unanswered: Some(Some("new".to_owned())),
        };
        ledger.keys.insert("k".to_owned(), key);
        found.keys.insert("k".to_owned(), values(2));
        (ledger, found)
    }

    #[track_caller]
    fn assert_found(change: impl FnOnce(&mut Found), kinds: &[Kind]) {
        let (ledger, mut found) = ledger();
        change(&mut found);
        let violations = ledger.violations(&found);
        // A message that is gone or back also counts to who has still to read it.
        let is_seen = |kind: &Kind| violations.iter().any(|each| each.kind == *kind);
        assert!(kinds.iter().all(is_seen), "{violations:?}");
        assert_eq!(violations.is_empty(), kinds.is_empty(), "{violations:?}");
    }

    #[test]
    fn what_holds_is_not_reported() {
        assert_found(|_| {}, &[]);
        // What was sent and not answered may be there.
        assert_found(|found| drop(found.log.insert(5, "a-5".to_owned())), &[]);
        let newest = |found: &mut Found| {
            found.keys.insert(
                "k".to_owned(),
                vec![
                    (3, Some("3".to_owned())),
                    (4, Some("4".to_owned())),
                    (9, Some("new".to_owned())),
                ],
            );
        };
        assert_found(newest, &[]);
    }

    #[test]
    fn every_loss_is_reported() {
        assert_found(|found| drop(found.log.remove(&3)), &[Kind::Message]);
        assert_found(
            |found| drop(found.log.insert(2, "a-2".to_owned())),
            &[Kind::Deletion],
        );
        assert_found(
            |found| drop(found.log.insert(6, "a-4".to_owned())),
            &[Kind::Order],
        );
        assert_found(
            |found| drop(found.log.insert(6, "a-6".to_owned())),
            &[Kind::Order],
        );
        assert_found(|found| found.reader_open = 3, &[Kind::Acknowledgement]);
        assert_found(|found| found.reader_open = 0, &[Kind::Acknowledgement]);
        assert_found(|found| found.work_open = 4, &[Kind::Acknowledgement]);
        assert_found(|found| found.keys.clear(), &[Kind::Revision]);
        assert_found(
            |found| {
                found
                    .keys
                    .get_mut("k")
                    .unwrap()
                    .insert(0, (1, Some("1".to_owned())))
            },
            &[Kind::Revision],
        );
        assert_found(
            |found| found.streams.extend(["S".to_owned()]),
            &[Kind::Stream],
        );
    }

    #[test]
    fn what_was_not_answered_is_settled_by_what_is_there() {
        let (mut ledger, mut found) = ledger();
        found.log.insert(5, "a-5".to_owned());
        found
            .keys
            .get_mut("k")
            .unwrap()
            .push((9, Some("new".to_owned())));
        found.keys.get_mut("k").unwrap().remove(0);
        ledger.settle(&found);
        assert_eq!(ledger.log.stored[&5], "a-5");
        assert_eq!(ledger.keys["k"].revisions, found.keys["k"]);
        assert!(ledger.violations(&found).is_empty());
    }
}
