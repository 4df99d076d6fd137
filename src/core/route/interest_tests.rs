//! Tests of interest against a naive model: a list of subscriptions.

use std::collections::BTreeMap;

use super::*;
use crate::base::rng::Rng;
use crate::route::receivers::Target;
use crate::route::subscription::Sid;
use crate::route::sweep::RouteSweep;
use crate::subject::mapping::SubjectMapping;
use crate::subject::pattern::{has_empty_token, matches};

#[path = "interest_trial.rs"]
mod trial;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Model {
    pattern: Vec<u8>,
    queue: Option<Vec<u8>>,
    number: u32,
    /// When it was made, which tells it from another one in the same slot.
    born: usize,
    is_deaf: bool,
}

/// A route that is lent, with the subscriptions that it named at that time.
struct Loan {
    at: u32,
    route: Route,
    sequence: u64,
    then: Vec<Model>,
}

impl Loan {
    fn new(interest: &mut Interest, at: u32, model: &[Model]) -> Self {
        let route = interest.take_route(at);
        let names = |one: &&Model| {
            let of = |target: &Target| target.subscription == one.number;
            route.plain.iter().any(of)
        };
        Self {
            at,
            sequence: interest.gone_sequence(),
            then: model.iter().filter(names).cloned().collect(),
            route,
        }
    }

    /// Who is left out is gone, who is not is still the same.
    fn end(self, interest: &mut Interest, model: &[Model]) {
        assert_eq!(self.then.len(), self.route.plain.len());
        for target in &self.route.plain {
            let number = target.subscription;
            let was = self.then.iter().find(|one| one.number == number);
            let born = was.expect("it was named").born;
            let is_there = |one: &Model| one.number == number && one.born == born;
            let is_gone = interest.is_gone_since(number, self.sequence);
            assert_eq!(is_gone, !model.iter().any(is_there));
        }
        interest.put_back(self.at, self.route);
    }
}

fn pick<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a [u8] {
    of[rng.below(of.len() as u64) as usize].as_bytes()
}

const PATTERNS: &[&str] = &[
    "a", "a.b", "a.c", "*", ">", "a.*", "a.>", "*.b", "b.*.c", "c",
];
const SUBJECTS: &[&str] = &[
    "a", "a.b", "a.c", "b.x.c", "c", "d", "a.b.c", "a..b", ".a", "a.", "a.*", ">", "a.>", "*",
];

