//! The plans by name, as they are on the command line.

use clap::Subcommand;

use crate::args::PlanArgs;

const PLAN_EXAMPLES: &str = "\
Examples:
  loadgen pubsub --size 128 --duration 5s                   as fast as possible, one to one
  loadgen pubsub --rate 20000 --verify --report run.html    open loop, latency, every payload checked
  loadgen fanin --connections 1000                          telemetry
  loadgen reqrep --server tls://127.0.0.1:4222 --tls-ca ca.pem --nkey-seed user.nk
  loadgen pubsub --server ws://127.0.0.1:8080 --ws-compress

Latency of an open loop (--rate) counts from the time at which a message was meant to be sent, so a server that stalls
is charged for every message that had to wait.";

/// The plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Publish only.
    Pub,
    /// Subscribe only.
    Sub,
    /// p × s.
    Pubsub,
    /// Independent pairs.
    Pairs,
    /// 1 → s.
    Fanout,
    /// Telemetry.
    Fanin,
    /// Queue group.
    Queue,
    /// Request-reply.
    Reqrep,
    /// Idle connections.
    Idle,
    /// Many subscriptions.
    Subs,
    /// Connections that only come and go.
    Handshakes,
    /// Request-reply while monitoring is polled.
    Polling,
}

impl Plan {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Plan::Pub => "pub",
            Plan::Sub => "sub",
            Plan::Pubsub => "pubsub",
            Plan::Pairs => "pairs",
            Plan::Fanout => "fanout",
            Plan::Fanin => "fanin",
            Plan::Queue => "queue",
            Plan::Reqrep => "reqrep",
            Plan::Idle => "idle",
            Plan::Subs => "subs",
            Plan::Handshakes => "handshakes",
            Plan::Polling => "polling",
        }
    }
}

/// A plan with its options.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Publish only; nobody subscribes.
    #[command(after_help = PLAN_EXAMPLES)]
    Pub(PlanArgs),
    /// Subscribe only: wait for --count messages that someone else publishes.
    #[command(after_help = PLAN_EXAMPLES)]
    Sub(PlanArgs),
    /// p publishers × s subscribers, all on the same subjects.
    #[command(after_help = PLAN_EXAMPLES)]
    Pubsub(PlanArgs),
    /// Independent pairs of one publisher and one subscriber, each pair on its own subjects.
    #[command(after_help = PLAN_EXAMPLES)]
    Pairs(PlanArgs),
    /// One publisher, many subscribers.
    #[command(after_help = PLAN_EXAMPLES)]
    Fanout(PlanArgs),
    /// Telemetry: many connections publish, one message per write; one wildcard subscriber.
    #[command(after_help = PLAN_EXAMPLES)]
    Fanin(PlanArgs),
    /// Publishers and a queue group: each message must reach exactly one member.
    #[command(after_help = PLAN_EXAMPLES)]
    Queue(PlanArgs),
    /// Requests and replies, one outstanding per client.
    #[command(after_help = PLAN_EXAMPLES)]
    Reqrep(PlanArgs),
    /// Open connections and hold them.
    #[command(after_help = PLAN_EXAMPLES)]
    Idle(PlanArgs),
    /// Many subscriptions, literal and wildcard, and published messages that match some.
    #[command(after_help = PLAN_EXAMPLES)]
    Subs(PlanArgs),
    /// Connections that come and go at a fixed rate (1,000/s): connect, CONNECT, PING, close.
    #[command(after_help = PLAN_EXAMPLES)]
    Handshakes(PlanArgs),
    /// Request-reply beside idle connections, quiet and while all monitoring endpoints are polled.
    #[command(after_help = PLAN_EXAMPLES)]
    Polling(PlanArgs),
}

impl PlanCommand {
    /// Which plan, and its options.
    pub fn into_parts(self) -> (Plan, PlanArgs) {
        match self {
            PlanCommand::Pub(args) => (Plan::Pub, args),
            PlanCommand::Sub(args) => (Plan::Sub, args),
            PlanCommand::Pubsub(args) => (Plan::Pubsub, args),
            PlanCommand::Pairs(args) => (Plan::Pairs, args),
            PlanCommand::Fanout(args) => (Plan::Fanout, args),
            PlanCommand::Fanin(args) => (Plan::Fanin, args),
            PlanCommand::Queue(args) => (Plan::Queue, args),
            PlanCommand::Reqrep(args) => (Plan::Reqrep, args),
            PlanCommand::Idle(args) => (Plan::Idle, args),
            PlanCommand::Subs(args) => (Plan::Subs, args),
            PlanCommand::Handshakes(args) => (Plan::Handshakes, args),
            PlanCommand::Polling(args) => (Plan::Polling, args),
        }
    }
}
