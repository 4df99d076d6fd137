//! Numbers of accounts over reloads: each one's own, none twice, in bounded room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::session::policy::User;

fn policy(names: &[String]) -> Policy {
    let mut policy = Policy::open();
    for (at, name) in (2..).zip(names) {
        policy.accounts.push(Account::new(name));
        policy
            .users
            .push(User::new(name, "", AccountId::new(at, 0)));
    }
    policy
}

fn named(names: &[&str]) -> Policy {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    policy(&names)
}

fn after(older: &Policy, names: &[&str]) -> Policy {
    numbered_after(older, named(names)).expect("there are generations left")
}

/// Every user is in the account of its own name.
#[track_caller]
fn assert_right(policy: &Policy) {
    for user in &policy.users {
        assert_eq!(policy.account_name(user.account), user.identity.name());
    }
    assert_eq!(policy.account("$G"), Some(AccountId::GLOBAL));
    assert_eq!(policy.account("$SYS"), Some(AccountId::SYSTEM));
}

#[test]
fn accounts_keep_their_numbers() {
    let old = named(&["A", "B", "C"]);
    let new = after(&old, &["D", "C", "A"]);
    assert_right(&new);
    for name in ["$G", "$SYS", "A", "C"] {
        assert_eq!(new.account(name), old.account(name), "{name}");
    }
    assert_eq!(new.account("D"), Some(AccountId::new(5, 1)));
    assert!(Arc::ptr_eq(&new.accounts[4].usage, &old.accounts[4].usage));
    let gone = old.account("B").expect("it was there");
    assert_eq!(new.account("B"), None);
    assert_eq!(new.account_name(gone), "B", "late events still name it");
}

#[test]
fn a_place_is_given_again_after_a_reload_without_its_account() {
    let first = named(&["A", "B"]);
    let second = after(&first, &["B"]);
    let third = after(&second, &["B", "C"]);
    assert_right(&third);
    let (a, c) = (first.account("A"), third.account("C"));
    let (a, c) = (a.expect("it was there"), c.expect("it is there"));
    assert_eq!((a.index(), c.index()), (2, 2));
    assert_ne!(a, c);
    assert!(third.account_of(a).is_none(), "the old number is nobody's");
    assert!(!Arc::ptr_eq(
        &first.accounts[2].usage,
        &third.accounts[2].usage
    ));
}

#[test]
fn who_comes_back_is_somebody_else() {
    let first = named(&["A"]);
    let third = after(&after(&first, &[]), &["A"]);
    assert_right(&third);
    assert_ne!(first.account("A"), third.account("A"));
    assert!(!Arc::ptr_eq(
        &first.accounts[2].usage,
        &third.accounts[2].usage
    ));
}

#[test]
fn more_names_than_sixteen_bits_take_bounded_room() {
    const NAMES: usize = 8_000;
    let mut now = Policy::open();
    let mut seen: BTreeMap<AccountId, String> = BTreeMap::new();
    for round in 0..9 {
        let names: Vec<String> = (0..NAMES).map(|at| format!("r{round}a{at}")).collect();
        now = numbered_after(&now, policy(&names)).expect("there are generations left");
        assert_right(&now);
        for user in &now.users {
            let name = user.identity.name().to_owned();
            assert_eq!(seen.insert(user.account, name), None, "a number came again");
        }
        assert!(now.accounts.len() <= 2 * NAMES + FIXED);
    }
    assert_eq!(seen.len(), 9 * NAMES);
    now = after(&after(&now, &["A"]), &["A"]);
    assert!(
        now.accounts.len() < 2 * NAMES,
        "places at the end are dropped"
    );
    now = after(&after(&now, &["B"]), &["B"]);
    now = after(&now, &["B"]);
    assert_eq!(now.accounts.len(), 3);
    let mut usages = BTreeSet::new();
    assert!(
        now.accounts
            .iter()
            .all(|one| usages.insert(Arc::as_ptr(&one.usage)))
    );
}

#[test]
fn the_last_generation_is_the_last() {
    let mut now = named(&["A"]);
    now.generation = u32::MAX - 2;
    now = after(&after(&now, &[]), &["B"]);
    assert_eq!(now.account("B"), Some(AccountId::new(2, u32::MAX)));
    assert_eq!(numbered_after(&now, named(&["C"])), None);
}
