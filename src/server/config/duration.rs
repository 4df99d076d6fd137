//! Durations in Go's notation (`1m30s`, `250ms`, `1.5h`), with Go's error texts.

/// Nanoseconds of `text`; negative ones are possible.
pub fn parse_ns(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total_ns: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, following) = after.split_at(unit_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return Err(invalid());
        }
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quoted(text)));
        }
        let unit_ns = unit_ns(unit).ok_or_else(|| {
            let (unit, text) = (quoted(unit), quoted(text));
            format!("time: unknown unit {unit} in duration {text}")
        })?;
        total_ns += scaled(whole, fraction, unit_ns).ok_or_else(invalid)?;
        if total_ns > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = following;
    }
    let signed_ns = if negative { -total_ns } else { total_ns };
    i64::try_from(signed_ns).map_err(|_| invalid())
}

/// In quotes, as Go's durations show what they cannot read.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' | b'\x7f' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

fn unit_ns(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        // Micro sign and Greek letter mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `whole.fraction` units, rounded down to nanoseconds.
fn scaled(whole: &str, fraction: &str, unit_ns: i128) -> Option<i128> {
    let whole: i128 = match whole {
        "" => 0,
        digits => i128::from(digits.parse::<i64>().ok()?),
    };
    // More digits than an hour has nanoseconds cannot matter.
    let digits = &fraction[..fraction.len().min(15)];
    let numerator: i128 = match digits {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let denominator = 10_i128.pow(u32::try_from(digits.len()).ok()?);
    Some(whole * unit_ns + numerator * unit_ns / denominator)
}

#[cfg(test)]
mod tests {
    use super::parse_ns;

    #[test]
    fn reads_what_go_reads() {
        for (text, expected_ns) in [
            ("0", 0),
            ("+0", 0),
            ("5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("250ms", 250_000_000),
            ("3us", 3_000),
            ("3\u{b5}s", 3_000),
            ("-2s", -2_000_000_000),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        ] {
            assert_eq!(parse_ns(text), Ok(expected_ns), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_texts_of_go() {
        for (text, expected) in [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("x", "time: invalid duration \"x\""),
            ("-", "time: invalid duration \"-\""),
            (".s", "time: invalid duration \".s\""),
            ("5 s", "time: unknown unit \" s\" in duration \"5 s\""),
            ("3d", "time: unknown unit \"d\" in duration \"3d\""),
            ("9999999h", "time: invalid duration \"9999999h\""),
            (
                "99999999999999999999s",
                "time: invalid duration \"99999999999999999999s\"",
            ),
        ] {
            assert_eq!(parse_ns(text), Err(expected.to_owned()), "{text}");
        }
    }
}
