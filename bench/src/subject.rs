//! The trie of wildcard patterns.

use std::hint::black_box;

use trunkline_core::subject::pattern::{Pattern, matches};
use trunkline_core::subject::trie::WildcardTrie;

use crate::harness::{Bench, cpu_ns};

/// Sites in the made-up world of telemetry that subjects and patterns describe.
pub const SITES: usize = 1000;

const METRICS: [&str; 4] = ["temp", "load", "state", "alarm"];

/// A subject: sites have devices, devices have one metric each.
pub fn subject(number: usize) -> String {
    let device = number / SITES;
    let metric = METRICS[device % METRICS.len()];
    format!("site.{}.device.{device}.{metric}", number % SITES)
}

/// A pattern with wildcards; the kinds take turns, a subject is reached by one
/// to three of 10,000.
pub fn wildcard_pattern(number: usize) -> String {
    let at = number / 4;
    match number % 4 {
        0 => format!("site.*.device.{at}.temp"),
        1 => format!("site.{}.device.*.alarm{}", at % SITES, at / SITES),
        2 if at < SITES => format!("*.{at}.device.>"),
        2 => format!("depot.{at}.>"),
        _ => format!("site.{}.*.{}.state", at % SITES, at / SITES),
    }
}

pub fn run(bench: &mut Bench) {
    pattern(bench);
    for patterns in [100, 10_000, 100_000] {
        let patterns = if bench.is_smoke() { 50 } else { patterns };
        trie(bench, patterns);
        if bench.is_smoke() {
            break;
        }
    }
}

fn pattern(bench: &mut Bench) {
    let text = b"site.*.device.1234.temp";
    bench.run("subject/pattern parse", &[("ns/pattern", 100)], || {
        for _ in 0..100 {
            black_box(Pattern::parse(black_box(text)));
        }
    });
    bench.run("subject/pattern naive match", &[("ns/match", 100)], || {
        for _ in 0..100 {
            black_box(matches(black_box(text), b"site.7.device.1234.temp"));
        }
    });
}

fn trie(bench: &mut Bench, count: usize) {
    let name = |what: &str| format!("subject/trie {what}, {count} patterns");
    if ![name("insert"), name("remove"), name("match")]
        .iter()
        .any(|name| bench.wants(name))
    {
        return;
    }
    let patterns: Vec<String> = (0..count).map(wildcard_pattern).collect();
    bench.run_timed(&name("insert"), "ns/pattern", count as u64, || {
        let mut trie = WildcardTrie::new(1);
        let start_ns = cpu_ns();
        fill(&mut trie, &patterns);
        cpu_ns() - start_ns
    });
    bench.run_timed(&name("remove"), "ns/pattern", count as u64, || {
        let mut trie = WildcardTrie::new(1);
        fill(&mut trie, &patterns);
        let start_ns = cpu_ns();
        for pattern in &patterns {
            trie.remove(pattern.as_bytes());
        }
        cpu_ns() - start_ns
    });
    let mut trie = WildcardTrie::new(1);
    fill(&mut trie, &patterns);
    // A prime step, so that neighbours in time are not neighbours in memory.
    let subjects: Vec<String> = (0..10_000)
        .map(|at| subject(at * 7919 % 1_000_000))
        .collect();
    bench.run(
        &name("match"),
        &[("ns/match", subjects.len() as u64)],
        || {
            for subject in &subjects {
                trie.matches(subject.as_bytes(), |number| {
                    black_box(number);
                });
            }
        },
    );
}

fn fill(trie: &mut WildcardTrie, patterns: &[String]) {
    for (number, pattern) in patterns.iter().enumerate() {
        trie.insert(pattern.as_bytes(), number as u32);
    }
}
