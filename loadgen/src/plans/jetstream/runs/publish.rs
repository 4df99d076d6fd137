//! js-pub and kv-put: publish, measure until the acknowledgements, and read back what was acknowledged.

use std::sync::Arc;

use serde_json::Value;

use crate::plans::jetstream::consumers;
use crate::plans::jetstream::getter::{self, Getter, Order};
use crate::plans::jetstream::ledger::{self, Ledger};
use crate::plans::jetstream::meter::{Meter, Outcome};
use crate::plans::jetstream::publisher::{Publisher, Style};
use crate::plans::jetstream::reader::{Reader, Way};
use crate::plans::jetstream::runs::fill;
use crate::plans::jetstream::stand::Stand;
use crate::plans::jetstream::subjects::{Keys, Subjects};
use crate::plans::jetstream::takers::Audit;

/// Messages asked for at once while streams are read back.
const READ_BACK_BATCH: u64 = 1000;
/// Messages that consumers nobody asks could have under way; the servers' default.
const IDLE_PENDING_MAX: u64 = 1000;
/// Gets under way while buckets are read back.
const READ_BACK_WINDOW: usize = 100;

/// Plan js-pub.
pub fn streams(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let streams = fill::make_streams(stand)?;
    make_consumers(stand, &streams)?;
    let subjects = fill::subjects_of_streams(stand);
    let (mut outcome, style, ledger) = publish(stand, meter, subjects)?;
    if style.noted {
        read_back(stand, meter, &streams, ledger, &mut outcome)?;
    }
    Ok(outcome)
}

/// Makes the consumers that the streams have beside.
fn make_consumers(stand: &mut Stand<'_>, streams: &[String]) -> Result<(), String> {
    for stream in streams {
        for index in 0..stand.args.jetstream.consumers {
            let name = format!("idle{index}");
            let subject = consumers::create_subject(stream, &name, "");
            let body = consumers::durable_pull(stream, &name, IDLE_PENDING_MAX);
            stand.api.request(&subject, &body)?;
        }
    }
    Ok(())
}

/// Plan kv-put.
pub fn keys(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let (stream, keys) = fill::make_bucket(stand)?;
    let (mut outcome, style, ledger) = publish(stand, meter, Subjects::KeysDrawn(keys.clone()))?;
    if style.noted {
        let values = ledger.last_values(&style.subjects, keys.count);
        read_values(
            stand,
            meter,
            getter::keys_of(&stream, &keys),
            values,
            &mut outcome,
        )?;
    }
    Ok(outcome)
}

fn publish(
    stand: &mut Stand<'_>,
    meter: &Meter<'_>,
    subjects: Subjects,
) -> Result<(Outcome, Arc<Style>, Ledger), String> {
    let args = stand.args;
    let style = Arc::new(Style {
        subjects,
        publishers: args.clients as u32,
        size: args.size.clone(),
        window: args.window.map_or(1, |window| window.max(1) as usize),
        timed: true,
        noted: args.verify,
    });
    let hands = stand.hands("publisher", args.clients, |index, inbox| {
        Publisher::new(index as u32, style.clone(), inbox)
    })?;
    let mut crew = stand.crew(hands)?;
    meter.warm_up(&mut crew)?;
    let outcome = meter.measure(&mut crew, args.amount(), || Ok(()))?;
    let actors = crew.into_actors();
    let acknowledged = actors.into_iter().map(Publisher::into_acknowledged);
    Ok((outcome, style, Ledger::new(acknowledged.collect())))
}

/// Reads all streams with ordered consumers, one after the other.
fn read_back(
    stand: &mut Stand<'_>,
    meter: &Meter<'_>,
    streams: &[String],
    mut ledger: Ledger,
    outcome: &mut Outcome,
) -> Result<(), String> {
    for stream in streams {
        let info = stand
            .api
            .request(&format!("STREAM.INFO.{stream}"), &Value::Null)?;
        let count = info["state"]["messages"].as_u64().unwrap_or(0);
        if count == 0 {
            continue;
        }
        let subject = consumers::create_subject(stream, "audit", "");
        let body = consumers::ordered_pull(stream, "audit");
        stand.api.request(&subject, &body)?;
        let way = Way::Pull {
            subject: consumers::next_subject(stream, "audit"),
            batch: READ_BACK_BATCH,
        };
        ledger.begin_stream();
        let hand = stand.one_hand("auditor", |inbox| {
            Reader::new(way, inbox, count, Audit(ledger))
        })?;
        let mut crew = stand.crew(vec![hand])?;
        meter.audit(&mut crew, outcome)?;
        let reader = crew.into_actors().pop();
        ledger = reader.ok_or("no auditor")?.taker.0;
    }
    outcome.verdict = Some(ledger.conclude());
    Ok(())
}

/// Gets the value of every key.
fn read_values(
    stand: &mut Stand<'_>,
    meter: &Meter<'_>,
    keys: Keys,
    values: Vec<ledger::Value>,
    outcome: &mut Outcome,
) -> Result<(), String> {
    let style = Arc::new(getter::Style {
        keys,
        order: Order::InTurn,
        window: READ_BACK_WINDOW,
        values,
    });
    let hand = stand.one_hand("auditor", |inbox| Getter::new(0, style, inbox))?;
    let mut crew = stand.crew(vec![hand])?;
    meter.audit(&mut crew, outcome)?;
    let getter = crew.into_actors().pop().ok_or("no auditor")?;
    outcome.verdict = Some(getter.verdict);
    Ok(())
}
