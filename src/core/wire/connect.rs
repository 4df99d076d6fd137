//! The options of CONNECT, read as leniently as the reference server reads
//! them: names in any case, unknown names ignored, `null` leaves a value as it
//! is, absent values keep what an earlier CONNECT said.

use super::json::{BadJson, Value, fields};
use crate::base::shown::quoted;

/// What a client said in CONNECT. Absent booleans are true to please telnet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectOptions {
    /// Every accepted command is answered with `+OK`.
    pub verbose: bool,
    /// Subjects of messages are checked.
    pub pedantic: bool,
    /// Messages of a connection reach its own subscriptions.
    pub echo: bool,
    /// The client understands HMSG and may send HPUB.
    pub headers: bool,
    /// The client wants to hear that nobody listens to a request.
    pub no_responders: bool,
    /// Protocol version: 1 understands unasked INFO.
    pub protocol: i64,
    /// Whether `account` or `new_account` was given, which is refused.
    pub names_account: bool,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Token.
    pub token: String,
    /// Public key of a user that signs the nonce.
    pub nkey: String,
    /// The signature, in base64.
    pub signature: String,
    /// Name of the application.
    pub name: String,
    /// Language of the client library.
    pub lang: String,
    /// Version of the client library.
    pub version: String,
}

impl ConnectOptions {
    /// Who the client says it is, for log lines; `None`: it does not say.
    #[must_use]
    pub fn presented(&self) -> Option<String> {
        match (self.nkey.as_str(), self.user.as_str()) {
            ("", "") if self.token.is_empty() => None,
            ("", "") => Some("Token \"[REDACTED]\"".to_owned()),
            ("", user) => Some(format!("User {}", quoted(user))),
            _ => Some(format!("Nkey {}", quoted(&self.shown_nkey()))),
        }
    }

    /// The name, key or token that the client presents; never a secret.
    #[must_use]
    pub fn presented_name(&self) -> Option<&str> {
        if !self.nkey.is_empty() {
            Some(self.shown_nkey())
        } else if !self.user.is_empty() {
            Some(&self.user)
        } else {
            (!self.token.is_empty()).then_some("[REDACTED]")
        }
    }

    /// Its public key for log lines. What is none may be a seed that somebody
    /// took for one.
    #[must_use]
    pub fn shown_nkey(&self) -> &str {
        let is_public = self.nkey.len() == 56 && self.nkey.starts_with('U');
        if is_public { &self.nkey } else { "[REDACTED]" }
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            verbose: true,
            pedantic: true,
            echo: true,
            headers: false,
            no_responders: false,
            protocol: 0,
            names_account: false,
            user: String::new(),
            password: String::new(),
            token: String::new(),
            nkey: String::new(),
            signature: String::new(),
            name: String::new(),
            lang: String::new(),
            version: String::new(),
        }
    }
}

impl ConnectOptions {
    /// Applies the argument of a CONNECT.
    ///
    /// # Errors
    /// [`BadJson`] if it is no JSON object or a known field has another type.
    pub fn apply(&mut self, json: &[u8]) -> Result<(), BadJson> {
        let mut new_account = false;
        let mut account = String::new();
        for (name, value) in &fields(json)? {
            match name.to_ascii_lowercase().as_str() {
                "verbose" => boolean(value, &mut self.verbose)?,
                "pedantic" => boolean(value, &mut self.pedantic)?,
                "echo" => boolean(value, &mut self.echo)?,
                "headers" => boolean(value, &mut self.headers)?,
                "no_responders" => boolean(value, &mut self.no_responders)?,
                "new_account" => boolean(value, &mut new_account)?,
                "tls_required" => boolean(value, &mut false)?,
                "protocol" => integer(value, &mut self.protocol)?,
                "account" => string(value, &mut account)?,
                "user" => string(value, &mut self.user)?,
                "pass" => string(value, &mut self.password)?,
                "auth_token" => string(value, &mut self.token)?,
                "name" => string(value, &mut self.name)?,
                "lang" => string(value, &mut self.lang)?,
                "version" => string(value, &mut self.version)?,
                "nkey" => string(value, &mut self.nkey)?,
                "sig" => string(value, &mut self.signature)?,
                "jwt" | "remote_account" | "proxy_sig" => {
                    string(value, &mut String::new())?;
                }
                _ => {}
            }
        }
        self.names_account |= new_account || !account.is_empty();
        Ok(())
    }
}

fn boolean(value: &Value, into: &mut bool) -> Result<(), BadJson> {
    match value {
        Value::Bool(given) => *into = *given,
        Value::Null => {}
        _ => return Err(BadJson),
    }
    Ok(())
}

fn string(value: &Value, into: &mut String) -> Result<(), BadJson> {
    match value {
        Value::Text(given) => into.clone_from(given),
        Value::Null => {}
        _ => return Err(BadJson),
    }
    Ok(())
}

fn integer(value: &Value, into: &mut i64) -> Result<(), BadJson> {
    match value {
        Value::Number(given) => *into = given.parse().map_err(|_| BadJson)?,
        Value::Null => {}
        _ => return Err(BadJson),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_booleans_are_true_and_names_have_any_case() {
        let mut options = ConnectOptions::default();
        options.apply(b"{}").expect("an object");
        assert!(options.verbose && options.pedantic && options.echo && !options.headers);
        options
            .apply(b"{\"VERBOSE\":false,\"Headers\":true,\"protocol\":1,\"x\":[1]}")
            .expect("an object");
        assert!(!options.verbose && options.headers && options.protocol == 1);
        // The last one counts, and null undoes nothing.
        options
            .apply(b"{\"verbose\":true,\"Verbose\":false,\"verbose\":null}")
            .expect("an object");
        assert!(!options.verbose);
        // A later CONNECT changes only what it names.
        options
            .apply(b"{\"echo\":false,\"name\":null}")
            .expect("an object");
        assert!(!options.verbose && !options.echo);
    }

    #[test]
    fn refuses_other_types() {
        for json in [
            &b"[]"[..],
            b"\"x\"",
            b"{\"verbose\":1}",
            b"{\"protocol\":1.0}",
            b"{\"user\":5}",
            b"{",
            b"{} x",
        ] {
            assert_eq!(
                ConnectOptions::default().apply(json),
                Err(BadJson),
                "{json:?}"
            );
        }
        assert_eq!(ConnectOptions::default().apply(b"null"), Ok(()));
    }
}
