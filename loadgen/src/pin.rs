//! CPU lists, and threads bound to them.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Parses `1`, `1,3-5`.
pub fn cpu_list(text: &str) -> Result<CpuList, String> {
    let wrong =
        |part: &str| format!("\"{part}\" is not a CPU or a range of CPUs (write 1 or 1,3-5)");
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let low: usize = low.trim().parse().map_err(|_| wrong(part))?;
        let high: usize = high.trim().parse().map_err(|_| wrong(part))?;
        if low > high || high >= CpuSet::MAX_CPU {
            return Err(wrong(part));
        }
        cpus.extend(low..=high);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(CpuList(cpus))
}

/// CPUs in ascending order, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuList(Vec<usize>);

impl CpuList {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The CPU for the `index`th thread, going round.
    pub fn cpu(&self, index: usize) -> usize {
        self.0[index % self.0.len()]
    }

    /// Whether this process may run on all of them; `option` is where they were given.
    pub fn check(&self, option: &str) -> Result<(), String> {
        let allowed = sched_getaffinity(None)
            .map_err(|error| format!("cannot find out which CPUs there are: {error}"))?;
        let Some(wrong) = self.0.iter().find(|cpu| !allowed.is_set(**cpu)) else {
            return Ok(());
        };
        let all = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let allowed = CpuList(all.collect());
        Err(format!(
            "{option}: this process may not run on CPU {wrong}, only on {allowed}"
        ))
    }

    /// These and the CPUs of `other`.
    pub fn with(&self, other: &CpuList) -> CpuList {
        let mut cpus = [self.0.as_slice(), other.0.as_slice()].concat();
        cpus.sort_unstable();
        cpus.dedup();
        CpuList(cpus)
    }

    fn as_set(&self) -> CpuSet {
        let mut set = CpuSet::new();
        self.0.iter().for_each(|cpu| set.set(*cpu));
        set
    }
}

impl std::fmt::Display for CpuList {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts: Vec<String> = self.0.iter().map(usize::to_string).collect();
        out.write_str(&texts.join(","))
    }
}

/// Binds the calling thread to one CPU.
pub fn pin_current_thread(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// Gives the calling thread the lowest priority.
pub fn give_way() {
    // Lowering it is always allowed; if it fails all the same, measurements are a bit more disturbed.
    let _ = rustix::process::setpriority_process(None, 19);
}

/// Gives the calling thread the highest priority, if it may have it.
pub fn take_precedence() {
    // Where it is not allowed the thread competes with our others, and says how late it was.
    let _ = rustix::process::setpriority_process(None, -20);
}

/// Runs `action` with the calling thread bound to `cpus`, then takes the old mask back. A child process started by
/// `action` keeps the mask: that is how servers are pinned without any code between fork and exec.
pub fn with_affinity<T>(cpus: &CpuList, action: impl FnOnce() -> T) -> io::Result<T> {
    let before = sched_getaffinity(None)?;
    sched_setaffinity(None, &cpus.as_set())?;
    let result = action();
    sched_setaffinity(None, &before)?;
    Ok(result)
}

/// The first CPU that the calling thread may use.
#[cfg(test)]
pub fn first_available() -> Option<usize> {
    let set = sched_getaffinity(None).ok()?;
    (0..CpuSet::MAX_CPU).find(|cpu| set.is_set(*cpu))
}

/// How many CPUs the calling thread may use.
pub fn available() -> usize {
    sched_getaffinity(None).map_or(1, |set| set.count().max(1) as usize)
}

/// How many CPUs process `pid` may use.
pub fn available_to(pid: i32) -> Option<usize> {
    let set = sched_getaffinity(Some(rustix::process::Pid::from_raw(pid)?)).ok()?;
    Some(set.count() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(cpu_list("1"), Ok(CpuList(vec![1])));
        assert_eq!(cpu_list("5,1,3-5"), Ok(CpuList(vec![1, 3, 4, 5])));
        for wrong in ["", "a", "3-1", "1,", "-1", "99999"] {
            assert!(cpu_list(wrong).is_err(), "{wrong}");
        }
        let list = cpu_list("2,4").unwrap();
        assert_eq!([list.cpu(0), list.cpu(1), list.cpu(2)], [2, 4, 2]);
    }

    #[test]
    fn cpus_that_are_not_there_are_named() {
        let own = first_available().unwrap();
        assert_eq!(CpuList(vec![own]).check("--pin"), Ok(()));
        let text = CpuList(vec![own, CpuSet::MAX_CPU - 1]).check("--pin");
        assert!(
            text.unwrap_err()
                .starts_with("--pin: this process may not run on CPU 1023")
        );
    }

    #[test]
    fn affinity_is_taken_back() {
        let before = sched_getaffinity(None).unwrap();
        let cpu = first_available().unwrap();
        let inside = with_affinity(&CpuList(vec![cpu]), available).unwrap();
        assert_eq!(inside, 1);
        assert!(sched_getaffinity(None).unwrap() == before);
    }
}
