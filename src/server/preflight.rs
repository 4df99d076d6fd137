//! Checks before the first shard starts. Each failure is one plain sentence that
//! says what to do. Without io_uring, cores run on plain threads.
//!
//! glommio looks at the soft RLIMIT_MEMLOCK itself and refuses to start an
//! executor below 512 KiB, whatever the kernel. Above that the limit matters on
//! kernels before 5.12, which count the rings of all executors of a user against
//! it; newer ones count rings as the cgroup's memory, and only buffers that are
//! registered with a ring still need it: without the room for them executors run
//! with plain buffers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::executor::Executor;
use crate::options::{Options, PortChoice, join_host_port};
use crate::topology::Placing;
use trunkline_core::base::shown::quoted;

/// Since then io_uring has what glommio 0.12 probes for; `README.md` says it too.
const KERNEL_MIN: (u32, u32) = (5, 8);
/// What glommio 0.12 asks for.
const MEMLOCK_PER_EXECUTOR_BYTES: u64 = 512 * 1024;
/// Rings are counted against RLIMIT_MEMLOCK before this kernel.
const MEMLOCK_FREE_RINGS: (u32, u32) = (5, 12);
/// Descriptors of the process that are not connections: fixed, and per shard
/// (three rings, event descriptors, a listener, timers).
const DESCRIPTORS_FIXED: u64 = 64;
const DESCRIPTORS_PER_SHARD: u64 = 16;
/// More shards on one CPU are a mistake; some are good for tests.
const SHARDS_PER_CPU_MAX: usize = 8;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// What the checks found out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// To be logged; none is in the way of a start.
    pub warnings: Vec<String>,
    /// What the cores can run on.
    pub executor: Executor,
    /// Connections for which there are descriptors.
    pub connections_max: usize,
}

/// Raises the limits as far as allowed and checks that `shards` cores can run.
pub fn check(options: &Options, placing: &Placing) -> Result<Report, String> {
    let shards = placing.cpus.len();
    let memlock = raise(Resource::Memlock);
    let (executor, warning) = choose_executor(
        judge_io_uring(try_io_uring(), read_io_uring_disabled())
            .and_then(|()| judge_memlock(memlock, shards, kernel_version())),
    );
    let mut warnings = Vec::from_iter(warning);
    warnings.extend(judge_shards(placing)?);
    let (connections_max, warning) =
        judge_descriptors(raise(Resource::Nofile), shards, options.connections_max())?;
    warnings.extend(warning);
    Ok(Report {
        warnings,
        executor,
        connections_max,
    })
}

/// Returns a warning if shards share CPUs, of which each can bear some.
fn judge_shards(placing: &Placing) -> Result<Option<String>, String> {
    let (shards, cpus) = (placing.cpus.len(), placing.usable_cpus);
    if shards > cpus * SHARDS_PER_CPU_MAX {
        let most = cpus * SHARDS_PER_CPU_MAX;
        return Err(format!(
            "cores: {shards} shards are too many for {cpus} usable CPUs, at most {most} can be started; take {cpus}"
        ));
    }
    Ok((shards > cpus).then(|| {
        format!(
            "cores: {shards} shards share {cpus} usable CPUs and wait for each other; take at most {cpus}"
        )
    }))
}

/// Returns a warning, if any.
fn choose_executor(verdict: Result<Option<String>, String>) -> (Executor, Option<String>) {
    match verdict {
        Ok(warning) => (Executor::IoUring, warning),
        Err(reason) => (
            Executor::Threads,
            Some(format!(
                "Without io_uring: cores run on plain threads and epoll. Messages lose nothing by it, \
                 streams will need it; {reason}"
            )),
        ),
    }
}

/// Tries all three calls: a filter may let pass one and not the other.
fn try_io_uring() -> io::Result<()> {
    let ring = io_uring::IoUring::new(2)?;
    ring.submitter()
        .register_probe(&mut io_uring::Probe::new())?;
    ring.submit().map(drop)
}

