//! The known name that somebody may have meant.

/// Longer names are nobody's slip.
const NAME_BYTES_MAX: usize = 64;

/// The name that `written` becomes by the fewest slips (a letter too many, too
/// few, another one), if it takes at most one for three letters.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > NAME_BYTES_MAX {
        return None;
    }
    let slips = |name: &&str| slips(written.as_bytes(), name.as_bytes());
    let nearest = known.into_iter().min_by_key(slips)?;
    (slips(&nearest) <= written.len() / 3).then_some(nearest)
}

/// The same as a question behind a complaint; empty: there is none.
pub fn question<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let name = nearest(written, known);
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn slips(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (place, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(!letter.eq_ignore_ascii_case(wanted));
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_forgiven_and_other_names_are_not() {
        let known = ["port", "max_payload", "ping_interval", "tls"];
        for (written, meant) in [
            ("prot", None),
            ("ports", Some("port")),
            ("max_paylod", Some("max_payload")),
            ("Max_Payload_", Some("max_payload")),
            ("pingInterval", Some("ping_interval")),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
        assert_eq!(question("ports", known), "; did you mean port?");
        assert_eq!(question("x", known), "");
    }
}
