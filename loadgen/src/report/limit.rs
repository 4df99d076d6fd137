//! Who was the limit: the load generator or the server.

use crate::report::measured::Measured;

/// A thread this busy has no time left.
const BUSY: f64 = 0.95;
/// In an open loop, sending later than this at p99 means that we did not keep the schedule.
const LAG_US_MAX: f64 = 1000.0;

/// Whether loadgen was the limit, and the reason in words.
pub fn limit(measured: &Measured, open_loop: bool) -> (bool, String) {
    if open_loop {
        let lag_us = measured.total.send_lag.value_at_quantile(0.99) as f64 / 1e3;
        return match lag_us > LAG_US_MAX {
            true => (
                true,
                format!(
                    "the schedule was not kept: p99 of the sends was {lag_us:.0} µs late; latencies include that"
                ),
            ),
            false => (false, "the schedule was kept".into()),
        };
    }
    let percent = |share: f64| share * 100.0;
    let ours = measured.busiest.max(measured.busy);
    if ours < BUSY {
        let server = match measured.server_busy {
            Some(busy) if busy < BUSY => format!(", the server was at {:.0} %", percent(busy)),
            Some(busy) => format!("; the server was the limit, at {:.0} %", percent(busy)),
            None => String::new(),
        };
        return (
            false,
            format!(
                "loadgen had CPU time left (busiest thread {:.0} %){server}",
                percent(ours)
            ),
        );
    }
    match measured.server_busy {
        Some(busy) if busy < BUSY => (
            true,
            format!(
                "loadgen used {:.0} % of its CPU while the server was at {:.0} %",
                percent(ours),
                percent(busy)
            ),
        ),
        Some(busy) => (
            false,
            format!(
                "both were busy: loadgen {:.0} %, server {:.0} %",
                percent(ours),
                percent(busy)
            ),
        ),
        None => (
            true,
            format!(
                "loadgen used {:.0} % of its CPU and may have been the limit; give --server-pid to know about the server",
                percent(ours)
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tally::Tally;

    fn measured(busiest: f64, server_busy: Option<f64>) -> Measured {
        Measured {
            total: Tally::new(),
            seconds: 1.0,
            busiest,
            busy: busiest,
            server_spent: None,
            server_busy,
            series: Vec::new(),
            curves: Vec::new(),
            figures: Vec::new(),
        }
    }

    #[test]
    fn loadgen_is_the_limit_only_when_busy_while_the_server_is_not() {
        assert!(limit(&measured(0.99, Some(0.5)), false).0);
        assert!(!limit(&measured(0.99, Some(0.99)), false).0);
        assert!(!limit(&measured(0.5, Some(0.5)), false).0);
        assert!(limit(&measured(0.99, None), false).0);
        assert!(!limit(&measured(0.99, None), true).0, "an open loop spins");
        let mut late = measured(0.1, None);
        late.total.send_lag.saturating_record(5_000_000);
        assert!(limit(&late, true).0);
    }
}
