//! Attacks with messages: floods to thousands of receivers, message traces, frames that inflate, and many tenants.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::crowds::lane::{Lane, block};
use crate::crowds::readers::Readers;
use crate::crowds::scene::{Scene, USER, scaled};
use crate::net::conn::Connection;
use crate::net::connect;
use crate::random::Random;
use crate::wire::encode;

/// Bytes of one write of a flooding publisher.
const WRITE_BYTES: usize = 64 * 1024;
/// Payload of the floods.
const PAYLOAD: [u8; 128] = [b'x'; 128];

/// Two thousand receivers.
pub fn flood_2000(scene: &mut Scene<'_>) -> Result<f64, String> {
    flood(scene, 2_000)
}

/// Eight thousand receivers.
pub fn flood_8000(scene: &mut Scene<'_>) -> Result<f64, String> {
    flood(scene, 8_000)
}

/// One publisher as fast as it can; counts deliveries.
fn flood(scene: &mut Scene<'_>, receivers: usize) -> Result<f64, String> {
    let mut message = Vec::new();
    encode::publish(&mut message, b"f", b"", &PAYLOAD);
    let delivery = "MSG f 1 128\r\n".len() + PAYLOAD.len() + "\r\n".len();
    publish_to(scene, receivers, "f", &message, delivery, |_| {})
}

/// How much longer than the attack its first trace may take; until then the attack goes on for those who measure.
const TRACE_TIMES: u32 = 5;

