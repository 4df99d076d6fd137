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

const JETSTREAM_EXAMPLES: &str = "\
Examples:
  loadgen js-pub                                            one message under way
  loadgen js-pub --window 1000 --verify                     asynchronous; everything acknowledged is read back
  loadgen js-pub --window 1000 --streams 100 --clients 100
  loadgen js-fetch --count 1M --batch 500
  loadgen js-replay --count 5M --push
  loadgen kv-get --clients 16 --keys 1M
  loadgen obj-put --object-size 1GiB --verify

Streams, consumers and buckets are made for the run, with names of its own, and deleted at its end unless --keep.
--verify reads everything back that was acknowledged (of a key, the last value): each message once, in order, unchanged;
of objects it checks the digests. Figures per message are per acknowledged message, get or chunk, or else per delivery.";

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
    /// Publish into streams; each message counts when it is acknowledged.
    JsPub,
    /// Fetch from a durable consumer.
    JsFetch,
    /// Follow a stream that grows.
    JsConsume,
    /// Read a stream from its beginning.
    JsReplay,
    /// Put values of keys.
    KvPut,
    /// Get values of keys.
    KvGet,
    /// Put objects.
    ObjPut,
    /// Get objects.
    ObjGet,
}

impl Plan {
    /// It needs JetStream.
    pub fn is_stored(self) -> bool {
        matches!(
            self,
            Plan::JsPub
                | Plan::JsFetch
                | Plan::JsConsume
                | Plan::JsReplay
                | Plan::KvPut
                | Plan::KvGet
                | Plan::ObjPut
                | Plan::ObjGet
        )
    }

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
            Plan::JsPub => "js-pub",
            Plan::JsFetch => "js-fetch",
            Plan::JsConsume => "js-consume",
            Plan::JsReplay => "js-replay",
            Plan::KvPut => "kv-put",
            Plan::KvGet => "kv-get",
            Plan::ObjPut => "obj-put",
            Plan::ObjGet => "obj-get",
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
    /// Publish into streams and wait for acknowledgements: one message under way per client, or --window.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    JsPub(PlanArgs),
    /// Store --count messages, then fetch them in batches with a durable pull consumer and acknowledge each.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    JsFetch(PlanArgs),
    /// Ordered consumers (one per client) follow a stream while --count messages are published into it.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    JsConsume(PlanArgs),
    /// Store --count messages, then read them with ordered consumers, one per client; pulled, or --push.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    JsReplay(PlanArgs),
    /// Put values of --keys drawn keys into a bucket.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    KvPut(PlanArgs),
    /// Fill a bucket with --keys keys, then get values of drawn ones.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    KvGet(PlanArgs),
    /// Put --count objects of --object-size in chunks of 128 KiB; figures are per chunk.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    ObjPut(PlanArgs),
    /// Put --count objects of --object-size, then get them; figures are per chunk.
    #[command(after_help = JETSTREAM_EXAMPLES)]
    ObjGet(PlanArgs),
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
            PlanCommand::JsPub(args) => (Plan::JsPub, args),
            PlanCommand::JsFetch(args) => (Plan::JsFetch, args),
            PlanCommand::JsConsume(args) => (Plan::JsConsume, args),
            PlanCommand::JsReplay(args) => (Plan::JsReplay, args),
            PlanCommand::KvPut(args) => (Plan::KvPut, args),
            PlanCommand::KvGet(args) => (Plan::KvGet, args),
            PlanCommand::ObjPut(args) => (Plan::ObjPut, args),
            PlanCommand::ObjGet(args) => (Plan::ObjGet, args),
        }
    }
}
