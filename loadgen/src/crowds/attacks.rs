//! The attacks, by name.

use crate::compare::config::Setting;
use crate::crowds::scene::Scene;
use crate::crowds::{floods, subscriptions};

/// One attack.
pub struct Attack {
    /// Name for --only.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// What it counts: its progress.
    pub unit: &'static str,
    /// CPUs of the server.
    pub cores: Cores,
    /// What the server needs.
    pub setting: Setting,
    /// What its configuration holds beside that, at a scale.
    pub config: Option<fn(f64) -> String>,
    /// Sets the attack up, begins it, and counts.
    pub run: fn(&mut Scene<'_>) -> Result<f64, String>,
}

/// On how many CPUs the server runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// Its own.
    Own,
    /// Its own and those of the load generator.
    All,
}

const PLAIN: Attack = Attack {
    name: "",
    title: "",
    unit: "PUBs",
    cores: Cores::Own,
    setting: Setting::Plain,
    config: None,
    run: |_| Ok(0.0),
};

/// All attacks, in order.
pub const ATTACKS: [Attack; 16] = [
    Attack {
        name: "echo",
        title: "100,000 own subscriptions without echo, 11,000 PUBs in one write",
        run: subscriptions::echo,
        ..PLAIN
    },
    Attack {
        name: "flood2000",
        title: "a flooding publisher to 2,000 receivers, 128 B",
        unit: "deliveries",
        run: floods::flood_2000,
        ..PLAIN
    },
    Attack {
        name: "flood8000",
        title: "a flooding publisher to 8,000 receivers, 128 B",
        unit: "deliveries",
        run: floods::flood_8000,
        ..PLAIN
    },
    Attack {
        name: "patterns",
        title: "16,000 matching patterns, subjects never seen before",
        run: subscriptions::patterns_new,
        ..PLAIN
    },
    Attack {
        name: "patterns-same",
        title: "16,000 matching patterns, one subject",
        run: subscriptions::patterns_same,
        ..PLAIN
    },
    Attack {
        name: "inflate",
        title: "WebSocket frames of 128 KiB that inflate to 7 MiB of PUBs, 4 connections",
        setting: Setting::Compressed,
        config: Some(floods::inflate_config),
        run: floods::inflate,
        ..PLAIN
    },
    Attack {
        name: "traces",
        title: "message traces to 5,000 receivers",
        unit: "deliveries",
        run: floods::traces,
        ..PLAIN
    },
    Attack {
        name: "close1m",
        title: "a connection with 1,000,000 subscriptions closes",
        unit: "subscriptions",
        run: subscriptions::close_short,
        ..PLAIN
    },
    Attack {
        name: "close1m-two",
        title: "the same, two cores",
        unit: "subscriptions",
        cores: Cores::All,
        run: subscriptions::close_short,
        ..PLAIN
    },
    Attack {
        name: "close1m-deep",
        title: "a connection with 1,000,000 subscriptions of 30 tokens closes",
        unit: "subscriptions",
        run: subscriptions::close_deep,
        ..PLAIN
    },
    Attack {
        name: "queues60k",
        title: "60,000 queue groups on one subject come, and close",
        unit: "groups",
        run: subscriptions::queues_close,
        ..PLAIN
    },
    Attack {
        name: "queues60k-pub",
        title: "a flood to 60,000 queue groups on one subject",
        run: subscriptions::queues_publish,
        ..PLAIN
    },
    Attack {
        name: "growth",
        title: "100,000 SUB w.*, 9 PUBs to new subjects, UNSUB all, PUB again, in a loop",
        unit: "loops",
        run: subscriptions::growth,
        ..PLAIN
    },
    Attack {
        name: "inboxes",
        title: "50 accounts with 33,000 inbox subjects each",
        config: Some(floods::inboxes_config),
        run: floods::inboxes,
        ..PLAIN
    },
    Attack {
        name: "rights",
        title: "10,000 users with distinct permissions, 200 subjects",
        config: Some(floods::rights_config),
        run: floods::rights,
        ..PLAIN
    },
    Attack {
        name: "tenants",
        title: "1,000 accounts of 4 connections, 20,000 messages/s in all",
        unit: "deliveries",
        config: Some(floods::tenants_config),
        run: floods::tenants,
        ..PLAIN
    },
];

/// The attacks that `names` (with commas) are; all without.
pub fn select(names: Option<&str>) -> Result<Vec<&'static Attack>, String> {
    let Some(names) = names else {
        return Ok(ATTACKS.iter().collect());
    };
    let find = |name: &str| {
        let known: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
        let unknown = format!(
            "no attack is called \"{name}\"; there are {}",
            known.join(", ")
        );
        ATTACKS
            .iter()
            .find(|attack| attack.name == name)
            .ok_or(unknown)
    };
    names.split(',').map(|name| find(name.trim())).collect()
}
