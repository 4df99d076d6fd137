//! Scenarios for a server that has JetStream: streams and their consumers.
//!
//! Every scenario makes streams of its own and removes them. Key-value buckets and object stores are in
//! `stores.rs`.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{AckPolicy, OrderedPushConsumer, PullConsumer, PushConsumer};
use async_nats::jetstream::consumer::{pull, push};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{AckKind, Context, Message};
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt};

use super::{SCENARIO_TIMEOUT, connect, text};

pub async fn context(url: &str) -> Context {
    let [client] = connect(url).await;
    let mut context = async_nats::jetstream::new(client);
    context.set_timeout(SCENARIO_TIMEOUT);
    context
}

/// A stream that listens on `name.>`.
async fn stream(context: &Context, name: &str) -> Stream {
    stream_as(context, name, Config::default()).await
}

async fn stream_as(context: &Context, name: &str, config: Config) -> Stream {
    let config = Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        ..config
    };
    context.create_stream(config).await.unwrap()
}

async fn publish(context: &Context, name: &str, count: usize) {
    for number in 0..count {
        let subject = format!("{name}.{number}");
        let ack = context.publish(subject, text(number).into()).await.unwrap();
        assert_eq!(ack.await.unwrap().sequence, number as u64 + 1);
    }
}

async fn worker(stream: &Stream) -> PullConsumer {
    let config = pull::Config {
        durable_name: Some("worker".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    stream.create_consumer(config).await.unwrap()
}

async fn take(consumer: &PullConsumer, count: usize) -> Vec<Message> {
    let batch = consumer
        .fetch()
        .max_messages(count)
        .expires(SCENARIO_TIMEOUT);
    batch.messages().await.unwrap().try_collect().await.unwrap()
}

fn texts(messages: &[Message]) -> Vec<String> {
    let bodies = messages.iter().map(|each| each.payload.to_vec());
    bodies
        .map(|body| String::from_utf8(body).unwrap())
        .collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(text).collect()
}

pub async fn streams(url: &str) {
    let context = context(url).await;
    let mut stream = stream(&context, "manage").await;
    let changed = Config {
        description: Some("changed".to_owned()),
        ..stream.cached_info().config.clone()
    };
    let info = context.update_stream(changed).await.unwrap();
    assert_eq!(info.config.description.as_deref(), Some("changed"));
    publish(&context, "manage", 5).await;
    let info = stream.info().await.unwrap();
    assert_eq!((info.state.messages, info.state.last_sequence), (5, 5));
    let names: Vec<String> = context.stream_names().try_collect().await.unwrap();
    assert_eq!(names, ["manage"]);
    assert_eq!(
        context.stream_by_subject("manage.3").await.unwrap(),
        "manage"
    );
    assert_eq!(stream.get_raw_message(2).await.unwrap().payload, "1");
    let last = stream.get_last_raw_message_by_subject("manage.4").await;
    assert_eq!(last.unwrap().sequence, 5);
    assert!(stream.delete_message(2).await.unwrap());
    assert!(stream.get_raw_message(2).await.is_err());
    assert_eq!(stream.purge().keep(1).await.unwrap().purged, 3);
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
    assert!(context.delete_stream("manage").await.unwrap().success);
    assert!(context.get_stream("manage").await.is_err());
}

pub async fn publish_sync(url: &str) {
    let context = context(url).await;
    let stream = stream(&context, "sync").await;
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, "one");
    // This client keeps one value of a header of a stored message, so the others have the case of several.
    headers.insert("Kind", "first");
    for is_duplicate in [false, true] {
        let sent = context.publish_with_headers("sync.a", headers.clone(), "hello".into());
        assert_eq!(sent.await.unwrap().await.unwrap().duplicate, is_duplicate);
    }
    assert_eq!(stream.get_raw_message(1).await.unwrap().headers, headers);
    let mut wrong = HeaderMap::new();
    wrong.insert(NATS_EXPECTED_LAST_SEQUENCE, "7");
    let sent = context
        .publish_with_headers("sync.a", wrong, "".into())
        .await
        .unwrap();
    assert_eq!(
        sent.await.unwrap_err().kind(),
        PublishErrorKind::WrongLastSequence
    );
    let nowhere = context.publish("nowhere", "".into()).await.unwrap();
    assert_eq!(
        nowhere.await.unwrap_err().kind(),
        PublishErrorKind::StreamNotFound
    );
    context.delete_stream("sync").await.unwrap();
}

pub async fn publish_async(url: &str) {
    let context = context(url).await;
    let _stream = stream(&context, "async").await;
    let mut acks = Vec::new();
    for number in 0..500 {
        acks.push(
            context
                .publish("async.a", text(number).into())
                .await
                .unwrap(),
        );
    }
    let acks = try_join_all(acks.into_iter().map(IntoFuture::into_future))
        .await
        .unwrap();
    assert!(acks.iter().map(|ack| ack.sequence).eq(1..=500));
    context.delete_stream("async").await.unwrap();
}

pub async fn fetch(url: &str) {
    let context = context(url).await;
    let stream = stream(&context, "fetch").await;
    publish(&context, "fetch", 10).await;
    let mut consumer = worker(&stream).await;
    let first = take(&consumer, 4).await;
    assert_eq!(texts(&first), numbers(0..4));
    assert_eq!(first[1].info().unwrap().pending, 8);
    for message in first {
        message.double_ack().await.unwrap();
    }
    assert_eq!(texts(&take(&consumer, 6).await), numbers(4..10));
    let nothing = consumer.fetch().max_messages(1).messages().await.unwrap();
    assert_eq!(nothing.count().await, 0);
    let info = consumer.info().await.unwrap();
    assert_eq!(
        (info.num_ack_pending, info.ack_floor.stream_sequence),
        (6, 4)
    );
    let names: Vec<String> = stream.consumer_names().try_collect().await.unwrap();
    assert_eq!(names, ["worker"]);
    assert!(stream.delete_consumer("worker").await.unwrap().success);
    context.delete_stream("fetch").await.unwrap();
}

pub async fn consume(url: &str) {
    let context = context(url).await;
    let stream = stream(&context, "consume").await;
    let consumer = worker(&stream).await;
    let messages = consumer.stream().max_messages_per_batch(10).messages();
    let mut messages = messages.await.unwrap();
    publish(&context, "consume", 100).await;
    for number in 0..100 {
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!(message.payload, text(number));
        message.ack().await.unwrap();
    }
    context.delete_stream("consume").await.unwrap();
}

pub async fn acknowledgements(url: &str) {
    let context = context(url).await;
    let config = Config {
        retention: RetentionPolicy::WorkQueue,
        ..Config::default()
    };
    let mut stream = stream_as(&context, "acks", config).await;
    publish(&context, "acks", 3).await;
    let consumer = worker(&stream).await;
    let taken = take(&consumer, 3).await;
    taken[0].ack_with(AckKind::Progress).await.unwrap();
    taken[0].double_ack().await.unwrap();
    taken[1].ack_with(AckKind::Nak(None)).await.unwrap();
    taken[2].ack_with(AckKind::Term).await.unwrap();
    let again = take(&consumer, 1).await;
    assert_eq!(
        (texts(&again), again[0].info().unwrap().delivered),
        (numbers(1..2), 2)
    );
    again[0].double_ack().await.unwrap();
    while stream.info().await.unwrap().state.messages > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    context.delete_stream("acks").await.unwrap();
}

pub async fn push(url: &str) {
    let context = context(url).await;
    let stream = stream(&context, "push").await;
    publish(&context, "push", 5).await;
    let config = push::Config {
        durable_name: Some("pushed".to_owned()),
        deliver_subject: "delivered.here".to_owned(),
        flow_control: true,
        idle_heartbeat: Duration::from_secs(1),
        ..push::Config::default()
    };
    let mut consumer: PushConsumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    for number in 0..5 {
        let message = messages.next().await.unwrap().unwrap();
        assert_eq!(message.payload, text(number));
        message.double_ack().await.unwrap();
    }
    assert_eq!(consumer.info().await.unwrap().ack_floor.stream_sequence, 5);
    context.delete_stream("push").await.unwrap();
}

pub async fn ordered(url: &str) {
    let context = context(url).await;
    let config = Config {
        storage: StorageType::Memory,
        ..Config::default()
    };
    let stream = stream_as(&context, "ordered", config).await;
    publish(&context, "ordered", 50).await;
    let config = push::OrderedConfig {
        deliver_subject: context.client().new_inbox(),
        ..push::OrderedConfig::default()
    };
    let consumer: OrderedPushConsumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    for number in 0..50 {
        assert_eq!(
            messages.next().await.unwrap().unwrap().payload,
            text(number)
        );
    }
    context.delete_stream("ordered").await.unwrap();
}

pub async fn account(url: &str) {
    let context = context(url).await;
    let _stream = stream(&context, "account").await;
    publish(&context, "account", 1).await;
    let account = context.query_account().await.unwrap();
    assert_eq!(account.streams, 1);
    assert!(account.storage > 0);
    context.delete_stream("account").await.unwrap();
}
