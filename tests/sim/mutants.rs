//! Deliberate faults, each of which the checkers must notice.

use trunkline_core::shard::mutants::Mutant;

use crate::seeds;

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A ring that is nearly full loses the messages of a batch.
    DropWhenFull,
    /// A change of interest does not reach a core.
    ForgetInterest,
    /// Messages are delivered before the interest of other rings is applied.
    NoTails,
    /// Interest reaches the cores one after the other, with the messages.
    AnnounceLate,
    /// A core is not woken although a batch was pushed.
    LoseBell,
    /// A core is not woken although it waits for a return.
    ForgetReturnBell,
    /// Two batches of a ring change places.
    ReorderFifo,
    /// One inside the core.
    Core(Mutant),
}

const ALL: &[Fault] = &[
    Fault::DropWhenFull,
    Fault::ForgetInterest,
    Fault::NoTails,
    Fault::AnnounceLate,
    Fault::LoseBell,
    Fault::ForgetReturnBell,
    Fault::ReorderFifo,
    Fault::Core(Mutant::SkipBarrier),
    Fault::Core(Mutant::QueueTwice),
    Fault::Core(Mutant::KeepHeaders),
    Fault::Core(Mutant::UnsubscribeLate),
];

/// A fault that is not noticed within so many seeds would not be noticed.
const SEEDS_MAX: u64 = 400;

#[test]
fn every_fault_is_noticed() {
    let mut missed = Vec::new();
    let only = std::env::var("SIM_FAULT").ok();
    let wanted = |fault: &&Fault| {
        only.as_ref()
            .is_none_or(|only| format!("{fault:?}").contains(only))
    };
    for &fault in ALL.iter().filter(wanted) {
        let caught = (1..=SEEDS_MAX).find_map(|seed| {
            let broken = seeds::run(seed, Some(fault), false).err()?;
            // The same seed must pass without the fault, or proves nothing.
            seeds::run(seed, None, false).ok()?;
            Some((seed, broken))
        });
        match caught {
            Some((seed, broken)) => {
                let short: String = broken.chars().take(120).collect();
                println!("{fault:?}: noticed with seed {seed}: {short}");
            }
            None => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
