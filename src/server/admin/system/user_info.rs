//! `$SYS.REQ.USER.INFO`: who the asker is and what it may do (NATS 2.15).

use serde_json::{Map, Value, json};
use trunkline_core::session::policy::{Permissions, SubjectRights};
use trunkline_core::shard::system::SystemRequest;

use super::{Admin, to_value};

impl Admin {
    pub(super) fn user_info(&self, request: &SystemRequest) -> Value {
        let account = self.account_name(request.account);
        let mut answer = json!({
            "user": request.user,
            "account": account,
            "account_name": account,
        });
        if let Some(permissions) = &request.permissions {
            answer["permissions"] = shown(permissions);
        }
        answer
    }
}

fn shown(permissions: &Permissions) -> Value {
    let mut shown = Map::new();
    shown.insert("publish".to_owned(), rights(&permissions.publish));
    shown.insert("subscribe".to_owned(), rights(&permissions.subscribe));
    if let Some(responses) = permissions.responses {
        let responses = json!({
            "max": responses.messages_max.map_or(-1, i64::from),
            "ttl": responses.expires_ns.unwrap_or(0),
        });
        shown.insert("responses".to_owned(), responses);
    }
    Value::Object(shown)
}

fn rights(rights: &Option<SubjectRights>) -> Value {
    let rights = rights.clone().unwrap_or_default();
    let mut shown = Map::new();
    let lists = [
        ("allow", rights.allow.unwrap_or_default()),
        ("deny", rights.deny),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            shown.insert(name.to_owned(), to_value(&list));
        }
    }
    Value::Object(shown)
}
