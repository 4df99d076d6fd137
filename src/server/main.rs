//! The program: the library does it all.

use std::process::ExitCode;

fn main() -> ExitCode {
    trunkline::run()
}
