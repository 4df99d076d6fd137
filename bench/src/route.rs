//! Interest with up to ten million subscriptions: time and memory to build it,
//! and what a look-up costs when the route is remembered, stale or new.
//!
//! *cached*: the publisher's last subject, and a thousand subjects in turn.
//! *stale*: known subjects after a change of a wildcard subscription.
//! *uncached*: subjects beyond the capacity of the cache in turn, so that every
//! one is matched, and an older route replaced. With fewer subscriptions than
//! that most of these subjects reach nobody but wildcards.

use std::hint::black_box;

use trunkline_core::base::id::CoreId;
use trunkline_core::base::limits::ROUTE_CACHE_BYTES;
use trunkline_core::route::budget::RouteBudget;
use trunkline_core::route::interest::{Announcement, Interest};
use trunkline_core::subject::pattern::Pattern;

use crate::harness::{Bench, cpu_ns};
use crate::memory::{live_bytes, resident_bytes};
use crate::subject::{subject, wildcard_pattern};

/// A third of the subjects that are looked up in turn.
const SUBJECTS: usize = 32 << 10;

/// Look-ups per measured batch.
const BATCH: usize = 64;

pub fn run(bench: &mut Bench) {
    let sizes: &[(usize, &str)] = if bench.is_smoke() {
        &[(1_000, "1 k")]
    } else {
        &[
            (1_000, "1 k"),
            (10_000, "10 k"),
            (100_000, "100 k"),
            (1_000_000, "1 M"),
            (10_000_000, "10 M"),
        ]
    };
    for &(literals, size) in sizes {
        for wildcards in [0, 10_000] {
            measure(bench, literals, wildcards, size);
        }
    }
    one_shot(bench);
    crowds(bench);
}

fn measure(bench: &mut Bench, literals: usize, wildcards: usize, size: &str) {
    let wildcards = if bench.is_smoke() {
        wildcards / 100
    } else {
        wildcards
    };
    let suffix = if wildcards == 0 { "" } else { " + 10 k wild" };
    let name = |what: &str| format!("route/{size}{suffix} {what}");
    let whats = ["build", "memory", "cached", "stale", "uncached"];
    if !whats.iter().any(|what| bench.wants(&name(what))) {
        return;
    }
    // One per core, however many subscriptions there are.
    let budget = RouteBudget::new(ROUTE_CACHE_BYTES);
    let (live, resident) = (live_bytes(), resident_bytes());
    let mut interest = Interest::with_budget(1, budget);
    let build_ns = build(&mut interest, literals, wildcards);
    let count = (literals + wildcards) as f64;
    bench.note(&name("build"), "ns/subscription", build_ns as f64 / count);
    let bytes = live_bytes() - live;
    bench.note(
        &name("memory asked for"),
        "bytes/subscription",
        bytes as f64 / count,
    );
    // Smaller ones live in memory that earlier benchmarks have left to the process.
    if literals >= 1_000_000 && wildcards == 0 {
        let bytes = resident_bytes().saturating_sub(resident);
        bench.note(
            &name("memory resident"),
            "bytes/subscription",
            bytes as f64 / count,
        );
    }
    // A prime step, so that neighbours in time are not neighbours in memory.
    let subjects: Vec<String> = (0..SUBJECTS * 3)
        .map(|at| subject(at * 7919 % literals.max(SUBJECTS * 3)))
        .collect();
    cached(bench, &name, &mut interest, &subjects);
    stale(bench, &name, &mut interest, &subjects);
    uncached(bench, &name("uncached"), &mut interest, &subjects);
}

