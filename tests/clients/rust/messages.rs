//! Scenarios about what a message carries and where it goes.

use std::time::Duration;

use async_nats::client::{PublishErrorKind, RequestErrorKind};
use async_nats::{Client, HeaderMap, Request};
use futures_util::future::join_all;

use super::{connect, number, numbers, options, receive, serve, settle, settle_all, text, waiting};

pub async fn publish_subscribe(url: &str) {
    let [publisher, subscriber] = connect(url).await;
    let mut subscription = subscriber.subscribe("plain.subject").await.unwrap();
    settle(&publisher, &subscriber).await;
    let binary: Vec<u8> = (0..=255).collect();
    publisher
        .publish("plain.other", "not for us".into())
        .await
        .unwrap();
    publisher
        .publish("plain.subject", "hello".into())
        .await
        .unwrap();
    publisher.publish("plain.subject", "".into()).await.unwrap();
    publisher
        .publish_with_reply("plain.subject", "plain.reply", binary.clone().into())
        .await
        .unwrap();
    let first = receive(&mut subscription).await;
    assert_eq!(
        (first.subject.as_str(), &first.payload[..]),
        ("plain.subject", &b"hello"[..])
    );
    assert_eq!(first.reply, None);
    assert!(receive(&mut subscription).await.payload.is_empty());
    let last = receive(&mut subscription).await;
    assert_eq!(last.payload, binary);
    assert_eq!(last.reply.unwrap().as_str(), "plain.reply");
}

pub async fn wildcards(url: &str) {
    let published = [
        "wild",
        "wild.a",
        "wild.a.x",
        "wild.a.b.x",
        "wild.b.x",
        "other.a.x",
    ];
    let expected: [(&str, &[&str]); 5] = [
        ("wild.*.x", &["wild.a.x", "wild.b.x"]),
        ("wild.*", &["wild.a"]),
        ("*.a.*", &["wild.a.x", "other.a.x"]),
        ("wild.>", &["wild.a", "wild.a.x", "wild.a.b.x", "wild.b.x"]),
        (">", &published),
    ];
    let [publisher, subscriber] = connect(url).await;
    let mut subscriptions = Vec::new();
    for (pattern, _) in expected {
        subscriptions.push(subscriber.subscribe(pattern).await.unwrap());
    }
    settle(&publisher, &subscriber).await;
    for subject in published {
        publisher.publish(subject, "".into()).await.unwrap();
    }
    settle(&publisher, &subscriber).await;
    for ((pattern, subjects), subscription) in expected.iter().zip(&mut subscriptions) {
        let seen: Vec<String> = std::iter::from_fn(|| waiting(subscription))
            .map(|message| message.subject.into_string())
            // `>` also sees the messages by which this program settles.
            .filter(|subject| !subject.starts_with("_INBOX."))
            .collect();
        assert_eq!(seen, *subjects, "{pattern}");
    }
}

pub async fn request_reply(url: &str) {
    let [requester, responder] = connect(url).await;
    serve(&responder, "service.echo").await;
    settle(&requester, &responder).await;
    let replies = (0..200).map(|number| requester.request("service.echo", text(number).into()));
    for (number, reply) in join_all(replies).await.into_iter().enumerate() {
        assert_eq!(reply.unwrap().payload, text(number));
    }
}

pub async fn no_responders(url: &str) {
    let [client] = connect(url).await;
    let error = client
        .request("service.nobody", "".into())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::NoResponders);
}

pub async fn request_timeout(url: &str) {
    let [requester, silent] = connect(url).await;
    let _subscription = silent.subscribe("service.silent").await.unwrap();
    settle(&requester, &silent).await;
    let request = Request::new().timeout(Some(Duration::from_millis(200)));
    let error = requester
        .send_request("service.silent", request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), RequestErrorKind::TimedOut);
}

