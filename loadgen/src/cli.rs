//! The command line.

use clap::{Parser, Subcommand};

use crate::compare::args::CompareArgs;
use crate::crowds::CrowdsArgs;
use crate::plans::plan::PlanCommand;

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
2 when the run could not be made (a mistake in the options, a program that is not there, no server, refused credentials \
or TLS, a report that cannot be written). When loadgen itself was the limit the result says so, with status 0.";

const COMPARE_EXAMPLES: &str = "\
Before the first run both servers are tried with everything that the plans need. Every run has a fresh server, started
with -a 127.0.0.1 -p PORT and pinned to --server-cores; certificates, users and listeners that a plan needs are written
into a configuration file that both servers accept.

Examples:
  loadgen compare --ours trunkline --theirs nats-server --plans plain --report compare.html
  loadgen compare --ours trunkline --theirs nats-server --plans tls1,tls64k,handshakes,ws1,wsdeflate1
  loadgen compare --ours trunkline --theirs nats-server --plans polling,reload1,reload8
  loadgen compare --ours trunkline --theirs nats-server --plans telemetry,neighbour
  loadgen compare --ours trunkline --features mapped --plans plain

JetStream: every server gets a directory of its own below --store-dir, on a disk, removed at its end. Rows that end with
-always give the other server `sync_interval: always`, the rest its default; ours is as it is by default.
  loadgen compare --ours trunkline --theirs nats-server --store-dir DIR --plans jetstream
    js-async, js-async-always            128 B, window 1,000, 1 client; the same against `always`
    js-async100, js-async100-always      the same over 100 streams, 100 clients
    js-sync-always, js-sync16-always     one message under way per client, 1 and 16 clients, against `always`
    js-replay, js-replay-push            ordered replay, 128 B
    js-consume                           ordered consumer behind a publisher
    js-fetch                             durable pull, explicit ack, batches of 500
    kv-get, kv-put-always, kv-get16      key-value get and put, 1 client; get, 16 clients, 1 M keys
    obj-put, obj-get                     object put and get, 1 GiB
    restart-keys, restart-messages, restart-streams
                                         5 M keys; 10 M messages; 2,000 streams with 5 consumers each: memory, stop,
                                         restart, restart after kill -9
  loadgen compare --ours trunkline --features stored --store-dir DIR --plans plain
                                         JetStream on and unused, and off";

const CROWDS_EXAMPLES: &str = "\
Every attack has a fresh server, pinned to --server-cores. Bystanders send a PING every 5 ms; what they wait for PONG,
the server's memory at its peak and some time after the attackers have left, and the attack's own progress are shown.

Examples:
  loadgen crowds --ours trunkline --theirs nats-server --markdown crowds.md
  loadgen crowds --ours trunkline --theirs nats-server --only echo,flood2000 --rounds 3
  loadgen crowds --ours trunkline --scale 0.05";

/// The plans, the comparison of two servers, and the attacks on them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Any plan.
    #[command(flatten)]
    Plan(Box<PlanCommand>),
    /// Run plans against two servers started here, in turns (A B B A), and compare.
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Box<CompareArgs>),
    /// Attack two servers started here, and see what clients that have nothing to do with it notice.
    #[command(after_help = CROWDS_EXAMPLES)]
    Crowds(Box<CrowdsArgs>),
}
