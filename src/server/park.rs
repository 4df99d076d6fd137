//! Sleeping until something happens: the only place that waits.

use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use glommio::io::{PollState, PollableFd};
use glommio::timer::Timer;

/// Waits for a core's poller in the executor's ring.
pub struct Park {
    poller: PollableFd<OwnedFd>,
    /// The registration in the ring; it outlives a wait that a deadline ended.
    registration: PollState,
}

impl Park {
    /// Prepares for waiting on a poller; to be called on its executor.
    pub fn new(poller: OwnedFd) -> std::io::Result<Self> {
        Ok(Self {
            poller: PollableFd::new(poller)?,
            registration: PollState::new(),
        })
    }

    /// Returns when the poller has events (true) or after the time given.
    pub async fn wait(&mut self, at_most: Duration) -> std::io::Result<bool> {
        /// Beyond, a timer is not worth having.
        const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
        let mut timer = pin!((at_most < FOREVER).then(|| Timer::new(at_most)));
        std::future::poll_fn(|context| {
            let ready = self.poller.poll_readable(context, &mut self.registration);
            if let Poll::Ready(result) = ready {
                return Poll::Ready(result.map(|()| true).map_err(std::io::Error::from));
            }
            match timer.as_mut().as_pin_mut().map(|timer| timer.poll(context)) {
                Some(Poll::Ready(_)) => Poll::Ready(Ok(false)),
                _ => Poll::Pending,
            }
        })
        .await
    }
}
