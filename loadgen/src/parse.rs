//! Text of options into values: sizes and their distributions, amounts of work, durations.

use std::fmt;
use std::time::Duration;

use crate::random::Random;
use crate::wire::scan::PAYLOAD_BYTES_MAX;

/// Largest object: 64 GiB.
const OBJECT_BYTES_MAX: u64 = 64 << 30;

/// How large payloads are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SizeSpec {
    /// All alike.
    Fixed(usize),
    /// Evenly spread over a range, both ends included.
    Uniform(usize, usize),
    /// One of these, each as likely.
    Choice(Vec<usize>),
    /// Many small, few large: size ∝ 1/rank between the two ends.
    Zipf(usize, usize),
}

impl SizeSpec {
    /// One size drawn from the distribution.
    pub fn draw(&self, random: &mut Random) -> usize {
        match self {
            SizeSpec::Fixed(size) => *size,
            SizeSpec::Uniform(low, high) => low + random.below((high - low + 1) as u64) as usize,
            SizeSpec::Choice(sizes) => sizes[random.below(sizes.len() as u64) as usize],
            SizeSpec::Zipf(low, high) => {
                // Inverse of the continuous distribution function of density 1/x on [low, high + 1).
                let (from, to) = ((*low).max(1) as f64, (*high + 1) as f64);
                let drawn = from * (to / from).powf(random.unit());
                (drawn as usize).clamp(*low, *high)
            }
        }
    }

    /// Smallest possible size.
    pub fn min(&self) -> usize {
        match self {
            SizeSpec::Fixed(size) => *size,
            SizeSpec::Uniform(low, _) | SizeSpec::Zipf(low, _) => *low,
            SizeSpec::Choice(sizes) => sizes.iter().copied().min().unwrap_or(0),
        }
    }

    /// Largest possible size.
    pub fn max(&self) -> usize {
        match self {
            SizeSpec::Fixed(size) => *size,
            SizeSpec::Uniform(_, high) | SizeSpec::Zipf(_, high) => *high,
            SizeSpec::Choice(sizes) => sizes.iter().copied().max().unwrap_or(0),
        }
    }
}

impl fmt::Display for SizeSpec {
    /// As it is written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SizeSpec::Fixed(size) => write!(f, "{size}"),
            SizeSpec::Uniform(low, high) => write!(f, "uniform:{low}..{high}"),
            SizeSpec::Zipf(low, high) => write!(f, "zipf:{low}..{high}"),
            SizeSpec::Choice(sizes) => {
                let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
                write!(f, "choice:{}", sizes.join(","))
            }
        }
    }
}

/// Parses `128`, `64KiB`, `uniform:16..1024`, `zipf:16..64KiB`, `choice:16,128,4096`.
pub fn size_spec(text: &str) -> Result<SizeSpec, String> {
    let range = |rest: &str| -> Result<(usize, usize), String> {
        let (low, high) = rest
            .split_once("..")
            .ok_or("a range is written LOW..HIGH")?;
        let (low, high) = (bytes(low)?, bytes(high)?);
        if low > high {
            Err(format!("the range {rest} is empty"))
        } else {
            Ok((low, high))
        }
    };
    match text.split_once(':') {
        None => bytes(text).map(SizeSpec::Fixed),
        Some(("uniform", rest)) => range(rest).map(|(low, high)| SizeSpec::Uniform(low, high)),
        Some(("zipf", rest)) => range(rest).map(|(low, high)| SizeSpec::Zipf(low, high)),
        Some(("choice", rest)) => rest
            .split(',')
            .map(bytes)
            .collect::<Result<_, _>>()
            .map(SizeSpec::Choice),
        Some((other, _)) => Err(format!(
            "unknown distribution \"{other}\"; there are uniform, zipf and choice"
        )),
    }
}

/// Parses `128`, `4KiB`, `1MiB`, `64kb` (kb and KiB are both 1024 here, as nobody means 1000 when sizing payloads).
pub fn bytes(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let split = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let number: usize = text[..split]
        .parse()
        .map_err(|_| format!("\"{text}\" is not a size"))?;
    let factor = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1024,
        "m" | "mb" | "mib" => 1024 * 1024,
        other => return Err(format!("\"{other}\" is not a unit of size; use KiB or MiB")),
    };
    match number.checked_mul(factor) {
        Some(size) if size <= PAYLOAD_BYTES_MAX => Ok(size),
        _ => Err(format!(
            "{text} is more than {PAYLOAD_BYTES_MAX} bytes, the most a server can be configured for"
        )),
    }
}

