//! Moments in requests and answers: RFC 3339, written again as they came but for zeros
//! that say nothing, as Go writes them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer;
use crate::base::moment::WallNanos;
use crate::base::shown::quoted;

/// A moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(try_from = "serde_json::Value", into = "String")]
pub struct TimeField {
    text: String,
    wall: WallNanos,
}

impl TimeField {
    /// A moment, in UTC.
    #[must_use]
    pub fn at(wall: WallNanos) -> Self {
        Self {
            text: answer::moment(wall),
            wall,
        }
    }

    /// When it is; what was before 1970 is 1970.
    #[must_use]
    pub fn wall(&self) -> WallNanos {
        self.wall
    }

    /// Reads one; `None` if the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Where Go wants a T and a zone, and capitals.
        let has_form = text.len() >= 20 && text.as_bytes()[10] == b'T' && text.is_ascii();
        let zone_at = text.rfind(['Z', '+', '-']).filter(|&at| at >= 19)?;
        let moment: Timestamp = text.parse().ok().filter(|_| has_form)?;
        let wall = u64::try_from(moment.as_nanosecond()).unwrap_or(0);
        let (time, zone) = text.split_at(zone_at);
        let time = match time.contains('.') {
            true => time.trim_end_matches('0').trim_end_matches('.'),
            false => time,
        };
        Some(Self {
            text: format!("{time}{zone}"),
            wall: WallNanos(wall),
        })
    }
}

impl TryFrom<serde_json::Value> for TimeField {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        let Some(text) = value.as_str() else {
            return Err("Time.UnmarshalJSON: input is not a JSON string".to_owned());
        };
        Self::parse(text).ok_or_else(|| {
            let shown = quoted(text);
            format!("parsing time {shown} as \"2006-01-02T15:04:05Z07:00\": cannot parse {shown} as \"2006\"")
        })
    }
}

impl From<TimeField> for String {
    fn from(time: TimeField) -> Self {
        time.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_they_came() {
        let cases = [
            (
                "2024-01-01T00:00:00Z",
                Some(("2024-01-01T00:00:00Z", 1_704_067_200_000_000_000)),
            ),
            (
                "2024-01-01T01:00:00.100+01:00",
                Some(("2024-01-01T01:00:00.1+01:00", 1_704_067_200_100_000_000)),
            ),
            (
                "2024-01-01T00:00:00.000Z",
                Some(("2024-01-01T00:00:00Z", 1_704_067_200_000_000_000)),
            ),
            ("0001-01-01T00:00:00Z", Some(("0001-01-01T00:00:00Z", 0))),
            ("2024-01-01T00:00:00", None),
            ("2024-13-01T00:00:00Z", None),
            ("2024-01-01 00:00:00Z", None),
            ("2024", None),
            ("nonsense", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let time = TimeField::parse(text);
            let shown = time.as_ref().map(|time| (&*time.text, time.wall.0));
            assert_eq!(shown, expected, "{text}");
        }
    }
}
