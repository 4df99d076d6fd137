//! Plays scenarios against one server.
//!
//! ```text
//! req SUBJECT [Name: value]… BODY      publishes and shows the one answer
//! pub SUBJECT [Name: value]… BODY      publishes without asking for an answer
//! ask REPLY SUBJECT [Name: value]… BODY   publishes with this reply subject
//! mute SUBJECT [Name: value]… BODY     publishes with a reply subject, and nothing may come of it
//! sub NAME SUBJECT [GROUP] · unsub NAME   returns once the subscription is live, or gone
//! get NAME [COUNT]                     waits for messages and shows them; heartbeats are passed over
//! set NAME COUNT                       the same, in any order
//! until NAME TEXT                      shows the first message that has this in it, passes over others
//! poll PATH=VALUE SUBJECT BODY         asks until the answer has this value (`absent` for none); shows it
//! bind NAME PATH SUBJECT BODY          asks; from the answer on, `$NAME` stands for this value of it
//! fresh                                goes on with a new server without streams
//! restart                              stops the server and starts it again on its streams
//! ```
//!
//! `@N` stands for the reply subject of the N-th message that the scenario was shown. Bodies have the
//! escapes of transcripts. A step that ends without its answer shows `(silence)`, and ends the scenario.

use crate::scenario::{File, Scenario};
use crate::session::{Session, is_heartbeat, parts, shown_answer, shown_message};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};
use trunkline_tests::harness::frame::Message;
use trunkline_tests::harness::jetstream::StoreDirectory;
use trunkline_tests::transcript::bytes;
use trunkline_tests::{Binary, RunningServer, ServerBuilder};

/// Only a failing scenario polls that long.
const PATIENCE: Duration = Duration::from_secs(8);

/// What each step of a scenario was answered with, as far as it came.
pub type Answers = Vec<Vec<String>>;

/// A server of one file of scenarios.
pub struct Stage<'a> {
    binary: &'a Binary,
    file: &'a File,
    directory: StoreDirectory,
    server: Option<RunningServer>,
}

