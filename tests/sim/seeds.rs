//! Which seeds are run, and how a failing one is run again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::mutants::Fault;
use crate::world::{Outcome, World};

/// Seeds that every run of the tests tries: the first ones,
const FIXED: u64 = 200;

/// and those that found something: the first a crash in a reload, `…_866` a crash
/// in a fan-out that was wide by its length alone, `…_907` a 503 beside an answer,
/// the others mistakes of the simulation itself.
const FOUND: &[u64] = &[
    1_795_648_597_000_071,
    1_795_648_597_000_686,
    1_795_648_597_000_949,
    1_795_648_597_001_173,
    1_795_648_597_001_197,
    1_795_648_597_001_273,
    1_795_649_124_000_552,
    1_795_649_124_000_840,
    1_795_649_124_001_742,
    1_795_649_124_001_952,
    1_795_652_245_000_258,
    1_795_904_949_000_020,
    1_795_905_371_000_866,
    1_795_907_241_000_174,
    1_795_907_241_001_570,
    1_795_908_544_000_780,
    1_795_908_544_000_907,
    1_795_914_143_000_580,
    1_795_914_143_001_662,
    1_795_914_779_001_234,
    1_795_915_079_000_426,
];

/// Runs one seed; what was wrong, if something was.
pub fn run(seed: u64, fault: Option<Fault>, trace: bool) -> Result<Outcome, String> {
    let attempt = catch_unwind(AssertUnwindSafe(|| World::new(seed, fault, trace).run()));
    attempt.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn number_from(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn replay_command(seed: u64) -> String {
    format!("SIM_SEED={seed} cargo test -p trunkline-tests --test sim seeds -- --nocapture")
}

/// Runs seeds on all processors; the failures, lowest seed first.
fn run_all(seeds: &[u64]) -> Vec<(u64, String)> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) else {
                        return;
                    };
                    let outcome = run(seed, None, false);
                    if std::env::var_os("SIM_STATISTICS").is_some() {
                        println!("seed {seed}: {outcome:?}");
                    }
                    if let Err(wrong) = outcome {
                        println!("seed {seed}: {wrong}\n  again: {}", replay_command(seed));
                        failures.lock().unwrap().push((seed, wrong));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures
}

#[test]
fn seeds() {
    if let Some(seed) = number_from("SIM_SEED") {
        let outcome = run(seed, None, true);
        println!("{outcome:?}");
        assert!(outcome.is_ok(), "seed {seed} failed");
        return;
    }
    let seeds: Vec<u64> = match number_from("SIM_SEEDS") {
        Some(count) => {
            let elapsed = std::time::UNIX_EPOCH.elapsed().unwrap();
            let first = elapsed.as_secs() * 1_000_000;
            (first..first + count).collect()
        }
        None => (1..=FIXED).chain(FOUND.iter().copied()).collect(),
    };
    let count = seeds.len();
    let failures = run_all(&seeds);
    if let Some((seed, wrong)) = failures.first() {
        panic!(
            "{} of {count} seeds failed; the first: {wrong}\n{}",
            failures.len(),
            replay_command(*seed)
        );
    }
}

#[test]
fn a_seed_gives_the_same_bytes_again() {
    for seed in 1..=20 {
        let first = run(seed, None, false);
        let second = run(seed, None, false);
        assert_eq!(first, second, "seed {seed} differs from itself");
    }
}
