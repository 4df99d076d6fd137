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
use trunkline_core::base::limits::ROUTE_CACHE_MAX;
use trunkline_core::route::interest::{Announcement, Interest};
use trunkline_core::subject::pattern::Pattern;

use crate::harness::{Bench, cpu_ns};
use crate::memory::{live_bytes, resident_bytes};
use crate::subject::{subject, wildcard_pattern};

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
    let (live, resident) = (live_bytes(), resident_bytes());
    let mut interest = Interest::new(1);
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
    let subjects: Vec<String> = (0..ROUTE_CACHE_MAX * 3)
        .map(|at| subject(at * 7919 % literals.max(ROUTE_CACHE_MAX * 3)))
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
        interest.hear(CoreId(1), Announcement::Plain { pattern, present });
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
