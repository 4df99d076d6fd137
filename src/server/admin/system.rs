//! The pages over the system account, what every account may ask, and what an
//! operator may have done: `$SYS.REQ.…` (NATS 2.15).
//!
//! Requests come from the cores through a bounded channel; those beyond are
//! dropped, as the network might have dropped them.

mod accounts;
mod commands;
mod encoding;
mod filter;
mod outcome;
mod processes;
mod statistics;
mod user_info;

use std::sync::{Arc, mpsc};

use serde_json::{Map, Value, json};
use tracing::error;
use trunkline_core::base::id::AccountId;
use trunkline_core::shard::question::Question;
use trunkline_core::shard::system::SystemRequest;

use super::Admin;
use super::format::to_value;
use super::parameters::{Parameters, Refused};
use super::server_messages::{Message, ServerLine};
use commands::client_named;
use encoding::Encoding;
use filter::Filter;
use outcome::Outcome;

pub use statistics::StatisticsMessage;

/// The request itself is wrong.
const BAD_REQUEST: u16 = 400;

/// It could not be answered.
const SERVER_ERROR: u16 = 500;

/// Starts the thread that answers; it ends with the cores.
pub fn start(admin: Arc<Admin>, requests: mpsc::Receiver<SystemRequest>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("system".to_owned())
        .spawn(move || {
            while let Ok(request) = requests.recv() {
                if let Some(answer) = admin.answer(&request) {
                    admin.publish(vec![answer]);
                }
            }
        })?;
    Ok(())
}

impl Admin {
    fn answer(&self, request: &SystemRequest) -> Option<Message> {
        let subject = std::str::from_utf8(&request.subject).ok()?;
        let is_system = request.account == AccountId::SYSTEM;
        let question = Question::of(subject, &self.server.server_id, is_system)?;
        if question == Question::Page("STATSZ") {
            return self.answer_statistics(request);
        }
        if request.reply.is_empty() {
            return None;
        }
        let outcome = self.outcome(question, request);
        let encoding = match &outcome {
            Outcome::Data(_) | Outcome::Done => Encoding::asked_for(&request.header),
            _ => Encoding::Unasked,
        };
        let answer = self.worded(outcome)?;
        let (header, payload) = encoding.encode(answer.to_string().into_bytes());
        Some(Message {
            account: request.account,
            subject: request.reply.clone(),
            header,
            payload,
        })
    }

    /// Puts an outcome into the form of an answer.
    fn worded(&self, outcome: Outcome) -> Option<Value> {
        let (data, error) = match outcome {
            Outcome::Silence => return None,
            Outcome::Bare(answer) => return Some(answer),
            Outcome::Data(data) => (Some(data), None),
            Outcome::Done => (None, None),
            Outcome::BadRequest(text) => (None, Some((BAD_REQUEST, text))),
            Outcome::NoData(text) => (Some(Value::Null), Some((SERVER_ERROR, text))),
            Outcome::Failed(text) => (None, Some((SERVER_ERROR, text))),
        };
        let mut answer = Map::new();
        answer.insert("server".to_owned(), to_value(&self.server_line()));
        if let Some(data) = data {
            answer.insert("data".to_owned(), data);
        }
        if let Some((code, description)) = error {
            let error = json!({"code": code, "description": description});
            answer.insert("error".to_owned(), error);
        }
        Some(Value::Object(answer))
    }

    fn outcome(&self, question: Question<'_>, request: &SystemRequest) -> Outcome {
        match question {
            Question::UserInfo => return Outcome::Data(self.user_info(request)),
            Question::NobodyInfo => return Outcome::Data(json!({"user": "", "account": ""})),
            Question::Page("IDZ") => return Outcome::Bare(self.identity()),
            Question::AccountSubscribers => return self.count_in_account(&request.payload),
            Question::Subscribers => return self.count_own(request),
            Question::AccountPage {
                account,
                page: "CONNS",
            } => return self.connections_of(account, &request.payload),
            Question::Command(command @ ("KICK" | "LDM"))
                if client_named(&request.payload).is_none() =>
            {
                error!("Error unmarshalling client request of {command}: it names no cid");
                return Outcome::Silence;
            }
            _ => {}
        }
        match Filter::of(&request.payload) {
            Err(text) => return Outcome::BadRequest(text),
            Ok(filter) if !filter.lets_in(self) => return Outcome::Silence,
            Ok(_) => {}
        }
        let parameters = match Parameters::of_json(without_null(&request.payload)) {
            Ok(parameters) => parameters,
            Err(Refused(text)) => return Outcome::BadRequest(text),
        };
        match question {
            Question::Command(command) => self.obey(command, &request.payload),
            Question::Page(page) => self.page_named(page, &parameters),
            Question::AccountsPage(_) => self.statz(None, &parameters),
            Question::OwnAccountPage(page) => {
                let own = self.account_name(request.account);
                self.account_page(&own, page, parameters)
            }
            Question::AccountPage { account, page } => self.account_page(account, page, parameters),
            _ => Outcome::Silence,
        }
    }

    /// A page about the server.
    fn page_named(&self, page: &str, parameters: &Parameters) -> Outcome {
        match page {
            "PROFILEZ" => Outcome::Data(processes::profile(parameters)),
            "EXPVARZ" => Outcome::Data(processes::variables()),
            _ => match self.page(&format!("/{}", page.to_ascii_lowercase()), parameters) {
                Some(result) => with_status_code(page, result).into(),
                None => Outcome::Silence,
            },
        }
    }

    fn identity(&self) -> Value {
        json!({
            "name": self.server.server_name,
            "host": self.server.host,
            "id": self.server.server_id,
        })
    }

    /// Statistics, to the asker or, if it does not say where, to everybody.
    fn answer_statistics(&self, request: &SystemRequest) -> Option<Message> {
        let subject = match request.reply.is_empty() {
            true => self.statistics_subject(),
            false => request.reply.clone(),
        };
        let answer = match Filter::of(&request.payload) {
            Ok(filter) if !filter.lets_in(self) => return None,
            Ok(_) => to_value(&StatisticsMessage::new(self)),
            Err(text) => self.worded(Outcome::BadRequest(text))?,
        };
        Some(Message::json(request.account, &subject, &answer))
    }
}

/// JSON's null says as much as nothing.
fn without_null(payload: &[u8]) -> &[u8] {
    match payload.trim_ascii() {
        b"null" => b"",
        _ => payload,
    }
}

/// Over the system account health has the status that HTTP has in its head.
fn with_status_code(page: &str, result: Result<Value, Refused>) -> Result<Value, Refused> {
    result.map(|mut data| {
        if page == "HEALTHZ" && data["status"] == "ok" && data.get("status_code").is_none() {
            data["status_code"] = 200.into();
        }
        data
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_nothing() {
        assert_eq!(without_null(b" null "), b"");
        assert_eq!(without_null(b"{}"), b"{}");
    }
}
