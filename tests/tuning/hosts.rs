//! Trees that look like `/proc` and `/sys` of hosts, and what the scripts say of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory with a `proc` and a `sys`, removed at the end.
pub struct Host(PathBuf);

/// What a script printed.
pub struct Report {
    pub status: i32,
    pub text: String,
    pub errors: String,
}

impl Report {
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// A line of this severity about this has all of these parts.
    #[track_caller]
    pub fn has(&self, severity: &str, check: &str, parts: &[&str]) {
        let begin = format!("{severity:<6} {check}: ");
        let mut lines = self.lines().filter(|line| line.starts_with(&begin));
        assert!(
            lines.any(|line| parts.iter().all(|part| line.contains(part))),
            "no line {begin:?} with {parts:?} in\n{}\n{}",
            self.text,
            self.errors
        );
    }

    /// Nothing is said about this.
    #[track_caller]
    pub fn lacks(&self, check: &str) {
        let about = format!(" {check}: ");
        assert!(!self.text.contains(&about), "{}", self.text);
    }
}

impl Host {
    /// A host that says nothing of itself.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("host-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        for part in ["proc", "sys"] {
            std::fs::create_dir_all(path.join(part)).unwrap();
        }
        Self(path)
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn files(self, folder: &str, files: &[(&str, &str)]) -> Self {
        files.iter().fold(self, |host, (path, text)| {
            host.file(&format!("{folder}/{path}"), &format!("{text}\n"))
        })
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap()
    }

    pub fn inspect(&self, arguments: &[&str]) -> Report {
        self.run("inspect", arguments)
    }

    /// Runs a script of `tuning/` on this host.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Report {
        let root = self.0.to_str().unwrap();
        run(script, &[&["--root", root], arguments].concat())
    }
}

/// Inspects the machine that the tests run on.
pub fn inspect_this_machine() -> Report {
    run("inspect", &[])
}

fn run(script: &str, arguments: &[&str]) -> Report {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut shell = Command::new("sh");
    let output = shell
        .arg(top.join("tuning").join(script))
        .args(arguments)
        .output()
        .unwrap();
    Report {
        status: output.status.code().unwrap(),
        text: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _may_be_gone = std::fs::remove_dir_all(&self.0);
    }
}

fn limits(files: &str, locked: &str) -> String {
    format!(
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max locked memory         {locked:<20} {locked:<20} bytes     \n\
         Max open files            1024                 {files:<20} files     \n"
    )
}

/// CPUs with clock, idle states and topology; the second half of each node are the second threads.
fn with_cpus(mut host: Host, cpus: u32, nodes: u32, governor: &str, c6_us: &str) -> Host {
    let per_node = cpus / nodes;
    let folder = "sys/devices/system";
    host = host.file(
        &format!("{folder}/cpu/online"),
        &format!("0-{}\n", cpus - 1),
    );
    for node in 0..nodes {
        let (first, last) = (node * per_node, (node + 1) * per_node - 1);
        host = host.file(
            &format!("{folder}/node/node{node}/cpulist"),
            &format!("{first}-{last}\n"),
        );
    }
    for cpu in 0..cpus {
        let first = cpu / per_node * per_node + cpu % (per_node / 2);
        let siblings = match nodes {
            1 => cpu.to_string(),
            _ => format!("{first},{}", first + per_node / 2),
        };
        host = host.files(
            &format!("{folder}/cpu/cpu{cpu}"),
            &[
                ("topology/thread_siblings_list", &siblings),
                ("cpufreq/scaling_governor", governor),
                ("cpuidle/state0/name", "POLL"),
                ("cpuidle/state0/latency", "0"),
                ("cpuidle/state0/disable", "0"),
                ("cpuidle/state1/name", "C6"),
                ("cpuidle/state1/latency", c6_us),
                ("cpuidle/state1/disable", "0"),
            ],
        );
    }
    host
}

/// An interface with two queues, whose interrupts 41 and 42 go to these CPUs.
fn with_nic(host: Host, cpus: [&str; 2], xps: &str, missed: &str) -> Host {
    let host = host
        .file(
            "proc/net/route",
            "Iface\tDestination\tGateway\neth1\t0000FEA9\t00000000\neth0\t00000000\t0102030A\n",
        )
        .files(
            "sys/class/net/eth0",
            &[
                ("device/numa_node", "0"),
                ("device/msi_irqs/41", "msix"),
                ("device/msi_irqs/42", "msix"),
                ("queues/rx-0/rps_cpus", "0000"),
                ("queues/rx-1/rps_cpus", "0000"),
                ("queues/tx-0/xps_cpus", xps),
                ("queues/tx-1/xps_cpus", xps),
                ("statistics/rx_missed_errors", missed),
                ("statistics/rx_dropped", "0"),
            ],
        );
    host.files(
        "proc/irq",
        &[
            ("41/smp_affinity_list", cpus[0]),
            ("42/smp_affinity_list", cpus[1]),
        ],
    )
}

