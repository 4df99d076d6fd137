//! Replaces what differs from run to run by `*`, and leaves every other byte alone: the order of JSON
//! fields and the blanks between them are compared as well. Not here: names that a server makes up, which
//! scenarios bind to variables (`play.rs`).

/// JSON fields whose values are moments, durations or names of a server.
const MASKED_FIELDS: [&str; 21] = [
    "ts",
    "time",
    "created",
    "timestamp",
    "first_ts",
    "last_ts",
    "last_active",
    "pinned_ts",
    "pinned_id",
    "pause_remaining",
    "ack_time",
    "id",
    "server",
    "server_id",
    "leader",
    "raft_group",
    "client",
    "api",
    "active",
    "nonce",
    // Of an audit of the API: JSON in a string, with moments of its own.
    "response",
];

/// Headers whose values are moments or drawn at random.
const MASKED_HEADERS: [&str; 2] = ["Nats-Time-Stamp", "Nats-Pin-Id"];

/// "There is no such moment", which is the same on every run.
const NO_MOMENT: &str = "\"0001-01-01T00:00:00Z\"";

/// Subjects of acknowledgements carry a moment, subjects of flow control a random token.
pub fn subject(text: &str) -> String {
    let mut tokens: Vec<&str> = text.split('.').collect();
    let count = tokens.len();
    if text.starts_with("$JS.ACK.") && count >= 9 {
        tokens[count - 2] = "*";
    } else if text.starts_with("$JS.FC.") {
        tokens[count - 1] = "*";
    }
    tokens.join(".")
}

/// One header line.
pub fn header(line: &str) -> String {
    match line.split_once(": ") {
        Some((name, _)) if MASKED_HEADERS.contains(&name) => format!("{name}: *"),
        // A schedule that is over says `purge` here, any other says when it is due.
        Some((name @ "Nats-Schedule-Next", value)) if value != "purge" => format!("{name}: *"),
        // Ends in what tells streams of the same name apart.
        Some(("Nats-Stream-Source", value)) => {
            let kept = value.rsplit_once(' ').map_or(value, |(kept, _)| kept);
            format!("Nats-Stream-Source: {kept} *")
        }
        Some((name @ "Nats-Consumer-Stalled", value)) => format!("{name}: {}", subject(value)),
        _ => line.to_owned(),
    }
}

/// A body; only those that are JSON objects have anything to mask.
pub fn body(text: &str) -> String {
    if !text.starts_with('{') {
        return text.to_owned();
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let Some(end) = string_end(rest, at) else {
            break;
        };
        masked.push_str(&rest[..end]);
        let name = &rest[at + 1..end - 1];
        rest = &rest[end..];
        let Some(value) = rest.strip_prefix(':') else {
            continue;
        };
        if !MASKED_FIELDS.contains(&name) || value.starts_with(NO_MOMENT) {
            continue;
        }
        masked.push_str(":*");
        rest = &value[value_end(value)..];
    }
    masked.push_str(rest);
    masked
}

/// The place after the string that begins with the quote at `at`.
fn string_end(text: &str, at: usize) -> Option<usize> {
    let mut escaped = false;
    for (offset, byte) in text.bytes().enumerate().skip(at + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(offset + 1),
            _ => {}
        }
    }
    None
}

/// The place after the value at the start of a text: before the comma or bracket that follows it.
fn value_end(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at] {
            b'"' => {
                at = string_end(text, at).unwrap_or(text.len());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' | b']' => return at,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_masked_and_nothing_else() {
        assert_eq!(
            body(
                r#"{"a":"ts","ts":"2026","client":{"id":{},"x":[1,2]},"last_ts":"0001-01-01T00:00:00Z","n":1}"#
            ),
            r#"{"a":"ts","ts":*,"client":*,"last_ts":"0001-01-01T00:00:00Z","n":1}"#
        );
        assert_eq!(
            body(r#"{"q":"\"ts\":1","ts":7}"#),
            r#"{"q":"\"ts\":1","ts":*}"#
        );
        assert_eq!(body("plain \"ts\":1"), "plain \"ts\":1");
    }

    #[test]
    fn subjects_keep_what_is_counted() {
        assert_eq!(
            subject("$JS.ACK.S.C.1.2.3.171234.0"),
            "$JS.ACK.S.C.1.2.3.*.0"
        );
        assert_eq!(subject("$JS.FC.S.C.abcd"), "$JS.FC.S.C.*");
        assert_eq!(subject("a.b.c"), "a.b.c");
    }

    #[test]
    fn headers_with_moments_are_masked() {
        assert_eq!(header("Nats-Time-Stamp: 2026"), "Nats-Time-Stamp: *");
        assert_eq!(header("Nats-Sequence: 3"), "Nats-Sequence: 3");
        assert_eq!(
            header("Nats-Schedule-Next: purge"),
            "Nats-Schedule-Next: purge"
        );
    }
}
