//! Attacks with subscriptions: many of one's own, patterns, queue groups, and what their end costs.

use std::time::{Duration, Instant};

use crate::crowds::lane::{Lane, block};
use crate::crowds::readers::Readers;
use crate::crowds::scene::Scene;
use crate::wire::encode;

/// Bytes of one write of a flooding publisher.
const WRITE_BYTES: usize = 64 * 1024;
/// How long a connection's close is watched.
const CLOSING: Duration = Duration::from_secs(3);

/// PUBs between two PINGs of the echo row.
const ECHO_STEP: usize = 100;

/// 100,000 subscriptions of a connection that does not want its own messages, and 11,000 PUBs in one write, again and
/// again; counts PUBs.
pub fn echo(scene: &mut Scene<'_>) -> Result<f64, String> {
    let mut target = scene.target()?;
    target.echo = false;
    let mut lane = Lane::open(&target)?;
    lane.reset_at_close()?;
    scene.prepare(
        &mut lane,
        &subscribes(scene.scaled(100_000), |_| "e".into()),
    )?;
    let steps = 11_000 / ECHO_STEP;
    let step = block(ECHO_STEP, |out, _| encode::publish(out, b"e", b"", b""));
    let write = [step.as_slice(), b"PING\r\n"].concat().repeat(steps);
    let before = lane.pongs();
    let until = scene.begin();
    while lane.push(&write, steps as u64, until)? && lane.settle(until)? {}
    Ok((lane.pongs() - before) as f64 * ECHO_STEP as f64)
}

/// Tokens of a pattern that are `x` or `*`.
const PATTERN_TOKENS: usize = 14;
/// Patterns, nearly all that there are.
const PATTERNS: usize = 16_000;
/// Connections that share the patterns.
const PATTERN_CONNECTIONS: usize = 8;

/// 16,000 patterns that all match, and subjects never seen before; counts PUBs.
pub fn patterns_new(scene: &mut Scene<'_>) -> Result<f64, String> {
    patterns(scene, true)
}

/// 16,000 patterns that all match one subject; counts PUBs.
pub fn patterns_same(scene: &mut Scene<'_>) -> Result<f64, String> {
    patterns(scene, false)
}

fn patterns(scene: &mut Scene<'_>, fresh: bool) -> Result<f64, String> {
    let count = scene.scaled(PATTERNS);
    let mut connections = scene.open_many(PATTERN_CONNECTIONS)?;
    for (member, connection) in connections.iter_mut().enumerate() {
        let mut bytes = Vec::new();
        for index in (member..count).step_by(PATTERN_CONNECTIONS) {
            encode::subscribe(&mut bytes, &pattern(index), None, index as u64);
        }
        connection.barrier(&bytes)?;
    }
    let readers = Readers::start(connections);
    let mut publisher = scene.open()?;
    let stem = "x.".repeat(PATTERN_TOKENS);
    let mut subjects = 0_u64;
    let pubs = flood(scene, &mut publisher, 4, |out| {
        encode::publish(out, format!("{stem}{subjects}").as_bytes(), b"", b"");
        subjects += u64::from(fresh);
    })?;
    drop(publisher);
    scene.release(readers)?;
    Ok(pubs)
}

/// `x.*.x.….*`, by the bits of `index`; the last token takes anything.
fn pattern(index: usize) -> String {
    let token = |bit: usize| if index >> bit & 1 == 0 { "x." } else { "*." };
    (0..PATTERN_TOKENS).map(token).collect::<String>() + "*"
}

/// Publishes what `next` appends, as fast as the server takes it; counts the PUBs that it has worked off, to the
/// nearest `step`.
fn flood(
    scene: &mut Scene<'_>,
    publisher: &mut Lane,
    step: usize,
    mut next: impl FnMut(&mut Vec<u8>),
) -> Result<f64, String> {
    publisher.reset_at_close()?;
    let before = publisher.pongs();
    let until = scene.begin();
    let mut write = Vec::new();
    loop {
        write.clear();
        let mut pings = 0;
        while write.len() < WRITE_BYTES {
            (0..step).for_each(|_| next(&mut write));
            write.extend_from_slice(b"PING\r\n");
            pings += 1;
        }
        if !publisher.push(&write, pings, until)? {
            return Ok((publisher.pongs() - before) as f64 * step as f64);
        }
    }
}

const CLOSED: usize = 1_000_000;
/// SUBs between two barriers.
const SUBSCRIBE_AT_ONCE: usize = 100_000;

