//! The program: the library does it all.

use std::process::ExitCode;

// The end of a million subscriptions frees millions of small pieces: the C library's
// allocator joins them in one go, now and then, for a third of a second, and grows
// the heaps of threads by single pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    trunkline::run()
}
