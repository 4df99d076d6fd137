//! The argument of CONNECT: what is accepted, what a second CONNECT changes, what closes.

use std::sync::Arc;
use trunkline_core::base::id::AccountId;
use trunkline_core::base::limits::Limits;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::policy::{Identity, Policy, User};
use trunkline_core::wire::connect::ConnectOptions;

use super::shards::Shards;

/// Somebody's public key.
const NKEY: &str = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR";

/// Input: the argument of CONNECT.
pub fn connect(data: &[u8]) {
    let mut options = ConnectOptions::default();
    let outcome = options.apply(data);
    let text = data.trim_ascii();
    let is_object = text.starts_with(b"{") && text.ends_with(b"}");
    assert!(
        outcome.is_err() || is_object || text == b"null",
        "accepts nothing but an object or null"
    );
    if outcome.is_ok() {
        let mut twice = options.clone();
        assert_eq!(twice.apply(data), Ok(()));
        assert_eq!(twice, options, "saying it twice changes nothing");
        let mut untouched = options.clone();
        assert_eq!(untouched.apply(b"{}"), Ok(()));
        assert_eq!(untouched, options, "saying nothing changes nothing");
    }
    // As a line it ends at the first newline, so only what has none can be compared.
    let fits = data.len() < Limits::default().max_control_line as usize;
    let begins_well = !matches!(data.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n'));
    if fits && begins_well && !data.contains(&b'\n') && !data.contains(&b'\r') {
        check_line(data, outcome.is_ok().then_some(&options));
    }
}

/// Who may come in, and whether somebody may by the words of the policy.
type Door = (Policy, fn(&ConnectOptions) -> bool);

fn doors() -> [Door; 4] {
    let mut many = Policy::of_user("u", "p");
    many.users.push(User::new("guest", "g", AccountId::GLOBAL));
    many.users.push(User {
        identity: Identity::Nkey(NKEY.to_owned()),
        ..User::new("", "", AccountId::GLOBAL)
    });
    many.no_auth_user = Some(1);
    [
        (Policy::open(), |_| true),
        (Policy::of_user("u", "p"), |options| {
            options.user == "u" && options.password == "p"
        }),
        (Policy::of_token("s3cret"), |options| {
            options.token == "s3cret"
        }),
        // Nobody guesses a signature.
        (many, |options| {
            let credentials = (&*options.user, &*options.password);
            let is_bare = credentials == ("", "") && options.token.is_empty();
            options.nkey.is_empty()
                && (is_bare || matches!(credentials, ("u", "p") | ("guest", "g")))
        }),
    ]
}

fn check_line(data: &[u8], options: Option<&ConnectOptions>) {
    for (policy, knows) in doors() {
        let authority = Arc::new(Authority::new(policy).expect("valid"));
        let limits = Limits::default();
        let mut shards = Shards::with_authority(1, &limits, true, &authority);
        let client = shards.connect(0);
        shards.send(client, &[b"CONNECT ", data, b"\r\n"].concat());
        let accepted = options.is_some_and(|options| {
            knows(options)
                && !options.names_account
                && (0..=1).contains(&options.protocol)
                && (options.headers || !options.no_responders)
        });
        assert_eq!(shards.peer(client).is_open, accepted, "open or closed");
        if !accepted {
            assert_eq!(shards.counts(), (0, 0));
            continue;
        }
        let verbose = options.is_some_and(|options| options.verbose);
        let ok: &[u8] = if verbose { b"+OK\r\n" } else { b"" };
        assert_eq!(shards.peer(client).output, ok);
        shards.send(client, b"PING\r\n");
        let output = &shards.peer(client).output[ok.len()..];
        assert!(output.starts_with(b"PONG\r\n"), "answers afterwards");
    }
}
