//! The `nats` command-line tool against the server under test.
//!
//! A command that subscribes says nothing once its subscription is live, so the scenarios probe:
//! a request to a subject is answered with "no responders" until somebody listens to it. The one
//! probe that gets through is part of what the command receives.

#[path = "cli/streams.rs"]
mod streams;

pub use streams::run_streams;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use async_nats::StatusCode;
use futures_util::StreamExt;

use crate::harness::{PROGRAM_TIMEOUT, Process, Server, read_lines, tail};
use crate::setup::cache;

const BENCH_MESSAGES: usize = 50_000;
const MAX_PAYLOAD: usize = 1024 * 1024;
const PROBE: &str = "probe";

type Scenario = fn(&Tool);

/// Runs every scenario against the server, restarting it for the last one.
pub fn run(program: &Path, server: &mut Server) {
    let tool = Tool::new(program, server.url());
    let scenarios: [(&str, Scenario); 11] = [
        ("publish-subscribe", publish_subscribe),
        ("headers", headers),
        ("queue-group", queue_group),
        ("request-reply", request_reply),
        ("no-responders", no_responders),
        ("max-payload", max_payload),
        ("payload-too-large", payload_too_large),
        ("rtt", rtt),
        ("bench-pub-sub", bench_pub_sub),
        ("bench-service", bench_service),
        ("latency", latency),
    ];
    for (name, scenario) in scenarios {
        scenario(&tool);
        println!("ok {name}");
    }
    reconnect(&tool, server);
    println!("ok reconnect");
}

fn publish_subscribe(tool: &Tool) {
    let subscriber = tool.start(&["sub", "cli.*.x", "--count", "4", "--raw"]);
    tool.wait_until_live("cli.probe.x");
    tool.run(&["pub", "cli.other", "not for us"]);
    tool.run(&["pub", "cli.a.x", "message {{Count}}", "--count", "3"]);
    assert_eq!(
        subscriber.finish().stdout,
        [PROBE, "message 1", "message 2", "message 3"]
    );
}

fn headers(tool: &Tool) {
    let subscriber = tool.start(&["sub", "cli.headers", "--count", "2"]);
    tool.wait_until_live("cli.headers");
    tool.run(&[
        "pub",
        "cli.headers",
        "body",
        "-H",
        "Many:first",
        "-H",
        "Many:second",
    ]);
    let lines = subscriber.finish().stdout;
    for expected in ["Many: first", "Many: second", "body"] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected:?} in {lines:?}"
        );
    }
}

fn queue_group(tool: &Tool) {
    // Each member proves by a second subject that it is there. The probes are no numbers.
    let queue = ["--queue", "group", "--raw"];
    let members = ["cli.first", "cli.second"]
        .map(|own| tool.start(&[&["sub", "cli.queue", own], &queue[..]].concat()));
    tool.wait_until_live("cli.first");
    tool.wait_until_live("cli.second");
    tool.run(&["pub", "cli.queue", "{{Count}}", "--count", "100"]);
    let mut shares = [Vec::new(), Vec::new()];
    while shares[0].len() + shares[1].len() < 100 {
        for (member, share) in members.iter().zip(&mut shares) {
            let line = member.stdout.recv_timeout(Duration::from_millis(10));
            share.extend(line.into_iter().flat_map(|line| line.parse::<usize>()));
        }
        assert!(Instant::now() < tool.deadline, "received only {shares:?}");
    }
    assert!(
        shares.iter().all(|share| !share.is_empty()),
        "one member has all the messages"
    );
    let mut together = shares.concat();
    together.sort_unstable();
    assert_eq!(together, (1..=100).collect::<Vec<_>>());
}

fn request_reply(tool: &Tool) {
    let _responder = tool.start(&["reply", "cli.service", "--echo"]);
    tool.wait_until_live("cli.service");
    let reply = tool.run(&["request", "cli.service", "question", "--raw"]);
    assert_eq!(reply.stdout[0], "question");
}

