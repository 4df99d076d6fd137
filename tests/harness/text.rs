//! Shows wire bytes to people: everything that is not plain text is escaped, long runs are shortened.

/// `PUB a 1\r\n` instead of raw bytes; the inverse of the transcript escapes.
pub fn show(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len() + 8);
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let run = bytes[at..]
            .iter()
            .take_while(|&&other| other == byte)
            .count();
        if run > 24 {
            shown.push_str(&format!("{{{}*{run}}}", show_byte(byte)));
            at += run;
        } else {
            shown.push_str(&show_byte(byte));
            at += 1;
        }
    }
    shown
}

/// As [`show`], cut in the middle when very long.
pub fn show_short(bytes: &[u8]) -> String {
    const LIMIT: usize = 2_000;
    if bytes.len() <= LIMIT {
        return show(bytes);
    }
    let (head, tail) = (&bytes[..LIMIT / 2], &bytes[bytes.len() - LIMIT / 2..]);
    format!(
        "{} …({} bytes left out)… {}",
        show(head),
        bytes.len() - LIMIT,
        show(tail)
    )
}

fn show_byte(byte: u8) -> String {
    match byte {
        b'\r' => "\\r".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}
