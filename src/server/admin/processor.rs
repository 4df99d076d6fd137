//! Processor time of the process in percent of one CPU, measured second by second
//! whoever looks, as nats-server does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::background;

/// Between two measurements.
const INTERVAL: Duration = Duration::from_secs(1);

/// How busy the process was in the last second.
#[derive(Clone, Default)]
pub struct Processor {
    /// Tenths of a percent.
    busy: Arc<AtomicU64>,
}

impl Processor {
    /// Starts to measure; ends with the process.
    ///
    /// # Errors
    /// There can be no more threads.
    pub fn start() -> std::io::Result<Self> {
        let processor = Self::default();
        let measured = processor.clone();
        std::thread::Builder::new()
            .name("processor".to_owned())
            .spawn(move || {
                background::step_back();
                measured.measure();
            })?;
        Ok(processor)
    }

    fn measure(&self) {
        let mut last = (Instant::now(), seconds());
        loop {
            std::thread::sleep(INTERVAL);
            let now = (Instant::now(), seconds());
            let elapsed = now.0.duration_since(last.0).as_secs_f64();
            let tenths = (now.1 - last.1) / elapsed * 1000.0;
            // A number that is too large becomes the largest, one that is none zero.
            self.busy.store(tenths.round() as u64, Ordering::Relaxed);
            last = now;
        }
    }

    /// In percent of one CPU, with one decimal.
    pub fn percent(&self) -> f64 {
        self.busy.load(Ordering::Relaxed) as f64 / 10.0
    }
}

/// Processor time of this process in seconds.
pub fn seconds() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
}