fn no_responders(tool: &Tool) {
    let outcome = tool.run(&["request", "cli.nobody", "question"]);
    assert!(
        outcome.text().contains("No responders are available"),
        "{}",
        outcome.text()
    );
}

fn max_payload(tool: &Tool) {
    let subscriber = tool.start(&["sub", "cli.large", "--count", "2", "--raw"]);
    tool.wait_until_live("cli.large");
    tool.start_with_input(&PUBLISH_LARGE, &large_file(MAX_PAYLOAD))
        .finish();
    let lines = subscriber.finish().stdout;
    assert_eq!(lines[0], PROBE);
    assert!(
        lines[1] == "x".repeat(MAX_PAYLOAD),
        "a payload of {} bytes",
        lines[1].len()
    );
}

fn payload_too_large(tool: &Tool) {
    let outcome = tool
        .start_with_input(&PUBLISH_LARGE, &large_file(MAX_PAYLOAD + 1))
        .outcome();
    assert!(!outcome.success, "a payload above max_payload was accepted");
    assert!(
        outcome.text().contains("maximum payload exceeded"),
        "{}",
        outcome.text()
    );
}

fn rtt(tool: &Tool) {
    let json = tool.run(&["rtt", "5", "--json"]).stdout.concat();
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let nanoseconds = report[0]["results"][0]["rtt"].as_u64();
    assert!(nanoseconds.is_some_and(|rtt| rtt > 0), "{json}");
}

fn bench_pub_sub(tool: &Tool) {
    let (sent, expected) = (BENCH_MESSAGES.to_string(), (BENCH_MESSAGES + 1).to_string());
    let subscribe = [
        "bench",
        "sub",
        "cli.bench",
        "--msgs",
        &expected,
        "--no-progress",
    ];
    let publish = [
        "bench",
        "pub",
        "cli.bench",
        "--msgs",
        &sent,
        "--no-progress",
    ];
    let subscriber = tool.start(&subscribe);
    tool.wait_until_live("cli.bench");
    let publisher = tool.run(&[&publish[..], &["--clients", "4", "--size", "16"]].concat());
    assert!(
        publisher.text().contains("publisher aggregated stats"),
        "{}",
        publisher.text()
    );
    // It ends by itself only once it has every message.
    let subscriber = subscriber.finish();
    assert!(
        subscriber.text().contains("subscriber stats"),
        "{}",
        subscriber.text()
    );
}

fn bench_service(tool: &Tool) {
    let bench = ["bench", "service"];
    let options = [
        "cli.bench.service",
        "--msgs",
        "2000",
        "--clients",
        "2",
        "--no-progress",
    ];
    let _server = tool.start(&[&bench[..], &["serve"], &options].concat());
    tool.wait_until_live("cli.bench.service");
    let requests = tool.run(&[&bench[..], &["request"], &options].concat());
    assert!(
        requests.text().contains("requester aggregated stats"),
        "{}",
        requests.text()
    );
}

fn latency(tool: &Tool) {
    let outcome = tool.run(&["latency", "--server-b", &tool.url, "--duration", "1s"]);
    assert!(
        outcome.text().contains("Median Latency"),
        "{}",
        outcome.text()
    );
}

fn reconnect(tool: &Tool, server: &mut Server) {
    let subscriber = tool.start(&["sub", "cli.again", "--count", "3", "--raw"]);
    tool.wait_until_live("cli.again");
    // A killed server may take a message with it that has not been sent yet.
    let left = subscriber
        .deadline
        .saturating_duration_since(Instant::now());
    assert_eq!(subscriber.stdout.recv_timeout(left).unwrap(), PROBE);
    server.restart();
    tool.wait_until_live("cli.again");
    tool.run(&["pub", "cli.again", "after"]);
    assert_eq!(subscriber.finish().stdout, [PROBE, "after"]);
}

