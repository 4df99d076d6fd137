//! The program: the library does it all.

use std::process::ExitCode;

fn main() -> ExitCode {
    join_freed_memory_at_once();
    trunkline::run()
}

/// Has the C library's allocator join small pieces of memory when they are freed. It
/// would put that off until there are millions, after the end of very many
/// subscriptions, and then keep a core for a third of a second.
#[cfg(target_env = "gnu")]
fn join_freed_memory_at_once() {
    // SAFETY: no other thread runs yet, and the option takes any size.
    unsafe { libc::mallopt(libc::M_MXFAST, 0) };
}

#[cfg(not(target_env = "gnu"))]
fn join_freed_memory_at_once() {}
