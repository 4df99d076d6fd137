//! What `tuning/` hands out: the script that inspects a host, on trees that look like hosts, and the
//! sample configurations, which must be good.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

#[path = "tuning/hosts.rs"]
mod hosts;
#[path = "tuning/samples.rs"]
mod samples;

use hosts::{Host, bad_host, container, good_host, running_server};

#[test]
fn a_bad_host_is_told_what_to_do() {
    let report = bad_host().inspect(&["--nic", "eth0", "--cores", "8-15"]);
    assert_eq!(report.status, 1, "{}", report.text);
    report.has("must", "kernel", &["5.4.0-bad", "better 5.8"]);
    report.has(
        "advise",
        "io_uring",
        &["disabled=2", "sysctl -w kernel.io_uring_disabled=0"],
    );
    report.has("must", "nofile", &["hard limit 128", "192 for 8 cores"]);
    report.has("must", "memlock", &["65536 bytes", "better 4194304"]);
    report.has("advise", "numa", &["node 1, eth0 on node 0", "among 0-7"]);
    report.has(
        "advise",
        "governor",
        &["powersave", "cpupower -c 8-15 frequency-set -g performance"],
    );
    report.has("advise", "idle", &["C6 takes 133 us", "idle-set -D 50"]);
    report.has("advise", "clock", &["hpet", "better tsc"]);
    report.has(
        "advise",
        "irqbalance",
        &["IRQBALANCE_BANNED_CPULIST=8-15 >>"],
    );
    report.has(
        "advise",
        "interrupts",
        &[
            "2 of eth0",
            "for i in 41 42; do echo 0-7 > /proc/irq/$i/smp_affinity_list; done",
        ],
    );
    report.has("advise", "xps", &["host-setup --nic eth0 --cores 8-15"]);
    report.has(
        "advise",
        "drops",
        &["rx_missed_errors=77", "ethtool -G eth0"],
    );
    report.has(
        "advise",
        "net.core.netdev_max_backlog",
        &[
            "17 packets were dropped",
            "net.core.netdev_max_backlog=16384",
        ],
    );
    report.has("advise", "backlog", &["ListenOverflows=5"]);
    report.has("advise", "net.core.somaxconn", &["128, better 4096"]);
    report.has(
        "advise",
        "net.ipv4.tcp_max_syn_backlog",
        &["sysctl -w net.ipv4.tcp_max_syn_backlog=4096"],
    );
    report.has(
        "advise",
        "net.ipv4.tcp_slow_start_after_idle",
        &["better 0"],
    );
    report.has("advise", "conntrack", &["60000 of 65536"]);
    report.has("advise", "busy_poll", &["busy_poll=50 busy_read=50"]);
    report.has("advise", "swap", &["1 in use, vm.swappiness=60"]);
    report.has("advise", "hugepages", &["512 reserved"]);
    report.has("advise", "kernel.numa_balancing", &["1, better 0"]);
    report.has("advise", "mitigations", &["off"]);
    report.has(
        "advise",
        "isolation",
        &["the rest of the host on 0-7", "AllowedCPUs=0-7"],
    );
}

#[test]
fn cores_that_cannot_be_had_are_refused() {
    let report = bad_host().inspect(&["--nic", "eth0", "--cores", "15-17"]);
    report.has("must", "cores", &["CPU 16-17 is offline", "chcpu -e 16-17"]);
    let isolated = bad_host().file("proc/self/status", "Name:\tsh\nCpus_allowed_list:\t0-1\n");
    let report = isolated.inspect(&["--cores", "1-3"]);
    report.has(
        "must",
        "cores",
        &[
            "CPU 2-3 is outside of the affinity mask 0-1",
            "CPUAffinity=0-15",
        ],
    );
}

#[test]
fn hardware_threads_and_nodes_of_a_choice_are_looked_at() {
    let host = bad_host();
    // Siblings are 0-4, 1-5 and so on within a node.
    let report = host.inspect(&["--nic", "eth0", "--cores", "0-5"]);
    report.has("advise", "smt", &["CPU 4-5 shares", "cores 0-3"]);
    let report = host.inspect(&["--nic", "eth0", "--cores", "2,3,10"]);
    report.has("advise", "numa", &["on nodes 0 1"]);
    report.lacks("smt");
}

#[test]
fn cores_are_proposed_on_the_node_of_the_interface() {
    let report = bad_host().inspect(&[]);
    // One thread of each of the four cores of node 0, the first left to interrupts.
    report.has(
        "advise",
        "cores",
        &["all of CPU 0-15", "better 1-3", "trunkline --cores 1-3"],
    );
    report.has("advise", "interrupts", &["echo 0,4 >"]);
    // Not on the second threads of the server's cores either.
    report.has("advise", "isolation", &["AllowedCPUs=0,4,8-15"]);
}

#[test]
fn a_good_host_is_left_alone() {
    let report = good_host().inspect(&["--cores", "2-7"]);
    assert_eq!(report.status, 0);
    let complaints: Vec<&str> = report
        .lines()
        .filter(|line| !line.starts_with("ok "))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    for check in [
        "kernel",
        "io_uring",
        "nofile",
        "memlock",
        "isolation",
        "governor",
        "idle",
        "irqbalance",
        "interrupts",
        "queues",
        "busy_poll",
        "swap",
        "hugepages",
    ] {
        report.has("ok", check, &[]);
    }
}

