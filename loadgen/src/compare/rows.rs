//! The plans that a comparison runs, each with the command line it stands for.

use crate::compare::config::Setting;
use crate::compare::row::Row;
use crate::compare::stored;

/// The main rows, in order. Times are those of scale 1.
pub const ROWS: [Row; 20] = [
    Row {
        name: "pub16",
        title: "publish only, 16 B",
        setting: Setting::Plain,
        line: "pub --size 16 --duration 2s --warmup 300ms",
    },
    Row {
        name: "one16",
        title: "1 → 1, 16 B",
        setting: Setting::Plain,
        line: "pubsub --size 16 --duration 2s --warmup 300ms",
    },
    Row {
        name: "fanout8",
        title: "1 → 8, 128 B",
        setting: Setting::Plain,
        line: "fanout --subscribers 8 --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "pairs8",
        title: "8 pairs, 128 B",
        setting: Setting::Plain,
        line: "pairs --connections 8 --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "one64k",
        title: "1 → 1, 64 KiB",
        setting: Setting::Plain,
        line: "pubsub --size 64KiB --duration 2s --warmup 300ms",
    },
    Row {
        name: "fanin1000",
        title: "1,000 connections, one 128 B message per write, 1 wildcard subscriber",
        setting: Setting::Plain,
        line: "fanin --connections 1000 --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "reqrep1",
        title: "request-reply, 1 client",
        setting: Setting::Plain,
        line: "reqrep --clients 1 --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "reqrep32",
        title: "request-reply, 32 clients",
        setting: Setting::Plain,
        line: "reqrep --clients 32 --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "paced",
        title: "1 → 1, 128 B, open loop at 20,000/s",
        setting: Setting::Plain,
        line: "pubsub --size 128 --rate 20000 --duration 2s --warmup 300ms",
    },
    Row {
        name: "fanin_paced",
        title: "1,000 connections, 128 B, open loop at 20,000/s",
        setting: Setting::Plain,
        line: "fanin --connections 1000 --size 128 --rate 20000 --duration 2s --warmup 300ms",
    },
    Row {
        name: "idle10k",
        title: "10,000 idle connections",
        setting: Setting::Plain,
        line: "idle --connections 10000 --duration 1s",
    },
    Row {
        name: "subs1m",
        title: "1 million literal + 10 k wildcard subscriptions",
        setting: Setting::Plain,
        line: "subs --literals 1000000 --wildcards 10000 --size 16 --duration 2s --warmup 300ms",
    },
    Row {
        name: "tls1",
        title: "1 → 1, 128 B, TLS 1.3",
        setting: Setting::Tls,
        line: "pubsub --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "tls64k",
        title: "1 → 1, 64 KiB, TLS 1.3",
        setting: Setting::Tls,
        line: "pubsub --size 64KiB --duration 2s --warmup 300ms",
    },
    Row {
        name: "handshakes",
        title: "TLS handshakes, open loop at 1,000/s; CPU is per handshake",
        setting: Setting::Tls,
        line: "handshakes --rate 1000 --duration 3s --warmup 500ms",
    },
    Row {
        name: "ws1",
        title: "1 → 1, 128 B, WebSocket",
        setting: Setting::WebSocket,
        line: "pubsub --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "wsdeflate1",
        title: "1 → 1, 128 B, compressed WebSocket",
        setting: Setting::Compressed,
        line: "pubsub --size 128 --duration 2s --warmup 300ms",
    },
    Row {
        name: "polling",
        title: "request-reply at 500/s beside 10,000 idle connections, quiet and with monitoring polled 10 times a second",
        setting: Setting::Monitored,
        line: "polling --connections 10000 --rate 500 --duration 3s --rounds 4 --warmup 3s",
    },
    Row {
        name: "reload1",
        title: "1 → 1, 128 B, verified, reloaded 5 times a second",
        setting: Setting::Reloaded,
        line: "pubsub --size 128 --verify --duration 4s --warmup 300ms",
    },
    Row {
        name: "reload8",
        title: "8 pairs, 128 B, verified, reloaded 5 times a second",
        setting: Setting::Reloaded,
        line: "pairs --connections 8 --size 128 --verify --duration 4s --warmup 300ms",
    },
];

/// A telemetry row: how many connections publish to how many subscribers, as fast as possible or at a rate.
macro_rules! telemetry {
    ($name:literal, $connections:literal, $subscribers:literal $(, $rate:literal)?) => {
        Row {
            name: $name,
            title: concat!(
                $connections, " connections, one 128 B message per write, wildcard subscribers: ", $subscribers
                $(, ", open loop at ", $rate, "/s")?
            ),
            setting: Setting::Plain,
            line: concat!(
                "fanin --connections ", $connections, " --subscribers ", $subscribers,
                " --size 128 --duration 2s --warmup 300ms" $(, " --rate ", $rate)?
            ),
        }
    };
}

