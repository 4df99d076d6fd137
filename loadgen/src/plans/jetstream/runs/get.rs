//! kv-get: values of drawn keys of a bucket that was filled before.

use std::sync::Arc;

use crate::plans::jetstream::getter::{self, Getter, Order};
use crate::plans::jetstream::meter::{Meter, Outcome};
use crate::plans::jetstream::runs::fill;
use crate::plans::jetstream::stand::Stand;
use crate::plans::jetstream::subjects::Subjects;
use crate::verify::Verdict;

/// Plan kv-get.
pub fn keys(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let args = stand.args;
    let (stream, keys) = fill::make_bucket(stand)?;
    let in_turn = Subjects::KeysInTurn(keys.clone());
    let (ledger, _) = fill::fill(stand, meter, in_turn, 1, keys.count)?;
    let values = match args.verify {
        true => ledger.last_values(&Subjects::KeysInTurn(keys.clone()), keys.count),
        false => Vec::new(),
    };
    drop(ledger);
    let style = Arc::new(getter::Style {
        keys: getter::keys_of(&stream, &keys),
        order: Order::Drawn,
        window: args.window.map_or(1, |window| window.max(1) as usize),
        values,
    });
    let hands = stand.hands("getter", args.clients, |index, inbox| {
        Getter::new(index as u32, style.clone(), inbox)
    })?;
    let mut crew = stand.crew(hands)?;
    meter.warm_up(&mut crew)?;
    let mut outcome = meter.measure(&mut crew, args.amount(), || Ok(()))?;
    let verdicts = crew.into_actors().into_iter().map(|getter| getter.verdict);
    if args.verify {
        outcome.verdict = Some(verdicts.sum::<Verdict>());
    }
    Ok(outcome)
}
