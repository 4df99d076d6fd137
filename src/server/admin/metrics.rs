//! `/metrics` for Prometheus: the numbers of every core and every account, in
//! its text format 0.0.4.

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use trunkline_core::base::id::AccountId;
use trunkline_core::base::traffic::Traffic;
use trunkline_core::session::policy::Account;
use trunkline_core::shard::report::AccountReport;
use trunkline_core::wire::info::NATS_VERSION;

use super::{Admin, processor, varz};
use crate::turn::meter::{BOUNDS_NS, Durations};
use crate::turn::report::CoreReport;

/// One number of every core: name, type, meaning, where it is.
type CoreMetric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&CoreReport) -> f64,
);

/// One number of every account.
type AccountMetric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Account, &AccountReport) -> u64,
);

/// All together that are plain numbers; times are in seconds.
const CORE_METRICS: &[CoreMetric] = &[
    (
        "trunkline_core_received_messages_total",
        "counter",
        "Messages from clients.",
        |core| traffic(core).in_messages as f64,
    ),
    (
        "trunkline_core_received_bytes_total",
        "counter",
        "Payload bytes from clients.",
        |core| traffic(core).in_bytes as f64,
    ),
    (
        "trunkline_core_sent_messages_total",
        "counter",
        "Messages to clients.",
        |core| traffic(core).out_messages as f64,
    ),
    (
        "trunkline_core_sent_bytes_total",
        "counter",
        "Payload bytes to clients.",
        |core| traffic(core).out_bytes as f64,
    ),
    (
        "trunkline_core_connections",
        "gauge",
        "Open connections.",
        |core| core.shard.connections as f64,
    ),
    (
        "trunkline_core_websocket_connections",
        "gauge",
        "Open connections over WebSocket.",
        |core| core.shard.counts.websockets as f64,
    ),
    (
        "trunkline_core_websocket_upgrades_under_way",
        "gauge",
        "Connections to the WebSocket listener that are not clients yet.",
        |core| core.pending_upgrades as f64,
    ),
    (
        "trunkline_core_subscriptions",
        "gauge",
        "Subscriptions.",
        |core| core.shard.subscriptions as f64,
    ),
    (
        "trunkline_core_route_cache_bytes",
        "gauge",
        "Memory of remembered routes.",
        |core| core.shard.route_cache_bytes as f64,
    ),
    (
        "trunkline_core_route_cache_bytes_max",
        "gauge",
        "What it may be; at it, routes that were not looked up lately go.",
        |core| core.shard.route_cache_bytes_max as f64,
    ),
    (
        "trunkline_core_outbox_bytes",
        "gauge",
        "Bytes that wait for sockets.",
        |core| core.shard.counts.waiting_bytes as f64,
    ),
    (
        "trunkline_core_ring_depth",
        "gauge",
        "Batches under way to other cores.",
        |core| core.shard.links.batches as f64,
    ),
    (
        "trunkline_core_ring_depth_max",
        "gauge",
        "Batches under way to the other core that has most of them.",
        |core| core.shard.links.batches_max as f64,
    ),
    (
        "trunkline_core_ring_bytes",
        "gauge",
        "Bytes under way to other cores.",
        |core| core.shard.links.bytes as f64,
    ),
    (
        "trunkline_core_slow_consumers_total",
        "counter",
        "Connections closed because they did not keep up.",
        |core| core.shard.endings.slow_consumers as f64,
    ),
    (
        "trunkline_core_stale_connections_total",
        "counter",
        "Connections closed because they did not answer.",
        |core| core.shard.endings.stale_connections as f64,
    ),
    (
        "trunkline_core_stalls_total",
        "counter",
        "Times that a publisher was held back for a receiver.",
        |core| core.shard.counts.stalls as f64,
    ),
    (
        "trunkline_core_connections_refused_total",
        "counter",
        "Connections refused because there were too many.",
        |core| core.shard.counts.refused as f64,
    ),
    (
        "trunkline_core_connections_throttled_total",
        "counter",
        "Connections refused because too many began a handshake.",
        |core| core.shard.counts.throttled as f64,
    ),
    (
        "trunkline_core_accept_pauses_total",
        "counter",
        "Times that accepting failed and paused.",
        |core| core.accept_pauses as f64,
    ),
    (
        "trunkline_core_tls_handshakes_under_way",
        "gauge",
        "Handshakes of TLS under way.",
        |core| core.meter.handshakes_under_way as f64,
    ),
    (
        "trunkline_core_tls_handshakes_total",
        "counter",
        "Handshakes of TLS that were completed.",
        |core| core.meter.handshakes_completed as f64,
    ),
    (
        "trunkline_core_tls_handshakes_failed_total",
        "counter",
        "Handshakes of TLS that came to nothing.",
        |core| core.meter.handshakes_failed as f64,
    ),
    (
        "trunkline_core_turn_seconds_max",
        "gauge",
        "The longest turn of the core's loop since the start.",
        |core| seconds(core.meter.turns.max_ns),
    ),
    (
        "trunkline_core_turn_seconds_max_recent",
        "gauge",
        "The longest turn of the core's loop in the last half minute to minute.",
        |core| seconds(core.meter.recent_max_ns()),
    ),
    (
        "trunkline_core_letter_cpu_seconds_max",
        "gauge",
        "Processor time of the longest request of another thread to the core.",
        |core| seconds(core.meter.letters.max_ns),
    ),
];

