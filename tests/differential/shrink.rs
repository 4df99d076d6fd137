//! Makes a session that differs as small as it can, by leaving things out while it still differs.

use super::session::{Session, Step};

/// Each attempt starts two servers; that bounds the patience.
const ATTEMPTS: usize = 250;

pub fn shrink(mut session: Session, still_differs: impl Fn(&Session) -> bool) -> Session {
    let mut attempts = 0;
    let mut try_it = |candidate: &Session| {
        attempts += 1;
        attempts <= ATTEMPTS && still_differs(candidate)
    };
    // Big pieces first.
    let mut size = session.steps.len() / 2;
    while size >= 1 {
        let mut at = 0;
        while at < session.steps.len() {
            let mut smaller = session.clone();
            let end = (at + size).min(smaller.steps.len());
            smaller.steps.drain(at..end);
            if try_it(&smaller) {
                session = smaller;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for step in 0..session.steps.len() {
        session = without_cuts(session, step, &mut try_it);
        session = without_operations(session, step, &mut try_it);
    }
    session
}

fn without_cuts(
    session: Session,
    step: usize,
    try_it: &mut impl FnMut(&Session) -> bool,
) -> Session {
    let mut smaller = session.clone();
    match &mut smaller.steps[step] {
        Step::Send(send) if !send.cuts.is_empty() => send.cuts.clear(),
        _ => return session,
    }
    if try_it(&smaller) { smaller } else { session }
}

fn without_operations(
    mut session: Session,
    step: usize,
    try_it: &mut impl FnMut(&Session) -> bool,
) -> Session {
    let mut at = 0;
    loop {
        let mut smaller = session.clone();
        match &mut smaller.steps[step] {
            Step::Send(send) if at < send.operations.len() && send.operations.len() > 1 => {
                send.operations.remove(at);
            }
            _ => return session,
        }
        if try_it(&smaller) {
            session = smaller;
        } else {
            at += 1;
        }
    }
}
