//! What the log says of bytes that are no protocol, in nats-server's words. Called
//! once per connection, which ends by it.

use super::argument::{is_blank, number};
use super::command::{Grammar, Violation};
use crate::base::shown::{quoted, quoted_bytes};

/// Bytes of the input that are shown.
const SNIPPET_BYTES: usize = 32;

/// Verbs that clients use.
const VERBS: [&[u8]; 10] = [
    b"CONNECT", b"PUB", b"HPUB", b"SUB", b"UNSUB", b"PING", b"PONG", b"INFO", b"+OK", b"-ERR",
];

/// The log line about input that begins with a command and violates the protocol.
#[must_use]
pub fn complaint(violation: Violation, input: &[u8], grammar: &Grammar) -> String {
    let line_len = input.iter().position(|&byte| byte == b'\n');
    let line = input[..line_len.unwrap_or(input.len())].trim_ascii_end();
    let verb_len = verb_len(line);
    let argument = line[verb_len..].trim_ascii_start();
    let words: Vec<&[u8]> = argument
        .split(|&byte| is_blank(byte))
        .filter(|word| !word.is_empty())
        .collect();
    let size = words.last().copied();
    match violation {
        Violation::UnknownOperation => {
            let payload = size.and_then(number).filter(|_| words.len() > 1);
            let at = match (payload, line_len) {
                // The line is right, what follows its payload is not.
                (Some(payload), Some(line_len)) => line_len + 1 + payload,
                _ => verb_len,
            };
            let rest = input.get(at..).unwrap_or_default();
            let snippet = match rest.len() > SNIPPET_BYTES {
                true => &rest[..SNIPPET_BYTES],
                false => &rest[..rest.len().saturating_sub(1)],
            };
            format!("Client parser ERROR: proto='{}...'", quoted_bytes(snippet))
        }
        Violation::BadArguments => {
            format!(
                "{}: {}",
                arguments(&line[..verb_len], &words),
                quoted_bytes(argument)
            )
        }
        Violation::PayloadExceeded => format!(
            "maximum payload exceeded: {} vs {}",
            String::from_utf8_lossy(size.unwrap_or_default()),
            grammar.max_payload
        ),
        Violation::ControlLineExceeded => "maximum control line exceeded".to_owned(),
        Violation::HeadersNotSupported => "message headers not supported".to_owned(),
        Violation::CredentialsNeeded => {
            format!(
                "{} before CONNECT",
                quoted(&String::from_utf8_lossy(&line[..verb_len]))
            )
        }
    }
}

/// Bytes at the beginning of a line that some verb begins with.
fn verb_len(line: &[u8]) -> usize {
    let common = |verb: &&[u8]| {
        let pairs = line.iter().zip(verb.iter());
        pairs
            .take_while(|(one, other)| one.eq_ignore_ascii_case(other))
            .count()
    };
    VERBS.iter().map(common).max().unwrap_or(0)
}

/// Who reads the arguments of a verb, and what is wrong with them.
fn arguments(verb: &[u8], words: &[&[u8]]) -> &'static str {
    let size = |at: usize| words.get(at).copied().and_then(number);
    let count = words.len();
    match verb.to_ascii_uppercase().as_slice() {
        b"PUB" if matches!(count, 2 | 3) => "processPub Bad or Missing Size",
        b"PUB" => "processPub Parse Error",
        b"HPUB" if matches!(count, 3 | 4) => match (size(count - 2), size(count - 1)) {
            (None, _) => "processHeaderPub Bad or Missing Header Size",
            (_, None) => "processHeaderPub Bad or Missing Total Size",
            _ => "processHeaderPub Header Size larger then TotalSize",
        },
        b"HPUB" => "processHeaderPub Parse Error",
        b"SUB" => "processSub Parse Error",
        b"UNSUB" => "processUnsub Parse Error",
        _ => "Parse Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &[(Violation, &str, &str)] = &[
        (
            Violation::UnknownOperation,
            "nonsense\r\n",
            "Client parser ERROR: proto='\"nonsense\\r\"...'",
        ),
        (
            Violation::UnknownOperation,
            "nonsense here is long long long long long\r\n",
            "Client parser ERROR: proto='\"nonsense here is long long long \"...'",
        ),
        (
            Violation::UnknownOperation,
            "PUB\r\n",
            "Client parser ERROR: proto='\"\\r\"...'",
        ),
        (
            Violation::UnknownOperation,
            "PUB a 3\r\nhello\r\n",
            "Client parser ERROR: proto='\"lo\\r\"...'",
        ),
        (
            Violation::UnknownOperation,
            "",
            "Client parser ERROR: proto='\"\"...'",
        ),
        (
            Violation::BadArguments,
            "PUB a b c d\r\n",
            "processPub Parse Error: \"a b c d\"",
        ),
        (
            Violation::BadArguments,
            "pub a -1\r\n",
            "processPub Bad or Missing Size: \"a -1\"",
        ),
        (
            Violation::BadArguments,
            "SUB a b c d\r\n",
            "processSub Parse Error: \"a b c d\"",
        ),
        (
            Violation::BadArguments,
            "UNSUB 1 x 2\r\n",
            "processUnsub Parse Error: \"1 x 2\"",
        ),
        (
            Violation::BadArguments,
            "HPUB a 5 2\r\n",
            "processHeaderPub Header Size larger then TotalSize: \"a 5 2\"",
        ),
        (
            Violation::BadArguments,
            "HPUB a x 2\r\n",
            "processHeaderPub Bad or Missing Header Size: \"a x 2\"",
        ),
        (
            Violation::PayloadExceeded,
            "PUB a 99999999\r\n",
            "maximum payload exceeded: 99999999 vs 1048576",
        ),
        (
            Violation::ControlLineExceeded,
            "SUB aaa",
            "maximum control line exceeded",
        ),
        (
            Violation::HeadersNotSupported,
            "HPUB a 1 2\r\n",
            "message headers not supported",
        ),
    ];

    #[test]
    fn complaints_name_the_bytes() {
        let grammar = Grammar {
            max_control_line: 4096,
            max_payload: 1_048_576,
            headers: true,
            awaiting_credentials: false,
        };
        for (violation, input, text) in CASES {
            assert_eq!(complaint(*violation, input.as_bytes(), &grammar), *text);
        }
    }
}
