//! Which CPU each shard runs on.
//!
//! The machine as this process may use it is read once into a [`Topology`]
//! (online CPUs within the affinity mask, cores, packages, NUMA nodes, cgroup
//! CPU quota); placing shards on it is a pure function.
//!
//! CPUs are ranked: one hardware thread of every core before any second thread
//! (a second thread adds perhaps a third of a core), and within that one NUMA
//! node before the next, the node with the most usable cores first.
//!
//! * `auto` takes every usable CPU. A cgroup quota caps the number of shards at
//!   the quota rounded *up*: with 1.5 CPUs two shards run three quarters of the
//!   time, where a single one would leave a third of the quota unused.
//! * A count takes that many of the best CPUs and starts over at the best when it
//!   runs out, so that tests run 8 shards on 2 CPUs. It is an order: no quota applies.
//! * A list is taken as it is, or refused if one of its CPUs may not be used.
//!
//! Shards are pinned where the CPUs are ours: named in a list, isolated by the
//! kernel, or all that is left to this process of a larger machine. On CPUs that
//! others use too a pinned shard would wait behind whoever is on its CPU while
//! another one is free (measured in `tuning/`), so there the kernel places it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::options::{CoreChoice, SHARDS_MAX};

/// A CPU as the kernel numbers them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct CpuId(pub u32);

/// Numbers above this in a sysfs list are taken for damage.
const CPU_NUMBER_MAX: u32 = 1 << 16;

/// A CPU that this process may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Cpu {
    id: CpuId,
    node: u32,
    package: u32,
    core: u32,
    /// 0 for the first usable hardware thread of its core.
    thread_rank: usize,
}

/// Where shards run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placing {
    /// One CPU per shard, in the order of the shards.
    pub cpus: Vec<CpuId>,
    /// Each shard stays on its CPU; otherwise the kernel moves them.
    pub is_pinned: bool,
    /// How many CPUs there are to run on.
    pub usable_cpus: usize,
}

impl std::fmt::Display for Placing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shards = self.cpus.len();
        let numbers: Vec<String> = self.cpus.iter().map(|cpu| cpu.0.to_string()).collect();
        let numbers = numbers.join(",");
        match self.is_pinned {
            true => write!(formatter, "{shards} (pinned to CPU {numbers})"),
            false => write!(
                formatter,
                "{shards} (not pinned: others may use these CPUs; --cores with a list of CPUs pins)"
            ),
        }
    }
}

/// The part of the machine that this process may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topology {
    /// Best first.
    cpus: Vec<Cpu>,
    /// It is not all of the machine.
    is_part: bool,
    /// CPUs that the kernel gives only to those who ask for them.
    isolated: Vec<u32>,
    /// Thousandths of a CPU that the cgroup grants; `None` without a limit.
    quota_millicpus: Option<u64>,
}

impl Topology {
    /// Reads the running machine.
    pub fn of_this_machine() -> Result<Self, String> {
        let mask = rustix::thread::sched_getaffinity(None)
            .map_err(|error| format!("cannot read the CPU affinity mask: {error}"))?;
        let affinity: Vec<u32> = (0..rustix::thread::CpuSet::MAX_CPU)
            .filter(|cpu| mask.is_set(*cpu))
            .filter_map(|cpu| u32::try_from(cpu).ok())
            .collect();
        Self::read(Path::new("/"), &affinity)
    }

    /// Reads the `sys` and `proc` below `root`, for a process that may run on `affinity`.
    pub fn read(root: &Path, affinity: &[u32]) -> Result<Self, String> {
        let cpu_root = root.join("sys/devices/system/cpu");
        // Without the file, as in some sandboxes, the mask alone decides.
        let online = read_list(&cpu_root.join("online")).unwrap_or_else(|| affinity.to_vec());
        let usable: Vec<u32> = affinity
            .iter()
            .copied()
            .filter(|cpu| online.contains(cpu))
            .collect();
        if usable.is_empty() {
            return Err("no CPU is both online and in this process's affinity mask".to_owned());
        }
        let nodes = read_nodes(&root.join("sys/devices/system/node"));
        let mut cpus: Vec<Cpu> = usable
            .iter()
            .map(|cpu| read_cpu(&cpu_root, *cpu, &usable, &nodes))
            .collect();
        rank(&mut cpus);
        Ok(Self {
            is_part: cpus.len() < online.len(),
            cpus,
            isolated: read_list(&cpu_root.join("isolated")).unwrap_or_default(),
            quota_millicpus: read_quota(root),
        })
    }

    /// Usable CPUs, best first.
    pub fn cpus(&self) -> impl ExactSizeIterator<Item = CpuId> {
        self.cpus.iter().map(|cpu| cpu.id)
    }

    /// Where the shards run.
    pub fn place(&self, choice: &CoreChoice) -> Result<Placing, String> {
        assert!(!self.cpus.is_empty(), "a topology has a CPU");
        let best = self.cpus.iter().cycle().map(|cpu| cpu.id);
        let cpus: Vec<CpuId> = match choice {
            CoreChoice::Auto => best.take(self.auto_count()).collect(),
            CoreChoice::Count(count) => best.take((*count).min(SHARDS_MAX)).collect(),
            CoreChoice::List(list) => self.check_list(list)?,
        };
        let is_asked_for = matches!(choice, CoreChoice::List(_));
        let are_isolated = cpus.iter().all(|cpu| self.isolated.contains(&cpu.0));
        Ok(Placing {
            is_pinned: is_asked_for || self.is_part || are_isolated,
            usable_cpus: self.cpus.len(),
            cpus,
        })
    }

