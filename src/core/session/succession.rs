//! Which numbers the accounts of a policy have that follows another one.
//!
//! An account of the same name keeps its number and what is counted of it. One
//! that is gone keeps its place until the next reload, since connections, reports
//! and events may still speak of it. Then the place is free: it gets a generation
//! that no account had before, so that what still names the old one names nobody,
//! and sooner or later another account. So tables grow with the number of
//! accounts at a time, not with the number of names ever seen.
//!
//! Demands of the caller: a reload begins when the one before has reached all
//! connections of all cores.

use std::collections::BTreeMap;

use super::policy::{Account, Policy};
use crate::base::id::AccountId;

/// Accounts whose places never change: `$G` and the system account.
const FIXED: usize = 2;

/// Gives the accounts of a policy the numbers by which the cores know them;
/// `None` after 2³² reloads.
#[must_use]
pub fn numbered_after(older: &Policy, mut newer: Policy) -> Option<Policy> {
    newer.generation = older.generation.checked_add(1)?;
    let mut places = Places::of(older, newer.generation);
    let accounts = std::mem::take(&mut newer.accounts);
    let ids: Option<Vec<AccountId>> = accounts
        .into_iter()
        .enumerate()
        .map(|(at, account)| places.give(at, account))
        .collect();
    let ids = ids?;
    for user in &mut newer.users {
        user.account = ids[user.account.index()];
    }
    newer.accounts = places.accounts;
    Some(newer)
}

struct Places<'a> {
    /// All places, each taken by an account of the newer policy or by one that
    /// is gone.
    accounts: Vec<Account>,
    /// Accounts of the older policy.
    known: BTreeMap<&'a str, usize>,
    /// Places whose accounts have been gone for a whole reload, last one first.
    free: Vec<usize>,
    /// The generation of what is new.
    generation: u32,
}

impl<'a> Places<'a> {
    fn of(older: &'a Policy, generation: u32) -> Self {
        let is_used = |account: &Account| !account.is_gone;
        let len = older.accounts.iter().rposition(is_used);
        let kept = &older.accounts[..len.map_or(0, |last| last + 1)];
        let named = kept.iter().enumerate().skip(FIXED);
        let named = named.filter(|(_, one)| is_used(one));
        let gone = kept.iter().enumerate().filter(|(_, one)| one.is_gone);
        Self {
            accounts: kept.iter().map(|one| left_of(one, generation)).collect(),
            known: named.map(|(at, one)| (&*one.name, at)).collect(),
            free: gone.map(|(at, _)| at).rev().collect(),
            generation,
        }
    }

    /// Gives the account that stands at a position of its policy a place.
    fn give(&mut self, at: usize, mut account: Account) -> Option<AccountId> {
        let known = match at < FIXED {
            true => (at < self.accounts.len()).then_some(at),
            false => self.known.get(&*account.name).copied(),
        };
        account.generation = self.generation;
        let place = match known {
            Some(place) => {
                let before = &self.accounts[place];
                account.generation = before.generation;
                account.usage = before.usage.clone();
                place
            }
            None => self.free.pop().unwrap_or(self.accounts.len()),
        };
        let id = AccountId::new(u32::try_from(place).ok()?, account.generation);
        match self.accounts.get_mut(place) {
            Some(before) => *before = account,
            None => self.accounts.push(account),
        }
        Some(id)
    }
}

/// What is left of an account if it does not stay.
fn left_of(account: &Account, generation: u32) -> Account {
    let mut left = Account::new("");
    left.is_gone = true;
    left.generation = generation;
    if !account.is_gone {
        left.name = account.name.clone();
        left.usage = account.usage.clone();
        left.generation = account.generation;
    }
    left
}

#[cfg(test)]
#[path = "succession_tests.rs"]
mod tests;