/// Subscribes in a scattered order; returns nanoseconds.
fn build(interest: &mut Interest, literals: usize, wildcards: usize) -> u64 {
    const CHUNK: usize = 1000;
    let mut total_ns = 0;
    let mut texts: Vec<String> = Vec::with_capacity(CHUNK);
    let all = (0..literals)
        .map(subject)
        .chain((0..wildcards).map(wildcard_pattern));
    let mut all = all.enumerate().peekable();
    while let Some(&(first, _)) = all.peek() {
        texts.clear();
        texts.extend(all.by_ref().take(CHUNK).map(|(_, text)| text));
        let sids: Vec<String> = (first..first + texts.len())
            .map(|sid| sid.to_string())
            .collect();
        let start_ns = cpu_ns();
        for (text, sid) in texts.iter().zip(&sids) {
            let pattern = Pattern::parse(text.as_bytes()).expect("patterns made here are valid");
            interest.subscribe(0, pattern, None, sid.as_bytes(), |_| {});
        }
        total_ns += cpu_ns() - start_ns;
    }
    total_ns
}

fn cached(
    bench: &mut Bench,
    name: &impl Fn(&str) -> String,
    interest: &mut Interest,
    subjects: &[String],
) {
    let one = subjects[0].as_bytes();
    let mut at = interest.route(one, 0);
    bench.run(
        &name("cached, same subject"),
        &[("ns/look-up", 1000)],
        || {
            for _ in 0..1000 {
                at = interest.route(black_box(one), at);
            }
        },
    );
    let few = &subjects[..1000];
    bench.run(
        &name("cached, 1000 subjects"),
        &[("ns/look-up", 1000)],
        || {
            for subject in few {
                at = interest.route(subject.as_bytes(), at);
            }
        },
    );
}

fn stale(
    bench: &mut Bench,
    name: &impl Fn(&str) -> String,
    interest: &mut Interest,
    subjects: &[String],
) {
    let few = &subjects[..10_000];
    let (mut next, mut present) = (0, false);
    bench.run_batches(&name("stale"), "ns/look-up", BATCH as u64, || {
        present = !present;
        let pattern = b"nobody.publishes.*";
        interest.apply_announcement(CoreId(1), Announcement::Plain { pattern, present });
        let start_ns = cpu_ns();
        for _ in 0..BATCH {
            black_box(interest.route(few[next].as_bytes(), 0));
            next = (next + 1) % few.len();
        }
        cpu_ns() - start_ns
    });
}

fn uncached(bench: &mut Bench, name: &str, interest: &mut Interest, subjects: &[String]) {
    let mut next = 0;
    if bench.wants(name) && !bench.is_smoke() {
        // Fills the cache, so that every look-up replaces a route.
        for subject in subjects {
            interest.route(subject.as_bytes(), 0);
        }
    }
    bench.run_batches(name, "ns/look-up", BATCH as u64, || {
        let start_ns = cpu_ns();
        for _ in 0..BATCH {
            black_box(interest.route(subjects[next].as_bytes(), 0));
            next = (next + 1) % subjects.len();
        }
        cpu_ns() - start_ns
    });
}

/// Subjects that never come again, beside telemetry that does, in an account
/// with 10,000 wildcard patterns and with none: each publisher looks its own
/// up. *telemetry* is what a look-up of one of 10,000 subjects costs while 40
/// one-shot subjects pass for each; *cold*: the telemetry began beside them.
fn one_shot(bench: &mut Bench) {
    for wildcards in [0, 10_000] {
        let suffix = if wildcards == 0 { "" } else { " + 10 k wild" };
        let name = |what: &str| format!("route/one-shot{suffix} {what}");
        let whats = [
            "alone",
            "beside 10,000 telemetry subjects",
            "telemetry",
            "telemetry, cold",
        ];
        if !whats.iter().any(|what| bench.wants(&name(what))) {
            continue;
        }
        let mut world = OneShots::new(wildcards);
        bench.run(&name(whats[0]), &[("ns/look-up", 1000)], || {
            world.one_shots(1000);
        });
        let mut world = OneShots::new(wildcards);
        world.telemetry(20_000);
        let batch = BATCH as u64;
        bench.run_batches(&name(whats[1]), "ns/look-up", batch * 41, || {
            world.one_shots(BATCH * 40) + world.telemetry(BATCH)
        });
        bench.run_batches(&name(whats[2]), "ns/look-up", batch, || {
            world.one_shots(BATCH * 40);
            world.telemetry(BATCH)
        });
        let mut world = OneShots::new(wildcards);
        bench.run_batches(&name(whats[3]), "ns/look-up", batch, || {
            world.one_shots(BATCH * 40);
            world.telemetry(BATCH)
        });
    }
}

