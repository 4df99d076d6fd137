//! The rows of a comparison that need JetStream. Each is one command: `loadgen compare … --store-dir DIR --plans NAME`.

use crate::compare::config::Setting;
use crate::compare::row::Row;

/// The rows, in order. Times and numbers are those of scale 1.
pub const ROWS: [Row; 18] = [
    Row {
        name: "js-async",
        title: "async publish, 128 B, window 1,000, 1 client",
        setting: Setting::Stored,
        line: "js-pub --window 1000 --duration 3s --warmup 300ms",
    },
    Row {
        name: "js-async-always",
        title: "the same against a server that syncs",
        setting: Setting::Synced,
        line: "js-pub --window 1000 --duration 3s --warmup 300ms",
    },
    Row {
        name: "js-async100",
        title: "async publish, 128 B, window 1,000, 100 streams, 100 clients",
        setting: Setting::Stored,
        line: "js-pub --window 1000 --streams 100 --clients 100 --duration 3s --warmup 300ms --drain-timeout 30s",
    },
    Row {
        name: "js-async100-always",
        title: "the same against a server that syncs",
        setting: Setting::Synced,
        line: "js-pub --window 1000 --streams 100 --clients 100 --duration 3s --warmup 300ms --drain-timeout 60s",
    },
    Row {
        name: "js-sync-always",
        title: "sync publish, 128 B, 1 client, against a server that syncs",
        setting: Setting::Synced,
        line: "js-pub --duration 3s --warmup 300ms",
    },
    Row {
        name: "js-sync16-always",
        title: "sync publish, 128 B, 16 clients, against a server that syncs",
        setting: Setting::Synced,
        line: "js-pub --clients 16 --duration 3s --warmup 300ms",
    },
    Row {
        name: "js-replay",
        title: "ordered replay, 128 B, pulled in batches of 500",
        setting: Setting::Stored,
        line: "js-replay --count 1M",
    },
    Row {
        name: "js-replay-push",
        title: "ordered replay, 128 B, pushed",
        setting: Setting::Stored,
        line: "js-replay --count 1M --push",
    },
    Row {
        name: "js-consume",
        title: "ordered consumer behind a publisher with a window of 1,000, 128 B, pushed",
        setting: Setting::Stored,
        line: "js-consume --count 500k --push",
    },
    Row {
        name: "js-fetch",
        title: "durable pull, explicit ack, batches of 500, 128 B",
        setting: Setting::Stored,
        line: "js-fetch --count 500k --batch 500",
    },
    Row {
        name: "kv-get",
        title: "key-value get, 1 client",
        setting: Setting::Stored,
        line: "kv-get --keys 10000 --duration 3s --warmup 300ms",
    },
    Row {
        name: "kv-put-always",
        title: "key-value put, 1 client, against a server that syncs",
        setting: Setting::Synced,
        line: "kv-put --keys 10000 --duration 3s --warmup 300ms",
    },
    Row {
        name: "kv-get16",
        title: "key-value get, 16 clients, 1 M keys",
        setting: Setting::Stored,
        line: "kv-get --clients 16 --keys 1M --duration 3s --warmup 300ms",
    },
    Row {
        name: "obj-put",
        title: "object put, 1 GiB; per chunk of 128 KiB",
        setting: Setting::Stored,
        line: "obj-put --object-size 1GiB --drain-timeout 30s",
    },
    Row {
        name: "obj-get",
        title: "object get, 1 GiB; per chunk of 128 KiB",
        setting: Setting::Stored,
        line: "obj-get --object-size 1GiB --drain-timeout 30s",
    },
    Row {
        name: "restart-keys",
        title: "5 M keys of 100 B; then stopped, started, killed and started again",
        setting: Setting::Restarted,
        line: "kv-get --keys 5M --size 100 --count 1000 --keep --drain-timeout 30s",
    },
    Row {
        name: "restart-messages",
        title: "10 M messages of 128 B in one stream; then stopped, started, killed and started again",
        setting: Setting::Restarted,
        line: "js-pub --window 1000 --count 10M --keep --drain-timeout 30s",
    },
    Row {
        name: "restart-streams",
        title: "2,000 streams, 5 consumers each, 50 messages each; then stopped, started, killed and started again",
        setting: Setting::Restarted,
        line: "js-pub --streams 2000 --consumers 5 --window 100 --count 100k --keep --drain-timeout 30s",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_parse_need_a_store_and_scale() {
        for row in &ROWS {
            let (plan, args) = row.arguments(0.01);
            assert!(args.check().is_ok(), "{}", row.name);
            assert!(row.setting.is_stored() && plan.is_stored(), "{}", row.name);
            // Whoever looks at a server that was started again must find something.
            let is_restarted = row.setting == Setting::Restarted;
            assert_eq!(args.jetstream.keep, is_restarted, "{}", row.name);
            assert!(
                args.count.is_none_or(|count| count <= 100_000),
                "{}",
                row.name
            );
            assert!(args.jetstream.object_size <= 11 << 20, "{}", row.name);
        }
    }
}
