//! CPU time, context switches and memory of the server process, and CPU time of our own threads.
//!
//! A server that is cheap enough uses few 10 ms ticks in a short run, so the ticks of /proc/PID/stat are the last
//! resort. Better are the nanosecond counters per thread: `/proc/PID/task/*/sched` or `.../schedstat`, whichever this
//! kernel has. Threads that end take their counters with them; then the ticks of the whole process, which keep them,
//! are believed if they say more.

use std::collections::HashMap;
use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// CPU time and context switches of a process at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    threads_ns: HashMap<u32, u64>,
    threads_switches: HashMap<u32, u64>,
    process_ns: u64,
}

/// What a process has spent between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// CPU nanoseconds, user and system.
    pub cpu_ns: u64,
    /// Context switches, voluntary or not; those of threads that ended meanwhile are not known.
    pub switches: u64,
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Spent {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            switches: self.switches + other.switches,
        }
    }
}

impl Snapshot {
    /// Reads the counters of `pid`; `None` when there is no such process.
    pub fn take(pid: i32) -> Option<Self> {
        let process_ns = process_ticks_ns(pid)?;
        let (mut threads_ns, mut threads_switches) = (HashMap::new(), HashMap::new());
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
            let status = fs::read_to_string(path.join("status")).ok();
            if let Some(switches) = status.and_then(|text| switches_in(&text)) {
                threads_switches.insert(thread, switches);
            }
        }
        Some(Snapshot {
            threads_ns,
            threads_switches,
            process_ns,
        })
    }

    /// What was spent since `earlier`.
    pub fn since(&self, earlier: &Self) -> Spent {
        Spent {
            cpu_ns: self.cpu_ns_since(earlier),
            switches: grown(&self.threads_switches, &earlier.threads_switches),
        }
    }

    fn cpu_ns_since(&self, earlier: &Self) -> u64 {
        let by_ticks = self.process_ns.saturating_sub(earlier.process_ns);
        if self.threads_ns.is_empty() {
            return by_ticks;
        }
        let by_threads = grown(&self.threads_ns, &earlier.threads_ns);
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

/// How much the counters of all threads have grown.
fn grown(now: &HashMap<u32, u64>, earlier: &HashMap<u32, u64>) -> u64 {
    now.iter()
        .map(|(thread, count)| count.saturating_sub(earlier.get(thread).copied().unwrap_or(0)))
        .sum()
}

/// Voluntary and other context switches.
fn switches_in(status: &str) -> Option<u64> {
    let count = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse().ok()
    };
    Some(count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?)
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

/// Bytes that `pid` has caused to be written to disks until now; `None` where that cannot be read.
pub fn written_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes:"))?;
    line.trim().parse().ok()
}

/// Lets the peak of the resident memory of `pid` begin anew, where the kernel allows it.
pub fn forget_peak(pid: i32) {
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
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
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(switches_in(status), Some(157));
        assert_eq!(switches_in("Name:\tx\n"), None);
    }

    #[test]
    fn own_process_has_cpu_and_memory() {
        let pid = std::process::id() as i32;
        let before = Snapshot::take(pid).unwrap();
        let start = thread_cpu_ns();
        while thread_cpu_ns() - start < 30_000_000 {}
        std::thread::sleep(std::time::Duration::from_millis(1));
        let spent = Snapshot::take(pid).unwrap().since(&before);
        assert!(spent.cpu_ns > 0 && spent.switches > 0);
        let memory = memory(pid).unwrap();
        assert!(memory.resident_bytes > 0 && memory.peak_bytes >= memory.resident_bytes);
        assert!(written_bytes(pid).is_some() && written_bytes(-5).is_none());
        assert!(Snapshot::take(-5).is_none());
    }

    #[test]
    fn threads_that_ended_are_covered_by_the_ticks() {
        let of = |threads: &[(u32, u64)], process_ns| Snapshot {
            threads_ns: threads.iter().copied().collect(),
            threads_switches: threads.iter().copied().collect(),
            process_ns,
        };
        let spent = |cpu_ns, switches| Spent { cpu_ns, switches };
        let still_there = of(&[(1, 50), (3, 7)], 99).since(&of(&[(1, 20)], 0));
        assert_eq!(still_there, spent(37, 37));
        let ended = of(&[(1, 50)], 99).since(&of(&[(1, 20), (2, 5)], 0));
        assert_eq!(ended, spent(99, 30));
    }
}
