//! Threads that must not be in the way of a core whose CPU they share.

/// How much less than a core such a thread counts.
const NICENESS: i32 = 10;

/// How long it is to be let run at a time. A core that wakes has a shorter slice
/// (some 3 ms) and takes its CPU back at once (Linux 6.12 and later); with equal
/// slices it would wait until this thread has had the least of its own.
const SLICE_NS: u64 = 50_000_000;

/// Lets the cores go first from now on; the thread still gets its share of a CPU
/// that is never idle. Where the kernel refuses, it is as important as before.
pub fn step_back() {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: NICENESS,
        sched_priority: 0,
        sched_runtime: SLICE_NS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the structure is valid for the call, says its own size, and is only read.
    let _ = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}