    fn auto_count(&self) -> usize {
        let granted = self
            .quota_millicpus
            .map_or(usize::MAX, |quota| {
                usize::try_from(quota.div_ceil(1000)).unwrap_or(usize::MAX)
            })
            .max(1);
        self.cpus.len().min(granted).min(SHARDS_MAX)
    }

    fn check_list(&self, list: &[u32]) -> Result<Vec<CpuId>, String> {
        let usable = |cpu: u32| self.cpus().any(|usable| usable == CpuId(cpu));
        if let Some(cpu) = list.iter().find(|cpu| !usable(**cpu)) {
            let mut allowed: Vec<String> = self.cpus().map(|cpu| cpu.0.to_string()).collect();
            allowed.sort_by_key(|cpu| (cpu.len(), cpu.clone()));
            return Err(format!(
                "cores: CPU {cpu} is offline or outside of this process's affinity mask; it may use {}",
                allowed.join(",")
            ));
        }
        Ok(list.iter().map(|cpu| CpuId(*cpu)).collect())
    }
}

/// Sorts best first; see the head of this file.
fn rank(cpus: &mut [Cpu]) {
    let mut cores_of_node: BTreeMap<u32, usize> = BTreeMap::new();
    for cpu in cpus.iter() {
        *cores_of_node.entry(cpu.node).or_default() += usize::from(cpu.thread_rank == 0);
    }
    cpus.sort_by_key(|cpu| {
        let node_cores = cores_of_node.get(&cpu.node).copied().unwrap_or_default();
        (
            cpu.thread_rank,
            std::cmp::Reverse(node_cores),
            cpu.node,
            cpu.package,
            cpu.core,
            cpu.id,
        )
    });
}

/// What sysfs does not tell (virtual machines, sandboxes) is taken as: a core of
/// its own, in package and node 0.
fn read_cpu(cpu_root: &Path, id: u32, usable: &[u32], nodes: &BTreeMap<u32, u32>) -> Cpu {
    let topology = cpu_root.join(format!("cpu{id}/topology"));
    let siblings = read_list(&topology.join("thread_siblings_list")).unwrap_or_default();
    let thread_rank = siblings
        .iter()
        .filter(|sibling| **sibling < id && usable.contains(sibling))
        .count();
    Cpu {
        id: CpuId(id),
        node: nodes.get(&id).copied().unwrap_or(0),
        package: read_number(&topology.join("physical_package_id")).unwrap_or(0),
        core: read_number(&topology.join("core_id")).unwrap_or(id),
        thread_rank,
    }
}

/// The node of every CPU.
fn read_nodes(node_root: &Path) -> BTreeMap<u32, u32> {
    let mut node_of_cpu = BTreeMap::new();
    let entries = fs::read_dir(node_root).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let node = name
            .to_str()
            .and_then(|name| name.strip_prefix("node")?.parse::<u32>().ok());
        let Some(node) = node else { continue };
        for cpu in read_list(&entry.path().join("cpulist")).unwrap_or_default() {
            node_of_cpu.insert(cpu, node);
        }
    }
    node_of_cpu
}

/// The smallest CPU quota of this process's cgroup and of those above it.
fn read_quota(root: &Path) -> Option<u64> {
    let memberships = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounted = root.join("sys/fs/cgroup");
    memberships
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, group) = (parts.next()?, parts.next()?);
            if controllers.is_empty() {
                // Beside v1, v2 may be mounted one level further down.
                let unified = [mounted.clone(), mounted.join("unified")];
                return smallest(unified.iter().map(|base| walk(base, group, &quota_v2)));
            }
            if !controllers.split(',').any(|controller| controller == "cpu") {
                return None;
            }
            let bases = ["cpu", "cpu,cpuacct", controllers].map(|name| mounted.join(name));
            smallest(bases.iter().map(|base| walk(base, group, &quota_v1)))
        })
        .min()
}

fn smallest(quotas: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    quotas.flatten().min()
}

/// The smallest quota from `base`/`group` up to `base`. A group outside of what is
/// mounted (`/..`, in a container) leaves `base` itself.
fn walk(base: &Path, group: &str, quota: &dyn Fn(&Path) -> Option<u64>) -> Option<u64> {
    let mut directory: PathBuf = base.to_owned();
    let mut found = quota(&directory);
    if group.split('/').any(|part| part == "..") {
        return found;
    }
    for part in group.split('/').filter(|part| !part.is_empty()) {
        directory.push(part);
        found = smallest([found, quota(&directory)].into_iter());
    }
    found
}

/// `cpu.max` holds `max 100000` or `150000 100000`.
fn quota_v2(directory: &Path) -> Option<u64> {
    let text = fs::read_to_string(directory.join("cpu.max")).ok()?;
    let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>().ok());
    millicpus(numbers.next()??, numbers.next()??)
}

/// A quota of -1 means no limit, and does not parse.
fn quota_v1(directory: &Path) -> Option<u64> {
    let number = |name: &str| {
        let text = fs::read_to_string(directory.join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    millicpus(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
}

fn millicpus(quota_us: u64, period_us: u64) -> Option<u64> {
    quota_us.checked_mul(1000)?.checked_div(period_us)
}

fn read_number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A kernel CPU list such as `0-3,8`. An empty file is an empty list.
fn read_list(path: &Path) -> Option<Vec<u32>> {
    let text = fs::read_to_string(path).ok()?;
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if last > CPU_NUMBER_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
