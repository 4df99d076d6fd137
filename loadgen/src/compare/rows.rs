//! The plans that a comparison runs, each with the command line it stands for.

use std::time::Duration;

use clap::Parser;

use crate::cli::{Cli, Command, PlanArgs};
use crate::compare::config::Setting;
use crate::parse::Amount;
use crate::plans::Plan;

/// One row of the comparison.
pub struct Row {
    /// Name for --plans.
    pub name: &'static str,
    /// What it is, for the table.
    pub title: &'static str,
    /// What the server needs.
    pub setting: Setting,
    line: &'static str,
}

/// All rows, in order. Times are those of scale 1.
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

/// The rows that `selection` names: `all`, `plain` (those that need no configuration), `dropin` (the others), or names
/// with commas.
pub fn select(selection: &str) -> Result<Vec<&'static Row>, String> {
    let is_plain = |row: &&Row| row.setting == Setting::Plain;
    match selection {
        "all" => return Ok(ROWS.iter().collect()),
        "plain" => return Ok(ROWS.iter().filter(is_plain).collect()),
        "dropin" => return Ok(ROWS.iter().filter(|row| !is_plain(row)).collect()),
        _ => {}
    }
    let find = |name: &str| {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        let unknown = format!("no plan is called {name:?}; there are {}", names.join(", "));
        ROWS.iter().find(|row| row.name == name).ok_or(unknown)
    };
    selection.split(',').map(|name| find(name.trim())).collect()
}

impl Row {
    /// Plan and options, with times and numbers of connections and subscriptions multiplied by `scale`.
    pub fn arguments(&self, scale: f64) -> (Plan, PlanArgs) {
        let words = std::iter::once("loadgen").chain(self.line.split(' '));
        let (plan, mut args) = match Cli::try_parse_from(words)
            .expect("the rows are valid command lines")
            .command
        {
            Command::Pub(args) => (Plan::Pub, args),
            Command::Pubsub(args) => (Plan::Pubsub, args),
            Command::Fanout(args) => (Plan::Fanout, args),
            Command::Pairs(args) => (Plan::Pairs, args),
            Command::Fanin(args) => (Plan::Fanin, args),
            Command::Reqrep(args) => (Plan::Reqrep, args),
            Command::Idle(args) => (Plan::Idle, args),
            Command::Subs(args) => (Plan::Subs, args),
            Command::Handshakes(args) => (Plan::Handshakes, args),
            Command::Polling(args) => (Plan::Polling, args),
            _ => unreachable!("no row uses another plan"),
        };
        let scaled = |number: usize| ((number as f64 * scale) as usize).max(1);
        let shorter = |time: Duration| time.mul_f64(scale).max(Duration::from_millis(20));
        args.duration = args.duration.map(shorter);
        args.warmup = args.warmup.map(|amount| match amount {
            // Servers PING every new client within some seconds; that must be over.
            Amount::Time(time) if plan == Plan::Polling => Amount::Time(time),
            Amount::Time(time) => Amount::Time(shorter(time)),
            Amount::Count(count) => Amount::Count(count),
        });
        if matches!(plan, Plan::Idle | Plan::Subs | Plan::Polling) {
            args.connections = args.connections.map(scaled);
            (args.literals, args.wildcards) = (scaled(args.literals), scaled(args.wildcards));
        }
        (plan, args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_parse_and_scale() {
        for row in &ROWS {
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
        assert_eq!(select("all").unwrap().len(), ROWS.len());
        let parts = select("plain").unwrap().len() + select("dropin").unwrap().len();
        assert_eq!(parts, ROWS.len());
        assert_eq!(select("pub16, reqrep1").unwrap().len(), 2);
        assert!(select("pub16,nope").is_err_and(|text| text.contains("reqrep32")));
    }
}
