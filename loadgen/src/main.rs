//! loadgen: drives NATS servers as hard as they can take, measures them and checks them. It has its own protocol code
//! and shares nothing with the server that it judges.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
mod batch;
mod cli;
mod clock;
mod command;
mod compare;
mod crowds;
mod engine;
mod limits;
mod machine;
mod monitor;
mod net;
mod parse;
mod pin;
mod plans;
mod procstat;
mod progress;
mod quoted;
mod random;
mod report;
mod stamp;
mod verify;
mod wire;

use std::process::ExitCode;

use args::PlanArgs;
use clap::Parser;
use cli::{Cli, Command};
use plans::plan::Plan;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Plan(command) => {
            let (plan, args) = command.into_parts();
            run_plan(plan, &args)
        }
        Command::Compare(args) => compare::run(&args),
        Command::Crowds(args) => crowds::run(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(text) => {
            eprintln!("loadgen: {text}");
            ExitCode::from(2)
        }
    }
}

/// Runs one plan and prints its result; false when something was lost or failed.
fn run_plan(plan: Plan, args: &PlanArgs) -> Result<bool, String> {
    if let Some(path) = &args.report {
        report::page::check(path)?;
    }
    let report = plans::run(plan, args)?;
    if args.json {
        println!(
            "{}",
            serde_json::to_string(&report).expect("a report has only plain fields")
        );
    } else {
        print!("{report}");
    }
    for text in &report.error_texts {
        eprintln!("loadgen: {text}");
    }
    if report.lost > 0 || report.verdict.is_some_and(|verdict| verdict.lost > 0) {
        let lost = report
            .lost
            .max(report.verdict.map_or(0, |verdict| verdict.lost));
        eprintln!("loadgen: LOSS: {lost} deliveries never arrived");
    }
    if let Some(path) = &args.report {
        report::page::Page::of_run(&report).write(path)?;
    }
    Ok(report.is_good())
}
