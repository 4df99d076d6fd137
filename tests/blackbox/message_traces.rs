//! Messages that ask for their way to be written down (`Nats-Trace-Dest`, ADR-41).

use serde_json::Value;
use trunkline_tests::{Client, Frame, Received, RunningServer, ServerUnderTest};

const CONNECT: &str = "\"verbose\":false,\"headers\":true";

fn open(server: &RunningServer, more: &str) -> Client {
    let mut client = Client::greet(server.address());
    client.send(format!("CONNECT {{{CONNECT}{more}}}\r\n"));
    client
}

fn publish(client: &mut Client, subject: &str, headers: &str, body: &str) -> usize {
    let block = format!("NATS/1.0\r\n{headers}\r\n");
    let (header, size) = (block.len(), block.len() + body.len());
    client.send(format!(
        "HPUB {subject} {header} {size}\r\n{block}{body}\r\n"
    ));
    size
}

/// The next message of a subscription to traces.
fn trace(client: &mut Client) -> Value {
    match client.frame() {
        Received::Frame(Frame::Message(message)) => {
            serde_json::from_slice(&message.payload).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// `type subject queue error` of every event after the first, in order of text.
fn events(trace: &Value) -> Vec<String> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let events = trace["events"].as_array().unwrap();
    let mut lines: Vec<String> = events[1..]
        .iter()
        .map(|event| {
            assert!(text(event, "ts").ends_with('Z'), "{event}");
            let words = ["type", "sub", "queue", "to", "error"].map(|name| text(event, name));
            let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
            words.join(" ")
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_receiver_of_a_traced_message_is_written_down() {
    let server = ServerUnderTest::builder().cores(2).start();
    let mut watcher = open(&server, "");
    watcher.send("SUB tr 1\r\n");
    watcher.barrier();
    let mut receivers: Vec<Client> = Vec::new();
    for sub in ["SUB t.> 1", "SUB t.* q 1", "SUB t.* q 1", "SUB other 1"] {
        let mut client = open(&server, &format!(",\"name\":\"{sub}\""));
        client.send(format!("{sub}\r\n"));
        client.barrier();
        receivers.push(client);
    }
    let mut publisher = open(&server, ",\"echo\":false,\"name\":\"me\"");
    publisher.send("SUB t.a own\r\n");
    publisher.barrier();
    let own = "eg t.a Not delivered because of no echo";
    for (only, copies) in [("", 1), ("Nats-Trace-Only: true\r\n", 0)] {
        let headers = format!("Nats-Trace-Dest: tr\r\nX-b: 1\r\nX-b: 2\r\n{only}");
        let size = publish(&mut publisher, "t.a", &headers, "hello");
        let trace = trace(&mut watcher);
        assert_eq!(trace["request"]["msgsize"], size);
        assert_eq!(
            trace["request"]["header"]["X-b"],
            serde_json::json!(["1", "2"])
        );
        assert!(trace["server"]["id"].as_str().unwrap().starts_with('N'));
        let ingress = &trace["events"][0];
        for (name, value) in [
            ("type", "in"),
            ("name", "me"),
            ("acc", "$G"),
            ("subj", "t.a"),
        ] {
            assert_eq!(ingress[name], value, "{trace}");
        }
        assert_eq!(events(&trace), ["eg t.* q", "eg t.>", own], "{trace}");
        let got = receivers.iter_mut().map(Client::messages_until_barrier);
        let got: Vec<usize> = got.collect();
        assert_eq!((got[0], got[1] + got[2], got[3]), (copies, copies, 0));
    }
    publish(
        &mut publisher,
        "t.none.at.all",
        "Nats-Trace-Dest: tr\r\n",
        "",
    );
    assert_eq!(events(&trace(&mut watcher)), ["eg t.>"]);
}

#[test]
fn a_trace_needs_the_right_to_its_destination() {
    let server = ServerUnderTest::with_config(
        "mappings { from: to }\n\
         authorization { users: [ {user: all, password: p}, \
         {user: few, password: p, permissions {publish: [\"ok.>\", \"tr\"]}} ] }",
    );
    let user = |name: &str| format!(",\"user\":\"{name}\",\"pass\":\"p\"");
    let mut watcher = open(&server, &user("all"));
    watcher.send("SUB tr 1\r\nSUB ok.> 2\r\nSUB to 3\r\n");
    watcher.barrier();
    let mut few = open(&server, &user("few"));
    few.barrier();
    publish(&mut few, "ok.a", "Nats-Trace-Dest: secret\r\n", "");
    few.expect("-ERR 'Permissions Violation for Publish to \"secret\"'\r\n");
    few.barrier();
    assert_eq!(watcher.messages_until_barrier(), 0);
    publish(&mut few, "not.ok", "Nats-Trace-Dest: tr\r\n", "");
    few.expect("-ERR 'Permissions Violation for Publish to \"not.ok\"'\r\n");
    let denied = trace(&mut watcher);
    let error = "Permissions Violation for Publish to \"not.ok\"";
    assert_eq!(denied["events"][0]["error"], error, "{denied}");
    assert_eq!(denied["events"].as_array().unwrap().len(), 1);

    let mut all = open(&server, &user("all"));
    let only = "Nats-Trace-Only: 1\r\nNats-Trace-Dest: tr\r\n";
    publish(&mut all, "from", only, "");
    assert_eq!(events(&trace(&mut watcher)), ["eg to", "sm to"]);
    // Neither traced nor delivered, since nobody can be told.
    publish(
        &mut all,
        "ok.b",
        "Nats-Trace-Only: 1\r\nNats-Trace-Dest: tr.*\r\n",
        "",
    );
    all.barrier();
    assert_eq!(watcher.messages_until_barrier(), 0);
    publish(&mut all, "ok.b", "Nats-Trace-Dest: trace disabled\r\n", "");
    all.barrier();
    assert_eq!(watcher.messages_until_barrier(), 1);
}