/// Telemetry: many connections, one small message each.
pub const TELEMETRY: [Row; 18] = [
    telemetry!("telemetry100", 100, 1),
    telemetry!("telemetry1k", 1000, 1),
    telemetry!("telemetry10k", 10000, 1),
    telemetry!("telemetry100x10", 100, 10),
    telemetry!("telemetry1kx10", 1000, 10),
    telemetry!("telemetry10kx10", 10000, 10),
    telemetry!("telemetry100-20k", 100, 1, 20000),
    telemetry!("telemetry1k-20k", 1000, 1, 20000),
    telemetry!("telemetry10k-20k", 10000, 1, 20000),
    telemetry!("telemetry100x10-20k", 100, 10, 20000),
    telemetry!("telemetry1kx10-20k", 1000, 10, 20000),
    telemetry!("telemetry10kx10-20k", 10000, 10, 20000),
    telemetry!("telemetry100-100k", 100, 1, 100000),
    telemetry!("telemetry1k-100k", 1000, 1, 100000),
    telemetry!("telemetry10k-100k", 10000, 1, 100000),
    telemetry!("telemetry100x10-100k", 100, 10, 100000),
    telemetry!("telemetry1kx10-100k", 1000, 10, 100000),
    telemetry!("telemetry10kx10-100k", 10000, 10, 100000),
];

/// Beside a noisy neighbour: a thread that is always busy, on the server's first CPU.
pub const NEIGHBOUR: [Row; 2] = [
    Row {
        name: "neighbour1k",
        title: "request-reply beside a busy loop on the server's CPU, 1 client, open loop at 1,000/s",
        setting: Setting::Plain,
        line: "reqrep --clients 1 --size 128 --rate 1000 --duration 4s --warmup 500ms",
    },
    Row {
        name: "neighbour20k",
        title: "request-reply beside a busy loop on the server's CPU, 32 clients, open loop at 20,000/s",
        setting: Setting::Plain,
        line: "reqrep --clients 32 --size 128 --rate 20000 --duration 4s --warmup 500ms",
    },
];

/// The rows that `selection` names, with commas: `all`, `plain` (the main ones that need no configuration), `dropin`
/// (those that do), `telemetry`, `neighbour`, `jetstream` (which `all` leaves out), or names of rows.
pub fn select(selection: &str) -> Result<Vec<&'static Row>, String> {
    let is_plain = |row: &&Row| row.setting == Setting::Plain;
    let every = || ROWS.iter().chain(&TELEMETRY).chain(&NEIGHBOUR);
    let with_stored = || every().chain(&stored::ROWS);
    let find = |name: &str| -> Result<Vec<&'static Row>, String> {
        let rows: Vec<_> = match name {
            "all" => every().collect(),
            "plain" => ROWS.iter().filter(is_plain).collect(),
            "dropin" => ROWS.iter().filter(|row| !is_plain(row)).collect(),
            "telemetry" => TELEMETRY.iter().collect(),
            "neighbour" => NEIGHBOUR.iter().collect(),
            "jetstream" => stored::ROWS.iter().collect(),
            name => with_stored().filter(|row| row.name == name).collect(),
        };
        if rows.is_empty() {
            let names: Vec<&str> = with_stored().map(|row| row.name).collect();
            let names = names.join(", ");
            return Err(format!("no plan is called \"{name}\"; there are {names}"));
        }
        Ok(rows)
    };
    let found: Vec<_> = selection
        .split(',')
        .map(|name| find(name.trim()))
        .collect::<Result<_, _>>()?;
    Ok(found.concat())
}

impl Row {
    /// A busy thread shares the server's CPU.
    pub fn has_neighbour(&self) -> bool {
        NEIGHBOUR.iter().any(|row| row.name == self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plans::plan::Plan;

    #[test]
    fn all_rows_parse_and_scale() {
        for row in select("all").unwrap() {
            let (_, args) = row.arguments(0.1);
            assert!(args.check().is_ok(), "{}", row.name);
            assert!(
                args.duration.unwrap() <= Duration::from_millis(400),
                "{}",
                row.name
            );
        }
        let (plan, args) = select("idle10k").unwrap()[0].arguments(0.1);
        assert_eq!((plan, args.connections), (Plan::Idle, Some(1000)));
        let all = select("all").unwrap().len();
        let parts = select("plain,dropin,telemetry,neighbour").unwrap();
        assert_eq!((all, parts.len()), (40, 40));
        assert_eq!(parts.iter().filter(|row| row.has_neighbour()).count(), 2);
        assert_eq!(select("pub16, reqrep1").unwrap().len(), 2);
        let (plan, args) = select("telemetry1kx10-20k").unwrap()[0].arguments(0.1);
        let shape = (args.connections, args.subscribers, args.rate);
        let expected = (Some(1000), Some(10), Some(20_000.0));
        assert_eq!((plan, shape), (Plan::Fanin, expected));
        assert!(select("pub16,nope").is_err_and(|text| text.contains("reqrep32")));
    }
}
