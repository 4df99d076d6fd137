//! Requests about a stream's messages and what the reference server (2.15.3) answered.

use super::*;
use crate::api::answer::{NEVER, moment, refusal};
use crate::api::message_answers::{StoredMessage, direct_header, message};
use crate::api::request::Request;
use crate::api::stream_answers::{self, StreamPart};
use crate::api::stream_change::{CheckedStream, check_update};
use crate::api::stream_config::StreamFields;
use crate::api::stream_requests::{DeleteRequest, InfoRequest, PurgeRequest};
use crate::api::stream_state::{StreamState, SubjectsPage};
use crate::stream::admit::{Admission, Incoming};
use crate::stream::error::{self, ApiError};
use crate::stream::log::Log;

const CASES: &str = include_str!("cases/messages.txt");

/// When everything happens.
const NOW: WallNanos = WallNanos(1_700_000_000_000_000_000);

/// Bytes of an answer without a limit of its own.
const BYTES_MAX: u64 = 64 << 20;

struct World {
    fields: StreamFields,
    stream: Stream,
}

impl World {
    fn new(checked: CheckedStream) -> Self {
        Self {
            fields: checked.fields,
            stream: Stream::new(checked.config, 3),
        }
    }

    fn create(body: &str) -> Self {
        let fields = StreamFields::read(body.as_bytes()).expect("it is fine");
        Self::new(fields.check_new(b"D").expect("it is fine"))
    }

    fn update(&mut self, body: &str) {
        let fields = StreamFields::read(body.as_bytes()).expect("it is fine");
        let fields = fields.check_changed(b"D").expect("it is fine");
        let checked = check_update(&self.fields, fields).expect("it is fine");
        self.fields = checked.fields;
        self.stream.update_config(checked.config);
    }

    fn publish(&mut self, line: &str) {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().unwrap_or_default();
        let (subject, payload, fields) = (part(), part(), part());
        let header = match fields {
            "" => String::new(),
            fields => format!("NATS/1.0\r\n{}\r\n\r\n", fields.replace('|', "\r\n")),
        };
        let admission = self.stream.admit(&Incoming {
            subject: subject.as_bytes(),
            header: header.as_bytes(),
            payload: payload.as_bytes(),
            time: NOW,
            server_has_room: true,
            account_has_room: true,
            is_wanted: true,
        });
        assert!(matches!(admission, Admission::Stored(_)), "{line}");
    }

    fn visible(&self) -> u64 {
        self.stream.log().last()
    }

    fn stored(&self, sequence: u64) -> StoredMessage<'_> {
        let log: &Log = self.stream.log();
        let stored = log.get(sequence).expect("it was found");
        let body = stored.held().expect("it is in memory");
        let (header, payload) = body[..stored.len()].split_at(stored.lens().0);
        StoredMessage {
            subject: &log.subjects().get(stored.subject).text,
            sequence,
            time: stored.time,
            header,
            payload,
        }
    }

    fn direct(&self, line: &str) -> Vec<String> {
        let (subject, body) = match line.strip_prefix('.') {
            Some(rest) => rest.split_once(' ').expect("a blank follows"),
            None => ("", line),
        };
        let shown = |header: &str| vec![header.replace("\r\n", "|")];
        match DirectRequest::read(b"", body.as_bytes(), subject.as_bytes()) {
            Err(header) => shown(&header),
            Ok(request) => self.parts_of(request),
        }
    }

    fn parts_of(&self, request: DirectRequest) -> Vec<String> {
        let visible = self.visible();
        let mut parts = Vec::new();
        let mut get = DirectGet::new(request, &self.stream, visible, BYTES_MAX);
        for _ in 0..1_000 {
            match get.next(&self.stream, visible, &mut 1) {
                Part::GoOn => {}
                Part::Over => return parts,
                Part::End(header) => parts.push(header.replace("\r\n", "|")),
                Part::Message(chosen) => {
                    let stored = self.stored(chosen.sequence);
                    let header = match chosen.without_header {
                        true => Vec::new(),
                        false => direct_header("D", &stored, chosen.place),
                    };
                    let header = String::from_utf8(header).expect("it is text");
                    let payload = String::from_utf8_lossy(stored.payload);
                    parts.push(format!("{} {payload}", header.replace("\r\n", "|")));
                }
            }
        }
        panic!("it does not end");
    }

    fn get(&self, body: &str) -> Result<String, ApiError> {
        let query = MessageQuery::read(body.as_bytes())?;
        let mut search = Search::new(&query.which, self.stream.log());
        let found = loop {
            let step = search.step(self.stream.log(), self.visible(), &mut 1);
            if let Progress::Done(found) = step {
                break found;
            }
        };
        let found = found.ok_or(error::NO_MESSAGE)?;
        Ok(message(&self.stored(found), query.without_header))
    }

    fn info(&self, body: &str) -> Result<String, ApiError> {
        let request = InfoRequest::read(body.as_bytes())?;
        let mut state = StreamState::of(&self.stream, self.visible(), 0);
        if request.deleted_details {
            state = state.with_deleted(&self.stream);
        }
        let filter = &*request.subjects_filter;
        let offset = request.offset();
        let page = SubjectsPage::of(&self.stream, self.visible(), filter, offset);
        let page = Some(page).filter(|_| !filter.is_empty());
        let part = StreamPart::new(&self.fields, NOW, state, NOW);
        Ok(stream_answers::info(part, "L", page, offset))
    }

    fn delete(&mut self, body: &str) -> Result<String, ApiError> {
        let request = DeleteRequest::read(body.as_bytes())?;
        self.stream.delete_by_hand(request.seq)?;
        Ok(stream_answers::message_deleted())
    }

    fn purge(&mut self, body: &str) -> Result<String, ApiError> {
        let request = PurgeRequest::read(body.as_bytes())?;
        self.stream.purge_by_hand(&request.purge())?;
        while !self.stream.is_tidy() {
            self.stream.tidy(NOW, 1);
        }
        Ok(stream_answers::purged(self.stream.removed()))
    }
}

