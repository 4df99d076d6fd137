//! Scenarios about subscriptions and connections: their ends, their number, their speed, their
//! return.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, Event};
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::yield_now;

use super::{connect, number, numbers, options, receive, rest, settle, settle_all, text, waiting};

pub async fn subscription_drain(url: &str) {
    let [publisher, subscriber] = connect(url).await;
    let mut subscription = subscriber.subscribe("drain.subject").await.unwrap();
    settle(&publisher, &subscriber).await;
    for number in 0..1000 {
        publisher
            .publish("drain.subject", text(number).into())
            .await
            .unwrap();
    }
    // This client drops what arrives after its UNSUB, so everything has to be on its side before.
    settle(&publisher, &subscriber).await;
    subscription.drain().await.unwrap();
    assert_eq!(rest(&mut subscription).await, (0..1000).collect::<Vec<_>>());
    settle(&publisher, &subscriber).await;
    let error = subscriber
        .request("drain.subject", "".into())
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        RequestErrorKind::NoResponders,
        "after the drain"
    );
}

pub async fn connection_drain(url: &str) {
    let [publisher, drained, observer] = connect(url).await;
    let mut incoming = drained.subscribe("drain.in").await.unwrap();
    let mut outgoing = observer.subscribe("drain.out").await.unwrap();
    settle(&publisher, &drained).await;
    settle(&drained, &observer).await;
    for number in 0..1000 {
        publisher
            .publish("drain.in", text(number).into())
            .await
            .unwrap();
    }
    settle(&publisher, &drained).await;
    for number in 0..1000 {
        drained
            .publish("drain.out", text(number).into())
            .await
            .unwrap();
    }
    drained.drain().await.unwrap();
    assert_eq!(rest(&mut incoming).await, (0..1000).collect::<Vec<_>>());
    assert_eq!(
        numbers(&mut outgoing, 1000).await,
        (0..1000).collect::<Vec<_>>()
    );
    // The connection closes by itself, a moment after the last message.
    while drained.subscribe("drain.late").await.is_ok() {
        yield_now().await;
    }
}

pub async fn auto_unsubscribe(url: &str) {
    let [publisher, subscriber] = connect(url).await;
    let mut subscription = subscriber.subscribe("auto.subject").await.unwrap();
    subscription.unsubscribe_after(5).await.unwrap();
    settle(&publisher, &subscriber).await;
    for number in 0..10 {
        publisher
            .publish("auto.subject", text(number).into())
            .await
            .unwrap();
    }
    assert_eq!(rest(&mut subscription).await, [0, 1, 2, 3, 4]);
    let error = subscriber
        .request("auto.subject", "".into())
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        RequestErrorKind::NoResponders,
        "after the limit"
    );
}

pub async fn thousand_subscriptions(url: &str) {
    let [publisher, subscriber] = connect(url).await;
    let mut subscriptions = Vec::new();
    for number in 0..1000 {
        subscriptions.push(
            subscriber
                .subscribe(format!("many.{number}"))
                .await
                .unwrap(),
        );
    }
    settle(&publisher, &subscriber).await;
    for number in 0..1000 {
        publisher
            .publish(format!("many.{number}"), text(number).into())
            .await
            .unwrap();
    }
    settle(&publisher, &subscriber).await;
    for (expected, subscription) in subscriptions.iter_mut().enumerate() {
        assert_eq!(numbers(subscription, 1).await, [expected]);
        assert!(
            waiting(subscription).is_none(),
            "a second message at subscription {expected}"
        );
    }
}

pub async fn flush_and_rtt(url: &str) {
    let [client] = connect(url).await;
    for number in 0..100 {
        client
            .publish("flush.nobody", text(number).into())
            .await
            .unwrap();
        client.flush().await.unwrap();
    }
    settle(&client, &client).await;
}

pub async fn many_connections(url: &str) {
    let clients: [Client; 8] = connect(url).await;
    let mut subscriptions = Vec::new();
    for client in &clients {
        subscriptions.push(client.subscribe("mesh.*").await.unwrap());
    }
    for client in &clients {
        settle_all(client, &clients).await;
    }
    let publishing = clients.iter().enumerate().map(async |(sender, client)| {
        for number in 0..1000 {
            client
                .publish(format!("mesh.{sender}"), text(number).into())
                .await
                .unwrap();
        }
    });
    join_all(publishing).await;
    for subscription in &mut subscriptions {
        let mut next = [0; 8];
        for _ in 0..8 * 1000 {
            let message = receive(subscription).await;
            let sender: usize = message
                .subject
                .strip_prefix("mesh.")
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(
                number(&message),
                next[sender],
                "message from connection {sender}"
            );
            next[sender] += 1;
        }
    }
}

pub async fn burst(url: &str) {
    let [publisher, subscriber] = connect(url).await;
    let mut subscription = subscriber.subscribe("burst").await.unwrap();
    settle(&publisher, &subscriber).await;
    for number in 0..100_000 {
        publisher
            .publish("burst", text(number).into())
            .await
            .unwrap();
    }
    for expected in 0..100_000 {
        assert_eq!(number(&receive(&mut subscription).await), expected);
    }
}

pub async fn reconnect(url: &str, restart: impl FnOnce()) {
    let (publisher, mut publisher_events) = connect_with_events(url).await;
    let (subscriber, mut subscriber_events) = connect_with_events(url).await;
    let mut subscriptions = [
        subscriber.subscribe("again.literal").await.unwrap(),
        subscriber.subscribe("again.*").await.unwrap(),
        subscriber
            .queue_subscribe("again.literal", "group".into())
            .await
            .unwrap(),
    ];
    settle(&publisher, &subscriber).await;
    publisher
        .publish("again.literal", text(1).into())
        .await
        .unwrap();
    for subscription in &mut subscriptions {
        assert_eq!(numbers(subscription, 1).await, [1], "before the restart");
    }
    restart();
    wait_until_reconnected(&mut publisher_events).await;
    wait_until_reconnected(&mut subscriber_events).await;
    settle(&publisher, &subscriber).await;
    publisher
        .publish("again.literal", text(2).into())
        .await
        .unwrap();
    for subscription in &mut subscriptions {
        assert_eq!(numbers(subscription, 1).await, [2], "after the restart");
    }
}

async fn connect_with_events(url: &str) -> (Client, mpsc::UnboundedReceiver<Event>) {
    let (sender, events) = mpsc::unbounded_channel();
    let client = options()
        .reconnect_delay_callback(|_| Duration::from_millis(100))
        .event_callback(move |event| {
            // Nobody listens any more once the scenario has ended.
            let _ = sender.send(event);
            std::future::ready(())
        })
        .connect(url)
        .await
        .unwrap();
    (client, events)
}

async fn wait_until_reconnected(events: &mut mpsc::UnboundedReceiver<Event>) {
    while events.recv().await.unwrap() != Event::Disconnected {}
    while events.recv().await.unwrap() != Event::Connected {}
}
