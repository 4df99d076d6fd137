//! Plan idle: open connections, hold them, answer PINGs; what matters is the server's memory and CPU time meanwhile.

use crate::args::PlanArgs;
use crate::engine::worker::{Link, Role};
use crate::plans::setup::{Opener, Setup};

/// How many connections are held.
pub fn connections(args: &PlanArgs) -> usize {
    args.connections.unwrap_or(1000)
}

/// Opens the connections.
pub fn set_up(args: &PlanArgs, opener: &mut Opener) -> Result<Setup, String> {
    if args.count.is_some() || args.rate.is_some() {
        return Err("idle takes --duration, not --count or --rate".into());
    }
    let opened = opener.open("idle", connections(args), 0)?;
    let link =
        |(index, connection)| Link::new(connection, Role::Idle, format!("connection {index}"));
    let links = opened.into_iter().enumerate().map(link).collect();
    Ok(Setup {
        links,
        groups: Vec::new(),
        window: u64::MAX,
        subscriptions: 0,
    })
}