struct OneShots {
    interest: Interest,
    telemetry: Vec<String>,
    next: usize,
    last_telemetry: u32,
    inbox: Vec<u8>,
    last_inbox: u32,
}

impl OneShots {
    fn new(wildcards: usize) -> Self {
        let mut interest = Interest::new(1);
        build(&mut interest, 10_000, wildcards);
        if wildcards > 0 {
            for client in 0..100 {
                let text = format!("_INBOX.client{client:02}.*");
                let pattern = Pattern::parse(text.as_bytes()).expect("it is valid");
                interest.subscribe(0, pattern, None, b"1", |_| {});
            }
        }
        Self {
            interest,
            telemetry: (0..10_000).map(|at| subject(at * 7919 % 10_000)).collect(),
            next: 0,
            last_telemetry: 0,
            inbox: b"_INBOX.client07.0000000000".to_vec(),
            last_inbox: 0,
        }
    }

    /// Looks one-shot subjects up; returns nanoseconds.
    fn one_shots(&mut self, count: usize) -> u64 {
        let start_ns = cpu_ns();
        for _ in 0..count {
            count_up(&mut self.inbox);
            self.last_inbox = self.interest.published_route(&self.inbox, self.last_inbox);
        }
        cpu_ns() - start_ns
    }

    /// Looks telemetry subjects up in turn; returns nanoseconds.
    fn telemetry(&mut self, count: usize) -> u64 {
        let start_ns = cpu_ns();
        for _ in 0..count {
            let subject = self.telemetry[self.next].as_bytes();
            self.last_telemetry = self.interest.published_route(subject, self.last_telemetry);
            self.next = (self.next + 1) % self.telemetry.len();
        }
        cpu_ns() - start_ns
    }
}

/// Adds one to the decimal number that a text ends with.
fn count_up(text: &mut [u8]) {
    for digit in text.iter_mut().rev() {
        match digit {
            b'9' => *digit = b'0',
            _ => {
                *digit += 1;
                return;
            }
        }
    }
}

/// One subject with very many receivers, found anew each time; and what coming
/// and going of one subscription or of one queue group of many costs.
fn crowds(bench: &mut Bench) {
    let count = if bench.is_smoke() { 100 } else { 60_000 };
    let pattern = Pattern::parse(b"crowd").expect("it is valid");
    let name = "route/crowd of 60 k match";
    if bench.wants(name) {
        let mut interest = Interest::new(1);
        for sid in 0..count {
            let sid = sid.to_string();
            interest.subscribe(0, pattern, None, sid.as_bytes(), |_| {});
        }
        bench.run(name, &[("ns/receiver", count)], || {
            interest.apply_announcement(
                CoreId(1),
                Announcement::Plain {
                    pattern: b"crowd",
                    present: true,
                },
            );
            black_box(interest.route(b"crowd", 0));
        });
    }
    let name = "route/crowd of 6 k queue groups";
    let groups = if bench.is_smoke() { 50 } else { 6_000 };
    bench.run_timed(name, "ns/group", groups, || {
        let names: Vec<String> = (0..groups).map(|queue| format!("q{queue}")).collect();
        let mut interest = Interest::new(1);
        let start_ns = cpu_ns();
        let numbers: Vec<u32> = names
            .iter()
            .map(|queue| interest.subscribe(0, pattern, Some(queue.as_bytes()), b"1", |_| {}))
            .collect();
        black_box(interest.route(b"crowd", 0));
        for number in numbers {
            interest.unsubscribe(number, |_| {});
        }
        cpu_ns() - start_ns
    });
}
