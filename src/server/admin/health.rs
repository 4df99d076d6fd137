//! `/healthz`: whether the server serves clients.

use serde_json::{Map, Value, json};

use super::Admin;
use super::parameters::{Parameters, Refused};
use trunkline_core::base::shown::quoted;

/// What is wrong, if something is.
pub struct Health {
    /// Status of the answer over HTTP.
    pub code: u16,
    problem: Option<Problem>,
    /// Problems are shown as a list with their types.
    is_detailed: bool,
}

struct Problem {
    kind: &'static str,
    text: String,
}

impl Health {
    /// What is wrong, in words.
    pub fn failure(&self) -> Option<&str> {
        self.problem.as_ref().map(|problem| &*problem.text)
    }

    /// The answer.
    pub fn json(&self) -> Value {
        let Some(problem) = &self.problem else {
            return json!({"status": "ok"});
        };
        match self.is_detailed {
            true => json!({
                "status": "error",
                "errors": [{"type": problem.kind, "error": problem.text}],
            }),
            false => json!({"status": "error", "error": problem.text}),
        }
    }

    /// The answer over the system account, with the status that HTTP has
    /// anyway.
    pub fn json_with_code(&self) -> Value {
        let mut answer = Map::from_iter([("status".to_owned(), Value::Null)]);
        answer.insert("status_code".to_owned(), self.code.into());
        if let Value::Object(fields) = self.json() {
            answer.extend(fields);
        }
        Value::Object(answer)
    }
}

impl Admin {
    /// Whether all is well: the questions make sense and every core answers.
    pub fn health(&self, parameters: &Parameters) -> Result<Health, Refused> {
        // Without streams and links to other servers the answers to these do not differ.
        for name in [
            "js-enabled",
            "js-enabled-only",
            "js-server-only",
            "js-meta-only",
            "leaf-remotes-connected",
        ] {
            parameters.boolean(name)?;
        }
        let is_detailed = parameters.boolean("details")?;
        let is_given = |name: &str| !parameters.text(name).is_empty();
        let missing = if is_given("stream") && !is_given("account") {
            Some(("account", "stream"))
        } else if is_given("consumer") && !is_given("stream") {
            Some(("stream", "consumer"))
        } else {
            None
        };
        let (code, problem) = if let Some((name, of)) = missing {
            let text = format!(
                "{name} must not be empty when checking {of} health",
                name = quoted(&name)
            );
            let kind = "BAD_REQUEST";
            (400, Some(Problem { kind, text }))
        } else {
            let cores = self.cores.count();
            match self.ask(|_, _| ()).len() {
                alive if alive == cores => (200, None),
                alive => {
                    let text = format!("{} of {cores} cores do not answer", cores - alive);
                    let kind = "CONNECTION";
                    (500, Some(Problem { kind, text }))
                }
            }
        };
        Ok(Health {
            code,
            problem,
            is_detailed,
        })
    }
}