fn read_io_uring_disabled() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok()
}

fn judge_io_uring(outcome: io::Result<()>, disabled: Option<u32>) -> Result<(), String> {
    let Err(error) = outcome else { return Ok(()) };
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    Err(match (errno, disabled) {
        (Some(Errno::NOSYS), _) => {
            let (major, minor) = KERNEL_MIN;
            format!(
                "io_uring is not available: this kernel lacks it (Linux {major}.{minor} or later is needed) \
                 or a sandbox hides it (gVisor, a seccomp filter)"
            )
        }
        (Some(Errno::PERM), Some(1)) => {
            "io_uring is reserved for a group: kernel.io_uring_disabled is 1; \
             run as a member of kernel.io_uring_group, or set sysctl kernel.io_uring_disabled=0"
                .to_owned()
        }
        (Some(Errno::PERM), Some(2)) => {
            "io_uring is switched off: set sysctl kernel.io_uring_disabled=0".to_owned()
        }
        (Some(Errno::PERM | Errno::ACCESS), _) => {
            "io_uring is forbidden by a seccomp filter or security module: allow io_uring_setup, \
             io_uring_enter and io_uring_register (Docker: a seccomp profile that has them)"
                .to_owned()
        }
        (Some(Errno::NOMEM), _) => {
            "io_uring has no room: raise RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK= in systemd) \
             or the memory limit of the cgroup"
                .to_owned()
        }
        (Some(Errno::MFILE | Errno::NFILE), _) => {
            "io_uring needs file descriptors: raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE= in systemd)"
                .to_owned()
        }
        _ => format!("io_uring is not usable: {error}"),
    })
}

/// Raises the soft limit to the hard one where that is allowed; returns the soft
/// limit now in force, `None` for no limit.
fn raise(resource: Resource) -> Option<u64> {
    let before = getrlimit(resource);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // A refusal leaves the old limit, which is judged next.
    let _ = setrlimit(resource, raised);
    getrlimit(resource).current
}

/// Major and minor version of the running kernel; unreadable counts as old.
fn kernel_version() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Returns a warning, if any.
fn judge_memlock(
    soft_bytes: Option<u64>,
    shards: usize,
    kernel: (u32, u32),
) -> Result<Option<String>, String> {
    let Some(soft_bytes) = soft_bytes else {
        return Ok(None);
    };
    let wanted_bytes = MEMLOCK_PER_EXECUTOR_BYTES * shards as u64;
    if soft_bytes >= wanted_bytes {
        return Ok(None);
    }
    let text = format!(
        "RLIMIT_MEMLOCK is {} KiB, {shards} shards want {} KiB: raise it \
         (ulimit -l, LimitMEMLOCK= in systemd, --ulimit memlock= in Docker)",
        soft_bytes / 1024,
        wanted_bytes / 1024
    );
    if soft_bytes < MEMLOCK_PER_EXECUTOR_BYTES || kernel < MEMLOCK_FREE_RINGS {
        return Err(text);
    }
    Ok(Some(text))
}

/// Returns for how many connections there are descriptors, and a warning if those
/// are fewer than `max_connections`.
fn judge_descriptors(
    soft: Option<u64>,
    shards: usize,
    max_connections: usize,
) -> Result<(usize, Option<String>), String> {
    let own = DESCRIPTORS_FIXED + DESCRIPTORS_PER_SHARD * shards as u64;
    let soft = soft.unwrap_or(u64::MAX);
    let advice = "raise it (ulimit -n, LimitNOFILE= in systemd, --ulimit nofile= in Docker)";
    if soft <= own {
        return Err(format!(
            "RLIMIT_NOFILE is {soft}, {shards} shards alone need {own}: {advice}"
        ));
    }
    let room = usize::try_from(soft - own).unwrap_or(usize::MAX);
    let warning = (max_connections > room).then(|| {
        format!(
            "RLIMIT_NOFILE is {soft}: room for {room} connections, max_connections is {max_connections}; {advice}"
        )
    });
    Ok((room, warning))
}

