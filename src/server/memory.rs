//! What is asked of the C library's allocator.

/// Has it join small pieces of memory when they are freed. It would put that off
/// until there are millions, after the end of very many subscriptions, and then keep
/// a core for a third of a second. To be called before any other thread runs.
#[cfg(target_env = "gnu")]
pub fn join_what_is_freed() {
    // SAFETY: no other thread runs yet, and the option takes any size.
    unsafe { libc::mallopt(libc::M_MXFAST, 0) };
}

/// Has it give free memory back to the system, which takes it a while.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it takes the locks that it needs.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn join_what_is_freed() {}

/// Other allocators do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
