//! The options of all plans.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::net::target::ServerArgs;
use crate::parse::{self, Amount, SizeSpec};
use crate::pin::{self, CpuList};

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
    /// Most deliveries under way (JetStream: messages or requests of one client); the default suits the plan.
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
    /// Requesting clients (reqrep, polling), or clients of JetStream.
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
    /// What plans of JetStream need beside.
    #[command(flatten)]
    pub jetstream: JetStreamArgs,
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

/// Options of the plans that need JetStream.
#[derive(Debug, Clone, Args)]
pub struct JetStreamArgs {
    /// Streams that the messages are spread over (js-pub, js-fetch, js-replay).
    #[arg(long, default_value_t = 1, help_heading = JETSTREAM)]
    pub streams: usize,
    /// Durable consumers of each stream, which nobody asks for messages (js-pub).
    #[arg(long, default_value_t = 0, help_heading = JETSTREAM)]
    pub consumers: usize,
    /// Messages that are asked for at once (js-fetch, js-consume, js-replay).
    #[arg(long, default_value = "500", value_parser = parse::count, help_heading = JETSTREAM)]
    pub batch: u64,
    /// The consumers push, with flow control (js-consume, js-replay).
    #[arg(long, help_heading = JETSTREAM)]
    pub push: bool,
    /// Keys of the bucket (kv-put, kv-get).
    #[arg(long, default_value = "10000", value_parser = parse::count, help_heading = JETSTREAM)]
    pub keys: u64,
    /// Size of an object (1GiB; obj-put, obj-get).
    #[arg(long, default_value = "64MiB", value_parser = parse::object_bytes, help_heading = JETSTREAM)]
    pub object_size: u64,
    /// Where streams are kept.
    #[arg(long, value_enum, default_value_t = Storage::File, help_heading = JETSTREAM)]
    pub storage: Storage,
    /// Leave what was made.
    #[arg(long, help_heading = JETSTREAM)]
    pub keep: bool,
}

/// Where streams are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// On disk.
    File,
    /// In memory.
    Memory,
}

const LOAD: &str = "Load";
const SHAPE: &str = "Who and what";
const JETSTREAM: &str = "JetStream";
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
            ("--streams", Some(self.jetstream.streams)),
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
        if let Some(cpus) = &self.pin {
            cpus.check("--pin")?;
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
