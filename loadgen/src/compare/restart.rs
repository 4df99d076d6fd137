//! What a server does with what it has stored when it is stopped, started, killed and started again.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compare::server::{Launch, Server};
use crate::plans::jetstream::api::Api;
use crate::plans::setup::Opener;
use crate::procstat;
use crate::report::figures::Figure;
use crate::wire::info::ServerInfo;

/// How long a server may take to stop, or to have everything again.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Before memory is looked at, a server may let go of what it needed for the load.
const REST: Duration = Duration::from_secs(2);
/// Time between two looks whether everything is there.
const GLANCE: Duration = Duration::from_millis(5);

/// What a server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    streams: u64,
    consumers: u64,
    messages: u64,
}

/// Stops `server`, starts it, kills it and starts it again; the figures, or what went wrong.
pub fn measure(server: &mut Server, launch: &Launch) -> Result<Vec<Figure>, String> {
    let held = held(server)?;
    if held.messages == 0 {
        return Err("nothing is stored before the server is stopped".into());
    }
    std::thread::sleep(REST);
    let mut figures = Vec::new();
    let mut figure = |name, unit, value| {
        figures.push(Figure {
            name,
            unit,
            value: Some(value),
        });
    };
    figure("resident with all stored", "MiB", resident(server)?);
    let begin = Instant::now();
    if !server.stop_within(TIMEOUT) {
        return Err("the server ended before it was stopped".into());
    }
    figure("stop", "s", begin.elapsed().as_secs_f64());
    figure("restart", "s", start_again(server, launch, held)?);
    std::thread::sleep(REST);
    figure("resident after restart", "MiB", resident(server)?);
    server.kill();
    figure(
        "restart after kill -9",
        "s",
        start_again(server, launch, held)?,
    );
    Ok(figures)
}

fn resident(server: &Server) -> Result<f64, String> {
    let memory = procstat::memory(server.pid()).ok_or("the server has ended")?;
    Ok(memory.resident_bytes as f64 / 1_048_576.0)
}

/// Starts it and waits until all is there that was; how long that took.
fn start_again(server: &mut Server, launch: &Launch, before: Held) -> Result<f64, String> {
    let begin = Instant::now();
    server.start_again(launch, TIMEOUT)?;
    loop {
        let problem = match held(server) {
            Ok(now) if now == before => return Ok(begin.elapsed().as_secs_f64()),
            Ok(now) => format!(
                "holds {} streams, {} consumers and {} messages, not {}, {} and {}",
                now.streams,
                now.consumers,
                now.messages,
                before.streams,
                before.consumers,
                before.messages
            ),
            Err(text) => text,
        };
        if begin.elapsed() > TIMEOUT {
            return Err(format!("after a restart the server {problem}"));
        }
        std::thread::sleep(GLANCE);
    }
}

/// Asks for everything; the last page is that with nothing behind it.
fn held(server: &Server) -> Result<Held, String> {
    let mut opener = Opener {
        target: server.prepared.server.target()?,
        server: ServerInfo::default(),
        secured: String::new(),
    };
    let mut api = Api::open(&mut opener, format!("_INBOX.held{}", server.pid()))?;
    let mut held = Held {
        streams: 0,
        consumers: 0,
        messages: 0,
    };
    loop {
        let page = serde_json::json!({ "offset": held.streams });
        let answer = api.request("STREAM.LIST", &page)?;
        let streams = answer["streams"].as_array().map_or(&[][..], Vec::as_slice);
        for stream in streams {
            let count = |field: &str| stream["state"][field].as_u64().unwrap_or(0);
            held.streams += 1;
            held.consumers += count("consumer_count");
            held.messages += count("messages");
        }
        let total = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
        if streams.is_empty() || held.streams >= total {
            return Ok(held);
        }
    }
}
