//! Names of users in a file: none may come twice, in whatever account.
//!
//! Accounts are added one after the other, each looked at once, however many
//! there are.

use std::collections::HashMap;

use trunkline_core::base::shown::quoted;
use trunkline_core::session::policy::Identity;

use super::value::{ConfigError, Item};
use crate::options::access::{Access, RequestedUser};

/// The names and keys of users, of which each may come once.
#[derive(Default)]
pub(super) struct Names {
    /// Every one, and whether it is a key.
    seen: HashMap<String, bool>,
    /// The first one in the order of the alphabet that came twice.
    twice: Option<(String, bool)>,
}

impl Names {
    /// Those of all users that are known so far.
    pub(super) fn of(access: &Access) -> Self {
        let mut names = Self::default();
        for account in &access.accounts {
            names.add(&account.users);
        }
        names.add(&access.users);
        names
    }

    /// Adds those of further users.
    pub(super) fn add(&mut self, users: &[RequestedUser]) {
        for user in users {
            let name = user.name();
            let is_key = matches!(user.identity, Identity::Nkey(_));
            let before = self.seen.insert(name.to_owned(), is_key);
            let is_first = self
                .twice
                .as_ref()
                .is_none_or(|(first, _)| name < first.as_str());
            if let Some(was_key) = before
                && is_first
            {
                self.twice = Some((name.to_owned(), is_key && was_key));
            }
        }
    }

    /// Complains if one came twice; `item` is where the last ones stand.
    pub(super) fn check(&self, item: &Item) -> Result<(), ConfigError> {
        match &self.twice {
            Some((name, is_key)) => {
                let kind = if *is_key { "nkey" } else { "user" };
                let message = format!("Duplicate {kind} {name} detected", name = quoted(&name));
                Err(ConfigError::at(&item.at, message))
            }
            None => Ok(()),
        }
    }
}
