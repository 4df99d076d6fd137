//! Plan reqrep: clients with one request outstanding each, and responders in a queue group.

use std::sync::Arc;

use crate::args::PlanArgs;
use crate::engine::client::Client;
use crate::engine::worker::{Link, Role};
use crate::plans::flow;
use crate::plans::setup::{Opener, Setup};
use crate::stamp;

/// Connects clients and responders; subscriptions are in force when this returns.
pub fn set_up(args: &PlanArgs, opener: &mut Opener) -> Result<Setup, String> {
    if args.verify {
        return Err(
            "reqrep always matches replies to requests; --verify is for the one-way plans".into(),
        );
    }
    let mut payload = vec![0; args.size.max()];
    stamp::fill(&mut payload);
    let payload = Arc::new(payload);
    let subject = format!("{}.request", args.prefix);
    let mut links = Vec::new();
    for (index, mut connection) in opener
        .open("responder", args.responders, args.size.max())?
        .into_iter()
        .enumerate()
    {
        let queue = (args.responders > 1).then_some("responders");
        flow::subscribe(&mut connection, std::slice::from_ref(&subject), queue)?;
        links.push(Link::new(
            connection,
            Role::Responder,
            format!("responder {index}"),
        ));
    }
    for (index, mut connection) in opener
        .open("client", args.clients, args.size.max())?
        .into_iter()
        .enumerate()
    {
        // Unique on a shared server: the process, and the client within it.
        let inbox = format!(
            "_INBOX.{}x{:x}.{index}",
            std::process::id(),
            crate::clock::now_ns()
        );
        flow::subscribe(&mut connection, &[format!("{inbox}.*")], None)?;
        let client = Client::new(
            &subject,
            &inbox,
            payload.clone(),
            args.size.clone(),
            index as u64,
        );
        links.push(Link::new(
            connection,
            Role::Client(Box::new(client)),
            format!("client {index}"),
        ));
    }
    let subscriptions = links.len();
    Ok(Setup {
        links,
        groups: Vec::new(),
        window: u64::MAX,
        subscriptions,
    })
}