/// Without what is not compared.
fn masked(text: &str) -> String {
    let mut text = text.replace(&moment(NOW), "TIME").replace(NEVER, "TIME");
    if let (Some(from), Some(to)) = (text.find("\"config\":"), text.find(",\"created\"")) {
        text.replace_range(from..to, "CONFIG");
    }
    text
}

#[test]
fn messages_are_found_as_by_the_reference() {
    let mut world = World::create(r#"{"name":"D"}"#);
    let mut answers: VecDeque<String> = VecDeque::new();
    let mut compared = 0;
    for (number, line) in CASES.lines().enumerate() {
        let at = number + 1;
        let (kind, rest) = line.split_at(2);
        if kind != "< " {
            assert!(answers.is_empty(), "line {at}: {answers:?}");
        }
        let name = &b"D"[..];
        let (request, answer) = match kind {
            "> " => {
                answers = world.direct(rest).into();
                continue;
            }
            "G " => (Request::MessageGet(name), world.get(rest)),
            "I " => (Request::StreamInfo(name), world.info(rest)),
            "X " => (Request::MessageDelete(name), world.delete(rest)),
            "P " => (Request::StreamPurge(name), world.purge(rest)),
            "< " => {
                let answer = answers.pop_front().expect("there is an answer");
                assert_eq!(masked(&answer).trim_end(), rest, "line {at}");
                compared += 1;
                continue;
            }
            _ => {
                match kind {
                    "C " => world = World::create(rest),
                    "U " => world.update(rest),
                    "+ " => world.publish(rest),
                    _ => assert_eq!(kind, "# ", "line {at}"),
                }
                continue;
            }
        };
        let answer = answer.unwrap_or_else(|error| refusal(&request, &error));
        answers.push_back(answer);
    }
    assert!(compared > 150, "only {compared} answers");
}

#[test]
fn a_level_and_a_length_that_are_not_served_are_refused() {
    let header = b"NATS/1.0\r\nNats-Required-Api-Level: 6\r\n\r\n";
    let refused = DirectRequest::read(header, b"", b"a");
    assert_eq!(refused, Err(status("412 Required Api Level")));
    let many = vec!["a"; LAST_MAX + 1];
    let body = serde_json::json!({"multi_last": many}).to_string();
    let refused = DirectRequest::read(b"", body.as_bytes(), b"");
    assert_eq!(refused, Err(status("413 Too Many Results")));
}

#[test]
fn nobody_gets_what_is_not_visible() {
    let mut world = World::create(r#"{"name":"D","subjects":["k.>"],"storage":"memory"}"#);
    for line in ["k.a 1", "k.b 2", "k.a 3", "k.c 4"] {
        world.publish(line);
    }
    let chosen = |body: &str| {
        let request = DirectRequest::read(b"", body.as_bytes(), b"").expect("it is fine");
        let mut get = DirectGet::new(request, &world.stream, 2, BYTES_MAX);
        let mut chosen = Vec::new();
        loop {
            match get.next(&world.stream, 2, &mut 1) {
                Part::Message(one) => chosen.push(one.sequence),
                Part::GoOn => {}
                Part::End(_) | Part::Over => return chosen,
            }
        }
    };
    let cases: [(&str, &[u64]); 9] = [
        (r#"{"seq":2}"#, &[2]),
        (r#"{"seq":3}"#, &[]),
        (r#"{"last_by_subj":"k.a"}"#, &[1]),
        (r#"{"last_by_subj":"k.c"}"#, &[]),
        (r#"{"next_by_subj":"k.a","seq":2}"#, &[]),
        (r#"{"seq":1,"batch":9}"#, &[1, 2]),
        (r#"{"seq":4,"batch":9}"#, &[]),
        (r#"{"seq":18446744073709551615,"batch":9}"#, &[]),
        (r#"{"multi_last":["k.>"],"up_to_seq":4}"#, &[1, 2]),
    ];
    for (body, sequences) in cases {
        assert_eq!(chosen(body), sequences, "{body}");
    }
}

#[test]
fn what_is_not_visible_is_not_shown() {
    let mut world = World::create(r#"{"name":"D","subjects":["k.>"],"storage":"memory"}"#);
    for line in ["k.a 1", "k.b 2", "k.a 3", "k.c 4"] {
        world.publish(line);
    }
    let of = |visible| StreamState::of(&world.stream, visible, 0);
    let mut seen = World::create(r#"{"name":"D","subjects":["k.>"],"storage":"memory"}"#);
    for (visible, line) in [(1, "k.a 1"), (2, "k.b 2"), (3, "k.a 3"), (4, "k.c 4")] {
        seen.publish(line);
        assert_eq!(of(visible), StreamState::of(&seen.stream, visible, 0));
        let page = |world: &World| SubjectsPage::of(&world.stream, visible, ">", 0);
        assert_eq!(page(&world), page(&seen));
    }
}
