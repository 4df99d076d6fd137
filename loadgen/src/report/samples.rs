//! Reports for tests.

use clap::Parser;

use crate::args::PlanArgs;
use crate::engine::tally::Tally;
use crate::report::measured::Measured;
use crate::report::{Facts, Report, build};

#[derive(Parser)]
struct Words {
    #[command(flatten)]
    args: PlanArgs,
}

/// A run of some messages; `busy` is the share of the load generator's CPU time that it used.
pub fn run(busy: f64) -> Report {
    let mut total = Tally::new();
    (total.published, total.received) = (1000, 1000);
    let measured = Measured {
        total,
        seconds: 1.0,
        busiest: busy,
        busy,
        server_spent: None,
        server_busy: Some(0.5),
        series: Vec::new(),
        curves: Vec::new(),
        figures: Vec::new(),
    };
    let facts = Facts {
        plan: "pubsub",
        args: &Words::parse_from(["loadgen"]).args,
        address: "127.0.0.1:4222".into(),
        transport: "plain TCP".into(),
        version: "1.2.3".into(),
        connections: 2,
        subscriptions: 1,
        window: 10,
        resident_before: None,
        resident_after_setup: None,
        memory: None,
        verdict: None,
    };
    build(facts, measured)
}
