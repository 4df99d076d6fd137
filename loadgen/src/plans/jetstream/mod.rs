//! Plans that need JetStream: streams, key-value buckets and object stores, made for the run through the server's API
//! and by nothing else than the protocol. Each plan is a crew of connections; what they do is in their actors.

pub mod api;
mod consumers;
mod crew;
mod fetcher;
mod flights;
mod follower;
mod getter;
mod ledger;
mod meter;
mod object_getter;
mod objects;
mod publisher;
mod reader;
mod runs;
mod stand;
mod subjects;
mod takers;
mod words;

use crate::args::PlanArgs;
use crate::plans::measure::ServerWatch;
use crate::plans::plan::Plan;
use crate::plans::setup::Opener;
use crate::report::Facts;
use crate::report::measured::Measured;
use crate::stamp::{PUBLISHERS_MAX, STAMP_BYTES};
use meter::Meter;
use stand::Stand;

/// Connections that a plan needs at most.
pub fn connections(args: &PlanArgs) -> usize {
    args.clients + args.jetstream.streams.min(runs::FILLERS_MAX) + 2
}

/// Runs a plan, and deletes what it has made.
pub fn measure(
    plan: Plan,
    opener: &mut Opener,
    server: &ServerWatch,
    facts: &mut Facts<'_>,
) -> Result<Measured, String> {
    let args = facts.args;
    check(plan, args)?;
    let meter = Meter {
        name: plan.name(),
        args,
        server,
    };
    let mut stand = Stand::new(args, opener)?;
    facts.window = args.window.unwrap_or(u64::MAX);
    let result = match plan {
        Plan::JsPub => runs::publish::streams(&mut stand, &meter),
        Plan::KvPut => runs::publish::keys(&mut stand, &meter),
        Plan::KvGet => runs::get::keys(&mut stand, &meter),
        Plan::JsFetch => runs::consume::fetch(&mut stand, &meter),
        Plan::JsReplay => runs::consume::replay(&mut stand, &meter),
        Plan::JsConsume => runs::consume::follow(&mut stand, &meter),
        Plan::ObjPut => runs::objects::put(&mut stand, &meter),
        _ => runs::objects::get(&mut stand, &meter),
    };
    (facts.connections, facts.subscriptions) = (stand.connections, 2 * stand.connections);
    let taken_down = stand.take_down();
    let outcome = result?;
    taken_down?;
    (facts.memory, facts.verdict) = (outcome.memory, outcome.verdict);
    Ok(outcome.measured)
}

fn check(plan: Plan, args: &PlanArgs) -> Result<(), String> {
    let name = plan.name();
    let is_read_once = !matches!(plan, Plan::JsPub | Plan::KvPut | Plan::KvGet);
    if is_read_once && args.duration.is_some() {
        return Err(format!("{name} ends when all is read or put; give --count"));
    }
    if args.rate.is_some() {
        return Err(format!("{name} knows no --rate; give --window"));
    }
    if args.verify && args.size.min() < STAMP_BYTES {
        return Err(format!(
            "--verify needs payloads of at least {STAMP_BYTES} bytes"
        ));
    }
    if args.clients > PUBLISHERS_MAX {
        return Err(format!("at most {PUBLISHERS_MAX} clients"));
    }
    if args.jetstream.batch == 0 || args.jetstream.keys == 0 {
        return Err("--batch and --keys must be at least 1".into());
    }
    Ok(())
}
