//! js-fetch, js-replay and js-consume: what reads streams.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use serde_json::Value;

use crate::parse::Amount;
use crate::plans::jetstream::api::Api;
use crate::plans::jetstream::consumers;
use crate::plans::jetstream::crew::Hand;
use crate::plans::jetstream::fetcher::{Fetcher, Shared};
use crate::plans::jetstream::follower::Follower;
use crate::plans::jetstream::meter::{Meter, Outcome};
use crate::plans::jetstream::publisher::{Publisher, Style};
use crate::plans::jetstream::reader::{Reader, Way, delivery_subject};
use crate::plans::jetstream::runs::fill;
use crate::plans::jetstream::stand::Stand;
use crate::plans::jetstream::takers::Numbered;
use crate::verify::Verdict;

/// Messages if nothing else is asked for.
const COUNT: u64 = 500_000;
/// Messages under way while streams are followed.
const FOLLOW_WINDOW: u64 = 1000;
/// The durable consumer.
const DURABLE: &str = "workers";

/// Plan js-fetch.
pub fn fetch(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let args = stand.args;
    let count = args.count.unwrap_or(COUNT);
    let streams = fill::filled_streams(stand, meter, count)?;
    let batch = args.jetstream.batch;
    // As much as all clients can have in hand, so that nobody waits for another's acknowledgements.
    let pending_max = (2 * batch * args.clients as u64).max(1000);
    let mut shares = Vec::with_capacity(streams.len());
    for (publisher, (stream, held)) in (0..).zip(&streams) {
        let subject = consumers::create_subject(stream, DURABLE, "");
        let body = consumers::durable_pull(stream, DURABLE, pending_max);
        stand.api.request(&subject, &body)?;
        shares.push(Arc::new(Shared {
            subject: consumers::next_subject(stream, DURABLE),
            batch,
            publisher,
            left: AtomicU64::new(*held),
            noted: args.verify,
        }));
    }
    let clients = args.clients.max(streams.len());
    let hands = stand.hands("fetcher", clients, |index, inbox| {
        Fetcher::new(shares[index % shares.len()].clone(), inbox)
    })?;
    let mut crew = stand.crew(hands)?;
    let api = &mut stand.api;
    let mut outcome = meter.measure(&mut crew, Amount::Count(count), || {
        settle(api, &streams, meter)
    })?;
    outcome.measured.total.lost += count.saturating_sub(outcome.measured.total.received);
    if args.verify {
        outcome.verdict = Some(judge_fetched(crew.into_actors(), &streams));
    }
    Ok(outcome)
}

