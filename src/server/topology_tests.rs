//! Placement of shards on machines made of files in a temporary directory.

#![allow(clippy::unwrap_used)]

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory with a fake `sys` and `proc`, removed at the end.
struct Machine {
    root: PathBuf,
}

impl Machine {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trunkline-topology-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        Self { root }
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn online(self, list: &str) -> Self {
        self.file("sys/devices/system/cpu/online", &format!("{list}\n"))
    }

    fn cpu(self, id: u32, package: u32, core: u32, siblings: &str) -> Self {
        let base = format!("sys/devices/system/cpu/cpu{id}/topology");
        self.file(
            &format!("{base}/thread_siblings_list"),
            &format!("{siblings}\n"),
        )
        .file(&format!("{base}/core_id"), &format!("{core}\n"))
        .file(
            &format!("{base}/physical_package_id"),
            &format!("{package}\n"),
        )
    }

    fn node(self, node: u32, list: &str) -> Self {
        let path = format!("sys/devices/system/node/node{node}/cpulist");
        self.file(&path, &format!("{list}\n"))
    }

    fn read(&self, affinity: impl IntoIterator<Item = u32>) -> Topology {
        let affinity: Vec<u32> = affinity.into_iter().collect();
        Topology::read(&self.root, &affinity).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn place(topology: &Topology, choice: CoreChoice) -> Vec<u32> {
    let cpus = topology.place(&choice).unwrap().cpus;
    cpus.into_iter().map(|cpu| cpu.0).collect()
}

/// Four cores of two threads each: 0-3 and their siblings 4-7.
fn smt() -> Machine {
    (0..8).fold(
        Machine::new().online("0-7").node(0, "0-7"),
        |machine, id| machine.cpu(id, 0, id % 4, &format!("{},{}", id % 4, id % 4 + 4)),
    )
}

/// Two packages of two cores of two threads: node 0 has 0,1,4,5, node 1 has 2,3,6,7.
fn two_nodes() -> Machine {
    let machine = Machine::new()
        .online("0-7")
        .node(0, "0-1,4-5")
        .node(1, "2-3,6-7");
    (0..8).fold(machine, |machine, id| {
        let (first, package) = (id % 4, id % 4 / 2);
        machine.cpu(id, package, id % 2, &format!("{first},{}", first + 4))
    })
}

#[test]
fn one_thread_of_every_core_comes_first() {
    let machine = smt();
    let topology = machine.read(0..8);
    assert_eq!(place(&topology, CoreChoice::Auto), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(place(&topology, CoreChoice::Count(4)), [0, 1, 2, 3]);
    // Threads that may not be used do not make their siblings second.
    let topology = machine.read([1, 4, 5, 6]);
    assert_eq!(place(&topology, CoreChoice::Auto), [4, 1, 6, 5]);
}

#[test]
fn one_node_comes_first() {
    let machine = two_nodes();
    let topology = machine.read(0..8);
    assert_eq!(place(&topology, CoreChoice::Count(2)), [0, 1]);
    assert_eq!(place(&topology, CoreChoice::Count(4)), [0, 1, 2, 3]);
    assert_eq!(place(&topology, CoreChoice::Auto), [0, 1, 2, 3, 4, 5, 6, 7]);
    // The node with more usable cores wins over the lower number.
    let topology = machine.read([0, 2, 3, 6, 7]);
    assert_eq!(place(&topology, CoreChoice::Auto), [2, 3, 0, 6, 7]);
}

#[test]
fn a_count_beyond_the_cpus_starts_over() {
    let machine = Machine::new()
        .online("0-1")
        .cpu(0, 0, 0, "0")
        .cpu(1, 0, 1, "1");
    let topology = machine.read(0..2);
    assert_eq!(place(&topology, CoreChoice::Count(1)), [0]);
    assert_eq!(place(&topology, CoreChoice::Count(5)), [0, 1, 0, 1, 0]);
}

#[test]
fn a_list_is_taken_as_it_is_or_refused() {
    let machine = smt();
    let topology = machine.read(0..4);
    assert_eq!(place(&topology, CoreChoice::List(vec![3, 0])), [3, 0]);
    assert_eq!(
        topology.place(&CoreChoice::List(vec![0, 9])).unwrap_err(),
        "cores: CPU 9 is offline or outside of this process's affinity mask; it may use 0,1,2,3"
    );
}

#[test]
fn offline_cpus_are_not_used() {
    let machine = smt().online("0,2-3");
    let topology = machine.read(0..8);
    assert_eq!(place(&topology, CoreChoice::Auto), [0, 2, 3]);
    assert!(topology.place(&CoreChoice::List(vec![1])).is_err());
    assert!(Topology::read(&machine.root, &[1, 5]).is_err());
}

#[test]
fn a_machine_without_sysfs_is_its_affinity_mask() {
    let machine = Machine::new();
    let topology = machine.read([2, 5]);
    assert_eq!(place(&topology, CoreChoice::Auto), [2, 5]);
}

#[test]
fn a_quota_of_v2_caps_auto_rounded_up() {
    let machine = smt()
        .file("proc/self/cgroup", "0::/\n")
        .file("sys/fs/cgroup/cpu.max", "150000 100000\n");
    let topology = machine.read(0..8);
    assert_eq!(place(&topology, CoreChoice::Auto), [0, 1]);
    assert_eq!(place(&topology, CoreChoice::Count(4)), [0, 1, 2, 3]);
    let machine = machine.file("sys/fs/cgroup/cpu.max", "20000 100000\n");
    assert_eq!(place(&machine.read(0..8), CoreChoice::Auto), [0]);
    let machine = machine.file("sys/fs/cgroup/cpu.max", "max 100000\n");
    assert_eq!(place(&machine.read(0..8), CoreChoice::Auto).len(), 8);
    let machine = machine.file("sys/fs/cgroup/cpu.max", "100000 0\n");
    assert_eq!(place(&machine.read(0..8), CoreChoice::Auto).len(), 8);
}

#[test]
fn the_smallest_quota_of_the_groups_above_counts() {
    let machine = smt()
        .file("proc/self/cgroup", "0::/system.slice/trunkline.service\n")
        .file("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n")
        .file(
            "sys/fs/cgroup/system.slice/trunkline.service/cpu.max",
            "max 100000\n",
        );
    assert_eq!(place(&machine.read(0..8), CoreChoice::Auto).len(), 3);
    // Seen from a namespace below: only what is mounted can be read.
    let machine = machine.file("proc/self/cgroup", "0::/../other\n");
    assert_eq!(place(&machine.read(0..8), CoreChoice::Auto).len(), 8);
}

#[test]
fn a_quota_of_v1_caps_auto_too() {
    let machine = smt()
        .file(
            "proc/self/cgroup",
            "5:memory:/box\n4:cpu,cpuacct:/box\n0::/\n",
        )
        .file("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "250000\n")
        .file(
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us",
            "100000\n",
        );
    assert_eq!(place(&machine.read(0..8), CoreChoice::Auto).len(), 3);
    let machine = machine.file("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
    assert_eq!(place(&machine.read(0..8), CoreChoice::Auto).len(), 8);
}

#[test]
fn never_more_shards_than_the_maximum() {
    let machine = Machine::new().online("0-299");
    let topology = machine.read(0..300);
    assert_eq!(place(&topology, CoreChoice::Auto).len(), SHARDS_MAX);
}

#[test]
fn damaged_lists_count_as_absent() {
    let machine = Machine::new().online("0-4294967295").node(0, "0-x");
    assert_eq!(place(&machine.read([0, 1]), CoreChoice::Auto), [0, 1]);
}

#[test]
fn this_machine_has_a_cpu() {
    let topology = Topology::of_this_machine().unwrap();
    assert!(topology.cpus().len() >= 1);
}

#[test]
fn shards_are_pinned_where_the_cpus_are_ours() {
    let is_pinned = |topology: &Topology, choice| topology.place(&choice).unwrap().is_pinned;
    let machine = Machine::new().online("0-7");
    let whole = machine.read(0..8);
    assert!(!is_pinned(&whole, CoreChoice::Auto));
    assert!(!is_pinned(&whole, CoreChoice::Count(4)));
    assert!(is_pinned(&whole, CoreChoice::List(vec![0, 1])), "asked for");
    let cpuset = machine.read(2..4);
    assert!(is_pinned(&cpuset, CoreChoice::Auto));
    assert!(is_pinned(&cpuset, CoreChoice::Count(2)));
    let machine = machine.file("sys/devices/system/cpu/isolated", "0-3\n");
    let isolated = machine.read(0..8);
    assert!(is_pinned(&isolated, CoreChoice::Count(4)));
    assert!(
        !is_pinned(&isolated, CoreChoice::Auto),
        "4 of 8 are not ours"
    );
    let unknown = Machine::new().read(0..2);
    assert!(!is_pinned(&unknown, CoreChoice::Auto), "perhaps a sandbox");
}
