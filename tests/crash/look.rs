//! Looks at what a server has, with an official client and in the plainest way.

use crate::ledger::Found;
use crate::load::{BUCKET, LOG, READER, WORK, WORKER};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{Info, PullConsumer};
use async_nats::jetstream::kv::{Entry, Operation};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use futures_util::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Requests at a time.
const REQUESTS_MAX: usize = 64;

pub async fn look(context: &Context, keys: Vec<String>) -> Found {
    let log = context.get_stream(LOG).await.unwrap();
    let work = context.get_stream(WORK).await.unwrap();
    let mut reader: PullConsumer = log.get_consumer(READER).await.unwrap();
    let mut worker: PullConsumer = work.get_consumer(WORKER).await.unwrap();
    let open = |info: &Info| info.num_pending + info.num_ack_pending as u64;
    let reader_open = open(reader.info().await.unwrap());
    let work_open = open(worker.info().await.unwrap());
    let mut found = Found {
        log: messages(&log).await,
        work: messages(&work).await,
        work_open,
        reader_open,
        streams: context.stream_names().try_collect().await.unwrap(),
        ..Found::default()
    };
    let bucket = context.get_key_value(BUCKET).await.unwrap();
    for key in keys {
        let history = bucket.history(&key).await.unwrap();
        let entries: Vec<Entry> = history.try_collect().await.unwrap();
        let revisions = entries.into_iter().map(|entry| {
            let value = (entry.operation == Operation::Put)
                .then(|| String::from_utf8_lossy(&entry.value).into_owned());
            (entry.revision, value)
        });
        found.keys.insert(key, revisions.collect());
    }
    found
}

/// Every message of a stream by its sequence.
async fn messages(stream: &Stream) -> BTreeMap<u64, String> {
    let state = &stream.cached_info().state;
    let sequences = state.first_sequence..=state.last_sequence;
    futures_util::stream::iter(sequences)
        .map(|sequence| async move {
            match stream.get_raw_message(sequence).await {
                Ok(message) => Some((
                    sequence,
                    String::from_utf8_lossy(&message.payload).into_owned(),
                )),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => None,
                Err(error) => panic!("message {sequence}: {error}"),
            }
        })
        .buffered(REQUESTS_MAX)
        .filter_map(std::future::ready)
        .collect()
        .await
}