/// Waits until the consumers have all acknowledgements.
fn settle(api: &mut Api, streams: &[(String, u64)], meter: &Meter<'_>) -> Result<(), String> {
    let begin = Instant::now();
    for (stream, _) in streams {
        loop {
            let info = api.request(&format!("CONSUMER.INFO.{stream}.{DURABLE}"), &Value::Null)?;
            let left = ["num_ack_pending", "num_pending"].map(|field| info[field].as_u64());
            match left {
                [Some(0), Some(0)] => break,
                [pending, _] if begin.elapsed() > meter.args.drain_timeout => {
                    let pending = pending.unwrap_or(0);
                    return Err(format!(
                        "the consumer of {stream} still misses {pending} acknowledgements"
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Every message of every stream must have been delivered once, to each client in order.
fn judge_fetched(fetchers: Vec<Fetcher>, streams: &[(String, u64)]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut seen: HashMap<u32, Vec<u8>> = HashMap::new();
    for fetcher in fetchers {
        verdict.corrupt += fetcher.corrupt;
        let in_order = fetcher
            .delivered
            .windows(2)
            .filter(|pair| pair[0] >= pair[1]);
        verdict.reordered += in_order.count() as u64;
        let times = seen.entry(fetcher.publisher()).or_default();
        for sequence in fetcher.delivered {
            let index = sequence as usize;
            times.resize(times.len().max(index + 1), 0);
            verdict.duplicated += u64::from(times[index] > 0);
            times[index] = 1;
        }
    }
    for (publisher, (_, held)) in (0..).zip(streams) {
        let found = seen
            .get(&publisher)
            .map_or(0, |times| times.iter().filter(|times| **times > 0).count());
        verdict.lost += held.saturating_sub(found as u64);
    }
    verdict
}

/// Readers with an ordered consumer each, dealt over the streams.
fn readers(
    stand: &mut Stand<'_>,
    streams: &[(String, u64)],
    is_timed: bool,
) -> Result<Vec<Hand<Reader<Numbered>>>, String> {
    let args = stand.args;
    let clients = args.clients.max(streams.len());
    if !args.jetstream.push {
        for index in 0..clients {
            let (stream, name) = (&streams[index % streams.len()].0, reader_name(index));
            let subject = consumers::create_subject(stream, &name, "");
            let body = consumers::ordered_pull(stream, &name);
            stand.api.request(&subject, &body)?;
        }
    }
    stand.hands("reader", clients, |index, inbox| {
        let number = index % streams.len();
        let (stream, held) = &streams[number];
        let name = reader_name(index);
        let way = match args.jetstream.push {
            true => Way::Push {
                subject: format!("$JS.API.{}", consumers::create_subject(stream, &name, "")),
                body: consumers::ordered_push(stream, &name, "", &delivery_subject(inbox))
                    .to_string(),
            },
            false => Way::Pull {
                subject: consumers::next_subject(stream, &name),
                batch: args.jetstream.batch,
            },
        };
        let taker = Numbered::new(number as u32, args.verify, is_timed);
        Reader::new(way, inbox, *held, taker)
    })
}

fn reader_name(index: usize) -> String {
    format!("reader{index}")
}

/// Plan js-replay.
pub fn replay(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let args = stand.args;
    let count = args.count.unwrap_or(COUNT);
    let streams = fill::filled_streams(stand, meter, count)?;
    let hands = readers(stand, &streams, false)?;
    let all = (0..hands.len()).map(|index| streams[index % streams.len()].1);
    let expected: Vec<u64> = all.collect();
    let mut crew = stand.crew(hands)?;
    let amount = Amount::Count(expected.iter().sum());
    let mut outcome = meter.measure(&mut crew, amount, || Ok(()))?;
    let readers = crew.into_actors().into_iter();
    conclude(
        &mut outcome,
        readers.map(|reader| reader.taker),
        &expected,
        args.verify,
    );
    Ok(outcome)
}

/// Plan js-consume.
pub fn follow(stand: &mut Stand<'_>, meter: &Meter<'_>) -> Result<Outcome, String> {
    let args = stand.args;
    if args.jetstream.streams > 1 {
        return Err("js-consume follows one stream".into());
    }
    let count = args.count.unwrap_or(COUNT);
    let streams: Vec<(String, u64)> = fill::make_streams(stand)?
        .into_iter()
        .map(|stream| (stream, count))
        .collect();
    let style = Arc::new(Style {
        subjects: fill::subjects_of_streams(stand),
        publishers: 1,
        size: args.size.clone(),
        window: args.window.unwrap_or(FOLLOW_WINDOW).max(1) as usize,
        timed: false,
        noted: false,
    });
    let readers = readers(stand, &streams, true)?.into_iter();
    let mut hands: Vec<_> = readers.map(|hand| hand.map(Follower::Reader)).collect();
    let publisher = stand.one_hand("publisher", |inbox| {
        Follower::Publisher(Publisher::new(0, style, inbox))
    })?;
    hands.push(publisher);
    let expected = vec![count; hands.len() - 1];
    let mut crew = stand.crew(hands)?;
    let mut outcome = meter.measure(&mut crew, Amount::Count(count), || Ok(()))?;
    let takers = crew.into_actors().into_iter().filter_map(Follower::taker);
    conclude(&mut outcome, takers, &expected, args.verify);
    Ok(outcome)
}

fn conclude(
    outcome: &mut Outcome,
    takers: impl Iterator<Item = Numbered>,
    expected: &[u64],
    is_verified: bool,
) {
    let total = &mut outcome.measured.total;
    let all: u64 = expected.iter().sum();
    total.lost += all.saturating_sub(total.received);
    if is_verified {
        let verdicts = takers
            .zip(expected)
            .map(|(taker, count)| taker.conclude(*count));
        outcome.verdict = Some(verdicts.sum());
    }
}
