//! File descriptors: raise the soft limit, and say plainly what is missing when that is not enough.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not connections: standard streams, epoll, logs, /proc files.
const SPARE: u64 = 64;

/// Makes sure that `connections` sockets can be open at once, raising the soft limit up to the hard one.
pub fn ensure_descriptors(connections: usize) -> Result<(), String> {
    let needed = connections as u64 + SPARE;
    let limit = getrlimit(Resource::Nofile);
    let below = |value: Option<u64>| value.is_some_and(|value| value < needed);
    if !below(limit.current) {
        return Ok(());
    }
    if below(limit.maximum) {
        let hard = limit.maximum.unwrap_or(u64::MAX);
        return Err(format!(
            "{connections} connections need {needed} file descriptors, but the hard limit of this process is {hard}; \
             raise it with `ulimit -Hn {needed}` as root, or LimitNOFILE={needed} in a systemd unit"
        ));
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("cannot raise the limit of file descriptors to {needed}: {error}; run `ulimit -n {needed}` first"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn more_than_the_hard_limit_names_the_number() {
        let error = super::ensure_descriptors(usize::MAX >> 2).unwrap_err();
        assert!(
            error.contains("file descriptors") && error.contains("ulimit"),
            "{error}"
        );
        assert!(super::ensure_descriptors(1).is_ok());
    }
}
