//! What is missing when the system refuses a thread or memory, which is no bug of
//! the server and which the system's own words do not tell.

use rustix::process::{Resource, getrlimit};

/// How refusals for want of room are worded: by the system, and in the names that
/// Rust has for its numbers.
const SIGNS: [&str; 6] = [
    "os error 11",
    "os error 12",
    "Resource temporarily unavailable",
    "Cannot allocate memory",
    "WouldBlock",
    "OutOfMemory",
];

/// What to do about a failure, if it is for want of room.
pub fn advice(failure: &str) -> Option<String> {
    let is_shortage = SIGNS.iter().any(|sign| failure.contains(sign));
    is_shortage.then(advise)
}

/// What to do when there is no room.
pub fn advise() -> String {
    worded(getrlimit(Resource::As).current)
}

fn worded(address_space_max: Option<u64>) -> String {
    let address_space = address_space_max.map_or_else(
        || "not limited".to_owned(),
        |bytes| format!("{} MiB", bytes >> 20),
    );
    format!(
        "the system has no room for another thread or for memory: the address space is {address_space} \
         (ulimit -v, LimitAS= in systemd); also look at the limit of processes (ulimit -u, TasksMax=) \
         and at the memory of the cgroup"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_room_is_told_from_other_failures() {
        assert!(advice("Resource temporarily unavailable (os error 11)").is_some());
        assert_eq!(advice("Permission denied (os error 13)"), None);
        assert!(worded(Some(150 << 20)).contains("the address space is 150 MiB (ulimit -v"));
        assert!(worded(None).contains("not limited"));
    }
}
