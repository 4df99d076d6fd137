//! Tests of the parser: examples, oddities, every split, and random bytes.

use super::*;
use crate::base::rng::Rng;

const GRAMMAR: Grammar = Grammar {
    max_control_line: 64,
    max_payload: 100,
    headers: true,
    awaiting_credentials: false,
};

/// Parses a whole input that arrives in pieces and describes what was found.
fn transcript(input: &[u8], pieces: &[usize]) -> Vec<String> {
    let mut found = Vec::new();
    let mut kept: Vec<u8> = Vec::new();
    let mut rest = input;
    let mut pieces = pieces.iter().copied();
    while !rest.is_empty() {
        let take = pieces.next().unwrap_or(rest.len()).clamp(1, rest.len());
        kept.extend_from_slice(&rest[..take]);
        rest = &rest[take..];
        loop {
            match parse(&kept, &GRAMMAR) {
                Ok(Parsed::Command(command, taken)) => {
                    found.push(describe(&command));
                    kept.drain(..taken);
                }
                Ok(Parsed::Incomplete { keep }) => {
                    kept.truncate(keep);
                    break;
                }
                Ok(Parsed::PayloadPending { .. }) => break,
                Err(violation) => {
                    found.push(format!("{violation:?}"));
                    return found;
                }
            }
        }
    }
    found
}

/// A command without the parts that depend on how its line was written.
fn describe(command: &Command<'_>) -> String {
    match command {
        Command::Publish(message) => format!(
            "publish {:?} {:?} {} {:?}",
            String::from_utf8_lossy(message.subject),
            String::from_utf8_lossy(message.reply),
            message.header_len,
            String::from_utf8_lossy(message.payload)
        ),
        other => format!("{other:?}"),
    }
}

fn single(input: &[u8]) -> Result<Parsed<'_>, Violation> {
    parse(input, &GRAMMAR)
}

