//! obj-put and obj-get: objects in chunks. Their digests are computed before anything is measured.

use std::sync::Arc;

use serde_json::json;

use crate::parse::Amount;
use crate::plans::jetstream::meter::{Meter, Outcome};
use crate::plans::jetstream::object_getter::ObjectGetter;
use crate::plans::jetstream::objects::{CHUNK_BYTES, Object, Putter};
use crate::plans::jetstream::stand::Stand;
use crate::verify::Verdict;

/// Chunks of one client under way.
const WINDOW: u64 = 64;
/// Objects that one run may have.
const OBJECTS_MAX: u64 = 100_000;

/// A bucket of objects.
struct Bucket {
    stream: String,
    objects: Vec<Object>,
    /// Chunks of all objects.
    chunks: u64,
}

/// Makes a bucket as ADR-20 has it, and the objects that it shall hold.
fn make_bucket(stand: &mut Stand<'_>) -> Result<Bucket, String> {
    let args = stand.args;
    let count = args.count.unwrap_or(1);
    if count > OBJECTS_MAX {
        return Err(format!("--count must be at most {OBJECTS_MAX} objects"));
    }
    let bucket = stand.name(0);
    let stream = format!("OBJ_{bucket}");
    let subjects = ["C", "M"].map(|part| format!("$O.{bucket}.{part}.>"));
    let more = json!({ "discard": "new", "allow_rollup_hdrs": true, "allow_direct": true });
    stand.make_stream(&stream, &subjects, &more)?;
    let object = |number| Object::new(&bucket, number, args.jetstream.object_size);
    let objects: Vec<Object> = (0..count as u32).map(object).collect();
    Ok(Bucket {
        stream,
        chunks: count * args.jetstream.object_size.div_ceil(CHUNK_BYTES),
        objects,
    })
}

impl Bucket {
    /// The objects of one of so many clients.
    fn share(&self, client: usize, clients: usize) -> Vec<Object> {
        let own = self.objects.iter().skip(client).step_by(clients);
        own.cloned().collect()
    }
}

/// Plan obj-put.
pub fn put(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let args = stand.args;
    let bucket = make_bucket(stand)?;
    let window = args.window.unwrap_or(WINDOW).max(1) as usize;
    let hands = stand.hands("putter", args.clients, |index, inbox| {
        Putter::new(bucket.share(index, args.clients), window, inbox)
    })?;
    let mut crew = stand.crew(hands)?;
    let mut outcome = meter.measure(&mut crew, Amount::Count(bucket.chunks), || Ok(()))?;
    if args.verify {
        let objects: Vec<_> = bucket.objects.iter().cloned().map(Arc::new).collect();
        let hand = stand.one_hand("auditor", |inbox| {
            ObjectGetter::new(objects, &bucket.stream, inbox, true)
        })?;
        let mut crew = stand.crew(vec![hand])?;
        meter.audit(&mut crew, &mut outcome)?;
        let getter = crew.into_actors().pop().ok_or("no auditor")?;
        outcome.verdict = Some(getter.into_verdict());
    }
    Ok(outcome)
}

/// Plan obj-get.
pub fn get(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let args = stand.args;
    let bucket = make_bucket(stand)?;
    let hand = stand.one_hand("filler", |inbox| {
        Putter::new(bucket.objects.clone(), WINDOW as usize, inbox)
    })?;
    let mut filler = stand.crew(vec![hand])?;
    let chunks = Amount::Count(bucket.chunks);
    meter.prepare(&mut filler, chunks, "while it was filled")?;
    drop(filler);
    let hands = stand.hands("getter", args.clients, |index, inbox| {
        let own = bucket.share(index, args.clients).into_iter();
        ObjectGetter::new(
            own.map(Arc::new).collect(),
            &bucket.stream,
            inbox,
            args.verify,
        )
    })?;
    let mut crew = stand.crew(hands)?;
    let mut outcome = meter.measure(&mut crew, chunks, || Ok(()))?;
    let verdicts = crew
        .into_actors()
        .into_iter()
        .map(ObjectGetter::into_verdict);
    let verdict: Verdict = verdicts.sum();
    outcome.measured.total.lost += verdict.lost;
    outcome.verdict = args.verify.then_some(verdict);
    Ok(outcome)
}
