//! What came of a run, compared with what was promised.

use crate::engine::Engine;
use crate::engine::tally::Tally;
use crate::engine::worker::Role;
use crate::parse::Amount;
use crate::verify;

/// Compares what was promised with what came, without looking into payloads.
pub fn judge(total: &mut Tally, engine: &Engine, external: Option<Amount>) {
    let links = || engine.workers.iter().flat_map(|worker| &worker.links);
    let mut promised = vec![0u64; engine.groups.len()];
    for link in links() {
        match &link.role {
            Role::Publisher(publisher) if publisher.group < promised.len() => {
                promised[publisher.group] += publisher.promised
            }
            Role::Client(client) => total.lost += client.sent - client.replies,
            _ => {}
        }
    }
    match external {
        Some(Amount::Count(count)) => promised.fill(count),
        // For a time: whatever comes is right.
        Some(Amount::Time(_)) => return,
        None => {}
    }
    let mut joint = vec![0u64; engine.groups.len()];
    let mut compare = |expected: u64, received: u64| {
        total.lost += expected.saturating_sub(received);
        total.surplus += received.saturating_sub(expected);
    };
    for link in links() {
        let Role::Subscriber(subscriber) = &link.role else {
            continue;
        };
        if engine.groups[subscriber.group].joint {
            joint[subscriber.group] += subscriber.received;
        } else {
            compare(promised[subscriber.group], subscriber.received);
        }
    }
    for (group, (expected, received)) in engine.groups.iter().zip(promised.iter().zip(&joint)) {
        if group.joint {
            compare(*expected, *received);
        }
    }
}

/// What the verifiers of all subscribers have seen.
pub fn verdict(engine: &Engine) -> verify::Verdict {
    let links = || engine.workers.iter().flat_map(|worker| &worker.links);
    let mut published = Vec::new();
    for link in links() {
        if let Role::Publisher(publisher) = &link.role {
            let id = publisher.id as usize;
            published.resize(published.len().max(id + 1), 0);
            published[id] = publisher.total();
        }
    }
    let verifiers: Vec<&verify::Verifier> = links()
        .filter_map(|link| match &link.role {
            Role::Subscriber(subscriber) => subscriber.verifier(),
            _ => None,
        })
        .collect();
    verify::conclude(&verifiers, &published)
}