pub async fn queue_groups(url: &str) {
    let groups = ["workers", "workers", "workers", "auditors", "auditors"];
    let [publisher] = connect(url).await;
    let members: [Client; 5] = connect(url).await;
    let mut jobs = Vec::new();
    for (member, group) in members.iter().zip(groups) {
        jobs.push(
            member
                .queue_subscribe("queue.jobs", group.into())
                .await
                .unwrap(),
        );
    }
    let mut plain = publisher.subscribe("queue.jobs").await.unwrap();
    settle_all(&publisher, &members).await;
    for number in 0..600 {
        publisher
            .publish("queue.jobs", text(number).into())
            .await
            .unwrap();
    }
    settle_all(&publisher, &members).await;
    for group in ["workers", "auditors"] {
        let mut together: Vec<usize> = Vec::new();
        for (subscription, _) in jobs
            .iter_mut()
            .zip(groups)
            .filter(|(_, name)| *name == group)
        {
            let share: Vec<usize> = std::iter::from_fn(|| waiting(subscription))
                .map(|message| number(&message))
                .collect();
            assert!(!share.is_empty(), "a member of {group} got nothing");
            assert!(share.is_sorted(), "order within a member of {group}");
            together.extend(share);
        }
        together.sort_unstable();
        assert_eq!(
            together,
            (0..600).collect::<Vec<_>>(),
            "messages of {group}"
        );
    }
    assert_eq!(numbers(&mut plain, 600).await, (0..600).collect::<Vec<_>>());
}

pub async fn headers(url: &str) {
    let [publisher, subscriber] = connect(url).await;
    let mut sent = HeaderMap::new();
    sent.insert("Trace-Id", "abc-123");
    sent.insert("lower-case", "kept as it is");
    for value in ["first", "second: with colon", "third"] {
        sent.append("Many", value);
    }
    let mut subscription = subscriber.subscribe("headers.plain").await.unwrap();
    serve(&subscriber, "headers.echo").await;
    settle(&publisher, &subscriber).await;
    publisher
        .publish_with_headers("headers.plain", sent.clone(), "with".into())
        .await
        .unwrap();
    publisher
        .publish("headers.plain", "without".into())
        .await
        .unwrap();
    publisher
        .publish_with_headers("headers.plain", sent.clone(), "".into())
        .await
        .unwrap();
    let with = receive(&mut subscription).await;
    assert_eq!(
        (&with.payload[..], with.headers.as_ref()),
        (&b"with"[..], Some(&sent))
    );
    let without = receive(&mut subscription).await;
    assert_eq!(
        (&without.payload[..], without.headers),
        (&b"without"[..], None)
    );
    let empty = receive(&mut subscription).await;
    assert_eq!(
        (empty.payload.len(), empty.headers.as_ref()),
        (0, Some(&sent))
    );
    let reply = publisher
        .request_with_headers("headers.echo", sent.clone(), "back".into())
        .await
        .unwrap();
    assert_eq!(
        (&reply.payload[..], reply.headers),
        (&b"back"[..], Some(sent))
    );
}

pub async fn max_payload(url: &str) {
    let [requester, responder] = connect(url).await;
    let size = requester.max_payload();
    assert_eq!(size, 1024 * 1024);
    // 251 is prime: no shift by a buffer's size can go unseen.
    let body: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
    serve(&responder, "large.echo").await;
    settle(&requester, &responder).await;
    for _ in 0..3 {
        let reply = requester
            .request("large.echo", body.clone().into())
            .await
            .unwrap();
        assert!(
            reply.payload == body,
            "payload of {} bytes came back changed",
            reply.payload.len()
        );
    }
}

pub async fn payload_too_large(url: &str) {
    let [publisher, subscriber] = connect(url).await;
    let mut subscription = subscriber.subscribe("large.refused").await.unwrap();
    settle(&publisher, &subscriber).await;
    let body = vec![0; publisher.max_payload() + 1];
    let error = publisher
        .publish("large.refused", body.into())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), PublishErrorKind::MaxPayloadExceeded);
    publisher
        .publish("large.refused", text(1).into())
        .await
        .unwrap();
    assert_eq!(numbers(&mut subscription, 1).await, [1]);
}

pub async fn echo_off(url: &str) {
    let [other] = connect(url).await;
    let quiet = options().no_echo().connect(url).await.unwrap();
    let mut heard = quiet.subscribe("echo.subject").await.unwrap();
    let mut elsewhere = other.subscribe("echo.subject").await.unwrap();
    settle(&quiet, &other).await;
    settle(&other, &quiet).await;
    quiet.publish("echo.subject", text(1).into()).await.unwrap();
    assert_eq!(numbers(&mut elsewhere, 1).await, [1]);
    other.publish("echo.subject", text(2).into()).await.unwrap();
    assert_eq!(
        numbers(&mut heard, 1).await,
        [2],
        "first message at the connection without echo"
    );
}