/// Listens on the client port without SO_REUSEPORT, which would share it with
/// another server in silence. SO_REUSEADDR is set, for a quick restart.
///
/// The error is the text of nats-server's fatal log line.
pub fn listen(host: &str, port: PortChoice) -> Result<TcpListener, String> {
    let failed = |reason: String| {
        let address = join_host_port(host, port.to_bind());
        format!(
            "Error listening on port: {address}, {}",
            quoted(&format!("listen tcp{reason}"))
        )
    };
    let candidates = (host, port.to_bind())
        .to_socket_addrs()
        .map_err(|_| failed(format!(": lookup {host}: no such host")))?;
    // As in Go, one address is bound to, and IPv4 goes first for a name that has both.
    let address = candidates
        .min_by_key(SocketAddr::is_ipv6)
        .ok_or_else(|| failed(format!(": lookup {host}: no such host")))?;
    let reason = |error: io::Error| crate::io_failure::describe(&error);
    let listener =
        bind(address).map_err(|error| failed(format!(" {address}: bind: {}", reason(error))))?;
    // The standard library asks for a queue of 128: too short for a thousand
    // clients that reconnect at once. The kernel caps it at net.core.somaxconn.
    rustix::net::listen(&listener, BACKLOG)
        .map_err(|error| failed(format!(" {address}: listen: {}", reason(error.into()))))?;
    Ok(listener)
}

/// The reason alone in a text of [`listen`].
pub fn reason_of(text: &str) -> &str {
    let reason = text.split(", \"").nth(1).unwrap_or_default();
    reason.trim_end_matches('"')
}

