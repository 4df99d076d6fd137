//! Durations as Go writes them (`1h30m`, `250ms`): clients send them in headers.

/// Nanoseconds of a duration; `None` if it is not one, or longer than Go has them
/// (292 years). Negative ones are not taken: nobody here has a use for them.
#[must_use]
pub fn parse_go(text: &[u8]) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let text = std::str::from_utf8(text).ok()?;
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number_len = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.');
        let (number, behind) = rest.split_at(number_len.count());
        let unit_len = behind.find(|letter: char| letter.is_ascii_digit() || letter == '.');
        let (unit, behind) = behind.split_at(unit_len.unwrap_or(behind.len()));
        let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *unit_ns)?)?;
        rest = behind;
    }
    i64::try_from(total).is_ok().then_some(total)
}

/// A decimal number of units in nanoseconds, what is less than one cut off.
fn scaled(number: &str, unit_ns: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole_ns = match whole {
        "" => 0,
        _ => whole.parse::<u64>().ok()?.checked_mul(unit_ns)?,
    };
    let mut fraction_ns = 0;
    let mut place_ns = unit_ns;
    // Beyond this many digits nothing is left of an hour.
    for digit in fraction.bytes().take(16) {
        let of_place = place_ns % 10;
        place_ns /= 10;
        fraction_ns += u64::from(digit - b'0') * place_ns;
        fraction_ns += u64::from(digit - b'0') * of_place / 10;
    }
    whole_ns.checked_add(fraction_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        let cases: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("1s", Some(1_000_000_000)),
            ("+5s", Some(5_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("250ms3us1ns", Some(250_003_001)),
            ("2µs", Some(2_000)),
            ("2562047h47m16.854775807s", Some(u64::MAX / 2)),
            ("2562048h", None),
            ("99999999999999999999s", None),
            ("", None),
            ("+", None),
            ("s", None),
            (".s", None),
            ("1", None),
            ("1.2.3s", None),
            ("1d", None),
            ("-1s", None),
            ("1s ", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_go(text.as_bytes()), *expected, "{text}");
        }
    }
}
