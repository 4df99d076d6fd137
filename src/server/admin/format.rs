//! Data, times and durations as the reference server writes them in JSON.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use trunkline_core::base::id::Nanos;

use super::Admin;

/// A moment, RFC 3339 with nanoseconds.
pub fn moment(at: Timestamp) -> String {
    at.to_string()
}

/// A moment on the cores' clock.
pub fn moment_of(admin: &Admin, at: Nanos) -> String {
    let since = SignedDuration::from_nanos(i64::try_from(at.0).unwrap_or(i64::MAX));
    moment(admin.started.checked_add(since).unwrap_or(admin.started))
}

/// `1d2h3m4s`: days and more, hours, minutes, seconds.
pub fn uptime(seconds: u64) -> String {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let (days, hours) = (hours / 24, hours % 24);
    let (years, days) = (days / 365, days % 365);
    match (years, days, hours, minutes) {
        (0, 0, 0, 0) => format!("{seconds}s"),
        (0, 0, 0, _) => format!("{minutes}m{seconds}s"),
        (0, 0, ..) => format!("{hours}h{minutes}m{seconds}s"),
        (0, ..) => format!("{days}d{hours}h{minutes}m{seconds}s"),
        _ => format!("{years}y{days}d{hours}h{minutes}m{seconds}s"),
    }
}

/// Plain data as JSON.
pub fn to_value(data: &impl serde::Serialize) -> Value {
    serde_json::to_value(data).expect("plain data is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_since_the_start_are_short() {
        assert_eq!(uptime(5), "5s");
        assert_eq!(uptime(65), "1m5s");
        assert_eq!(uptime(93_784), "1d2h3m4s");
    }
}