/// A connection with a million subscriptions closes; counts them.
pub fn close_short(scene: &mut Scene<'_>) -> Result<f64, String> {
    close(scene, |index| format!("s{index}"))
}

/// The same with subjects of thirty tokens.
pub fn close_deep(scene: &mut Scene<'_>) -> Result<f64, String> {
    let stem = "d.".repeat(24);
    close(scene, |index| {
        let digits: Vec<String> = format!("{index:06}").chars().map(String::from).collect();
        format!("{stem}{}", digits.join("."))
    })
}

fn close(scene: &mut Scene<'_>, subject: impl Fn(usize) -> String) -> Result<f64, String> {
    let mut lane = scene.open()?;
    let count = scene.scaled(CLOSED);
    for from in (0..count).step_by(SUBSCRIBE_AT_ONCE) {
        let part = SUBSCRIBE_AT_ONCE.min(count - from);
        let bytes = block(part, |out, index| {
            let index = from + index;
            encode::subscribe(out, &subject(index), None, index as u64);
        });
        scene.prepare(&mut lane, &bytes)?;
    }
    scene.begin();
    drop(lane);
    std::thread::sleep(CLOSING);
    Ok(count as f64)
}

const QUEUES: usize = 60_000;

/// 60,000 queue groups on one subject come, and close; counts them.
pub fn queues_close(scene: &mut Scene<'_>) -> Result<f64, String> {
    let mut lane = scene.open()?;
    let count = scene.scaled(QUEUES);
    let bytes = queue_subscribes(count);
    scene.begin();
    scene.prepare(&mut lane, &bytes)?;
    drop(lane);
    std::thread::sleep(CLOSING);
    Ok(count as f64)
}

/// The same, and a publisher floods them; counts PUBs.
pub fn queues_publish(scene: &mut Scene<'_>) -> Result<f64, String> {
    let mut lane = scene.open()?;
    scene.prepare(&mut lane, &queue_subscribes(scene.scaled(QUEUES)))?;
    let readers = Readers::start(vec![lane.into_connection()]);
    let mut publisher = scene.open()?;
    let pubs = flood(scene, &mut publisher, 1, |out| {
        encode::publish(out, b"q", b"", b"");
    })?;
    drop(publisher);
    scene.release(readers)?;
    Ok(pubs)
}

fn queue_subscribes(count: usize) -> Vec<u8> {
    block(count, |out, index| {
        encode::subscribe(out, "q", Some(&format!("n{index}")), index as u64);
    })
}

const GROWTH: usize = 100_000;
const GROWTH_SUBJECTS: usize = 9;
/// How much longer than others this attack lasts.
const GROWTH_TIMES: u32 = 2;

/// 100,000 equal wildcards, PUBs to new subjects, UNSUB all, PUB again, in a loop; counts loops.
pub fn growth(scene: &mut Scene<'_>) -> Result<f64, String> {
    let mut target = scene.target()?;
    target.echo = false;
    let mut own = Lane::open(&target)?;
    let mut publisher = scene.open()?;
    let count = scene.scaled(GROWTH);
    let come = subscribes(count, |_| "w.*".into());
    let go = block(count, |out, index| {
        out.extend_from_slice(b"UNSUB ");
        encode::decimal(out, index as u64);
        out.extend_from_slice(b"\r\n");
    });
    let begin = Instant::now();
    let until = begin + (scene.begin() - begin) * GROWTH_TIMES;
    let mut rounds = 0_usize;
    while own.exchange(&come, until)? {
        let pubs = block(GROWTH_SUBJECTS, |out, index| {
            let subject = format!("w.{}", rounds * GROWTH_SUBJECTS + index);
            encode::publish(out, subject.as_bytes(), b"", b"");
        });
        let done = publisher.exchange(&pubs, until)?
            && own.exchange(&go, until)?
            && publisher.exchange(&pubs, until)?;
        if !done {
            break;
        }
        rounds += 1;
    }
    Ok(rounds as f64)
}

fn subscribes(count: usize, subject: impl Fn(usize) -> String) -> Vec<u8> {
    block(count, |out, index| {
        encode::subscribe(out, &subject(index), None, index as u64);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_differ_and_all_match() {
        let all: std::collections::HashSet<String> = (0..PATTERNS).map(pattern).collect();
        assert_eq!(all.len(), PATTERNS);
        for pattern in &all {
            let tokens: Vec<&str> = pattern.split('.').collect();
            assert_eq!((tokens.len(), tokens[PATTERN_TOKENS]), (15, "*"));
            assert!(tokens.iter().all(|token| ["x", "*"].contains(token)));
        }
    }
}
