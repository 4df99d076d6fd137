//! Micro-benchmarks of the core, one module per module of the core.
//!
//! `cargo run --release -p trunkline-bench -- [filter…] [--smoke] [--json]`

mod fanout;
mod harness;
mod journal;
mod memory;
mod outbox;
mod ring;
mod route;
mod shards;
mod subject;
mod wire;

use std::process::ExitCode;

use harness::Bench;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const USAGE: &str = "\
usage: trunkline-bench [filter…] [--smoke] [--json]
  filter   runs only benchmarks whose name contains one of these texts
  --smoke  runs everything in tiny sizes: proves that it works, measures nothing
  --json   prints one JSON array instead of a table";

fn main() -> ExitCode {
    let mut filters = Vec::new();
    let (mut smoke, mut json) = (false, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--smoke" => smoke = true,
            "--json" => json = true,
            "-h" | "--help" => {
                println!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            flag if flag.starts_with('-') => {
                eprintln!("unknown flag {flag}\n{USAGE}");
                return ExitCode::FAILURE;
            }
            filter => filters.push(filter.to_owned()),
        }
    }
    let mut bench = Bench::new(filters, smoke, json);
    wire::run(&mut bench);
    subject::run(&mut bench);
    outbox::run(&mut bench);
    fanout::run(&mut bench);
    ring::run(&mut bench);
    route::run(&mut bench);
    journal::run(&mut bench);
    bench.finish();
    if bench.is_empty() {
        eprintln!("no benchmark has a name like that");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
