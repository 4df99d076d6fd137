//! The official Rust client, async-nats, driven in this process.
//!
//! This client has no call that waits for a PONG. Where the other programs flush, this one sends a
//! message after what it wants to be sure of and waits for it: see `settle`.

#[path = "rust/connections.rs"]
mod connections;
#[path = "rust/messages.rs"]
mod messages;
#[path = "rust/stores.rs"]
mod stores;
#[path = "rust/streams.rs"]
mod streams;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Message, Subscriber};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use tokio::task::unconstrained;
use tokio::time::timeout;

use crate::harness::PROGRAM_TIMEOUT;

const SCENARIO_TIMEOUT: Duration = Duration::from_secs(60);

type Scenario<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs every scenario and returns their names; `restart` kills the server and starts it again.
pub fn run(url: &str, restart: impl FnOnce()) -> Vec<&'static str> {
    let scenarios: Vec<(&'static str, Scenario<'_>)> = vec![
        (
            "publish-subscribe",
            Box::pin(messages::publish_subscribe(url)),
        ),
        ("wildcards", Box::pin(messages::wildcards(url))),
        ("request-reply", Box::pin(messages::request_reply(url))),
        ("no-responders", Box::pin(messages::no_responders(url))),
        ("request-timeout", Box::pin(messages::request_timeout(url))),
        ("queue-groups", Box::pin(messages::queue_groups(url))),
        ("headers", Box::pin(messages::headers(url))),
        (
            "subscription-drain",
            Box::pin(connections::subscription_drain(url)),
        ),
        (
            "connection-drain",
            Box::pin(connections::connection_drain(url)),
        ),
        (
            "auto-unsubscribe",
            Box::pin(connections::auto_unsubscribe(url)),
        ),
        (
            "thousand-subscriptions",
            Box::pin(connections::thousand_subscriptions(url)),
        ),
        ("max-payload", Box::pin(messages::max_payload(url))),
        (
            "payload-too-large",
            Box::pin(messages::payload_too_large(url)),
        ),
        ("flush-and-rtt", Box::pin(connections::flush_and_rtt(url))),
        ("echo-off", Box::pin(messages::echo_off(url))),
        (
            "many-connections",
            Box::pin(connections::many_connections(url)),
        ),
        ("burst", Box::pin(connections::burst(url))),
        ("reconnect", Box::pin(connections::reconnect(url, restart))),
    ];
    run_all(scenarios)
}

/// The same for those that need JetStream.
pub fn run_streams(url: &str) -> Vec<&'static str> {
    run_all(vec![
        ("streams", Box::pin(streams::streams(url))),
        ("publish-sync", Box::pin(streams::publish_sync(url))),
        ("publish-async", Box::pin(streams::publish_async(url))),
        ("fetch", Box::pin(streams::fetch(url))),
        ("consume", Box::pin(streams::consume(url))),
        ("acknowledgements", Box::pin(streams::acknowledgements(url))),
        ("push", Box::pin(streams::push(url))),
        ("ordered", Box::pin(streams::ordered(url))),
        ("key-value", Box::pin(stores::key_value(url))),
        ("key-value-watch", Box::pin(stores::key_value_watch(url))),
        ("objects", Box::pin(stores::objects(url))),
        ("object-watch", Box::pin(stores::object_watch(url))),
        ("account", Box::pin(streams::account(url))),
    ])
}

fn run_all(scenarios: Vec<(&'static str, Scenario<'_>)>) -> Vec<&'static str> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let deadline = Instant::now() + PROGRAM_TIMEOUT;
    let mut passed = Vec::new();
    for (name, scenario) in scenarios {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = left.min(SCENARIO_TIMEOUT);
        if runtime
            .block_on(async { timeout(limit, scenario).await })
            .is_err()
        {
            panic!("{name} does not end");
        }
        println!("ok {name}");
        passed.push(name);
    }
    passed
}

fn options() -> ConnectOptions {
    // A full queue or an early end in this program must never look like a loss in the server.
    ConnectOptions::new()
        .subscription_capacity(200_000)
        .request_timeout(Some(SCENARIO_TIMEOUT))
}

async fn connect<const COUNT: usize>(url: &str) -> [Client; COUNT] {
    let clients = join_all((0..COUNT).map(|_| options().connect(url))).await;
    let clients: Vec<Client> = clients.into_iter().map(Result::unwrap).collect();
    clients.try_into().unwrap()
}

/// Waits until `from` reaches what `to` subscribed before this call, and until everything that
/// `from` published before this call has arrived at `to`: interest and messages between two
/// connections keep their order, so a message that travels behind them proves that they passed.
async fn settle(from: &Client, to: &Client) {
    let inbox = to.new_inbox();
    let mut probe = to.subscribe(inbox.clone()).await.unwrap();
    loop {
        from.publish(inbox.clone(), "".into()).await.unwrap();
        if timeout(Duration::from_millis(50), probe.next())
            .await
            .is_ok()
        {
            return;
        }
    }
}

async fn settle_all(from: &Client, to: &[Client]) {
    join_all(to.iter().map(|each| settle(from, each))).await;
}

/// Sends every request back with the headers and payload that it came with.
async fn serve(client: &Client, subject: &'static str) {
    let mut requests = client.subscribe(subject).await.unwrap();
    let client = client.clone();
    tokio::spawn(async move {
        while let Some(Message {
            reply,
            headers,
            payload,
            ..
        }) = requests.next().await
        {
            let reply = reply.unwrap();
            let sent = match headers {
                Some(headers) => client.publish_with_headers(reply, headers, payload).await,
                None => client.publish(reply, payload).await,
            };
            sent.unwrap();
        }
    });
}

async fn receive(subscription: &mut Subscriber) -> Message {
    subscription.next().await.expect("the subscription is open")
}

async fn numbers(subscription: &mut Subscriber, count: usize) -> Vec<usize> {
    subscription
        .by_ref()
        .take(count)
        .map(|message| number(&message))
        .collect()
        .await
}

/// Everything up to the end of a subscription.
async fn rest(subscription: &mut Subscriber) -> Vec<usize> {
    subscription
        .by_ref()
        .map(|message| number(&message))
        .collect()
        .await
}

/// A message that has arrived already. Unconstrained, because tokio makes a task that receives many
/// messages in one go believe now and then that there are none.
fn waiting(subscription: &mut Subscriber) -> Option<Message> {
    unconstrained(subscription.next()).now_or_never().flatten()
}

fn text(number: usize) -> String {
    number.to_string()
}

fn number(message: &Message) -> usize {
    std::str::from_utf8(&message.payload)
        .unwrap()
        .parse()
        .unwrap()
}
