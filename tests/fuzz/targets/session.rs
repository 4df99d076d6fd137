//! A whole shard fed with anything, cut anywhere: the cuts do not matter, input that is kept is
//! bounded, others are undisturbed and nothing is left behind.

use std::sync::Arc;
use trunkline_core::base::limits::Limits;
use trunkline_core::session::authority::Authority;
use trunkline_core::session::policy::Policy;

use super::shards::{QUIET, Shards};

/// What one run of a session came to.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    /// What the client itself got.
    own: String,
    /// What a subscriber to everything got.
    others: String,
    is_open: bool,
    subscriptions: usize,
}

/// Input: a byte of flags, a byte that chooses the cuts, the client's stream.
pub fn session(data: &[u8]) {
    let Some((&[flags, cuts], stream)) = data.split_first_chunk() else {
        return;
    };
    let whole = run(flags, &[stream]);
    assert_eq!(
        run(flags, &super::pieces(stream, cuts)),
        whole,
        "cuts matter"
    );
    if stream.len() <= 128 {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(run(flags, &bytes), whole, "single bytes differ");
    }
}

fn run(flags: u8, pieces: &[&[u8]]) -> Seen {
    let limits = if flags & 1 == 0 {
        Limits::default()
    } else {
        Limits {
            max_control_line: 40,
            max_payload: 24,
            max_subscriptions: 3,
            max_subscription_tokens: 4,
            ..Limits::default()
        }
    };
    let token = "s3cret";
    let policy = if flags & 2 == 0 {
        Policy::open()
    } else {
        Policy::of_token(token)
    };
    let authority = Arc::new(Authority::new(policy).expect("valid"));
    let cores = if flags & 4 == 0 { 1 } else { 2 };
    let mut shards = Shards::with_authority(cores, &limits, true, &authority);
    let observer = shards.connect(cores - 1);
    if flags & 2 != 0 {
        let connect = format!("CONNECT {{\"auth_token\":\"{token}\",\"headers\":true}}\r\n");
        shards.send(observer, connect.as_bytes());
    } else if flags & 1 == 0 {
        shards.send(observer, QUIET);
    }
    // The subject of the group is one that hand-made inputs use too.
    shards.send(observer, b"SUB > 1\r\nSUB work group 2\r\n");
    shards.forget_output(observer);
    let client = shards.connect(0);
    let kept_max = limits.max_control_line as usize + limits.max_payload as usize + 16;
    for piece in pieces {
        shards.send(client, piece);
        let kept = shards.kept_input_bytes(client);
        // Blanks before an argument are kept only with what follows them in the same read.
        assert!(kept <= kept_max + piece.len(), "keeps {kept} bytes");
    }
    let seen = Seen {
        own: shown(&shards.peer(client).output),
        others: shown(&shards.peer(observer).output),
        is_open: shards.peer(client).is_open,
        subscriptions: shards.counts().1,
    };
    check_rest(&mut shards, observer, client);
    seen
}

/// The observer is undisturbed, and the end of both leaves nothing behind.
fn check_rest(shards: &mut Shards, observer: usize, client: usize) {
    assert!(shards.peer(observer).is_open, "others are undisturbed");
    shards.forget_output(observer);
    shards.send(observer, b"PING\r\n");
    let output = &shards.peer(observer).output;
    assert!(output.starts_with(b"PONG\r\n"), "others are answered");
    if shards.peer(client).is_open {
        shards.hang_up(client);
    }
    assert_eq!(shards.counts(), (1, 2), "nothing is left of the client");
    shards.hang_up(observer);
    assert_eq!(shards.counts(), (0, 0));
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
