//! What is stored before a run that reads, and the buckets that plans work on.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::parse::Amount;
use crate::plans::jetstream::ledger::Ledger;
use crate::plans::jetstream::meter::Meter;
use crate::plans::jetstream::publisher::{Publisher, Style};
use crate::plans::jetstream::stand::Stand;
use crate::plans::jetstream::subjects::{Keys, Subjects};

/// Messages of one connection under way while something is filled.
const WINDOW: usize = 1000;
/// Payload bytes of them at most.
const WINDOW_BYTES: usize = 8 << 20;
/// Connections that fill streams, of which each has its own.
pub const FILLERS_MAX: usize = 1000;

/// The names of the streams of a run, which are made.
pub fn make_streams(stand: &mut Stand<'_>) -> Result<Vec<String>, String> {
    (0..stand.args.jetstream.streams)
        .map(|index| {
            let (name, subject) = (stand.name(index), stand.subject(index));
            stand.make_stream(&name, &[subject], &Value::Null)?;
            Ok(name)
        })
        .collect()
}

/// The subjects of the streams of a run.
pub fn subjects_of_streams(stand: &Stand<'_>) -> Subjects {
    let all = 0..stand.args.jetstream.streams;
    Subjects::Streams(all.map(|index| stand.subject(index)).collect())
}

/// Makes a bucket as ADR-8 has it, with one value per key; its name, and its keys.
pub fn make_bucket(stand: &mut Stand<'_>) -> Result<(String, Keys), String> {
    let bucket = stand.name(0);
    let more = json!({
        "max_msgs_per_subject": 1, "discard": "new", "allow_rollup_hdrs": true, "deny_delete": true,
        "allow_direct": true,
    });
    let stream = format!("KV_{bucket}");
    stand.make_stream(&stream, &[format!("$KV.{bucket}.>")], &more)?;
    let keys = Keys {
        prefix: format!("$KV.{bucket}.k"),
        count: stand.args.jetstream.keys,
    };
    Ok((stream, keys))
}

/// Publishes `count` messages as fast as they are acknowledged, from so many connections, and notes the acknowledgements.
pub fn fill(
    stand: &mut Stand<'_>,
    meter: &Meter<'_>,
    subjects: Subjects,
    publishers: usize,
    count: u64,
) -> Result<(Ledger, Vec<u64>), String> {
    let size = stand.args.size.clone();
    let style = Arc::new(Style {
        subjects,
        publishers: publishers as u32,
        window: WINDOW.min(WINDOW_BYTES / size.max().max(1)).max(1),
        size,
        timed: false,
        noted: true,
    });
    let hands = stand.hands("filler", publishers, |index, inbox| {
        Publisher::new(index as u32, style.clone(), inbox)
    })?;
    let mut crew = stand.crew(hands)?;
    meter.prepare(&mut crew, Amount::Count(count), "while it was filled")?;
    let actors = crew.into_actors();
    let acknowledged: Vec<_> = actors
        .into_iter()
        .map(Publisher::into_acknowledged)
        .collect();
    let counts = acknowledged.iter().map(|own| own.len() as u64).collect();
    Ok((Ledger::new(acknowledged), counts))
}

/// Makes the streams and stores `count` messages in them in all, each stream from one publisher; their names, and how
/// many each holds.
pub fn filled_streams(
    stand: &mut Stand<'_>,
    meter: &Meter<'_>,
    count: u64,
) -> Result<Vec<(String, u64)>, String> {
    let streams = make_streams(stand)?;
    if streams.len() > FILLERS_MAX {
        return Err(format!("this plan takes at most {FILLERS_MAX} streams"));
    }
    let subjects = subjects_of_streams(stand);
    let (ledger, counts) = fill(stand, meter, subjects, streams.len(), count)?;
    // Whoever reads expects message n of the publisher at sequence n + 1.
    if !ledger.is_in_order() {
        return Err("messages were acknowledged out of order while it was filled".into());
    }
    Ok(streams.into_iter().zip(counts).collect())
}
