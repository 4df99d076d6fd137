//! A server that is killed (`kill -9`) under load, again and again: after each start everything that it had
//! confirmed is there, in order and once. Messages, deletions, acknowledgements, revisions of keys and
//! deletions of streams are looked at from outside, with an official client.
//!
//! `CRASH_SEED=7` plays one seed; `CRASH_ROUNDS=50` kills the server that many times. Not here: power that
//! fails, which only the simulation of a disk can do (`journal.rs`).
#![allow(clippy::unwrap_used, reason = "this crate is nothing but tests")]

#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/load.rs"]
mod load;
#[path = "crash/look.rs"]
mod look;

use ledger::{Kind, Ledger};
use load::Load;
use rustix::process::Signal;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use trunkline_tests::harness::jetstream::{StoreDirectory, jetstream_under_test};
use trunkline_tests::{Binary, Random, RunningServer, ServerBuilder, reference_server};

const SEEDS: [u64; 3] = [1, 2, 3];
const ROUNDS: u64 = 3;
/// The first losses say enough.
const SHOWN_MAX: usize = 20;
/// A round ends after this many confirmed operations at most.
const CONFIRMED_MAX: u64 = 3_000;
/// A slow disk ends a round earlier: what was confirmed until then is looked at.
const ROUND_MAX: Duration = Duration::from_secs(3);

/// How a round ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Kill,
    /// The server has time to write what it likes.
    Stop,
}

#[test]
fn what_was_confirmed_survives_kills() {
    let Some(binary) = jetstream_under_test() else {
        return;
    };
    match binary.is_ours {
        true => play(&binary, End::Kill, |_| true),
        false => play(&binary, End::Kill, is_kept_by_the_reference),
    }
}

/// Proves the load and the look at it: what the reference keeps with `sync_interval: always` is found.
#[test]
fn the_reference_keeps_its_messages() {
    if let Some(binary) = reference_server() {
        play(&binary, End::Kill, is_kept_by_the_reference);
    }
}

/// Proves that nothing is called a loss that is none.
#[test]
fn the_reference_keeps_everything_when_it_is_stopped() {
    if let Some(binary) = reference_server() {
        play_seed(&binary, SEEDS[0], End::Stop, |_| true);
    }
}

/// It forgets acknowledgements when it is killed, and brings trimmed revisions of keys back.
fn is_kept_by_the_reference(kind: Kind) -> bool {
    matches!(kind, Kind::Message | Kind::Order | Kind::Stream)
}

fn play(binary: &Binary, end: End, is_promised: fn(Kind) -> bool) {
    let seeds = number("CRASH_SEED").map_or(SEEDS.to_vec(), |seed| vec![seed]);
    for seed in seeds {
        play_seed(binary, seed, end, is_promised);
    }
}

fn play_seed(binary: &Binary, seed: u64, end: End, is_promised: fn(Kind) -> bool) {
    let directory = StoreDirectory::new();
    let mut random = Random::new(seed);
    let mut server = start(binary, &directory);
    let ledger = runtime().block_on(async {
        let mut ledger = Ledger::default();
        load::prepare(&load::context(server.address()).await, &mut ledger).await;
        Arc::new(Mutex::new(ledger))
    });
    for round in 1..=number("CRASH_ROUNDS").unwrap_or(ROUNDS) {
        let confirmed = 1 + random.below(CONFIRMED_MAX as usize) as u64;
        work_until_the_end(server, &ledger, round, confirmed, end);
        server = start(binary, &directory);
        let mut ledger = ledger.lock().unwrap();
        let keys: Vec<String> = ledger.keys.keys().cloned().collect();
        let found = runtime().block_on(async {
            let context = load::context(server.address()).await;
            look::look(&context, keys).await
        });
        let (mut broken, excused): (Vec<_>, Vec<_>) = ledger
            .violations(&found)
            .into_iter()
            .partition(|each| is_promised(each.kind));
        println!(
            "seed {seed}, round {round}: {} messages in the log, {} excused",
            found.log.len(),
            excused.len()
        );
        let count = broken.len();
        broken.truncate(SHOWN_MAX);
        let shown: String = broken
            .iter()
            .map(|each| format!("{:?}: {}\n", each.kind, each.text))
            .collect();
        assert!(
            count == 0,
            "CRASH_SEED={seed}, round {round}: {count} losses\n{shown}"
        );
        ledger.settle(&found);
    }
}

/// Loads the server until it has confirmed that much, and ends it in the middle of the load.
fn work_until_the_end(
    server: RunningServer,
    ledger: &Arc<Mutex<Ledger>>,
    round: u64,
    confirmed: u64,
    end: End,
) {
    let runtime = runtime();
    let load = runtime.block_on(Load::start(server.address(), Arc::clone(ledger), round));
    let deadline = Instant::now() + ROUND_MAX;
    while load.confirmed.load(Ordering::Relaxed) < confirmed && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The load ends after the server, so that requests are under way.
    match end {
        // SIGKILL.
        End::Kill => drop(server),
        End::Stop => {
            server.signal(Signal::TERM);
            let _status = server.wait_for_end();
        }
    }
    runtime.shutdown_timeout(Duration::from_secs(5));
}

fn start(binary: &Binary, directory: &StoreDirectory) -> RunningServer {
    let builder = ServerBuilder::new(binary.clone()).cores(2);
    let directory = directory.text();
    match binary.is_ours {
        true => builder.arguments(&["-js", "-sd", &directory]).start(),
        false => {
            let config =
                format!("jetstream {{ store_dir: \"{directory}\", sync_interval: always }}");
            builder.config(&config).start()
        }
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text}")),
    )
}
