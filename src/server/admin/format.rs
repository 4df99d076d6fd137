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

/// A duration as Go prints it: `1.2ms`.
pub fn go_duration(nanos: u64) -> String {
    let trim = |text: String| {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.to_owned()
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", trim(format!("{:.3}", nanos as f64 / 1e3))),
        1_000_000..1_000_000_000 => format!("{}ms", trim(format!("{:.6}", nanos as f64 / 1e6))),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = (nanos % 60_000_000_000) as f64 / 1e9;
            let seconds = trim(format!("{seconds:.9}"));
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
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
    fn durations_look_like_those_of_go() {
        for (nanos, text) in [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5µs"),
            (100_000, "100µs"),
            (1_234_000, "1.234ms"),
            (20_000_000, "20ms"),
            (2_000_000_000, "2s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(nanos), text);
        }
        assert_eq!(uptime(5), "5s");
        assert_eq!(uptime(65), "1m5s");
        assert_eq!(uptime(93_784), "1d2h3m4s");
    }
}
