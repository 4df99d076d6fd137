//! The options of `compare`.

use std::path::PathBuf;

use crate::compare::config::Features;
use crate::compare::needs;
use crate::compare::store;
use crate::pin::{self, CpuList};

/// Options of `compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// Our server's binary, a path or a name in PATH; started with -a 127.0.0.1 -p PORT.
    #[arg(long)]
    pub ours: PathBuf,
    /// The other server's binary (nats-server); started alike.
    #[arg(
        long,
        required_unless_present = "features",
        conflicts_with = "features"
    )]
    pub theirs: Option<PathBuf>,
    /// Compare our server with itself: with accounts, permissions and mappings on, and without any. `beside`: the
    /// mappings are of other subjects; `mapped`: every message goes through one. Or with JetStream on and unused, and
    /// without it: `stored`.
    #[arg(long)]
    pub features: Option<Features>,
    /// Further arguments for our server, separated by spaces.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub ours_args: String,
    /// Further arguments for the other server.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub theirs_args: String,
    /// Configuration file for our server (-c); what a plan needs is added to a copy of it.
    #[arg(long, value_name = "FILE", conflicts_with = "features")]
    pub ours_config: Option<PathBuf>,
    /// Configuration file for the other server.
    #[arg(long, value_name = "FILE", conflicts_with = "features")]
    pub theirs_config: Option<PathBuf>,
    /// As whom to connect to our server.
    #[arg(long, value_name = "USER:PASSWORD", value_parser = login)]
    pub ours_user: Option<(String, String)>,
    /// As whom to connect to the other server.
    #[arg(long, value_name = "USER:PASSWORD", value_parser = login)]
    pub theirs_user: Option<(String, String)>,
    /// CPUs of the server under test.
    #[arg(long, default_value = "0", value_parser = pin::cpu_list)]
    pub server_cores: CpuList,
    /// CPUs of the load generator's threads.
    #[arg(long, default_value = "1", value_parser = pin::cpu_list)]
    pub pin: CpuList,
    /// Directory on a disk, in which every server that needs JetStream gets one of its own, removed when it has ended.
    #[arg(long, value_name = "DIR")]
    pub store_dir: Option<PathBuf>,
    /// Runs of each server per plan.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Plans to run, separated by commas: all, plain (the first twelve), dropin (TLS, WebSocket, monitoring, reload),
    /// telemetry, neighbour, or names: pub16, one16, fanout8, pairs8, one64k, fanin1000, reqrep1, reqrep32, paced,
    /// fanin_paced, idle10k, subs1m, tls1, tls64k, handshakes, ws1, wsdeflate1, polling, reload1, reload8,
    /// telemetry100, telemetry1k, telemetry10k, each also to ten subscribers (telemetry1kx10) and in an open loop
    /// (telemetry1k-20k, telemetry1kx10-100k), neighbour1k, neighbour20k. With --store-dir also jetstream, or names (see
    /// below); `all` is all without those.
    #[arg(long, default_value = "all", value_name = "PLANS")]
    pub plans: String,
    /// Multiplies times, idle connections and subscriptions.
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Worker threads of the load generator.
    #[arg(long)]
    pub threads: Option<usize>,
    /// Print one JSON object with everything instead of the tables.
    #[arg(long)]
    pub json: bool,
    /// Write everything as one HTML page too.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Neither a line per run nor the progress on stderr.
    #[arg(long)]
    pub quiet: bool,
}

impl CompareArgs {
    /// Rejects what no run could be made with, before the first one.
    pub fn check(&self) -> Result<(), String> {
        if !(0.001..=100.0).contains(&self.scale) {
            return Err("--scale must be between 0.001 and 100".into());
        }
        if self.threads == Some(0) {
            return Err("--threads must be at least 1".into());
        }
        self.server_cores.check("--server-cores")?;
        self.pin.check("--pin")?;
        self.store_dir.as_deref().map_or(Ok(()), store::check)?;
        needs::readable("--ours-config", self.ours_config.as_deref())?;
        needs::readable("--theirs-config", self.theirs_config.as_deref())
    }
}

fn login(text: &str) -> Result<(String, String), String> {
    text.split_once(':')
        .map(|(user, password)| (user.into(), password.into()))
        .ok_or_else(|| "write it as user:password".into())
}
