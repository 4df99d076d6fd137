//! Fields of a message's header block, as JetStream reads them.
//!
//! A block is a line `NATS/1.0`, perhaps with a status, then lines `Key: value`, each
//! ended by CR LF, and an empty line. Keys are compared letter by letter and the first
//! field of a key counts (NATS 2.15).

/// The value of the first field with this key: `None` if there is none, empty if it
/// has none. Blanks before it are not part of it.
#[must_use]
pub fn value<'a>(block: &'a [u8], key: &str) -> Option<&'a [u8]> {
    fields(block).find_map(|line| {
        let value = line.strip_prefix(key.as_bytes())?.strip_prefix(b":")?;
        let blanks = value.iter().take_while(|&&byte| byte == b' ').count();
        Some(&value[blanks..])
    })
}

/// The lines of the block after the first one.
fn fields(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    let lines = std::iter::from_fn(move || {
        let end = memchr::memmem::find(rest, b"\r\n")?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        Some(line)
    });
    lines.skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_of_a_key_counts() {
        let block =
            b"NATS/1.0\r\nA:  1 \r\nNats-Msg-Id: x:y\r\nA: 2\r\nEmpty:\r\nnats-msg-id: z\r\n\r\n";
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("A", Some(b"1 ")),
            ("Nats-Msg-Id", Some(b"x:y")),
            ("Empty", Some(b"")),
            ("Nats-Msg", None),
            ("NATS/1.0", None),
            ("a", None),
            ("B", None),
        ];
        for (key, expected) in cases {
            assert_eq!(value(block, key), *expected, "{key}");
        }
        for broken in [&b""[..], b"NATS/1.0", b"A: 1\r\n\r\n", b"NATS/1.0\r\nA: 1"] {
            assert_eq!(value(broken, "A"), None);
        }
    }
}