/// Every message wants a trace of its way to five thousand receivers; counts deliveries.
pub fn traces(scene: &mut Scene<'_>) -> Result<f64, String> {
    let head = "NATS/1.0\r\nNats-Trace-Dest: dest\r\n\r\n";
    let line = format!("t {0} {0}\r\n{head}\r\n", head.len());
    let delivery = format!("HMSG t 1 {0} {0}\r\n{head}\r\n", head.len()).len();
    let mut traced = scene.open()?;
    scene.prepare(&mut traced, b"SUB dest 1\r\n")?;
    let traced = Readers::start(vec![traced.into_connection()]);
    let message = format!("HPUB {line}").into_bytes();
    let first_trace = |time: Duration| {
        let until = Instant::now() + time * TRACE_TIMES;
        while traced.bytes() == 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let deliveries = publish_to(scene, 5_000, "t", &message, delivery, first_trace)?;
    let traces_bytes = traced.bytes();
    scene.release(traced)?;
    if traces_bytes == 0 && deliveries > 0.0 {
        return Err("no trace came".into());
    }
    Ok(deliveries)
}

/// Publishes as fast as it can, and does what comes `afterwards`, given how long it published; counts deliveries.
fn publish_to(
    scene: &mut Scene<'_>,
    receivers: usize,
    subject: &str,
    message: &[u8],
    delivery_bytes: usize,
    afterwards: impl FnOnce(Duration),
) -> Result<f64, String> {
    let mut connections = scene.open_many(scene.scaled(receivers))?;
    let mut subscribe = Vec::new();
    encode::subscribe(&mut subscribe, subject, None, 1);
    for connection in &mut connections {
        connection.barrier(&subscribe)?;
    }
    let readers = Readers::start(connections);
    let mut publisher = scene.open()?;
    publisher.reset_at_close()?;
    let write = message.repeat(WRITE_BYTES / message.len());
    let before = readers.bytes();
    let (begin, until) = (Instant::now(), scene.begin());
    while publisher.push(&write, 0, until)? {}
    afterwards(until - begin);
    let bytes = readers.bytes() - before;
    drop(publisher);
    scene.release(readers)?;
    Ok(bytes as f64 / delivery_bytes as f64)
}

/// What the inflating row's servers are told.
pub fn inflate_config(_scale: f64) -> String {
    "max_payload: 8MB\n".into()
}

/// Connections that send such frames.
const INFLATING: usize = 4;
/// What one frame inflates to: just below the largest payload.
const INFLATED_BYTES: usize = 7 << 20;
/// Equal commands in a row; decides that seven megabytes deflate to about 128 KiB.
const RUN: usize = 40;

/// WebSocket frames of 128 KiB that inflate to seven megabytes of small PUBs; counts PUBs.
pub fn inflate(scene: &mut Scene<'_>) -> Result<f64, String> {
    let (bytes, commands) = inflating(scene.scaled(INFLATED_BYTES));
    let mut lanes = Vec::new();
    for _ in 0..INFLATING {
        lanes.push(scene.open()?);
    }
    let mut frame = lanes[0].frame_of(&bytes)?;
    frame.extend(lanes[0].frame_of(b"PING\r\n")?);
    let until = scene.begin();
    std::thread::scope(|scope| {
        let running: Vec<_> = lanes
            .iter_mut()
            .map(|lane| scope.spawn(|| inflate_on(lane, &frame, until)))
            .collect();
        let mut ended = running.into_iter().map(|thread| thread.join());
        ended.try_for_each(|end| end.map_err(|_| "an attacker panicked".to_string())?)
    })?;
    let frames: u64 = lanes.iter().map(Lane::pongs).sum();
    Ok(frames as f64 * commands as f64)
}

fn inflate_on(lane: &mut Lane, frame: &[u8], until: Instant) -> Result<(), String> {
    lane.reset_at_close()?;
    while lane.push_raw(frame, 1, until)? {}
    Ok(())
}

/// Small PUBs of `size` bytes in all, and how many.
fn inflating(size: usize) -> (Vec<u8>, usize) {
    let mut random = Random::new(0x1F1A);
    let (mut bytes, mut commands) = (Vec::with_capacity(size), 0);
    while bytes.len() < size {
        let letter = b'a' + u8::try_from(random.below(26)).unwrap_or(0);
        for _ in 0..RUN {
            encode::publish(&mut bytes, &[letter], b"", b"");
            commands += 1;
        }
    }
    (bytes, commands)
}

const TENANTS: usize = 1_000;
/// Publishing connections of each tenant, beside one that subscribes.
const TENANT_PUBLISHERS: usize = 3;
/// Messages per millisecond over all tenants.
const TENANT_MESSAGES: usize = 20;

/// Accounts with one user each.
pub fn tenants_config(scale: f64) -> String {
    accounts(scaled(TENANTS, scale))
}

/// `count` accounts named A0, A1, …, with one user each, u0, u1, …
pub fn accounts(count: usize) -> String {
    let (user, password) = USER;
    let mut text = format!(
        "accounts {{\n  CROWD {{ users: [ {{ user: {user}, password: \"{password}\" }} ] }}\n"
    );
    for index in 0..count {
        let _ = writeln!(
            text,
            "  A{index} {{ users: [ {{ user: u{index}, password: \"{password}\" }} ] }}"
        );
    }
    text + "}\n"
}

/// A thousand accounts at 20,000 messages a second in all; counts deliveries.
pub fn tenants(scene: &mut Scene<'_>) -> Result<f64, String> {
    let (mut subscribers, mut publishers) = (Vec::new(), Vec::new());
    for index in 0..scene.scaled(TENANTS) {
        let target = scene.target_as(&format!("u{index}"))?;
        let count = 1 + TENANT_PUBLISHERS;
        let (mut connections, _) = connect::connect_all(&target, "loadgen tenant", count)?;
        if let Some(mut subscriber) = connections.pop() {
            subscriber.barrier(b"SUB tenant.> 1\r\n")?;
            subscribers.push(subscriber);
        }
        publishers.extend(connections);
    }
    let readers = Readers::start(subscribers);
    let mut message = Vec::new();
    encode::publish(&mut message, b"tenant.news", b"", &PAYLOAD);
    let delivery = "MSG tenant.news 1 128\r\n".len() + PAYLOAD.len() + "\r\n".len();
    let before = readers.bytes();
    let until = scene.begin();
    pace(&mut publishers, &message, until)?;
    let bytes = readers.bytes() - before;
    drop(publishers);
    scene.release(readers)?;
    Ok(bytes as f64 / delivery as f64)
}

/// Sends at fixed times, each time by the next publishers in turn.
fn pace(publishers: &mut [Connection], message: &[u8], until: Instant) -> Result<(), String> {
    let (mut due, mut next) = (Instant::now(), 0);
    while due < until {
        for _ in 0..TENANT_MESSAGES {
            let count = publishers.len();
            let publisher = &mut publishers[next % count];
            publisher
                .send(message)
                .map_err(|error| format!("a tenant's connection: {error}"))?;
            next += 1;
        }
        due += Duration::from_millis(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

const INBOX_ACCOUNTS: usize = 50;
const INBOXES: usize = 33_000;

/// Accounts with one user each.
pub fn inboxes_config(scale: f64) -> String {
    accounts(scaled(INBOX_ACCOUNTS, scale))
}

/// Fifty accounts publish to 33,000 inboxes each, once; counts PUBs.
pub fn inboxes(scene: &mut Scene<'_>) -> Result<f64, String> {
    let (accounts, inboxes) = (scene.scaled(INBOX_ACCOUNTS), scene.scaled(INBOXES));
    let mut lanes = Vec::new();
    for index in 0..accounts {
        let mut lane = Lane::open(&scene.target_as(&format!("u{index}"))?)?;
        scene.prepare(&mut lane, b"SUB _INBOX.> 1\r\n")?;
        lanes.push(lane);
    }
    let bytes = block(inboxes, |out, index| {
        let subject = format!(
            "_INBOX.{:022x}",
            (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        );
        encode::publish(out, subject.as_bytes(), b"", b"");
    });
    scene.begin();
    for lane in &mut lanes {
        scene.prepare(lane, &bytes)?;
    }
    Ok((accounts * inboxes) as f64)
}

const RIGHTS: usize = 10_000;
const RIGHTS_SUBJECTS: usize = 200;

/// Users who may publish alike, but each to a subject of its own too.
pub fn rights_config(scale: f64) -> String {
    let (user, password) = USER;
    let mut text =
        format!("authorization {{\n  users: [\n    {{ user: {user}, password: \"{password}\" }}\n");
    for index in 0..scaled(RIGHTS, scale) {
        let _ = writeln!(
            text,
            "    {{ user: u{index}, password: \"{password}\", permissions: {{ publish: [\"r.*\", \"own.{index}\"], subscribe: \"own.{index}\" }} }}"
        );
    }
    text + "  ]\n}\n"
}

/// Ten thousand users with rights of their own publish to the same 200 subjects; counts PUBs.
pub fn rights(scene: &mut Scene<'_>) -> Result<f64, String> {
    let users = scene.scaled(RIGHTS);
    let mut lanes = Vec::new();
    for index in 0..users {
        lanes.push(Lane::open(&scene.target_as(&format!("u{index}"))?)?);
    }
    let bytes = block(RIGHTS_SUBJECTS, |out, index| {
        encode::publish(out, format!("r.{index}").as_bytes(), b"", b"");
    });
    scene.begin();
    for lane in &mut lanes {
        scene.prepare(lane, &bytes)?;
    }
    Ok((users * RIGHTS_SUBJECTS) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::frames::Frames;

    #[test]
    fn frames_of_128_kib_inflate_to_megabytes() {
        let (bytes, commands) = inflating(INFLATED_BYTES);
        assert!(commands > 600_000 && bytes.len() < 8_000_000);
        let mut frame = Vec::new();
        Frames::new(true, 1).wrap_whole(&bytes, &mut frame);
        let size = frame.len();
        assert!((100 << 10..160 << 10).contains(&size), "{size} bytes");
    }
}
