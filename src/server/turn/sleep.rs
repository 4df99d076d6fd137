//! What a core does that has nothing to do: it naps in the middle of a load, sleeps in its poller at
//! first, and in the executor once it stays idle.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::thread::nanosleep;
use rustix::time::Timespec;

use super::Core;
use super::pacing::NAP_NS;
use crate::executor::Park;
use crate::memory;

/// How long a core sleeps in its poller before it sleeps in the executor.
const SHALLOW_SLEEP_NS: u64 = 20_000_000;

/// How long a core is idle before it gives back memory.
const TRIM_AFTER_NS: u64 = 2_000_000_000;

impl Core {
    /// Sleeps until there is something to do; returns the number of events.
    /// The first moment of sleep is in the poller: waking from there is one
    /// system call, which brings the events, where waking from the executor's
    /// rings takes six (see `tuning/`). Only a core that stays idle, and then
    /// does not mind, sleeps in the executor.
    pub(super) async fn sleep(&mut self, park: &mut Park) -> io::Result<usize> {
        if self.pacing.begin_sleep(self.now()) {
            let events = self.nap()?;
            if events > 0 {
                return Ok(events);
            }
        }
        let bell = Arc::clone(&self.shared);
        let bell = &bell.doorbells[self.id.index()];
        bell.park();
        let mut events = 0;
        if !self.rings.has_work() && !self.has_letters() && !self.is_stopping() {
            let now = self.now();
            self.meter.end_turn(now);
            let wait_ns = self.next_deadline().since_ns(now);
            let shallow_ns = wait_ns.min(SHALLOW_SLEEP_NS);
            events = self.poller.take(Duration::from_nanos(shallow_ns))?;
            if events == 0 && wait_ns > shallow_ns && !self.rings.has_work() && !self.has_letters()
            {
                self.sleep_deeply(park, wait_ns - shallow_ns).await?;
                events = self.poller.take(Duration::ZERO)?;
            }
        }
        bell.unpark();
        Ok(events)
    }

    /// Lets input gather for a moment. Nobody can wake the core meanwhile; what other cores
    /// or threads want is seen afterwards.
    fn nap(&mut self) -> io::Result<usize> {
        self.meter.end_turn(self.now());
        let nap = Timespec {
            tv_sec: 0,
            tv_nsec: NAP_NS as i64,
        };
        // A signal ends it early, which is as well.
        let _ = nanosleep(&nap);
        let events = self.poller.take(Duration::ZERO)?;
        if events == 0 {
            self.pacing.note_empty_nap();
        }
        Ok(events)
    }

    /// Sleeps in the executor; a core that is still idle after a while gives
    /// back the memory of its last busy time.
    async fn sleep_deeply(&mut self, park: &mut Park, wait_ns: u64) -> io::Result<()> {
        let first_ns = wait_ns.min(TRIM_AFTER_NS);
        let is_over = park.wait(Duration::from_nanos(first_ns)).await?;
        if !is_over && wait_ns > first_ns {
            if self.shard.trim() {
                memory::give_back();
            }
            park.wait(Duration::from_nanos(wait_ns - first_ns)).await?;
        }
        Ok(())
    }
}
