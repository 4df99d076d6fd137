//! The same pages over the system account, and what every account may ask:
//! `$SYS.REQ.…` (NATS 2.15).
//!
//! Requests come from the cores through a bounded channel; those beyond are
//! dropped, as the network might have dropped them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use trunkline_core::base::id::{AccountId, CoreId};
use trunkline_core::session::policy::{Identity, SubjectRights, User};
use trunkline_core::shard::system::SystemRequest;
use trunkline_core::wire::info::NATS_VERSION;

use super::pages::{Parameters, Refused, data_stats, to_value};
use super::{Admin, format, varz};

/// Requests that may wait.
const REQUESTS_MAX: usize = 4096;

/// Where cores leave requests.
pub type Requests = mpsc::SyncSender<SystemRequest>;

/// A channel for requests; the other end goes to [`start`].
pub fn channel() -> (Requests, mpsc::Receiver<SystemRequest>) {
    mpsc::sync_channel(REQUESTS_MAX)
}

/// Starts the thread that answers; it ends with the cores.
pub fn start(admin: Arc<Admin>, requests: mpsc::Receiver<SystemRequest>) -> std::io::Result<()> {
    let answered = AtomicU64::new(0);
    std::thread::Builder::new()
        .name("system".to_owned())
        .spawn(move || {
            while let Ok(request) = requests.recv() {
                if let Some(answer) = admin.answer(&request, &answered) {
                    admin.publish(request.account, request.reply, &answer);
                }
            }
        })?;
    Ok(())
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    /// Who the asker is.
    UserInfo,
    /// Statistics of the server.
    Statistics,
    /// A page of the server.
    Page(&'a str),
    /// A page about one account.
    AccountPage(&'a str, &'a str),
}

/// What a subject asks for; `None`: it is not for this server.
fn asked<'a>(subject: &'a str, server_id: &str) -> Option<Asked<'a>> {
    let tokens: Vec<&str> = subject.strip_prefix("$SYS.REQ.")?.split('.').collect();
    Some(match tokens[..] {
        ["USER", "INFO"] => Asked::UserInfo,
        ["SERVER", "PING"] | ["SERVER", "PING", "STATSZ"] => Asked::Statistics,
        ["SERVER", "PING", page] => Asked::Page(page),
        ["SERVER", id, "STATSZ"] if id == server_id => Asked::Statistics,
        ["SERVER", id, page] if id == server_id => Asked::Page(page),
        ["ACCOUNT", account, page] => Asked::AccountPage(account, page),
        _ => return None,
    })
}

impl Admin {
    /// Publishes a message of the server.
    pub(super) fn publish(&self, account: AccountId, subject: Vec<u8>, payload: &Value) {
        let payload = payload.to_string();
        // A core with that many letters has other worries.
        let _ = self.shared.post(CoreId(0), move |core, now| {
            core.shard_mut().publish_as_server(
                now,
                account,
                &subject,
                b"",
                b"",
                payload.as_bytes(),
            );
        });
    }

    fn answer(&self, request: &SystemRequest, answered: &AtomicU64) -> Option<Value> {
        let subject = std::str::from_utf8(&request.subject).ok()?;
        let is_system = request.account == AccountId::SYSTEM;
        let asked = asked(subject, &self.server.server_id)?;
        let outcome = match asked {
            Asked::UserInfo => Ok(self.user_info(request)),
            Asked::Statistics if is_system => {
                let mut answer = self.envelope(answered);
                answer.insert("statsz".to_owned(), self.statistics());
                return Some(Value::Object(answer));
            }
            Asked::Page(page) if is_system => self.page_named(page, &request.payload, None)?,
            // An account may ask for its own pages, under PING.
            Asked::Page("CONNZ") | Asked::AccountPage("PING", "CONNZ") => {
                let own = self.account_name(request.account);
                self.page_named("CONNZ", &request.payload, Some(&own))?
            }
            Asked::AccountPage("PING", "STATZ") => Ok(self.statz(&request.payload)),
            Asked::AccountPage(account, page) if is_system => {
                self.account_page(account, page, &request.payload)?
            }
            _ => return None,
        };
        let mut answer = self.envelope(answered);
        match outcome {
            Ok(data) => answer.insert("data".to_owned(), data),
            Err(Refused(text)) => {
                let error = json!({"code": 400, "description": text});
                answer.insert("error".to_owned(), error)
            }
        };
        Some(Value::Object(answer))
    }

    pub(super) fn account_name(&self, account: AccountId) -> String {
        let settings = self.settings();
        let account = settings.policy.accounts.get(account.index());
        account.map_or_else(String::new, |account| account.name.to_string())
    }

    /// A page by its name in capitals; for one account only if that is said.
    fn page_named(
        &self,
        page: &str,
        payload: &[u8],
        account: Option<&str>,
    ) -> Option<Result<Value, Refused>> {
        let parameters = match Parameters::of_json(payload) {
            Ok(parameters) => parameters,
            Err(refused) => return Some(Err(refused)),
        };
        let parameters = match account {
            Some(account) => parameters.with("acc", account),
            None => parameters,
        };
        self.page(&format!("/{}", page.to_ascii_lowercase()), &parameters)
    }

