//! A noisy neighbour: a thread that is always busy, on a CPU that a server would like for itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::pin;

/// It ends after this long, whoever forgets it.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Turns of the loop between two looks at the clock.
const TURNS: u32 = 10_000;

/// The thread.
pub struct Neighbour {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), String>>,
}

impl Neighbour {
    /// Starts it on `cpu`.
    pub fn start(cpu: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            pin::pin_current_thread(cpu)
                .map_err(|error| format!("cannot use CPU {cpu}: {error}"))?;
            let begin = Instant::now();
            while !stopped.load(Relaxed) && begin.elapsed() < TIME_MAX {
                (0..TURNS).for_each(|_| std::hint::spin_loop());
            }
            Ok(())
        });
        Neighbour { stop, thread }
    }

    /// Ends it.
    pub fn stop(self) -> Result<(), String> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| "the neighbour panicked")?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procstat::Snapshot;

    #[test]
    fn it_is_busy_until_it_is_stopped() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let before = Snapshot::take(pid).unwrap();
        let neighbour = Neighbour::start(pin::first_available().unwrap());
        while Snapshot::take(pid).unwrap().since(&before).cpu_ns < 20_000_000 {}
        neighbour.stop().unwrap();
        assert!(Neighbour::start(usize::MAX >> 1).stop().is_err());
    }
}
