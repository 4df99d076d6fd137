//! CPU time and memory of the server process and of our own threads.
//!
//! A server that is cheap enough uses few 10 ms ticks in a short run, so the ticks of /proc/PID/stat are the last
//! resort. Better are the nanosecond counters per thread: `/proc/PID/task/*/sched` or `.../schedstat`, whichever this
//! kernel has. Threads that end take their counters with them; then the ticks of the whole process, which keep them,
//! are believed if they say more.

use std::collections::HashMap;
use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of a process at one moment.
#[derive(Debug, Clone, Default)]
pub struct CpuSnapshot {
    threads_ns: HashMap<u32, u64>,
    process_ns: u64,
}

impl CpuSnapshot {
    /// Reads the counters of `pid`; `None` when there is no such process.
    pub fn take(pid: i32) -> Option<Self> {
        let process_ns = process_ticks_ns(pid)?;
        let mut threads_ns = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let Some(thread) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let path = entry.path();
            let precise = fs::read_to_string(path.join("sched"))
                .ok()
                .and_then(|text| from_sched(&text));
            let precise = precise.or_else(|| {
                fs::read_to_string(path.join("schedstat"))
                    .ok()
                    .and_then(|text| from_schedstat(&text))
            });
            if let Some(nanoseconds) = precise {
                threads_ns.insert(thread, nanoseconds);
            }
        }
        Some(CpuSnapshot {
            threads_ns,
            process_ns,
        })
    }

    /// CPU nanoseconds (user and system) used since `earlier`.
    pub fn since(&self, earlier: &Self) -> u64 {
        let by_ticks = self.process_ns.saturating_sub(earlier.process_ns);
        if self.threads_ns.is_empty() {
            return by_ticks;
        }
        let grown = |(thread, now): (&u32, &u64)| {
            now.saturating_sub(earlier.threads_ns.get(thread).copied().unwrap_or(0))
        };
        let by_threads: u64 = self.threads_ns.iter().map(grown).sum();
        let all_still_there = earlier
            .threads_ns
            .keys()
            .all(|thread| self.threads_ns.contains_key(thread));
        if all_still_there {
            by_threads
        } else {
            by_threads.max(by_ticks)
        }
    }
}

/// `se.sum_exec_runtime : 1234.567890` is in milliseconds, with all digits down to the nanosecond.
fn from_sched(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find(|line| line.starts_with("se.sum_exec_runtime"))?;
    let (whole, fraction) = line.split_once(':')?.1.trim().split_once('.')?;
    let fraction: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 1_000_000 + fraction)
}

fn from_schedstat(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn process_ticks_ns(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; fields are counted from behind it. utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// Memory of a process.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Memory {
    /// Resident now.
    pub resident_bytes: u64,
    /// The most that was ever resident.
    pub peak_bytes: u64,
}

/// Resident memory of `pid`; `None` when there is no such process.
pub fn memory(pid: i32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kibibytes = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim_start_matches(':')
            .trim()
            .trim_end_matches("kB")
            .trim()
            .parse()
            .ok()
    };
    Some(Memory {
        resident_bytes: kibibytes("VmRSS")? * 1024,
        peak_bytes: kibibytes("VmHWM")? * 1024,
    })
}

/// CPU time of the calling thread.
pub fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let sched = "x (9684, #threads: 1)\n-----\nse.exec_start : 12.3\nse.sum_exec_runtime    :      1.011494\n";
        assert_eq!(from_sched(sched), Some(1_011_494));
        assert_eq!(from_schedstat("42 7 1\n"), Some(42));
        assert_eq!(from_sched("nothing"), None);
    }

    #[test]
    fn own_process_has_cpu_and_memory() {
        let pid = std::process::id() as i32;
        let before = CpuSnapshot::take(pid).unwrap();
        let start = thread_cpu_ns();
        while thread_cpu_ns() - start < 30_000_000 {}
        assert!(CpuSnapshot::take(pid).unwrap().since(&before) > 0);
        let memory = memory(pid).unwrap();
        assert!(memory.resident_bytes > 0 && memory.peak_bytes >= memory.resident_bytes);
        assert!(CpuSnapshot::take(-5).is_none());
    }

    #[test]
    fn threads_that_ended_are_covered_by_the_ticks() {
        let of = |threads: &[(u32, u64)], process_ns| CpuSnapshot {
            threads_ns: threads.iter().copied().collect(),
            process_ns,
        };
        assert_eq!(of(&[(1, 50), (3, 7)], 99).since(&of(&[(1, 20)], 0)), 37);
        assert_eq!(of(&[(1, 50)], 99).since(&of(&[(1, 20), (2, 5)], 0)), 99);
    }
}
