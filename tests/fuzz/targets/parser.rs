//! The parser: any split gives the same commands, and what it keeps is bounded.

use trunkline_core::wire::parse::{Command, Grammar, Parsed, Publish, Violation, parse};

/// Input: a byte of flags for the grammar, a byte that chooses the cuts, the stream.
pub fn parser(data: &[u8]) {
    let Some((&[flags, cuts], stream)) = data.split_first_chunk() else {
        return;
    };
    let grammar = Grammar {
        max_control_line: if flags & 1 == 0 { 4096 } else { 24 },
        max_payload: if flags & 2 == 0 { 1 << 20 } else { 16 },
        headers: flags & 4 == 0,
        awaiting_credentials: flags & 8 != 0,
    };
    let whole = transcript(&[stream], grammar);
    assert_eq!(
        transcript(&super::pieces(stream, cuts), grammar),
        whole,
        "the cuts matter"
    );
    if stream.len() <= 256 {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(transcript(&bytes, grammar), whole, "single bytes differ");
    }
}

/// What a stream that arrives in pieces means.
fn transcript(pieces: &[&[u8]], mut grammar: Grammar) -> Vec<String> {
    let mut found = Vec::new();
    let mut kept: Vec<u8> = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            match parse(&kept, &grammar) {
                Ok(Parsed::Command(command, taken)) => {
                    assert!((1..=kept.len()).contains(&taken), "takes what is there");
                    if let Command::Connect(_) = command {
                        grammar.awaiting_credentials = false;
                    }
                    found.push(describe(&command, &grammar));
                    kept.drain(..taken);
                }
                Ok(Parsed::Incomplete { keep }) => {
                    check_kept(&kept, keep, &grammar);
                    kept.truncate(keep);
                    break;
                }
                Ok(Parsed::PayloadPending {
                    line_len,
                    payload_len,
                }) => {
                    assert!(payload_len <= grammar.max_payload + 2, "within the limit");
                    assert!(line_len <= kept.len() && kept.len() < line_len + payload_len);
                    break;
                }
                Err(violation) => {
                    found.push(violation_name(violation).into());
                    return found;
                }
            }
        }
    }
    found
}

/// Blanks before an argument come from one read at most; all else is bounded by the control line.
fn check_kept(here: &[u8], keep: usize, grammar: &Grammar) {
    assert!(keep <= here.len(), "keeps what is there");
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let verb_len = here[..keep]
        .iter()
        .take_while(|byte| !is_blank(byte))
        .count();
    let blanks = here[verb_len..keep].iter().take_while(is_blank).count();
    // A verb without a blank before its argument (CONNECT) counts as a part of it here, and a
    // carriage return does not count as a part of the line.
    assert!(
        keep <= blanks + "connect\r".len() + grammar.max_control_line,
        "keeps {keep} bytes of an unfinished line"
    );
}

fn describe(command: &Command<'_>, grammar: &Grammar) -> String {
    match command {
        Command::Publish(message) => {
            check_publish(message, grammar);
            format!(
                "publish {:?} {:?} {} {:?}",
                message.subject, message.reply, message.header_len, message.payload
            )
        }
        other => format!("{other:?}"),
    }
}

fn check_publish(message: &Publish<'_>, grammar: &Grammar) {
    assert!(message.payload.ends_with(b"\r\n"));
    assert!(message.header_len <= message.size() && message.size() <= grammar.max_payload);
    if message.tail.is_empty() {
        return;
    }
    let mut expected = Vec::new();
    for word in [message.reply, message.header_text] {
        if !word.is_empty() {
            expected.extend_from_slice(word);
            expected.push(b' ');
        }
    }
    expected.extend_from_slice(message.size_text);
    expected.extend_from_slice(b"\r\n");
    expected.extend_from_slice(message.payload);
    assert_eq!(
        message.tail, expected,
        "the tail has the form of a delivery"
    );
}

fn violation_name(violation: Violation) -> &'static str {
    match violation {
        Violation::UnknownOperation => "unknown operation",
        Violation::BadArguments => "bad arguments",
        Violation::ControlLineExceeded => "control line exceeded",
        Violation::PayloadExceeded => "payload exceeded",
        Violation::HeadersNotSupported => "headers not supported",
        Violation::CredentialsNeeded => "credentials needed",
    }
}