const PUBLISH_LARGE: [&str; 4] = ["pub", "cli.large", "--force-stdin", "--no-templates"];

fn large_file(size: usize) -> PathBuf {
    let path = cache().join(format!("payload-{size}"));
    fs::write(&path, "x".repeat(size)).unwrap();
    path
}

/// The program, the server that it talks to and the moment by which everything has to be over.
struct Tool {
    program: PathBuf,
    url: String,
    home: PathBuf,
    deadline: Instant,
}

/// A command that has been started.
struct Running {
    what: String,
    process: Process,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    deadline: Instant,
}

/// What a command said until its end.
struct Outcome {
    success: bool,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Tool {
    fn new(program: &Path, url: String) -> Tool {
        let home = cache().join("nats-home");
        fs::create_dir_all(&home).unwrap();
        let deadline = Instant::now() + PROGRAM_TIMEOUT;
        Tool {
            program: program.to_path_buf(),
            url,
            home,
            deadline,
        }
    }

    fn start(&self, arguments: &[&str]) -> Running {
        self.launch(arguments, Stdio::null())
    }

    fn start_with_input(&self, arguments: &[&str], input: &Path) -> Running {
        self.launch(arguments, File::open(input).unwrap().into())
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).finish()
    }

    fn launch(&self, arguments: &[&str], input: Stdio) -> Running {
        let mut command = Command::new(&self.program);
        // Nobody's saved contexts or environment may lead the tool to another server.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("NATS_") {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", &self.home)
            .env("XDG_CONFIG_HOME", &self.home);
        command.args(["--server", &self.url]).args(arguments);
        command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command);
        Running {
            what: format!("nats {}", arguments.join(" ")),
            stdout: read_lines(process.0.stdout.take().unwrap()),
            stderr: read_lines(process.0.stderr.take().unwrap()),
            process,
            deadline: self.deadline,
        }
    }

    /// Sends probes to a subject until one reaches a subscriber; exactly one does.
    fn wait_until_live(&self, subject: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let left = self.deadline.saturating_duration_since(Instant::now());
        runtime.block_on(async {
            let probing = probe_until_live(&self.url, subject);
            if tokio::time::timeout(left, probing).await.is_err() {
                panic!("nobody subscribes to {subject}");
            }
        });
    }
}

async fn probe_until_live(url: &str, subject: &str) {
    let client = async_nats::connect(url).await.unwrap();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(format!("{inbox}.*")).await.unwrap();
    let (refused, sent) = (format!("{inbox}.refused"), format!("{inbox}.sent"));
    loop {
        client
            .publish_with_reply(subject.to_owned(), refused.clone(), PROBE.into())
            .await
            .unwrap();
        // Comes back after a refusal, if there is one: both are on this connection.
        client.publish(sent.clone(), "".into()).await.unwrap();
        if answers.next().await.unwrap().status != Some(StatusCode::NO_RESPONDERS) {
            return;
        }
        answers.next().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Running {
    /// Waits for the end of a command that has to succeed.
    fn finish(self) -> Outcome {
        let what = self.what.clone();
        let outcome = self.outcome();
        assert!(outcome.success, "{what} failed:\n{}", tail(&outcome.text()));
        outcome
    }

    fn outcome(mut self) -> Outcome {
        let status = self.process.wait_until(self.deadline);
        // A killed command closes its output, so that collecting it ends.
        drop(self.process);
        let outcome = Outcome {
            success: status.is_some_and(|status| status.success()),
            stdout: self.stdout.iter().collect(),
            stderr: self.stderr.iter().collect(),
        };
        assert!(
            status.is_some(),
            "{} does not end:\n{}",
            self.what,
            tail(&outcome.text())
        );
        outcome
    }
}

impl Outcome {
    fn text(&self) -> String {
        format!("{}\n{}", self.stdout.join("\n"), self.stderr.join("\n"))
    }
}
