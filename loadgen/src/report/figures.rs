//! The figures that reports are made of: percentiles, curves, samples over time.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Median.
    pub p50_us: f64,
    /// 90 %.
    pub p90_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p99_9_us: f64,
    /// The longest.
    pub max_us: f64,
    /// The average.
    pub mean_us: f64,
    /// How many were measured.
    pub samples: u64,
}

/// One point of a percentile curve.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    /// Share of the samples that were not slower, below 1.
    pub quantile: f64,
    /// How slow that is.
    pub latency_us: f64,
}

/// Points of a percentile curve per halving of the remaining share.
const POINTS_PER_HALVING: u32 = 4;

/// Points of a histogram that is not empty, dense towards 1.
fn points(histogram: &Histogram<u64>) -> Vec<Point> {
    let halvings = 64 - histogram.len().leading_zeros();
    (0..=halvings * POINTS_PER_HALVING)
        .map(|step| {
            let rest = (-f64::from(step) / f64::from(POINTS_PER_HALVING)).exp2();
            Point {
                quantile: 1.0 - rest,
                latency_us: histogram.value_at_quantile(1.0 - rest) as f64 / 1e3,
            }
        })
        .collect()
}

/// A percentile curve with its name.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// What was measured.
    pub name: String,
    /// Its percentiles.
    pub latency: Latency,
    /// From the median's left to the slowest.
    pub points: Vec<Point>,
}

impl Curve {
    /// Of a histogram of nanoseconds; `None` when it is empty.
    pub fn of(name: &str, histogram: &Histogram<u64>) -> Option<Self> {
        Some(Curve {
            name: name.into(),
            latency: Latency::of(histogram)?,
            points: points(histogram),
        })
    }
}

/// Counts at one moment of a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Since the start of the measurement.
    pub seconds: f64,
    /// Messages published until then.
    pub published: u64,
    /// Deliveries received until then.
    pub received: u64,
}

/// A count of samples.
pub type Count = fn(&Sample) -> u64;

/// Less between two samples is too short to tell a rate.
const INTERVAL_S_MIN: f64 = 5e-3;

/// A count over time as rates: seconds, and how many per second until then.
pub fn rates(series: &[Sample], count: Count) -> Vec<[f64; 2]> {
    let is_apart = |pair: &&[Sample]| pair[1].seconds - pair[0].seconds > INTERVAL_S_MIN;
    let rate = |pair: &[Sample]| {
        let messages = count(&pair[1]).saturating_sub(count(&pair[0]));
        [
            pair[1].seconds,
            messages as f64 / (pair[1].seconds - pair[0].seconds),
        ]
    };
    series.windows(2).filter(is_apart).map(rate).collect()
}

/// A figure that only some plans have.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its value; `None` when the server does not offer what it is read from.
    pub value: Option<f64>,
}

impl Latency {
    /// Of a histogram of nanoseconds; `None` when it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        (!histogram.is_empty()).then(|| Latency {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: histogram.max() as f64 / 1e3,
            mean_us: histogram.mean() / 1e3,
            samples: histogram.len(),
        })
    }
}