/// Two nodes of four cores with two threads each, everything as it must not be.
pub fn bad_host() -> Host {
    let host = with_cpus(Host::new("bad"), 16, 2, "powersave", "133");
    with_nic(host, ["8-15", "1,9"], "0000", "77")
        .file("proc/self/limits", &limits("128", "65536"))
        .file("proc/self/status", "Name:\tsh\nCpus_allowed_list:\t0-15\n")
        .file("proc/612/comm", "irqbalance\n")
        .file("proc/612/environ", "PATH=/bin\0HOME=/\0")
        .file("proc/cmdline", "ro quiet mitigations=off\n")
        .file(
            "proc/swaps",
            "Filename Type Size Used Priority\n/swap file 1024 0 -2\n",
        )
        .file("proc/meminfo", "MemTotal: 1 kB\nHugePages_Total:     512\n")
        .file(
            "proc/net/softnet_stat",
            "0000aaaa 00000010 00000000 0\n0000bbbb 00000001 00000002 0\n",
        )
        .file(
            "proc/net/netstat",
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 5 6\n",
        )
        .files(
            "proc/sys",
            &[
                ("kernel/osrelease", "5.4.0-bad"),
                ("kernel/io_uring_disabled", "2"),
                ("kernel/numa_balancing", "1"),
                ("vm/swappiness", "60"),
                ("vm/zone_reclaim_mode", "0"),
                ("fs/nr_open", "1048576"),
                ("net/core/somaxconn", "128"),
                ("net/core/netdev_max_backlog", "1000"),
                ("net/core/busy_poll", "50"),
                ("net/core/busy_read", "50"),
                ("net/ipv4/tcp_max_syn_backlog", "1024"),
                ("net/ipv4/tcp_slow_start_after_idle", "1"),
                ("net/netfilter/nf_conntrack_max", "65536"),
                ("net/netfilter/nf_conntrack_count", "60000"),
            ],
        )
        .file(
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            "hpet\n",
        )
        .file(
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never\n",
        )
}

/// One node of eight cores, everything as it should be for cores 2 to 7.
pub fn good_host() -> Host {
    let host = with_cpus(Host::new("good"), 8, 1, "performance", "10");
    with_nic(host, ["0", "1"], "00fc", "0")
        .file("proc/self/limits", &limits("1048576", "unlimited"))
        .file("proc/self/status", "Name:\tsh\nCpus_allowed_list:\t0-7\n")
        .file("proc/612/comm", "irqbalance\n")
        .file(
            "proc/612/environ",
            "PATH=/bin\0IRQBALANCE_BANNED_CPULIST=2-7\0",
        )
        .file("proc/cmdline", "ro quiet isolcpus=2-7\n")
        .file("proc/swaps", "Filename Type Size Used Priority\n")
        .file("proc/net/softnet_stat", "0000aaaa 00000000 00000000 0\n")
        .files(
            "proc/sys",
            &[
                ("kernel/osrelease", "6.12.9-200.fc41.x86_64"),
                ("kernel/io_uring_disabled", "0"),
                ("vm/swappiness", "60"),
                ("fs/nr_open", "1048576"),
                ("net/core/somaxconn", "4096"),
                ("net/core/busy_poll", "0"),
                ("net/core/busy_read", "0"),
                ("net/ipv4/tcp_max_syn_backlog", "4096"),
                ("net/ipv4/tcp_slow_start_after_idle", "0"),
            ],
        )
        .files(
            "sys/devices/system/cpu",
            &[("isolated", "2-7"), ("nohz_full", "(null)")],
        )
        .file(
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            "tsc\n",
        )
        .file(
            "sys/kernel/mm/transparent_hugepage/enabled",
            "[always] madvise never\n",
        )
}

/// Two CPUs' worth of a bigger machine, one and a half by quota, with hardly anything to be read.
pub fn container() -> Host {
    Host::new("container")
        .file("proc/self/limits", &limits("1024", "8388608"))
        .file("proc/self/status", "Name:\tsh\nCpus_allowed_list:\t0-1\n")
        .file("proc/self/cgroup", "0::/\n")
        .file("proc/sys/kernel/osrelease", "6.6.0\n")
        .file("proc/sys/kernel/io_uring_disabled", "1\n")
        .file("sys/fs/cgroup/cpu.max", "150000 100000\n")
        .file("sys/fs/cgroup/cpu.stat", "usage_usec 5\nnr_throttled 9\n")
}

/// A server with three cores, each with a trouble of its own, on the first node of two.
pub fn running_server() -> Host {
    let mut host = with_cpus(Host::new("server"), 16, 2, "performance", "10")
        .file("proc/sys/kernel/osrelease", "6.12.0\n")
        .file("proc/77/limits", &limits("10", "unlimited").replace("1024", "10  "))
        .file(
            "proc/77/status",
            "Name:\ttrunkline\nCpus_allowed_list:\t0-15\nVmSwap:\t     512 kB\n",
        )
        .file(
            "proc/77/numa_maps",
            "5580 default heap anon=4 N0=300 N1=60 kernelpagesize_kB=4\n7f00 default anon=1 N1=40\n",
        );
    for number in 0..9 {
        host = host.file(&format!("proc/77/fd/{number}"), "");
    }
    for (thread, name, cpus, schedule) in [
        ("77", "trunkline", "0-15", "1 1 1"),
        ("80", "core-0-1", "2", "9000000000 3000000000 5"),
        ("81", "core-1-2", "0-7", "1 1 1"),
        ("82", "core-2-3", "2", "1 1 1"),
        // A helper of the first core.
        ("83", "core-0-1", "2", "1 1 1"),
    ] {
        let folder = format!("proc/77/task/{thread}");
        let status = format!("Name:\t{name}\nCpus_allowed_list:\t{cpus}");
        host = host.files(
            &folder,
            &[("comm", name), ("status", &status), ("schedstat", schedule)],
        );
    }
    host
}