    fn account_page(
        &self,
        account: &str,
        page: &str,
        payload: &[u8],
    ) -> Option<Result<Value, Refused>> {
        match page {
            "CONNZ" | "SUBSZ" | "LEAFZ" | "JSZ" => self.page_named(page, payload, Some(account)),
            "INFO" => {
                let page = self.page_named("ACCOUNTZ", b"", Some(account))?;
                Some(page.map(|mut answer| answer["account_detail"].take()))
            }
            _ => None,
        }
    }

    fn statz(&self, payload: &[u8]) -> Value {
        let unused = Parameters::of_json(payload)
            .and_then(|parameters| parameters.boolean("include_unused"));
        let mut answer = self.accstatz(unused.unwrap_or(false));
        json!({
            "server_id": self.server.server_id,
            "now": format::moment(Timestamp::now()),
            "account_statz": answer["account_statz"].take(),
        })
    }

    /// What every answer begins with.
    pub(super) fn envelope(&self, answered: &AtomicU64) -> Map<String, Value> {
        let settings = self.settings();
        let mut server = json!({
            "name": self.server.server_name,
            "host": self.server.host,
            "id": self.server.server_id,
            "ver": NATS_VERSION,
            "jetstream": false,
            "flags": 0,
            "seq": answered.fetch_add(1, Ordering::Relaxed) + 1,
            "time": format::moment(Timestamp::now()),
        });
        if !settings.options.tags.is_empty() {
            server["tags"] = to_value(&settings.options.tags);
        }
        Map::from_iter([("server".to_owned(), server)])
    }

    fn statistics(&self) -> Value {
        let totals = self.totals();
        let settings = self.settings();
        let accounts = settings.policy.accounts.iter();
        let is_active = |account: &&trunkline_core::session::policy::Account| {
            account.usage.connections.load(Ordering::Relaxed) > 0
        };
        let traffic = totals.traffic;
        json!({
            "start": format::moment(self.started),
            "mem": varz::resident_bytes(),
            "cores": std::thread::available_parallelism().map_or(1, usize::from),
            "cpu": self.processor_percent(),
            "connections": totals.connections,
            "total_connections": self.shared.last_client_id.load(Ordering::Relaxed),
            "active_accounts": accounts.filter(is_active).count(),
            "subscriptions": totals.subscriptions,
            "sent": data_stats(traffic.out_messages, traffic.out_bytes),
            "received": data_stats(traffic.in_messages, traffic.in_bytes),
            "slow_consumers": totals.endings.slow_consumers,
            "active_servers": 1,
        })
    }

    fn user_info(&self, request: &SystemRequest) -> Value {
        let settings = self.settings();
        let users = &settings.policy.users;
        let user = request.user.and_then(|user| users.get(user as usize));
        let account = self.account_name(request.account);
        let mut answer = json!({
            "user": user.map_or("", name_of),
            "account": account,
            "account_name": account,
        });
        if let Some(permissions) = user.and_then(|user| user.permissions.as_ref()) {
            let rights = |rights: &Option<SubjectRights>| {
                let rights = rights.clone().unwrap_or_default();
                let mut shown = Map::new();
                for (name, list) in [
                    ("allow", rights.allow.unwrap_or_default()),
                    ("deny", rights.deny),
                ] {
                    if !list.is_empty() {
                        shown.insert(name.to_owned(), to_value(&list));
                    }
                }
                Value::Object(shown)
            };
            answer["permissions"] = json!({
                "publish": rights(&permissions.publish),
                "subscribe": rights(&permissions.subscribe),
            });
            if let Some(responses) = permissions.responses {
                answer["permissions"]["responses"] = json!({
                    "max": responses.messages_max.map_or(-1, i64::from),
                    "ttl": responses.expires_ns.unwrap_or(0),
                });
            }
        }
        answer
    }
}

fn name_of(user: &User) -> &str {
    match &user.identity {
        Identity::Password { user, .. } => user,
        Identity::Nkey(key) => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_say_what_is_asked() {
        let asked = |subject| asked(subject, "NA");
        assert_eq!(asked("$SYS.REQ.USER.INFO"), Some(Asked::UserInfo));
        assert_eq!(asked("$SYS.REQ.SERVER.PING"), Some(Asked::Statistics));
        assert_eq!(asked("$SYS.REQ.SERVER.NA.VARZ"), Some(Asked::Page("VARZ")));
        assert_eq!(asked("$SYS.REQ.SERVER.NB.VARZ"), None);
        let page = Some(Asked::AccountPage("A", "CONNZ"));
        assert_eq!(asked("$SYS.REQ.ACCOUNT.A.CONNZ"), page);
        assert_eq!(asked("$SYS.REQ"), None);
        assert_eq!(asked("orders"), None);
    }
}
