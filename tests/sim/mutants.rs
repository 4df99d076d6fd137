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
    /// A core is not woken although a batch was pushed.
    LoseBell,
    /// A core is not woken although it waits for a return.
    ForgetReturnBell,
    /// Two batches of a ring change places.
    ReorderFifo,
    /// One inside the core.
    Core(Mutant),
}

/// Every fault, and a seed that has noticed it: where to look first.
const ALL: &[(Fault, u64)] = &[
    (Fault::DropWhenFull, 1),
    (Fault::ForgetInterest, 1),
    (Fault::NoTails, 12),
    (Fault::Core(Mutant::AnnounceLate), 320),
    (Fault::LoseBell, 3),
    (Fault::ForgetReturnBell, 2),
    (Fault::ReorderFifo, 1),
    (Fault::Core(Mutant::SkipBarrier), 116),
    (Fault::Core(Mutant::QueueTwice), 1),
    (Fault::Core(Mutant::KeepHeaders), 1),
    (Fault::Core(Mutant::UnsubscribeLate), 1),
    (Fault::Core(Mutant::ForgetAccount), 1),
    (Fault::Core(Mutant::KeepRoutes), 8),
    (Fault::Core(Mutant::HearInQueues), 1),
    (Fault::Core(Mutant::SkipHeld), 19),
    (Fault::Core(Mutant::MapTwice), 17),
    (Fault::Core(Mutant::AnswerForEver), 14),
    (Fault::Core(Mutant::KeepCounting), 19),
    (Fault::Core(Mutant::TakeOldCheck), 8),
    (Fault::Core(Mutant::ForgetCheck), 8),
    (Fault::Core(Mutant::KeepSubscriptions), 8),
    (Fault::Core(Mutant::LosePaused), 2),
    (Fault::Core(Mutant::OvertakeWide), 2),
    (Fault::Core(Mutant::SkipReceiver), 2),
    (Fault::Core(Mutant::DeliverToGone), 9),
    (Fault::Core(Mutant::EndEarly), 2),
    (Fault::Core(Mutant::DeliverTwice), 2),
];

/// A fault that is not noticed within so many seeds would not be noticed.
const SEEDS_MAX: u64 = 400;

#[test]
fn every_fault_is_noticed() {
    let mut missed = Vec::new();
    let only = std::env::var("SIM_FAULT").ok();
    let wanted = |(fault, _): &&(Fault, u64)| {
        only.as_ref()
            .is_none_or(|only| format!("{fault:?}").contains(only))
    };
    for &(fault, hint) in ALL.iter().filter(wanted) {
        let caught = std::iter::once(hint).chain(1..=SEEDS_MAX).find_map(|seed| {
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