const ACCOUNT_METRICS: &[AccountMetric] = &[
    (
        "trunkline_account_connections",
        "gauge",
        "Open connections.",
        |account, _| account.usage.connections.load(Ordering::Relaxed),
    ),
    (
        "trunkline_account_subscriptions",
        "gauge",
        "Subscriptions.",
        |_, report| report.subscriptions as u64,
    ),
    (
        "trunkline_account_received_messages_total",
        "counter",
        "Messages from clients.",
        |_, report| report.traffic.in_messages,
    ),
    (
        "trunkline_account_received_bytes_total",
        "counter",
        "Payload bytes from clients.",
        |_, report| report.traffic.in_bytes,
    ),
    (
        "trunkline_account_sent_messages_total",
        "counter",
        "Messages to clients.",
        |_, report| report.traffic.out_messages,
    ),
    (
        "trunkline_account_sent_bytes_total",
        "counter",
        "Payload bytes to clients.",
        |_, report| report.traffic.out_bytes,
    ),
    (
        "trunkline_account_slow_consumers_total",
        "counter",
        "Connections closed because they did not keep up.",
        |_, report| report.slow_consumers,
    ),
];

fn traffic(core: &CoreReport) -> Traffic {
    core.shard.traffic()
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// The text of all metrics.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let open = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn histogram(&mut self, name: &str, core: &str, durations: &Durations) {
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (at, in_bucket) in durations.buckets.iter().enumerate() {
            count += in_bucket;
            let bound = BOUNDS_NS.get(at);
            let bound = bound.map_or("+Inf".to_owned(), |&ns| seconds(ns).to_string());
            self.sample(&bucket, &[("core", core), ("le", &bound)], count);
        }
        let labels = [("core", core)];
        self.sample(&format!("{name}_sum"), &labels, seconds(durations.sum_ns));
        self.sample(&format!("{name}_count"), &labels, count);
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

impl Admin {
    /// The page.
    pub fn metrics(&self) -> String {
        let cores = self.ask(|core, _| core.report());
        let mut page = Page::default();
        self.process_metrics(&mut page);
        for (name, kind, help, read) in CORE_METRICS {
            page.family(name, kind, help);
            for (core, report) in &cores {
                page.sample(name, &[("core", &core.0.to_string())], read(report));
            }
        }
        let name = "trunkline_core_wakeups_total";
        let help = "Times another thread woke the core from sleep.";
        page.family(name, "counter", help);
        for (core, bell) in self.cores.shared.doorbells.iter().enumerate() {
            let rings = bell.rings.load(Ordering::Relaxed);
            page.sample(name, &[("core", &core.to_string())], rings);
        }
        let name = "trunkline_core_connections_closed_total";
        page.family(name, "counter", "Connections that have ended.");
        for (core, report) in &cores {
            for (reason, count) in &report.shard.counts.closed {
                let core = core.0.to_string();
                let labels = [("core", &*core), ("reason", reason.text())];
                page.sample(name, &labels, count);
            }
        }
        let name = "trunkline_core_turn_seconds";
        page.family(name, "histogram", "Turns of the core's loop.");
        for (core, report) in &cores {
            page.histogram(name, &core.0.to_string(), &report.meter.turns);
        }
        let name = "trunkline_core_letter_cpu_seconds";
        let help =
            "Processor time of requests of other threads to the core, monitoring among them.";
        page.family(name, "histogram", help);
        for (core, report) in &cores {
            page.histogram(name, &core.0.to_string(), &report.meter.letters);
        }
        self.account_metrics(&mut page, cores.iter().map(|(_, report)| report));
        page.0
    }

    fn process_metrics(&self, page: &mut Page) {
        let name = "trunkline_build_info";
        page.family(name, "gauge", "The version of this server, as a label.");
        let version = env!("CARGO_PKG_VERSION");
        let labels = [("version", version), ("nats_version", NATS_VERSION)];
        page.sample(name, &labels, 1);
        page.single(
            "trunkline_uptime_seconds",
            "gauge",
            "Time since the start.",
            self.clock.elapsed().as_secs_f64(),
        );
        page.single(
            "process_start_time_seconds",
            "gauge",
            "When it was started, since 1970.",
            self.started.as_millisecond() as f64 / 1e3,
        );
        page.single(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory.",
            varz::resident_bytes(),
        );
        page.single(
            "process_cpu_seconds_total",
            "counter",
            "Processor time.",
            processor::seconds(),
        );
    }

    fn account_metrics<'a>(
        &self,
        page: &mut Page,
        cores: impl Iterator<Item = &'a CoreReport> + Clone,
    ) {
        let settings = self.settings();
        let accounts = || settings.policy.accounts_in_use();
        let sum = |id: AccountId| {
            let reports = cores.clone().filter_map(|core| core.shard.account(id));
            reports.fold(AccountReport::default(), |mut sum, report| {
                sum.traffic.add(&report.traffic);
                sum.subscriptions += report.subscriptions;
                sum.slow_consumers += report.slow_consumers;
                sum
            })
        };
        let sums: Vec<AccountReport> = accounts().map(|(id, _)| sum(id)).collect();
        for (name, kind, help, read) in ACCOUNT_METRICS {
            page.family(name, kind, help);
            for ((_, account), sum) in accounts().zip(&sums) {
                page.sample(name, &[("account", &account.name)], read(account, sum));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.sample("m", &[("a", "x\"y\\z"), ("b", "c")], 5);
        page.sample("n", &[], 1.5);
        assert_eq!(page.0, "m{a=\"x\\\"y\\\\z\",b=\"c\"} 5\nn 1.5\n");
    }
}
