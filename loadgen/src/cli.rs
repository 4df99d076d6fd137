//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::compare::CompareArgs;
use crate::crowds::CrowdsArgs;
use crate::net::target::ServerArgs;
use crate::parse::{self, Amount, SizeSpec};
use crate::pin::{self, CpuList};

/// Load generator for NATS servers: drives them as hard as they can take, measures them, and checks that nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, disable_help_subcommand = true, after_help = EXIT_STATUS)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUS: &str = "\
Exit status: 0 when all went well, 1 when messages were lost, repeated or damaged or a connection failed during the run, \
2 when the run could not be made (a mistake in the options, no server, refused credentials or TLS, a report that cannot \
be written).";

const PLAN_EXAMPLES: &str = "\
Examples:
  loadgen pubsub --size 128 --duration 5s                   as fast as possible, one to one
  loadgen pubsub --rate 20000 --verify --report run.html    open loop, latency, every payload checked
  loadgen fanin --connections 1000                          telemetry
  loadgen reqrep --server tls://127.0.0.1:4222 --tls-ca ca.pem --nkey-seed user.nk
  loadgen pubsub --server ws://127.0.0.1:8080 --ws-compress

Latency of an open loop (--rate) counts from the time at which a message was meant to be sent, so a server that stalls
is charged for every message that had to wait.";

const COMPARE_EXAMPLES: &str = "\
Every run has a fresh server, started with -a 127.0.0.1 -p PORT and pinned to --server-cores; certificates, users and
listeners that a plan needs are written into a configuration file that both servers accept.

Examples:
  loadgen compare --ours trunkline --theirs nats-server --plans plain --report compare.html
  loadgen compare --ours trunkline --theirs nats-server --plans tls1,tls64k,handshakes,ws1,wsdeflate1
  loadgen compare --ours trunkline --theirs nats-server --plans polling,reload1,reload8
  loadgen compare --ours trunkline --features mapped --plans plain";

const CROWDS_EXAMPLES: &str = "\
Every attack has a fresh server, pinned to --server-cores. Bystanders send a PING every 5 ms; what they wait for PONG,
the server's memory at its peak and some time after the attackers have left, and the attack's own progress are shown.

Examples:
  loadgen crowds --ours trunkline --theirs nats-server --markdown crowds.md
  loadgen crowds --ours trunkline --theirs nats-server --only echo,flood2000 --rounds 3
  loadgen crowds --ours trunkline --scale 0.05";

/// The plans, and the comparison of two servers.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    /// Run plans against two servers started here, in turns (A B B A), and compare.
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Box<CompareArgs>),
    /// Attack two servers started here, and see what clients that have nothing to do with it notice.
    #[command(after_help = CROWDS_EXAMPLES)]
    Crowds(CrowdsArgs),
}

