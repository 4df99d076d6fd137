//! Plans in which messages flow one way: pub, sub, pubsub, pairs, fanout, fanin, queue.

use std::sync::Arc;

use crate::args::PlanArgs;
use crate::batch::Batch;
use crate::engine::phase::Group;
use crate::engine::publisher::{Publisher, Style};
use crate::engine::subscriber::Subscriber;
use crate::engine::worker::{Link, Role};
use crate::net::conn::Connection;
use crate::plans::plan::Plan;
use crate::plans::setup::{Opener, Setup, WINDOW_BYTES};
use crate::stamp::{PUBLISHERS_MAX, STAMP_BYTES};
use crate::verify::Verifier;
use crate::wire::encode;

/// One write of a publisher at full speed.
const WRITE_BYTES: usize = 128 * 1024;
/// What stamped laps of all publishers together may take.
const LAPS_BYTES: usize = 64 << 20;

/// Who publishes to whom.
pub struct Shape {
    /// Publishing connections.
    pub publishers: usize,
    /// Subscribing connections.
    pub subscribers: usize,
    groups: usize,
    /// Every publisher has subjects of its own within its group.
    own_subjects: bool,
    wildcard: bool,
    queue: bool,
}

impl Shape {
    /// The shape of a plan, with its defaults.
    pub fn of(plan: Plan, args: &PlanArgs) -> Self {
        let publishers = args.publishers.unwrap_or(1);
        let subscribers = args.subscribers.unwrap_or(match plan {
            Plan::Fanout | Plan::Queue => 8,
            _ => 1,
        });
        let shape = Shape {
            publishers,
            subscribers,
            groups: 1,
            own_subjects: false,
            wildcard: args.wildcard,
            queue: false,
        };
        match plan {
            Plan::Pub => Shape {
                subscribers: 0,
                ..shape
            },
            Plan::Sub => Shape {
                publishers: 0,
                ..shape
            },
            Plan::Fanout => Shape {
                publishers: 1,
                ..shape
            },
            Plan::Queue => Shape {
                queue: true,
                ..shape
            },
            Plan::Pairs => {
                let pairs = args.connections.unwrap_or(8);
                Shape {
                    publishers: pairs,
                    subscribers: pairs,
                    groups: pairs,
                    ..shape
                }
            }
            Plan::Fanin => {
                let publishers = args.connections.unwrap_or(1000);
                Shape {
                    publishers,
                    own_subjects: true,
                    wildcard: true,
                    ..shape
                }
            }
            _ => shape,
        }
    }

    /// Subjects of publisher `publisher`, with the group first and the publisher next if it has its own.
    fn subjects(&self, args: &PlanArgs, publisher: usize) -> Vec<String> {
        let mut base = format!("{}.{}", args.prefix, publisher % self.groups);
        if self.own_subjects {
            base = format!("{base}.{publisher}");
        }
        match args.subjects {
            1 => vec![base],
            count => (0..count).map(|index| format!("{base}.{index}")).collect(),
        }
    }

    fn subscriptions(&self, args: &PlanArgs, group: usize) -> Vec<String> {
        if self.wildcard {
            vec![format!("{}.{group}.>", args.prefix)]
        } else {
            self.subjects(args, group)
        }
    }
}

/// Connects everyone; subscriptions are in force when this returns.
pub fn set_up(plan: Plan, args: &PlanArgs, opener: &mut Opener) -> Result<Setup, String> {
    let mut shape = Shape::of(plan, args);
    // One subject per group has no token behind the group that a wildcard could match.
    shape.wildcard &= shape.own_subjects || args.subjects > 1;
    check(&shape, plan, args)?;
    let batches = Arc::new(build_batches(&shape, plan, args)?);
    let mut links = publishers(&shape, plan, args, &batches, opener)?;
    let (subscribers, subscriptions) = subscribers(&shape, args, &batches, opener)?;
    links.extend(subscribers);
    let members = (shape.subscribers / shape.groups) as u64;
    let group = Group {
        members,
        joint: shape.queue,
    };
    let groups = match shape.subscribers {
        0 => Vec::new(),
        _ => vec![group; shape.groups],
    };
    let window = match plan {
        // One message per connection under way: then the server gets single messages, as from real devices.
        Plan::Fanin => shape.publishers as u64 * members.max(1),
        _ => (WINDOW_BYTES / (args.size.max() as u64 + 64)).max(64),
    };
    Ok(Setup {
        links,
        groups,
        window,
        subscriptions,
    })
}

/// Latency is measured from one end to the other.
fn wants_latency(shape: &Shape, args: &PlanArgs) -> bool {
    args.rate.is_some() && shape.subscribers > 0 && shape.publishers > 0
}

