//! How many shards run, and on which CPUs.

use std::str::FromStr;
use trunkline_core::base::shown::quoted;

/// More shards than this are refused.
pub const SHARDS_MAX: usize = 128;

/// Where shards run, as asked for with `--cores` or `cores`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CoreChoice {
    /// One shard per CPU that this process may use.
    #[default]
    Auto,
    /// That many shards on the best CPUs.
    Count(usize),
    /// One shard on each of exactly these CPUs.
    List(Vec<u32>),
}

impl CoreChoice {
    /// A count given as a number.
    pub fn from_count(count: i64) -> Result<Self, String> {
        match usize::try_from(count) {
            Ok(count) if (1..=SHARDS_MAX).contains(&count) => Ok(CoreChoice::Count(count)),
            _ => Err(format!(
                "cores: a count is between 1 and {SHARDS_MAX}, not {count}"
            )),
        }
    }
}

impl std::fmt::Display for CoreChoice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CoreChoice::Auto => formatter.write_str("auto"),
            CoreChoice::Count(count) => count.fmt(formatter),
            CoreChoice::List(cpus) => {
                let cpus: Vec<String> = cpus.iter().map(u32::to_string).collect();
                formatter.write_str(&cpus.join(","))
            }
        }
    }
}

impl FromStr for CoreChoice {
    type Err = String;

    /// `auto`, a count (`4`), or a list (`0-3,8`; `4-4` for CPU 4 alone).
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "cores: expected a count, a list such as 0-3,8 or \"auto\", not {text}",
                text = quoted(&text)
            )
        };
        if text.eq_ignore_ascii_case("auto") {
            return Ok(CoreChoice::Auto);
        }
        if let Ok(count) = text.parse::<i64>() {
            return CoreChoice::from_count(count);
        }
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |digits: &str| digits.trim().parse::<u32>().map_err(|_| wrong());
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(wrong());
            }
            for cpu in first..=last {
                if cpus.contains(&cpu) {
                    return Err(format!(
                        "cores: CPU {cpu} is listed twice in {text}",
                        text = quoted(&text)
                    ));
                }
                if cpus.len() == SHARDS_MAX {
                    return Err(format!(
                        "cores: {text} lists more than {SHARDS_MAX} CPUs",
                        text = quoted(&text)
                    ));
                }
                cpus.push(cpu);
            }
        }
        Ok(CoreChoice::List(cpus))
    }
}