fn publish(input: &[u8]) -> Publish<'_> {
    match single(input) {
        Ok(Parsed::Command(Command::Publish(message), taken)) if taken == input.len() => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn publishes() {
    let message = publish(b"PUB foo.bar 5\r\nhello\r\n");
    assert_eq!(message.subject, b"foo.bar");
    assert_eq!((message.reply, message.size()), (&b""[..], 5));
    assert_eq!(message.tail, b"5\r\nhello\r\n");

    let message = publish(b"HPUB a b 012 014\r\nNATS/1.0\r\n\r\nhi\r\n");
    assert_eq!((message.reply, message.header_len), (&b"b"[..], 12));
    assert_eq!(message.tail, b"b 012 014\r\nNATS/1.0\r\n\r\nhi\r\n");

    let message = publish(b"pUb  foo\treply   2\nok\r\n");
    assert_eq!(
        (message.subject, message.reply),
        (&b"foo"[..], &b"reply"[..])
    );
    assert_eq!((message.size_text, message.tail), (&b"2"[..], &b""[..]));
    // A header block of no bytes is delivered as a plain message.
    assert_eq!(publish(b"HPUB a 0 2\r\nok\r\n").tail, b"");
}

#[test]
fn odd_but_valid_lines() {
    assert_eq!(single(b"PINGxyz\n"), Ok(Parsed::Command(Command::Ping, 8)));
    assert_eq!(
        single(b"CONNECT{}\r\n"),
        Ok(Parsed::Command(Command::Connect(b"{}"), 11))
    );
    // The first byte of an argument counts even if it ends a line.
    assert_eq!(
        single(b"SUB \nfoo 1\r\n"),
        Ok(Parsed::Command(
            Command::Subscribe {
                subject: b"foo",
                queue: None,
                sid: b"1"
            },
            12
        ))
    );
    // A carriage return inside drops the last byte.
    assert_eq!(
        single(b"SUB fo\ro 12\n"),
        Ok(Parsed::Command(
            Command::Subscribe {
                subject: b"fo",
                queue: Some(b"o"),
                sid: b"1"
            },
            12
        ))
    );
    assert_eq!(
        single(b"UNSUB 1 x\r\n"),
        Ok(Parsed::Command(
            Command::Unsubscribe { sid: b"1", max: 0 },
            11
        ))
    );
}

#[test]
fn violations() {
    for (input, violation) in [
        (&b"FOO"[..], Violation::UnknownOperation),
        (b"PUX", Violation::UnknownOperation),
        (b"PUB\r\n", Violation::UnknownOperation),
        (b"RS+ $G foo\r\n", Violation::UnknownOperation),
        (b"PUB foo 2\r\nabc", Violation::UnknownOperation),
        (b"PUB foo\r\n", Violation::BadArguments),
        (b"PUB foo bar baz 2\r\n", Violation::BadArguments),
        (b"PUB foo 1234567890\r\n", Violation::BadArguments),
        (b"PUB foo -1\r\n", Violation::BadArguments),
        (b"HPUB foo 5 4\r\n", Violation::BadArguments),
        (b"SUB foo\r\n", Violation::BadArguments),
        (b"PUB foo 101\r\n", Violation::PayloadExceeded),
    ] {
        assert_eq!(single(input), Err(violation), "{input:?}");
    }
    let long = [b"SUB ".as_slice(), &[b'a'; 65]].concat();
    assert_eq!(single(&long), Err(Violation::ControlLineExceeded));
    assert_eq!(
        single(&long[..68]),
        Ok(Parsed::Incomplete { keep: 68 }),
        "as long as allowed"
    );
}

#[test]
fn endless_blanks_and_pings_are_not_kept() {
    let blanks = [b"PUB ".as_slice(), &[b' '; 5000]].concat();
    assert_eq!(single(&blanks), Ok(Parsed::Incomplete { keep: 4 }));
    let ping = [b"PING".as_slice(), &[b'x'; 5000]].concat();
    assert_eq!(single(&ping), Ok(Parsed::Incomplete { keep: 4 }));
}

#[test]
fn credentials_come_first() {
    let grammar = Grammar {
        awaiting_credentials: true,
        ..GRAMMAR
    };
    assert_eq!(parse(b"P", &grammar), Err(Violation::CredentialsNeeded));
    assert_eq!(parse(b"C", &grammar), Ok(Parsed::Incomplete { keep: 1 }));
}

const SESSION: &[u8] = b"CONNECT {\"verbose\":false}\r\nPING\r\nSUB a.* q 1\r\n\
    PUB a.b 5\r\nhello\r\nPUB a.b r 0\r\n\r\nhpub x 12 15\r\nNATS/1.0\r\n\r\nabc\r\n\
    +OK\r\nPONG\r\nUNSUB 1 5\r\n-ERR 'x'\r\nINFO {}\r\n";

#[test]
fn every_split_gives_the_same_commands() {
    let whole = transcript(SESSION, &[SESSION.len()]);
    assert_eq!(whole.len(), 11, "{whole:#?}");
    for cut in 1..SESSION.len() {
        assert_eq!(transcript(SESSION, &[cut]), whole, "cut at {cut}");
    }
    assert_eq!(transcript(SESSION, &[1; SESSION.len()]), whole);
}

#[test]
fn random_damage_never_panics_and_never_depends_on_splits() {
    let mut rng = Rng::new(1);
    for _ in 0..20_000 {
        let mut input = SESSION.to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(input.len() as u64) as usize;
            match rng.below(3) {
                0 => input[at] = b" \t\n0aP*>"[rng.below(8) as usize],
                1 => drop(input.remove(at)),
                _ => input.insert(at, b" \n07xp"[rng.below(6) as usize]),
            }
        }
        let whole = transcript(&input, &[input.len()]);
        let cuts: Vec<usize> = (0..input.len())
            .map(|_| 1 + rng.below(9) as usize)
            .collect();
        assert_eq!(
            transcript(&input, &cuts),
            whole,
            "{:?}",
            String::from_utf8_lossy(&input)
        );
    }
}
