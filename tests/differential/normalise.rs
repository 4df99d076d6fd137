//! Takes out of a server's words what may differ between two correct servers, and nothing else.
//!
//! * INFO: server id and name, ports, client id, build facts and the server's public key name the
//!   server, not its behaviour.
//! * `PING` from the server: a timer.
//! * Ids of subscriptions for one message: several subscriptions of one connection that match the same
//!   message get it in any order (the reference walks a hash map), so a run of messages that are equal
//!   but for their ids is sorted by id. A queue group picks a member at random: its ids (`q…`) are
//!   made equal.
//! * A 503 goes to any of the requester's matching subscriptions (again a hash map): its id is left out.
//! * `Invalid Publish Subject`, twice in a row: the reference repeats it when a message arrives in
//!   several reads, and how many reads it takes is not under our control.

use serde_json::{Map, Value};
use trunkline_tests::Frame;
use trunkline_tests::harness::frame::Message;
use trunkline_tests::harness::text::show_short;

const INFO_FIELDS_THAT_NAME_THE_SERVER: [&str; 8] = [
    "server_id",
    "server_name",
    "port",
    "client_id",
    "go",
    "git_commit",
    "xkey",
    "nonce",
];

pub fn normalise(frames: Vec<Frame>) -> Vec<String> {
    let mut lines: Vec<Line> = Vec::new();
    for frame in frames {
        let line = match frame {
            Frame::Ping => continue,
            Frame::Ok => Line::plain("+OK"),
            Frame::Pong => Line::plain("PONG"),
            Frame::Info(json) => Line::plain(&info(&json)),
            Frame::Error(text) => Line::plain(&format!("-ERR '{}'", show_short(&text))),
            Frame::Unknown(bytes) => Line::plain(&format!("UNKNOWN {}", show_short(&bytes))),
            Frame::Message(message) => Line::message(&message),
        };
        let repeated = lines.last().is_some_and(|last| last.text == line.text)
            && line.text == "-ERR 'Invalid Publish Subject'";
        if !repeated {
            lines.push(line);
        }
    }
    // Stable runs: equal but for the id.
    for run in lines.chunk_by_mut(|one, other| one.text == other.text) {
        run.sort_by(|one, other| one.sid.cmp(&other.sid));
    }
    lines
        .into_iter()
        .map(|line| match line.sid {
            Some(sid) => format!("{}   (sid {sid})", line.text),
            None => line.text,
        })
        .collect()
}

struct Line {
    text: String,
    sid: Option<String>,
}

impl Line {
    fn plain(text: &str) -> Line {
        Line {
            text: text.to_owned(),
            sid: None,
        }
    }

    fn message(message: &Message) -> Line {
        let verb = if message.with_headers { "HMSG" } else { "MSG" };
        let reply = match &message.reply {
            Some(reply) => format!(" reply {}", show_short(reply)),
            None => String::new(),
        };
        let is_no_responders = message
            .payload
            .starts_with(b"NATS/1.0 503\r\nNats-Subject: ");
        let sid = if is_no_responders {
            "any".to_owned()
        } else if message.sid.starts_with(b"q") {
            "q".to_owned()
        } else {
            show_short(&message.sid)
        };
        Line {
            text: format!(
                "{verb} {}{reply} {} | {}",
                show_short(&message.subject),
                show_short(&message.sizes),
                show_short(&message.payload)
            ),
            sid: Some(sid),
        }
    }
}

fn info(json: &[u8]) -> String {
    match serde_json::from_slice::<Map<String, Value>>(json) {
        Ok(mut fields) => {
            for name in INFO_FIELDS_THAT_NAME_THE_SERVER {
                fields.remove(name);
            }
            let mut sorted: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            sorted.sort();
            format!("INFO {}", sorted.join(" "))
        }
        Err(error) => format!("INFO that is no JSON ({error}): {}", show_short(json)),
    }
}