fn check_route(interest: &Interest, at: u32, model: &[Model], subject: &[u8]) {
    let reached = |queue: Option<&[u8]>| {
        let mut numbers: Vec<u32> = model
            .iter()
            .filter(|entry| entry.queue.as_deref() == queue && !entry.is_deaf)
            .filter(|entry| !has_empty_token(subject) && matches(&entry.pattern, subject))
            .map(|entry| entry.number)
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let sorted = |targets: &[Target]| {
        let mut numbers: Vec<u32> = targets.iter().map(|target| target.subscription).collect();
        numbers.sort_unstable();
        numbers
    };
    let route = interest.route_at(at);
    assert_eq!(sorted(&route.plain), reached(None), "{subject:?}");
    for name in [&b"q"[..], b"r"] {
        let members = route
            .queues
            .iter()
            .find(|queue| interest.queue_name(queue.queue) == name)
            .map(|queue| {
                assert_eq!(
                    route.queue(queue.queue).map(|one| one.queue),
                    Some(queue.queue)
                );
                sorted(&queue.local)
            })
            .unwrap_or_default();
        assert_eq!(members, reached(Some(name)), "{subject:?}");
    }
}

#[test]
fn announces_first_and_last_and_group_sizes() {
    let mut interest = Interest::new(1);
    let mut heard = Vec::new();
    let mut note = |announcement: Announcement<'_>| heard.push(format!("{announcement:?}"));
    let pattern = Pattern::parse(b"a.*").expect("valid");
    let first = interest.subscribe(0, pattern, None, b"1", &mut note);
    let second = interest.subscribe(0, pattern, None, b"2", &mut note);
    interest.unsubscribe(first, &mut note);
    interest.unsubscribe(second, &mut note);
    let member = interest.subscribe(0, pattern, Some(b"q"), b"3", &mut note);
    interest.unsubscribe(member, &mut note);
    let text = "pattern: [97, 46, 42]";
    assert_eq!(
        heard,
        [
            format!("Plain {{ {text}, present: true }}"),
            format!("Plain {{ {text}, present: false }}"),
            format!("Queue {{ {text}, queue: [113], members: 1 }}"),
            format!("Queue {{ {text}, queue: [113], members: 0 }}"),
        ]
    );
}

#[test]
fn hears_other_cores() {
    let mut interest = Interest::new(1);
    let plain = |present| Announcement::Plain {
        pattern: b"a.*",
        present,
    };
    let queue = |members| Announcement::Queue {
        pattern: b"a.b",
        queue: b"q",
        members,
    };
    interest.apply_announcement(CoreId(3), plain(true));
    interest.apply_announcement(CoreId(5), queue(2));
    interest.apply_announcement(CoreId(5), queue(4));
    let at = interest.route(b"a.b", 0);
    let route = interest.route_at(at);
    assert!(route.remote.contains(CoreId(3)) && !route.remote.contains(CoreId(5)));
    assert_eq!(route.queues[0].remote, [(CoreId(5), 4)]);
    interest.apply_announcement(CoreId(3), plain(false));
    interest.apply_announcement(CoreId(5), queue(0));
    let at = interest.route(b"a.b", at);
    assert!(interest.route_at(at).is_empty());
    assert!(interest.patterns.is_empty());
    // Something unknown that goes is no news.
    interest.apply_announcement(CoreId(5), queue(0));
    assert!(interest.patterns.is_empty());
}

#[test]
fn sids_of_any_length() {
    for sid in [&b"1"[..], b"1234567890123", b"12345678901234", &[b'x'; 300]] {
        assert_eq!(Sid::new(sid).bytes(), sid);
        assert_eq!(Sid::new(sid).with_blank(), [sid, b" "].concat());
    }
}

/// Groups by the thousand on two patterns, of this core and of others.
#[test]
fn any_number_of_queue_groups() {
    const NAMES: u64 = 3000;
    let mut rng = Rng::new(8);
    let mut interest = Interest::new(1);
    // By name: numbers of the subscriptions, and members of another core.
    let mut model: BTreeMap<u64, (Vec<u32>, u32)> = BTreeMap::new();
    let patterns: [&[u8]; 2] = [b"crowd", b"*"];
    for step in 0..60_000 {
        let grows = step / 15_000 % 2 == 0;
        let number = rng.below(NAMES);
        let name = format!("q{number}");
        let group = model.entry(number).or_default();
        match rng.below(4) {
            0 => {
                // The pattern without wildcards alone, so that sums are simple.
                group.1 = if grows { rng.below(5) as u32 } else { 0 };
                let announcement = Announcement::Queue {
                    pattern: patterns[0],
                    queue: name.as_bytes(),
                    members: group.1,
                };
                interest.apply_announcement(CoreId(4), announcement);
            }
            _ if grows => {
                let pattern = pick(&mut rng, &["crowd", "*"]);
                let pattern = Pattern::parse(pattern).expect("valid");
                let queue = Some(name.as_bytes());
                group
                    .0
                    .push(interest.subscribe(1, pattern, queue, b"1", |_| {}));
            }
            _ => {
                if let Some(number) = group.0.pop() {
                    interest.unsubscribe(number, |_| {});
                }
            }
        }
        if step % 5000 == 4999 {
            interest.check_invariants();
            check_groups(&mut interest, &model);
        }
    }
    for (number, (locals, members)) in model {
        for local in locals {
            interest.unsubscribe(local, |_| {});
        }
        if members > 0 {
            let name = format!("q{number}");
            let announcement = Announcement::Queue {
                pattern: patterns[0],
                queue: name.as_bytes(),
                members: 0,
            };
            interest.apply_announcement(CoreId(4), announcement);
        }
    }
    assert!(interest.is_unused() && interest.groups.counts() == (0, 0));
    assert!(interest.bytes() < 64 << 10, "high water is given back");
}

fn check_groups(interest: &mut Interest, model: &BTreeMap<u64, (Vec<u32>, u32)>) {
    let at = interest.route(b"crowd", NONE);
    let route = interest.route_at(at);
    let mut reached = 0;
    for (number, (locals, members)) in model {
        let name = format!("q{number}");
        let number = interest.queue_number(name.as_bytes());
        let Some(queue) = number.and_then(|number| route.queue(number)) else {
            assert!(locals.is_empty() && *members == 0, "{name}");
            continue;
        };
        reached += 1;
        let mut found: Vec<u32> = queue.local.iter().map(|one| one.subscription).collect();
        let mut expected = locals.clone();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(
            (found, queue.remote_members),
            (expected, *members),
            "{name}"
        );
    }
    assert_eq!(route.queues.len(), reached);
}

#[test]
fn work_is_nodes_and_receivers() {
    let mut interest = Interest::new(1);
    let subscribe = |interest: &mut Interest, text: &[u8], queue: Option<&[u8]>| {
        let pattern = Pattern::parse(text).expect("valid");
        interest.subscribe(0, pattern, queue, b"1", |_| {})
    };
    let numbers: Vec<u32> = (0..1000)
        .map(|_| subscribe(&mut interest, b"a.b", None))
        .collect();
    assert_eq!(interest.take_work(), 1000, "one per change");
    interest.route(b"x.y", NONE);
    assert_eq!(interest.take_work(), 1, "nobody");
    let at = interest.route(b"a.b", NONE);
    assert_eq!(interest.take_work(), 1001, "every receiver");
    interest.route(b"a.b", at);
    assert_eq!(interest.take_work(), 0, "nothing is matched");
    for pattern in [&b"*.b"[..], b"a.*", b">", b"*.c"] {
        subscribe(&mut interest, pattern, Some(b"q"));
    }
    interest.take_work();
    interest.route(b"a.b", at);
    // Six nodes lie on the way, three groups with one member each.
    assert_eq!(interest.take_work(), 1001 + 5 + 3 * 2);
    for number in numbers {
        interest.unsubscribe(number, |_| {});
    }
    assert_eq!(interest.take_work(), 1000);
}

/// What a client makes and leaves: the memory of it goes, too.
#[test]
fn memory_follows_what_there_is() {
    let budget = RouteBudget::new(1 << 20);
    let mut interest = Interest::with_budget(1, Rc::clone(&budget));
    let mut sweep = RouteSweep::default();
    for round in 0..3 {
        let numbers: Vec<u32> = (0..100_000)
            .map(|number| {
                let text = match number % 2 {
                    0 => "w.*".to_owned(),
                    _ => format!("w{}.{number}.*", number % 7),
                };
                let pattern = Pattern::parse(text.as_bytes()).expect("valid");
                interest.subscribe(0, pattern, None, b"1", |_| {})
            })
            .collect();
        for number in 0..9 {
            let subject = format!("w.{round}.{number}");
            for _ in 0..3 {
                interest.route(subject.as_bytes(), NONE);
                interest.route(format!("w.{round}{number}").as_bytes(), NONE);
            }
        }
        // The last one may exceed the budget.
        assert!(budget.bytes() < (2 << 20), "{}", budget.bytes());
        assert!(interest.bytes() > 4 << 20);
        for number in numbers {
            interest.unsubscribe(number, |_| {});
        }
        sweep.trim(std::slice::from_mut(&mut interest));
        assert!(interest.bytes() < 64 << 10, "{}", interest.bytes());
        assert!(budget.bytes() < 10_000, "{}", budget.bytes());
    }
}

/// Fifty accounts whose inboxes are answered twice each.
#[test]
fn all_accounts_share_one_budget() {
    let bytes_max = 1 << 20;
    let budget = RouteBudget::new(bytes_max);
    let mut interests: Vec<Interest> = (0..50)
        .map(|seed| Interest::with_budget(seed, Rc::clone(&budget)))
        .collect();
    let mut sweep = RouteSweep::default();
    let pattern = Pattern::parse(b"_INBOX.>").expect("valid");
    for account in 0..interests.len() {
        interests[account].subscribe(0, pattern, None, b"1", |_| {});
        for number in 0..3300 {
            let subject = format!("_INBOX.x.{number}");
            for _ in 0..2 {
                let at = interests[account].route(subject.as_bytes(), NONE);
                assert_eq!(interests[account].route_at(at).plain.len(), 1);
            }
            if number % 10 == 0 {
                sweep.turn(&mut interests, &budget);
            }
        }
        assert!(budget.bytes() < bytes_max + 4096, "{}", budget.bytes());
        interests[account].check_invariants();
        // Whoever is busy has room, although others have had it before.
        let own = interests[account].route_bytes();
        assert!(own > bytes_max / 3, "account {account} has {own} bytes");
    }
    let sum: usize = interests.iter().map(Interest::route_bytes).sum();
    assert_eq!(sum, budget.bytes());
}