/// Binds, as Go does: the IPv4 wildcard stands for every IPv6 address too, where
/// the kernel has these.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) {
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, address.port())) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Ok(both) if rustix::net::sockopt::ipv6_v6only(&both).is_ok_and(|only| !only) => {
                return Ok(both);
            }
            _ => {}
        }
    }
    TcpListener::bind(address)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::options::Requested;
    use crate::topology::CpuId;

    fn refusal(errno: Errno, disabled: Option<u32>) -> String {
        let error = io::Error::from_raw_os_error(errno.raw_os_error());
        judge_io_uring(Err(error), disabled).unwrap_err()
    }

    #[test]
    fn io_uring_failures_say_what_to_do() {
        assert_eq!(judge_io_uring(Ok(()), Some(2)), Ok(()));
        for (errno, disabled, expected) in [
            (Errno::NOSYS, None, "this kernel lacks it"),
            (Errno::PERM, Some(1), "kernel.io_uring_group"),
            (
                Errno::PERM,
                Some(2),
                "set sysctl kernel.io_uring_disabled=0",
            ),
            (Errno::PERM, Some(0), "seccomp"),
            (Errno::NOMEM, None, "RLIMIT_MEMLOCK"),
            (Errno::MFILE, None, "RLIMIT_NOFILE"),
            (Errno::INVAL, None, "not usable"),
        ] {
            let text = refusal(errno, disabled);
            assert!(text.contains(expected), "{errno:?}: {text}");
        }
    }

    #[test]
    fn the_readme_names_the_same_kernel() {
        let readme = include_str!("../../README.md");
        let (major, minor) = KERNEL_MIN;
        let text = format!("You need Linux {major}.{minor} or later");
        assert!(readme.contains(&text));
    }

    #[test]
    fn memlock_is_an_error_only_where_executors_cannot_start() {
        const KIB: u64 = 1024;
        let judge = |kib: u64, shards, kernel| judge_memlock(Some(kib * KIB), shards, kernel);
        assert_eq!(judge_memlock(None, 128, (4, 0)), Ok(None));
        assert_eq!(judge(1024, 2, (5, 4)), Ok(None));
        assert!(judge(1024, 4, (5, 4)).is_err());
        let warning = judge(1024, 4, (6, 1)).unwrap().unwrap();
        assert!(
            warning.contains("1024 KiB, 4 shards want 2048 KiB"),
            "{warning}"
        );
        assert!(judge(511, 1, (6, 1)).is_err());
    }

    #[test]
    fn many_shards_on_few_cpus_are_told_of_and_very_many_refused() {
        let judge = |shards| {
            judge_shards(&Placing {
                cpus: vec![CpuId(0); shards],
                is_pinned: false,
                usable_cpus: 2,
            })
        };
        assert_eq!(judge(2), Ok(None));
        assert!(judge(3).unwrap().unwrap().contains("take at most 2"));
        assert!(judge(16).is_ok());
        let refusal = judge(99).unwrap_err();
        assert!(
            refusal.contains("99 shards are too many for 2 usable CPUs"),
            "{refusal}"
        );
    }

    #[test]
    fn descriptors_are_compared_with_max_connections() {
        assert_eq!(judge_descriptors(None, 4, 65536).unwrap().1, None);
        assert_eq!(judge_descriptors(Some(20000), 4, 0).unwrap().1, None);
        let (room, warning) = judge_descriptors(Some(1024), 2, 65536).unwrap();
        assert_eq!(room, 1024 - 64 - 32);
        assert!(warning.unwrap().contains("room for 928 connections"));
        assert!(judge_descriptors(Some(80), 1, 0).is_err());
    }

    #[test]
    fn what_keeps_executors_from_starting_leaves_plain_threads() {
        let warning = Some("memlock".to_owned());
        assert_eq!(
            choose_executor(Ok(warning.clone())),
            (Executor::IoUring, warning)
        );
        let (executor, warning) = choose_executor(Err("a filter".to_owned()));
        assert_eq!(executor, Executor::Threads);
        assert!(warning.unwrap().ends_with("; a filter"));
    }

    #[test]
    fn this_machine_passes() {
        let options = Requested::default().resolve().unwrap();
        let placing = Placing {
            cpus: vec![CpuId(0), CpuId(0)],
            is_pinned: false,
            usable_cpus: 2,
        };
        let report = check(&options, &placing).unwrap();
        assert!(report.connections_max > 0);
        assert!(kernel_version() >= KERNEL_MIN);
    }

    #[test]
    fn a_port_in_use_is_refused_in_the_words_of_nats_server() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        assert_eq!(
            listen("127.0.0.1", PortChoice::Fixed(port)).unwrap_err(),
            format!(
                "Error listening on port: 127.0.0.1:{port}, \
                 \"listen tcp 127.0.0.1:{port}: bind: address already in use\""
            )
        );
        drop(held);
        let listener = listen("127.0.0.1", PortChoice::Fixed(port)).unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(address.port(), port);
    }

    #[test]
    fn a_shared_port_is_refused_too() {
        use rustix::net::{self, AddressFamily, SocketType, sockopt};
        let held = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_reuseport(&held, true).unwrap();
        net::bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        net::listen(&held, 1).unwrap();
        let address = SocketAddr::try_from(net::getsockname(&held).unwrap()).unwrap();
        let refused = listen("127.0.0.1", PortChoice::Fixed(address.port())).unwrap_err();
        assert!(
            refused.ends_with("bind: address already in use\""),
            "{refused}"
        );
    }

    #[test]
    fn a_random_port_is_a_real_one() {
        for host in ["127.0.0.1", "localhost"] {
            let listener = listen(host, PortChoice::Random).unwrap();
            assert_ne!(listener.local_addr().unwrap().port(), 0);
        }
    }

    #[test]
    fn foreign_addresses_and_names_are_refused() {
        assert_eq!(
            listen("192.0.2.1", PortChoice::Fixed(4999)).unwrap_err(),
            "Error listening on port: 192.0.2.1:4999, \
             \"listen tcp 192.0.2.1:4999: bind: cannot assign requested address\""
        );
        assert_eq!(
            listen("[::1]", PortChoice::Fixed(4999)).unwrap_err(),
            "Error listening on port: [[::1]]:4999, \"listen tcp: lookup [::1]: no such host\""
        );
    }
}
