//! Requests to JetStream's API, one after the other over a connection that waits for each answer: for setting up, for
//! looking and for taking away. What is measured does not go this way.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::Value;

use crate::net::conn::{Connection, Received};
use crate::net::scratch::Scratch;
use crate::plans::flow;
use crate::plans::setup::Opener;
use crate::wire::encode;
use crate::wire::scan::{Control, Message, MessageScanner, Sink};

/// How long an answer may take. A server that syncs every stream on its own needs seconds for many.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection for requests.
pub struct Api {
    connection: Connection,
    inbox: String,
    token: u64,
    scratch: Scratch,
}

impl Api {
    /// Opens a connection; `inbox` is the beginning of the subjects that it gets answers on.
    pub fn open(opener: &mut Opener, inbox: String) -> Result<Self, String> {
        let mut opened = opener.open("api", 1, 0)?;
        let mut connection = opened.pop().ok_or("no connection")?;
        flow::subscribe(&mut connection, &[format!("{inbox}.*")], None)?;
        Ok(Api {
            connection,
            inbox,
            token: 0,
            scratch: Scratch::default(),
        })
    }

    /// Sends a request to `$JS.API.` + `subject` and gives the answer, which is none of an error.
    pub fn request(&mut self, subject: &str, body: &Value) -> Result<Value, String> {
        let subject = format!("$JS.API.{subject}");
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let answer = self.ask(&subject, body.as_bytes())?;
        let value: Value = serde_json::from_slice(&answer)
            .map_err(|error| format!("{subject}: the answer is no JSON: {error}"))?;
        match value.get("error") {
            Some(error) => Err(format!("{subject}: {}", error_text(error))),
            None => Ok(value),
        }
    }

    fn ask(&mut self, subject: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        self.token += 1;
        let reply = format!("{}.{}", self.inbox, self.token);
        let mut out = std::mem::take(&mut self.connection.control);
        encode::publish(&mut out, subject.as_bytes(), reply.as_bytes(), body);
        self.connection.control = out;
        let begin = Instant::now();
        let fail = |text: String| format!("{subject}: {text}");
        loop {
            let mut answer = Answer {
                reply: reply.as_bytes(),
                found: None,
                out: Vec::new(),
            };
            let flushed = self.connection.flush_control();
            flushed.map_err(|error| fail(error.to_string()))?;
            let received = self
                .connection
                .receive(&mut self.scratch, |bytes| {
                    MessageScanner::scan(bytes, &mut answer)
                })
                .map_err(|error| fail(error.to_string()))?;
            self.connection.control.extend_from_slice(&answer.out);
            match answer.found {
                Some(Ok(body)) => return Ok(body),
                Some(Err(text)) => return Err(fail(text)),
                None if begin.elapsed() > ANSWER_TIMEOUT => {
                    let seconds = ANSWER_TIMEOUT.as_secs();
                    return Err(fail(format!("no answer within {seconds} s")));
                }
                None => {}
            }
            match received {
                Received::Closed => return Err(fail("the server closed the connection".into())),
                Received::Nothing => self.wait(),
                Received::Bytes => {}
            }
        }
    }

    /// Waits for something to receive, for a moment.
    fn wait(&self) {
        let mut flags = PollFlags::IN;
        if self.connection.has_output() {
            flags |= PollFlags::OUT;
        }
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        let mut sockets = [PollFd::new(self.connection.stream(), flags)];
        // A signal or the end of the moment: the caller looks again either way.
        let _ = poll(&mut sockets, Some(&moment));
    }
}

/// Waits for one answer.
struct Answer<'a> {
    reply: &'a [u8],
    found: Option<Result<Vec<u8>, String>>,
    out: Vec<u8>,
}

impl Sink for Answer<'_> {
    fn message(&mut self, message: &Message<'_>) {
        if message.subject != self.reply {
            return;
        }
        self.found = Some(match message.headers.starts_with(b"NATS/1.0 503") {
            true => Err("nobody answers; does the server have JetStream?".into()),
            false => Ok(message.payload.to_vec()),
        });
    }

    fn control(&mut self, control: Control<'_>) {
        match control {
            Control::Ping => self.out.extend_from_slice(b"PONG\r\n"),
            Control::Error(text) => {
                let text = String::from_utf8_lossy(text);
                self.found = Some(Err(format!("the server says -ERR {text}")));
            }
            Control::Pong | Control::Ok | Control::Info => {}
        }
    }
}

/// The description and the code of an error of the API.
pub fn error_text(error: &Value) -> String {
    let text = error["description"].as_str().unwrap_or("an error");
    format!("{text} ({})", error["err_code"])
}
