//! The result of a run: one structure, shown as a table, as JSON or as a page.

pub mod figures;
mod limit;
pub mod measured;
pub mod numbers;
pub mod page;
#[cfg(test)]
pub mod samples;
mod text;

use serde::Serialize;

use crate::args::PlanArgs;
use crate::parse::Amount;
use crate::procstat::{Memory, Spent};
use crate::verify::Verdict;
use figures::{Count, Curve, Figure, Latency, Sample};
use measured::Measured;

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Parameters {
    server: String,
    transport: String,
    /// What the server calls its version.
    pub server_version: String,
    size: String,
    subjects: usize,
    connections: usize,
    subscriptions: usize,
    count: Option<u64>,
    duration_s: Option<f64>,
    rate: Option<f64>,
    verify: bool,
    window: Option<u64>,
    threads: usize,
}

impl Parameters {
    /// The load, for titles.
    fn load(&self) -> String {
        let rate = self.rate.map(|rate| format!(" at {rate}/s"));
        let payload = match self.size.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("{} B", self.size),
            false => self.size.clone(),
        };
        format!("{payload}{}", rate.unwrap_or_default())
    }

    /// Names and values, for people.
    pub fn facts(&self) -> Vec<(String, String)> {
        let number =
            |number: Option<f64>, unit: &str| number.map(|number| format!("{number}{unit}"));
        let all = [
            (
                "server",
                Some(format!("{} {}", self.server, self.server_version)),
            ),
            ("transport", Some(self.transport.clone())),
            ("payload bytes", Some(self.size.clone())),
            ("subjects", Some(self.subjects.to_string())),
            ("messages", self.count.map(|count| count.to_string())),
            ("duration", number(self.duration_s, " s")),
            ("rate", number(self.rate, "/s")),
            ("window", self.window.map(|window| window.to_string())),
            ("verified", self.verify.then(|| "every payload".into())),
            ("threads", Some(self.threads.to_string())),
        ];
        all.into_iter()
            .filter_map(|(name, text)| Some((name.to_string(), text?)))
            .collect()
    }
}

/// The server process over the run.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ServerUse {
    /// CPU time, user and system.
    pub cpu_seconds: Option<f64>,
    /// … per published message (per request in reqrep), or per delivered one where nothing was published.
    pub cpu_us_per_message: Option<f64>,
    /// Context switches, likewise.
    pub switches_per_message: Option<f64>,
    /// CPU time as a share of the CPUs it may use.
    pub busy: Option<f64>,
    /// Resident memory and its peak at the end.
    pub memory: Option<Memory>,
    /// Resident memory before the first connection.
    pub resident_before_bytes: Option<u64>,
    /// Growth from before the first connection to the end, per connection (idle) or subscription (subs).
    pub bytes_per_connection: Option<f64>,
    /// The same for plan subs.
    pub bytes_per_subscription: Option<f64>,
}

/// Everything about one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Plan name.
    pub plan: String,
    /// What was asked for.
    pub parameters: Parameters,
    /// Messages published (requests in reqrep).
    pub published: u64,
    /// Messages delivered (replies in reqrep).
    pub delivered: u64,
    /// Payload bytes published.
    pub published_bytes: u64,
    /// Payload bytes delivered.
    pub delivered_bytes: u64,
    /// Measured time.
    pub seconds: f64,
    /// Published messages per second.
    pub published_per_second: f64,
    /// Delivered messages per second.
    pub delivered_per_second: f64,
    /// Latency: open loop from the intended send time, reqrep per request.
    pub latency: Option<Latency>,
    /// Open loop: how late we sent.
    pub send_lag: Option<Latency>,
    /// Deliveries (replies) that never came.
    pub lost: u64,
    /// Deliveries beyond what was promised.
    pub surplus: u64,
    /// With --verify.
    pub verdict: Option<Verdict>,
    /// Errors, counted.
    pub errors: u64,
    /// The first few error texts.
    pub error_texts: Vec<String>,
    /// CPU time of our worker threads.
    pub own_cpu_seconds: f64,
    /// … per published and delivered message, if there was any.
    pub own_cpu_ns_per_message: Option<f64>,
    /// The server process.
    pub server: ServerUse,
    /// We, not the server, were the limit.
    pub loadgen_limited: bool,
    /// Why we think so.
    pub limit_text: String,
    /// Figures of this plan alone.
    pub figures: Vec<Figure>,
    /// Counts over time.
    pub series: Vec<Sample>,
    /// Percentile curves of the latency.
    pub curves: Vec<Curve>,
}

/// What can be said of a run, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// All went well.
    Good,
    /// Nothing went wrong, but the figures are those of loadgen rather than of the server.
    Limited,
    /// Something was lost or failed.
    Bad,
}