/// Parses the size of an object: `5GiB`, or as [`bytes`] does.
pub fn object_bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let unit = ["gib", "gb", "g", "mib", "mb", "m"];
    let split = unit
        .iter()
        .find_map(|unit| Some((lower.strip_suffix(unit)?, unit)));
    let size = match split {
        Some((number, unit)) => number
            .parse::<u64>()
            .map_err(|_| format!("\"{text}\" is not a size"))?
            .saturating_mul(if unit.starts_with('g') {
                1 << 30
            } else {
                1 << 20
            }),
        None => bytes(text)? as u64,
    };
    match size {
        1..=OBJECT_BYTES_MAX => Ok(size),
        _ => Err(format!(
            "an object has between 1 byte and {OBJECT_BYTES_MAX}"
        )),
    }
}

/// How much work a phase is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// This many messages, over all publishers.
    Count(u64),
    /// As many as fit into this time.
    Time(Duration),
}

/// Parses a count (`100000`, `5M`) or a duration (`5s`, `200ms`).
pub fn amount(text: &str) -> Result<Amount, String> {
    count(text)
        .map(Amount::Count)
        .or_else(|_| duration(text).map(Amount::Time))
        .map_err(|_| {
            format!("\"{text}\" is neither a count (100000, 5M) nor a duration (5s, 200ms)")
        })
}

/// Parses `1000`, `250k`, `5M`.
pub fn count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text
            .strip_suffix('M')
            .map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number: u64 = digits
        .replace('_', "")
        .parse()
        .map_err(|_| format!("\"{text}\" is not a count"))?;
    number
        .checked_mul(factor)
        .filter(|number| *number < 1 << 44)
        .ok_or_else(|| format!("{text} is too many"))
}

/// Parses `5s`, `1.5s`, `200ms`, `50us`, `2m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|character: char| character.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let wrong = || format!("\"{text}\" is not a duration; write 5s, 200ms or 2m");
    let number: f64 = text[..split].parse().map_err(|_| wrong())?;
    let seconds = match &text[split..] {
        "us" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        "m" => number * 60.0,
        _ => return Err(wrong()),
    };
    // A day bounds every run.
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_objects() {
        assert_eq!(object_bytes("1GiB"), Ok(1 << 30));
        assert_eq!(object_bytes("200m"), Ok(200 << 20));
        assert_eq!(object_bytes("77"), Ok(77));
        for text in ["0", "65G", "xG", "G", "1T"] {
            assert!(object_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for text in [
            "128",
            "uniform:16..1024",
            "zipf:16..65536",
            "choice:16,128,4096",
        ] {
            let spec = size_spec(text).map(|spec| spec.to_string());
            assert_eq!(spec.as_deref(), Ok(text));
        }
        assert_eq!(size_spec("128"), Ok(SizeSpec::Fixed(128)));
        assert_eq!(size_spec("64KiB"), Ok(SizeSpec::Fixed(65_536)));
        assert_eq!(
            size_spec("uniform:16..1024"),
            Ok(SizeSpec::Uniform(16, 1024))
        );
        assert_eq!(
            size_spec("choice:16,128,4k"),
            Ok(SizeSpec::Choice(vec![16, 128, 4096]))
        );
        assert_eq!(size_spec("zipf:16..1MiB"), Ok(SizeSpec::Zipf(16, 1 << 20)));
        for wrong in [
            "",
            "x",
            "-1",
            "12XB",
            "uniform:9..3",
            "uniform:9",
            "choice:",
            "choice:1,,2",
            "normal:3",
            "65MiB",
        ] {
            assert!(size_spec(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn draws_stay_inside_and_reach_the_ends() {
        let mut random = Random::new(7);
        for spec in [
            "uniform:16..19",
            "choice:16,128",
            "zipf:16..64",
            "5",
            "zipf:0..3",
        ]
        .map(|text| size_spec(text).unwrap())
        {
            let drawn: Vec<usize> = (0..4000).map(|_| spec.draw(&mut random)).collect();
            assert_eq!(
                drawn.iter().min(),
                Some(&spec.min())
                    .filter(|low| **low > 0)
                    .or(drawn.iter().min()),
                "{spec:?}"
            );
            assert_eq!(drawn.iter().max(), Some(&spec.max()), "{spec:?}");
        }
    }

    #[test]
    fn zipf_prefers_small() {
        let (mut random, spec) = (Random::new(1), size_spec("zipf:16..65536").unwrap());
        let small = (0..1000).filter(|_| spec.draw(&mut random) < 1024).count();
        assert!(
            (350..650).contains(&small),
            "half of the draws lie below the geometric mean, got {small}"
        );
    }

    #[test]
    fn amounts() {
        assert_eq!(amount("250k"), Ok(Amount::Count(250_000)));
        assert_eq!(amount("5M"), Ok(Amount::Count(5_000_000)));
        assert_eq!(
            amount("1.5s"),
            Ok(Amount::Time(Duration::from_millis(1500)))
        );
        assert_eq!(amount("2m"), Ok(Amount::Time(Duration::from_secs(120))));
        for wrong in ["", "5x", "-1s", "1e30s", "s", "99999999999M"] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
    }
}