impl<'a> Stage<'a> {
    pub fn new(binary: &'a Binary, file: &'a File) -> Stage<'a> {
        let directory = StoreDirectory::new();
        let server = Some(launch(binary, file, &directory));
        Stage {
            binary,
            file,
            directory,
            server,
        }
    }

    fn session(&self) -> Session {
        let server = self.server.as_ref().expect("a stage has a server");
        Session::open(server.address())
    }

    fn restart(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal(Signal::TERM);
            let _status = server.wait_for_end();
        }
        self.server = Some(launch(self.binary, self.file, &self.directory));
    }

    /// Goes on with a new server without streams.
    pub fn renew(&mut self) {
        self.server = None;
        self.directory = StoreDirectory::new();
        self.server = Some(launch(self.binary, self.file, &self.directory));
    }

    /// The reference removes the files of a deleted stream some time after it has said that it is gone,
    /// and a stream of that name that is created meanwhile finds them.
    fn wait_for_removal(&mut self) {
        let streams = self.directory.path().join("jetstream/$G/streams");
        let is_empty =
            || std::fs::read_dir(&streams).is_ok_and(|mut entries| entries.next().is_none());
        let deadline = Instant::now() + Duration::from_millis(500);
        while !self.binary.is_ours && streams.exists() && !is_empty() {
            if Instant::now() > deadline {
                return self.renew();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Plays a scenario and leaves the server without streams.
    pub fn play(&mut self, scenario: &Scenario) -> Answers {
        let mut play = Play {
            session: self.session(),
            stage: self,
            replies: Vec::new(),
            variables: Vec::new(),
            last: Value::Null,
        };
        let mut answers = Answers::new();
        for step in &scenario.steps {
            let mut shown = Vec::new();
            let ended = match step.is_comment() {
                true => Ok(()),
                false => play.step(&step.text, &mut shown),
            };
            let is_over = ended.is_err();
            shown.extend(ended.err());
            answers.push(shown);
            if is_over {
                break;
            }
        }
        if answers.len() == scenario.steps.len() {
            let left_over = play.finish();
            self.wait_for_removal();
            answers.last_mut().into_iter().for_each(|last| {
                last.extend(left_over.iter().map(|each| format!("(unasked) {each}")));
            });
        } else {
            self.renew();
        }
        answers
    }
}

fn launch(binary: &Binary, file: &File, directory: &StoreDirectory) -> RunningServer {
    let in_place = |text: &str| text.replace("$DIR", &directory.text());
    let flags: Vec<String> = file.flags.iter().map(|flag| in_place(flag)).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let builder = ServerBuilder::new(binary.clone()).arguments(&flags);
    match file.config.is_empty() {
        true => builder.start(),
        false => builder.config(&in_place(&file.config)).start(),
    }
}

struct Play<'a, 'b> {
    stage: &'a mut Stage<'b>,
    session: Session,
    /// Reply subjects of the messages shown so far.
    replies: Vec<String>,
    variables: Vec<(String, String)>,
    /// The last answer that was JSON.
    last: Value,
}

/// What a line publishes.
struct Request {
    subject: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Play<'_, '_> {
    fn step(&mut self, line: &str, shown: &mut Vec<String>) -> Result<(), String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "req" => {
                let request = self.request(rest)?;
                let answer = self.ask(&request)?;
                shown.push(answer);
            }
            "pub" => {
                let request = self.request(rest)?;
                self.publish(&request, "");
            }
            "ask" => {
                let (reply, rest) = first_word(rest);
                let request = self.request(rest)?;
                self.publish(&request, reply);
            }
            "mute" => {
                let request = self.request(rest)?;
                self.publish(&request, "_INBOX.answers.none");
                self.settle()?;
                shown.extend(self.session.left_over());
            }
            "sub" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let group = words.get(2).copied().unwrap_or("");
                self.session.subscribe(words[0], words[1], group)?;
            }
            "unsub" => self.session.unsubscribe(rest)?,
            "get" => self.get(rest, shown)?,
            "set" => {
                let ended = self.get(rest, shown);
                shown.sort();
                ended?;
            }
            "until" => shown.push(self.until(rest)?),
            "poll" => shown.push(self.poll(rest)?),
            "bind" => shown.push(self.bind(rest)?),
            "fresh" => {
                self.stage.renew();
                self.session = self.stage.session();
            }
            "restart" => {
                self.stage.restart();
                self.session = self.stage.session();
            }
            _ => return Err(format!("(unknown step {verb})")),
        }
        Ok(())
    }

    /// Reads `SUBJECT [Name: value]… BODY`, with what variables and `@N` stand for.
    fn request(&self, text: &str) -> Result<Request, String> {
        let (subject, mut rest) = first_word(text);
        let subject = match subject.strip_prefix('@').map(str::parse::<usize>) {
            Some(Ok(number)) => {
                let reply = number.checked_sub(1).and_then(|at| self.replies.get(at));
                reply.ok_or("(no such message)")?.clone()
            }
            _ => self.filled(subject),
        };
        let mut headers = Vec::new();
        while let Some((header, tail)) =
            rest.strip_prefix('[').and_then(|text| text.split_once(']'))
        {
            let header = bytes(&self.filled(header))?;
            headers.push(String::from_utf8_lossy(&header).into_owned());
            rest = tail.trim_start();
        }
        let body = bytes(&self.filled(rest))?;
        Ok(Request {
            subject,
            headers,
            body,
        })
    }

    fn filled(&self, text: &str) -> String {
        let variables = self.variables.iter();
        variables.fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${name}"), value)
        })
    }

    /// Shows names instead of the values of variables.
    fn emptied(&self, text: String) -> String {
        let variables = self.variables.iter();
        variables.fold(text, |text, (name, value)| {
            text.replace(value, &format!("${name}"))
        })
    }

    fn publish(&mut self, request: &Request, reply: &str) {
        let reply = self.filled(reply);
        self.session
            .publish(&request.subject, &reply, &request.headers, &request.body);
    }

    fn ask(&mut self, request: &Request) -> Result<String, String> {
        let answer = self
            .session
            .request(&request.subject, &request.headers, &request.body)?;
        self.replies.extend(text_of_reply(&answer));
        self.last = serde_json::from_slice(parts(&answer).1).unwrap_or(Value::Null);
        Ok(self.emptied(shown_answer(&answer)))
    }

    fn get(&mut self, rest: &str, shown: &mut Vec<String>) -> Result<(), String> {
        let (name, count) = first_word(rest);
        let mut wanted = count.parse().unwrap_or(1);
        while wanted > 0 {
            let message = self.session.next(name)?;
            if !is_heartbeat(&message) {
                shown.push(self.show(&message));
                wanted -= 1;
            }
        }
        Ok(())
    }

    fn until(&mut self, rest: &str) -> Result<String, String> {
        let (name, text) = first_word(rest);
        loop {
            let message = self.session.next(name)?;
            if shown_message(&message).contains(text) {
                return Ok(self.show(&message));
            }
        }
    }

    fn show(&mut self, message: &Message) -> String {
        self.replies.extend(text_of_reply(message));
        self.emptied(shown_message(message))
    }

    fn poll(&mut self, rest: &str) -> Result<String, String> {
        let (condition, rest) = first_word(rest);
        let (path, wanted) = condition.split_once('=').ok_or("(poll PATH=VALUE)")?;
        let request = self.request(rest)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(&request)?;
            let found = text_at(&self.last, path);
            if found.as_deref().unwrap_or("absent") == wanted {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                return Err(format!("(never) {answer}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn bind(&mut self, rest: &str) -> Result<String, String> {
        let (name, rest) = first_word(rest);
        let (path, rest) = first_word(rest);
        let request = self.request(rest)?;
        let answer = self.ask(&request)?;
        let value = text_at(&self.last, path).ok_or("(nothing to bind)")?;
        self.variables.push((name.to_owned(), value));
        Ok(self.emptied(answer))
    }

    /// A round trip through JetStream: what was on its way has arrived.
    fn settle(&mut self) -> Result<(), String> {
        self.session.request("$JS.API.INFO", &[], b"")?;
        self.session.barrier()
    }

    /// Deletes all streams; what arrived until then and no step asked for.
    fn finish(&mut self) -> Vec<String> {
        let settled = self.settle();
        let mut left_over = self.session.left_over();
        let cleaned = settled.and_then(|()| {
            let names = self.session.request("$JS.API.STREAM.NAMES", &[], b"")?;
            let names: Value = serde_json::from_slice(parts(&names).1).unwrap_or(Value::Null);
            for name in names["streams"].as_array().into_iter().flatten() {
                let subject = format!("$JS.API.STREAM.DELETE.{}", name.as_str().unwrap_or(""));
                let _answer = self.session.request(&subject, &[], b"")?;
            }
            Ok(())
        });
        if let Err(error) = cleaned {
            left_over.push(error);
            self.stage.renew();
        }
        left_over
    }
}

fn text_of_reply(message: &Message) -> Option<String> {
    let reply = message.reply.as_ref()?;
    Some(String::from_utf8_lossy(reply).into_owned())
}

fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// A value of JSON by the names that lead to it; a string without its quotes.
fn text_at(value: &Value, path: &str) -> Option<String> {
    let found = path
        .split('.')
        .try_fold(value, |value, name| match name.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(name),
        })?;
    Some(match found {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}
