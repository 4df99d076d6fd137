//! Plays a session on two servers in lock-step.
//!
//! **Settling.** After a step each live connection publishes to a reserved subject whose name is unique
//! in the session and then pings. The server refuses the publish with an error that quotes the
//! subject, so that error followed by `PONG` marks the end of everything the step caused on that
//! connection, however many PINGs the step itself contained and whatever state it left behind. No
//! time is involved, except for a connection that swallows the marker as payload: that one is given
//! up as silent.

use super::normalise::normalise;
use super::session::{Send, Session, Step, VARIANTS};
use std::time::{Duration, Instant};
use trunkline_tests::{Binary, Client, Frame, Received, RunningServer, ServerBuilder};

/// Two running servers with the same configuration.
pub struct Pair {
    reference: RunningServer,
    candidate: RunningServer,
}

/// What both servers said to one step, normalised.
pub struct Answers {
    pub reference: Vec<String>,
    pub candidate: Vec<String>,
}

pub struct Outcome {
    /// Ends with the first step that was answered differently.
    pub answers: Vec<Answers>,
}

impl Outcome {
    /// The number of the step.
    pub fn difference(&self) -> Option<usize> {
        let last = self.answers.last()?;
        (last.reference != last.candidate).then(|| self.answers.len() - 1)
    }
}

impl Pair {
    pub fn start(reference: &Binary, candidate: &Binary, variant: usize) -> Pair {
        let start = |binary: &Binary| {
            let cores = std::env::var("DIFFERENTIAL_CORES")
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(1);
            ServerBuilder::new(binary.clone())
                .config(VARIANTS[variant].config)
                .cores(cores)
                .start()
        };
        Pair {
            reference: start(reference),
            candidate: start(candidate),
        }
    }

    pub fn play(&mut self, session: &Session, silence: Duration) -> Outcome {
        let mut reference = Player::new(&self.reference, silence);
        let mut candidate = Player::new(&self.candidate, silence);
        let mut answers = Vec::new();
        for (number, step) in session.steps.iter().enumerate() {
            answers.push(Answers {
                reference: reference.step(number, step),
                candidate: candidate.step(number, step),
            });
            if !self.candidate.is_alive() {
                let log = self.candidate.log();
                let last = answers.last_mut().unwrap();
                last.candidate
                    .push(format!("the server died; its log:\n{log}"));
            }
            let last = answers.last().unwrap();
            if last.reference != last.candidate {
                break;
            }
        }
        reference.finish();
        candidate.finish();
        Outcome { answers }
    }
}

struct Connection {
    client: Client,
    midway: bool,
}

struct Player<'a> {
    server: &'a RunningServer,
    silence: Duration,
    connections: [Option<Connection>; 4],
}

impl<'a> Player<'a> {
    fn new(server: &'a RunningServer, silence: Duration) -> Self {
        Self {
            server,
            silence,
            connections: [None, None, None, None],
        }
    }

    fn step(&mut self, number: usize, step: &Step) -> Vec<String> {
        match step {
            Step::Open(index) => {
                self.close(*index);
                let mut client = Client::open_wide(self.server.address());
                let greeting = client.frame();
                let said = match greeting {
                    Received::Frame(frame) => normalise(vec![frame]),
                    Received::Closed | Received::Silence => vec!["closed".to_owned()],
                };
                self.connections[*index] = Some(Connection {
                    client,
                    midway: false,
                });
                return label(*index, said);
            }
            Step::Close(index) => self.close(*index),
            Step::Send(send) => self.send(send),
        }
        // The connection that acted first: the others have got its messages by the time it is settled.
        let first = match step {
            Step::Send(send) => send.connection,
            Step::Open(index) | Step::Close(index) => *index,
        };
        let others = (0..self.connections.len()).filter(|&index| index != first);
        std::iter::once(first)
            .chain(others)
            .flat_map(|index| self.settle(number, index))
            .collect()
    }

    fn send(&mut self, send: &Send) {
        let Some(connection) = &mut self.connections[send.connection] else {
            return;
        };
        let bytes = send.operations.concat();
        let mut from = 0;
        for &cut in &send.cuts {
            if cut > from && cut < bytes.len() {
                connection
                    .client
                    .send_and_wait_until_read(&bytes[from..cut]);
                from = cut;
            }
        }
        connection.client.send(&bytes[from..]);
        connection.midway = send.midway;
    }

    fn settle(&mut self, number: usize, index: usize) -> Vec<String> {
        let Some(connection) = &mut self.connections[index] else {
            return Vec::new();
        };
        if connection.midway {
            return Vec::new();
        }
        let marker = format!("_GR_.m{number}.{index}");
        let refusal = format!("Permissions Violation for Publish to \"{marker}\"").into_bytes();
        connection
            .client
            .send(format!("PUB {marker} 0\r\n\r\nPING\r\n"));
        let mut frames = Vec::new();
        let mut marked = false;
        let deadline = Instant::now() + self.silence;
        let ending = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match connection.client.frame_within(left) {
                Received::Frame(Frame::Error(text)) if text == refusal => marked = true,
                Received::Frame(Frame::Pong) if marked => break None,
                Received::Frame(frame) => frames.push(frame),
                Received::Closed => break Some("closed"),
                Received::Silence => break Some("silent"),
            }
        };
        let mut said = normalise(frames);
        if let Some(ending) = ending {
            if ending == "silent" && marked {
                said.push("the PONG is missing".to_owned());
            }
            said.push(ending.to_owned());
            self.close(index);
        }
        label(index, said)
    }

    fn close(&mut self, index: usize) {
        if let Some(connection) = self.connections[index].take() {
            connection.client.finish();
        }
    }

    fn finish(mut self) {
        (0..self.connections.len()).for_each(|index| self.close(index));
    }
}

fn label(index: usize, said: Vec<String>) -> Vec<String> {
    said.into_iter()
        .map(|line| format!("{index}< {line}"))
        .collect()
}