impl Report {
    /// What can be said of the run.
    pub fn standing(&self) -> Standing {
        match (self.is_good(), self.loadgen_limited) {
            (false, _) => Standing::Bad,
            (true, true) => Standing::Limited,
            (true, false) => Standing::Good,
        }
    }

    /// What counts as its throughput: deliveries, or what was published if nothing was to be delivered.
    pub fn throughput(&self) -> (f64, Count) {
        match self.delivered > 0 {
            true => (self.delivered_per_second, |sample| sample.received),
            false => (self.published_per_second, |sample| sample.published),
        }
    }

    /// Nothing was lost, nothing came twice, nothing failed.
    pub fn is_good(&self) -> bool {
        self.lost == 0
            && self.surplus == 0
            && self.errors == 0
            && self.verdict.is_none_or(|verdict| verdict.is_clean())
    }
}

/// What a run knows beside its counts.
pub struct Facts<'a> {
    /// Plan name.
    pub plan: &'a str,
    /// Options.
    pub args: &'a PlanArgs,
    /// Server's address.
    pub address: String,
    /// How the connections look.
    pub transport: String,
    /// Server version.
    pub version: String,
    /// Connections opened.
    pub connections: usize,
    /// Subscriptions made.
    pub subscriptions: usize,
    /// Bound of deliveries under way.
    pub window: u64,
    /// Server's resident memory before the first connection.
    pub resident_before: Option<u64>,
    /// … and after all connections and subscriptions.
    pub resident_after_setup: Option<u64>,
    /// … and its memory at the end.
    pub memory: Option<Memory>,
    /// The verifiers' verdict.
    pub verdict: Option<Verdict>,
}

/// Puts the report together.
pub fn build(facts: Facts<'_>, measured: Measured) -> Report {
    let (total, args) = (&measured.total, facts.args);
    let (count, duration_s) = match args.amount() {
        Amount::Count(count) => (Some(count), None),
        Amount::Time(time) => (None, Some(time.as_secs_f64())),
    };
    let parameters = Parameters {
        server: facts.address.clone(),
        transport: facts.transport.clone(),
        server_version: facts.version.clone(),
        size: args.size.to_string(),
        subjects: args.subjects,
        connections: facts.connections,
        subscriptions: facts.subscriptions,
        count,
        duration_s,
        rate: args.rate,
        verify: args.verify,
        window: Some(facts.window).filter(|window| *window < u64::MAX),
        threads: args.thread_count(facts.connections),
    };
    let (loadgen_limited, limit_text) = limit::limit(&measured, !total.send_lag.is_empty());
    Report {
        plan: facts.plan.into(),
        parameters,
        published: total.published,
        delivered: total.received,
        published_bytes: total.published_bytes,
        delivered_bytes: total.received_bytes,
        seconds: measured.seconds,
        published_per_second: total.published as f64 / measured.seconds,
        delivered_per_second: total.received as f64 / measured.seconds,
        latency: Latency::of(&total.latency),
        send_lag: Latency::of(&total.send_lag),
        lost: total.lost,
        surplus: total.surplus,
        verdict: facts.verdict,
        errors: total.errors,
        error_texts: total.error_texts.clone(),
        own_cpu_seconds: total.cpu_ns as f64 / 1e9,
        own_cpu_ns_per_message: per_message(total.cpu_ns, total.published + total.received),
        server: server_use(&facts, &measured),
        loadgen_limited,
        limit_text,
        figures: measured.figures,
        series: measured.series,
        curves: measured.curves,
    }
}

/// An amount per message; without messages there is no such figure.
fn per_message(amount: u64, messages: u64) -> Option<f64> {
    (messages > 0).then(|| amount as f64 / messages as f64)
}

fn server_use(facts: &Facts<'_>, measured: &Measured) -> ServerUse {
    let messages = match measured.total.published {
        0 => measured.total.received,
        published => published,
    };
    let spent_per_message =
        |of: fn(Spent) -> u64| per_message(of(measured.server_spent?), messages);
    let growth = facts
        .resident_after_setup
        .zip(facts.resident_before)
        .map(|(after, before)| after.saturating_sub(before) as f64);
    let grown_per = |plan: &str, count: usize| {
        growth
            .filter(|_| facts.plan == plan)
            .map(|growth| growth / count.max(1) as f64)
    };
    ServerUse {
        cpu_seconds: measured.server_spent.map(|spent| spent.cpu_ns as f64 / 1e9),
        cpu_us_per_message: spent_per_message(|spent| spent.cpu_ns).map(|cpu_ns| cpu_ns / 1e3),
        switches_per_message: spent_per_message(|spent| spent.switches),
        busy: measured.server_busy,
        memory: facts.memory,
        resident_before_bytes: facts.resident_before,
        bytes_per_connection: grown_per("idle", facts.connections),
        bytes_per_subscription: grown_per("subs", facts.subscriptions),
    }
}