/// Connects the publishers.
fn publishers(
    shape: &Shape,
    plan: Plan,
    args: &PlanArgs,
    batches: &[Arc<Batch>],
    opener: &mut Opener,
) -> Result<Vec<Link>, String> {
    let messages_per_write = args.messages_per_write.unwrap_or(match plan {
        Plan::Fanin => 1,
        _ => u64::MAX,
    });
    let style = Style {
        stamped: wants_latency(shape, args) || args.verify,
        lap_messages_max: messages_per_write,
        lap_bytes_max: (LAPS_BYTES / shape.publishers.max(1)).clamp(4096, WRITE_BYTES),
    };
    let opened = opener.open("publisher", shape.publishers, args.size.max())?;
    let link = |(index, connection): (usize, Connection)| {
        let (id, group) = (index as u32, index % shape.groups);
        let publisher = Publisher::new(id, group, batches[index].clone(), style);
        let role = Role::Publisher(Box::new(publisher));
        Link::new(connection, role, format!("publisher {index}"))
    };
    Ok(opened.into_iter().enumerate().map(link).collect())
}

/// Connects the subscribers, and lets them subscribe; how many subscriptions that are.
fn subscribers(
    shape: &Shape,
    args: &PlanArgs,
    batches: &Arc<Vec<Arc<Batch>>>,
    opener: &mut Opener,
) -> Result<(Vec<Link>, usize), String> {
    let latency = wants_latency(shape, args);
    let opened = opener.open("subscriber", shape.subscribers, 0)?;
    let (mut links, mut subscriptions) = (Vec::with_capacity(opened.len()), 0);
    for (index, mut connection) in opened.into_iter().enumerate() {
        let group = index % shape.groups;
        let subjects = shape.subscriptions(args, group);
        subscriptions += subjects.len();
        subscribe(&mut connection, &subjects, shape.queue.then_some("workers"))?;
        // Publishers of a group: pairs have one each, all other shapes have one group of all.
        let (first, count) = if shape.groups > 1 {
            (group, 1)
        } else {
            (0, shape.publishers)
        };
        let verifier = args
            .verify
            .then(|| Verifier::new(batches.clone(), first as u32, count, shape.queue));
        let subscriber = if latency || args.verify {
            Subscriber::looking(group, latency, verifier)
        } else {
            Subscriber::counting(group)
        };
        let role = Role::Subscriber(Box::new(subscriber));
        links.push(Link::new(connection, role, format!("subscriber {index}")));
    }
    Ok((links, subscriptions))
}

/// Sends the SUBs and waits for the PONG behind them.
pub fn subscribe(
    connection: &mut Connection,
    subjects: &[String],
    queue: Option<&str>,
) -> Result<(), String> {
    subscribe_from(connection, subjects, queue, 0)
}

/// The same, for a connection that has `sid_base` subscriptions already.
pub fn subscribe_from(
    connection: &mut Connection,
    subjects: &[String],
    queue: Option<&str>,
    sid_base: u64,
) -> Result<(), String> {
    let mut out = Vec::new();
    for (index, subject) in subjects.iter().enumerate() {
        encode::subscribe(&mut out, subject, queue, sid_base + index as u64 + 1);
    }
    connection.barrier(&out)
}

fn build_batches(shape: &Shape, plan: Plan, args: &PlanArgs) -> Result<Vec<Arc<Batch>>, String> {
    // Publishers with the same subjects share one batch.
    let own = shape.own_subjects || shape.groups > 1;
    let wanted = match (plan, own) {
        (Plan::Fanin, _) => 1,
        (_, true) => LAPS_BYTES
            .div_ceil(shape.publishers.max(1))
            .min(WRITE_BYTES),
        (_, false) => WRITE_BYTES,
    };
    let mut batches: Vec<Arc<Batch>> = Vec::with_capacity(shape.publishers);
    for publisher in 0..shape.publishers {
        let batch = match batches.first() {
            Some(first) if !own => first.clone(),
            _ => Arc::new(Batch::build(
                &shape.subjects(args, publisher),
                &args.size,
                wanted,
            )?),
        };
        batches.push(batch);
    }
    Ok(batches)
}

fn check(shape: &Shape, plan: Plan, args: &PlanArgs) -> Result<(), String> {
    let stamped = args.verify || (args.rate.is_some() && shape.subscribers > 0);
    if stamped && shape.publishers > 0 && args.size.min() < STAMP_BYTES {
        return Err(format!(
            "--verify and latency at --rate need payloads of at least {STAMP_BYTES} bytes"
        ));
    }
    if args.verify && (shape.publishers == 0 || shape.subscribers == 0) {
        return Err(format!(
            "--verify needs publishers and subscribers in one run; `{}` has only one side",
            plan.name()
        ));
    }
    if shape.publishers > PUBLISHERS_MAX {
        return Err(format!("at most {PUBLISHERS_MAX} publishers"));
    }
    let trackers = shape.publishers.saturating_mul(shape.subscribers) / shape.groups.max(1);
    if args.verify && trackers > 10_000_000 {
        return Err(
            "--verify keeps a counter per publisher and subscriber; that many do not fit".into(),
        );
    }
    Ok(())
}
