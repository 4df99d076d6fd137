//! One plan of a comparison: the command line that it stands for, and what its servers need.

use std::time::Duration;

use clap::{FromArgMatches, Subcommand};

use crate::args::PlanArgs;
use crate::compare::config::Setting;
use crate::parse::Amount;
use crate::plans::plan::{Plan, PlanCommand};

/// One row of the comparison.
pub struct Row {
    /// Name for --plans.
    pub name: &'static str,
    /// What it is, for the table.
    pub title: &'static str,
    /// What the server needs.
    pub setting: Setting,
    /// The command line.
    pub line: &'static str,
}

impl Row {
    /// Plan and options, with times and numbers of connections and subscriptions multiplied by `scale`.
    pub fn arguments(&self, scale: f64) -> (Plan, PlanArgs) {
        let command = PlanCommand::augment_subcommands(clap::Command::new("loadgen"));
        let words = std::iter::once("loadgen").chain(self.line.split(' '));
        let (plan, mut args) = command
            .try_get_matches_from(words)
            .and_then(|matches| PlanCommand::from_arg_matches(&matches))
            .expect("the rows are valid command lines")
            .into_parts();
        let scaled = |number: usize| ((number as f64 * scale) as usize).max(1);
        let shorter = |time: Duration| time.mul_f64(scale).max(Duration::from_millis(20));
        args.duration = args.duration.map(shorter);
        args.warmup = args.warmup.map(|amount| match amount {
            // Servers PING every new client within some seconds; that must be over.
            Amount::Time(time) if plan == Plan::Polling => Amount::Time(time),
            Amount::Time(time) => Amount::Time(shorter(time)),
            Amount::Count(count) => Amount::Count(count),
        });
        if matches!(plan, Plan::Idle | Plan::Subs | Plan::Polling) {
            args.connections = args.connections.map(scaled);
            (args.literals, args.wildcards) = (scaled(args.literals), scaled(args.wildcards));
        }
        if plan.is_stored() {
            scale_stored(&mut args, scale);
        }
        (plan, args)
    }
}

/// Fewer messages, keys and bytes.
fn scale_stored(args: &mut PlanArgs, scale: f64) {
    let scaled = |number: u64| ((number as f64 * scale) as u64).max(1);
    args.count = args.count.map(scaled);
    let stored = &mut args.jetstream;
    (stored.keys, stored.object_size) = (scaled(stored.keys), scaled(stored.object_size));
    // Where each client has a stream of its own, that is the shape of the load.
    if stored.streams > args.clients {
        stored.streams = scaled(stored.streams as u64) as usize;
    }
}
