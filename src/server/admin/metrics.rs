//! `/metrics` for Prometheus: counters per core and per account.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::{Admin, varz};

/// The text of all metrics.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
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
}

impl Admin {
    /// The page.
    pub fn metrics(&self) -> String {
        let totals = self.totals();
        let mut page = Page::default();
        let number = |core: usize| core.to_string();
        type Read = fn(&trunkline_core::shard::report::AccountReport) -> u64;
        let messages: [(&str, &str, Read); 4] = [
            (
                "trunkline_core_received_messages_total",
                "Messages from clients.",
                |a| a.traffic.in_messages,
            ),
            (
                "trunkline_core_received_bytes_total",
                "Payload bytes from clients.",
                |a| a.traffic.in_bytes,
            ),
            (
                "trunkline_core_sent_messages_total",
                "Messages to clients.",
                |a| a.traffic.out_messages,
            ),
            (
                "trunkline_core_sent_bytes_total",
                "Payload bytes to clients.",
                |a| a.traffic.out_bytes,
            ),
        ];
        for (name, help, read) in messages {
            page.family(name, "counter", help);
            for (core, shard) in totals.shards.iter().enumerate() {
                let sum: u64 = shard.accounts.iter().map(read).sum();
                page.sample(name, &[("core", &number(core))], sum);
            }
        }
        let name = "trunkline_core_connections";
        page.family(name, "gauge", "Open connections.");
        for (core, shard) in totals.shards.iter().enumerate() {
            page.sample(name, &[("core", &number(core))], shard.connections);
        }
        let name = "trunkline_core_subscriptions";
        page.family(name, "gauge", "Subscriptions.");
        for (core, shard) in totals.shards.iter().enumerate() {
            page.sample(name, &[("core", &number(core))], shard.subscriptions);
        }
        let name = "trunkline_core_slow_consumers_total";
        page.family(
            name,
            "counter",
            "Connections closed because they did not keep up.",
        );
        for (core, shard) in totals.shards.iter().enumerate() {
            page.sample(
                name,
                &[("core", &number(core))],
                shard.endings.slow_consumers,
            );
        }
        let name = "trunkline_core_wakeups_total";
        page.family(
            name,
            "counter",
            "Times another thread woke the core from sleep.",
        );
        for (core, bell) in self.shared.doorbells.iter().enumerate() {
            page.sample(
                name,
                &[("core", &number(core))],
                bell.rings.load(Ordering::Relaxed),
            );
        }
        self.account_metrics(&mut page, &totals);
        let name = "process_resident_memory_bytes";
        page.family(name, "gauge", "Resident memory.");
        page.sample(name, &[], varz::resident_bytes());
        let name = "process_cpu_seconds_total";
        page.family(name, "counter", "Processor time.");
        page.sample(name, &[], varz::processor_seconds());
        page.0
    }

    fn account_metrics(&self, page: &mut Page, totals: &super::collect::Totals) {
        let settings = self.settings();
        let name = "trunkline_account_connections";
        page.family(name, "gauge", "Open connections.");
        for account in &settings.policy.accounts {
            let connections = account.usage.connections.load(Ordering::Relaxed);
            page.sample(name, &[("account", &account.name)], connections);
        }
        type Read = fn(&trunkline_core::base::traffic::Traffic) -> u64;
        let messages: [(&str, &str, Read); 2] = [
            (
                "trunkline_account_received_messages_total",
                "Messages from clients.",
                |t| t.in_messages,
            ),
            (
                "trunkline_account_sent_messages_total",
                "Messages to clients.",
                |t| t.out_messages,
            ),
        ];
        for (name, help, read) in messages {
            page.family(name, "counter", help);
            for (at, account) in settings.policy.accounts.iter().enumerate() {
                let shards = totals
                    .shards
                    .iter()
                    .filter_map(|shard| shard.accounts.get(at));
                let sum: u64 = shards.map(|shard| read(&shard.traffic)).sum();
                page.sample(name, &[("account", &account.name)], sum);
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
