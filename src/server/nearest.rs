//! The known name that somebody may have meant.

use strsim::damerau_levenshtein;

/// Longer names are nobody's slip.
const NAME_BYTES_MAX: usize = 64;

/// The name that `written` becomes by the fewest slips (a letter too many, too
/// few, another one, two in the wrong order), if it takes at most one for three
/// letters.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > NAME_BYTES_MAX {
        return None;
    }
    let lower = written.to_ascii_lowercase();
    let slips = |name: &&str| damerau_levenshtein(&lower, &name.to_ascii_lowercase());
    let nearest = known.into_iter().min_by_key(slips)?;
    (slips(&nearest) <= written.len() / 3).then_some(nearest)
}

/// The same as a question behind a complaint; empty: there is none.
pub fn question<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let name = nearest(written, known);
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_forgiven_and_other_names_are_not() {
        let known = ["port", "max_payload", "ping_interval", "tls"];
        for (written, meant) in [
            ("prot", Some("port")),
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