#[test]
fn a_container_without_sysfs_is_no_trouble() {
    let report = container().inspect(&[]);
    assert_eq!(report.status, 0, "{}", report.text);
    report.has("advise", "io_uring", &["disabled=1", "io_uring_group"]);
    report.has("ok", "cores", &["CPU 0-1"]);
    report.has("advise", "nofile", &["1024", "for 2 cores"]);
    for check in ["governor", "idle", "clock"] {
        report.has("skip", check, &["cannot read"]);
    }
    report.has("skip", "interrupts", &["give --nic"]);
    let virtually = container().inspect(&["--nic", "eth0"]);
    for check in ["interrupts", "queues"] {
        virtually.has("skip", check, &["cannot read", "eth0"]);
    }
    report.has("advise", "quota", &["1.500 CPUs, throttled 9 times"]);
    let bare = Host::new("bare").inspect(&[]);
    assert_eq!(bare.status, 0, "{}", bare.text);
    bare.has("skip", "kernel", &[]);
    bare.has("skip", "nofile", &[]);
    assert_eq!(bare.errors, "");
}

/// Files of the kernel are read in ways that copies of them bear, and they do not.
#[test]
fn this_machine_is_read_as_it_is() {
    let report = hosts::inspect_this_machine();
    assert_eq!(report.errors, "");
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    for (check, path) in [
        ("kernel", "/proc/sys/kernel/osrelease"),
        ("fs.nr_open", "/proc/sys/fs/nr_open"),
        ("net.core.somaxconn", "/proc/sys/net/core/somaxconn"),
    ] {
        let begin = format!(" {check}: {}", read(path).trim());
        let is_said = report.lines().any(|line| {
            let (_, rest) = line.split_once(&begin).unwrap_or_default();
            line.contains(&begin) && !rest.starts_with(|next: char| next.is_ascii_digit())
        });
        assert!(is_said, "no {begin:?} in\n{}", report.text);
    }
}

#[test]
fn a_running_server_is_looked_at() {
    let report = running_server().inspect(&["--pid", "77"]);
    assert_eq!(report.status, 1, "{}", report.text);
    report.has("must", "threads", &["core 1 may run on CPU 0-7"]);
    report.has("advise", "threads", &["core 2 shares CPU 2"]);
    report.has(
        "advise",
        "threads",
        &["core 0 has waited for its CPU 3000 ms and run 9000 ms"],
    );
    report.has("advise", "descriptors", &["9 of 10"]);
    report.has("advise", "swapped", &["512 kB"]);
    report.has(
        "advise",
        "placement",
        &["25 % of the memory is not on node 0", "NUMAMask=0"],
    );
    report.has("must", "nofile", &["hard limit 10 of process 77"]);
    let gone = running_server().inspect(&["--pid", "78"]);
    gone.has("must", "process", &["no process 78"]);
}

#[test]
fn json_says_the_same() {
    let host = bad_host();
    let arguments = ["--nic", "eth0", "--cores", "8-15"];
    let text = host.inspect(&arguments);
    let json = host.inspect(&[&arguments[..], &["--json"]].concat());
    assert_eq!(json.lines().count(), text.lines().count());
    for (json, text) in json.lines().zip(text.lines()) {
        let line: serde_json::Value = serde_json::from_str(json).unwrap();
        let field = |name: &str| line[name].as_str().unwrap().to_owned();
        let begin = format!("{:<6} {}: ", field("severity"), field("check"));
        assert!(text.starts_with(&begin), "{text}\n{json}");
        assert!(text.contains(&field("command")), "{text}\n{json}");
    }
}

#[test]
fn wrong_options_are_refused() {
    for (arguments, word) in [
        (&["--cores", "4"][..], "write 4-4"),
        (&["--cores", "a-b"], "expected a list"),
        (&["--pid", "x"], "expected a number"),
        (&["--nic"], "needs a value"),
        (&["--change"], "unknown option"),
    ] {
        let report = Host::new("wrong").inspect(arguments);
        assert_eq!(report.status, 2, "{arguments:?}");
        assert!(report.errors.contains(word), "{}", report.errors);
    }
}

#[test]
fn the_setup_makes_what_the_inspection_wants() {
    let host = bad_host();
    let setup = ["--nic", "eth0", "--cores", "1-3", "--interrupts", "0"];
    let dry = host.run(
        "profiles/host-setup",
        &[&setup[..], &["--dry-run"]].concat(),
    );
    let before = host.inspect(&["--cores", "1-3"]);
    for check in ["governor", "idle", "interrupts", "xps"] {
        before.has("advise", check, &[]);
    }
    let made = host.run("profiles/host-setup", &setup);
    assert_eq!(dry.text, made.text, "a dry run says the same");
    assert!(!made.text.contains("# refused"), "{}", made.text);
    // Send queues take the cores in turns: CPU 1, CPU 2.
    assert_eq!(host.read("sys/class/net/eth0/queues/tx-1/xps_cpus"), "4\n");
    let after = host.inspect(&["--cores", "1-3"]);
    for check in ["governor", "idle", "interrupts"] {
        after.has("ok", check, &[]);
    }
    after.lacks("xps");
}