/// Options of all plans.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Which server, and as whom.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Payload size: 128, 64KiB, uniform:16..1024, choice:16,128,4096 or zipf:16..64KiB.
    #[arg(long, default_value = "128", value_parser = parse::size_spec, help_heading = LOAD)]
    pub size: SizeSpec,
    /// Messages in all (100000, 5M).
    #[arg(long, value_parser = parse::count, conflicts_with = "duration", help_heading = LOAD)]
    pub count: Option<u64>,
    /// Time to publish (5s, 200ms); the default is 5 s.
    #[arg(long, value_parser = parse::duration, help_heading = LOAD)]
    pub duration: Option<Duration>,
    /// Unmeasured work before: a count or a duration.
    #[arg(long, value_parser = parse::amount, help_heading = LOAD)]
    pub warmup: Option<Amount>,
    /// Open loop: messages per second in all, at fixed times; latency counts from those times.
    #[arg(long, value_parser = rate, help_heading = LOAD)]
    pub rate: Option<f64>,
    /// Check every payload for loss, duplication, order and damage (payloads of 16 bytes or more).
    #[arg(long, help_heading = LOAD)]
    pub verify: bool,
    /// Most deliveries under way; the default suits the plan.
    #[arg(long, value_parser = parse::count, help_heading = LOAD)]
    pub window: Option<u64>,
    /// Most messages in one write (the default for fanin is 1).
    #[arg(long, help_heading = LOAD)]
    pub messages_per_write: Option<u64>,
    /// Give up after this long without progress.
    #[arg(long, default_value = "5s", value_parser = parse::duration, help_heading = LOAD)]
    pub drain_timeout: Duration,
    /// Distinct subjects per group of publishers.
    #[arg(long, default_value_t = 1, help_heading = SHAPE)]
    pub subjects: usize,
    /// First token of all subjects.
    #[arg(long, default_value = "lg", help_heading = SHAPE)]
    pub prefix: String,
    /// Subscribe with one wildcard instead of once per subject.
    #[arg(long, help_heading = SHAPE)]
    pub wildcard: bool,
    /// Connections (fanin, idle, subs, polling) or pairs (pairs).
    #[arg(long, help_heading = SHAPE)]
    pub connections: Option<usize>,
    /// Publishers (pub, pubsub, queue).
    #[arg(long, help_heading = SHAPE)]
    pub publishers: Option<usize>,
    /// Subscribers (sub, pubsub, fanout), or members of the queue group.
    #[arg(long, help_heading = SHAPE)]
    pub subscribers: Option<usize>,
    /// Requesting clients (reqrep, polling).
    #[arg(long, default_value_t = 1, help_heading = SHAPE)]
    pub clients: usize,
    /// Responders (reqrep, polling).
    #[arg(long, default_value_t = 1, help_heading = SHAPE)]
    pub responders: usize,
    /// Literal subscriptions (subs).
    #[arg(long, default_value_t = 1_000_000, help_heading = SHAPE)]
    pub literals: usize,
    /// Wildcard subscriptions (subs).
    #[arg(long, default_value_t = 10_000, help_heading = SHAPE)]
    pub wildcards: usize,
    /// The server's monitoring address (polling).
    #[arg(long, value_name = "HOST:PORT", help_heading = SHAPE)]
    pub monitor: Option<String>,
    /// How often a second each endpoint is polled (polling).
    #[arg(long, default_value_t = 10.0, value_parser = rate, help_heading = SHAPE)]
    pub polls: f64,
    /// Quiet and polled phases, each of --duration (polling).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = SHAPE)]
    pub rounds: u32,
    /// Worker threads; by default one per CPU of --pin, or half of the CPUs.
    #[arg(long, help_heading = MACHINE)]
    pub threads: Option<usize>,
    /// CPUs for the worker threads: 1 or 1,3-5.
    #[arg(long, value_parser = pin::cpu_list, help_heading = MACHINE)]
    pub pin: Option<CpuList>,
    /// Process id of the server, for its CPU time and memory.
    #[arg(long, help_heading = MACHINE)]
    pub server_pid: Option<i32>,
    /// Print one JSON object instead of the table.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Write the result as one HTML page too.
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub report: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, help_heading = OUTPUT)]
    pub quiet: bool,
}

const LOAD: &str = "Load";
const SHAPE: &str = "Who and what";
const MACHINE: &str = "Machine";
const OUTPUT: &str = "Output";

/// Most connections of one kind; bounds memory and descriptors.
const CONNECTIONS_MAX: usize = 500_000;

impl PlanArgs {
    /// The amount asked for, 5 seconds by default.
    pub fn amount(&self) -> Amount {
        match (self.count, self.duration) {
            (Some(count), _) => Amount::Count(count),
            (None, time) => Amount::Time(time.unwrap_or(Duration::from_secs(5))),
        }
    }

    /// Number of worker threads for so many connections.
    pub fn thread_count(&self, connections: usize) -> usize {
        let wanted = self.threads.unwrap_or_else(|| {
            self.pin
                .as_ref()
                .map_or(pin::available().div_ceil(2), CpuList::len)
        });
        wanted.clamp(1, connections.clamp(1, 1024))
    }

    /// Rejects values that make no sense before anything is opened.
    pub fn check(&self) -> Result<(), String> {
        let numbers = [
            ("--subjects", Some(self.subjects)),
            ("--connections", self.connections),
            ("--publishers", self.publishers),
            ("--subscribers", self.subscribers),
            ("--clients", Some(self.clients)),
            ("--responders", Some(self.responders)),
            ("--threads", self.threads),
        ];
        for (name, value) in numbers {
            let limit = if name == "--subjects" {
                4_000_000
            } else {
                CONNECTIONS_MAX
            };
            if let Some(value) = value
                && !(1..=limit).contains(&value)
            {
                return Err(format!("{name} must be between 1 and {limit}"));
            }
        }
        if self.count == Some(0) {
            return Err("--count must be at least 1".into());
        }
        let clean = !self.prefix.is_empty()
            && self
                .prefix
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"*>".contains(&byte));
        if !clean {
            return Err("--prefix must be a plain subject token".into());
        }
        Ok(())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = parse::count(text)
        .map(|rate| rate as f64)
        .or_else(|_| text.parse::<f64>().map_err(|error| error.to_string()))?;
    if (0.001..=1e9).contains(&rate) {
        Ok(rate)
    } else {
        Err("the rate must be between 0.001 and 1e9 per second".into())
    }
}
