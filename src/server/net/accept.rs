//! Accepting connections and spreading them over the cores.
//!
//! The first core listens and gives each connection to the core that has the
//! fewest, so that cores are evenly filled whatever ports the clients come
//! from; `SO_REUSEPORT` would spread by hash and hide a second server on the
//! same port. Connections go in twos: those that come one after the other often
//! talk to each other, and between cores that takes two more wake-ups. When the process runs out of descriptors accepting pauses, says
//! so, and goes on by itself.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::net::{SocketFlags, sockopt};
use tracing::{error, info};
use trunkline_core::base::id::Nanos;

use super::socket::{Accepted, Door};
use crate::mesh::Shared;

/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long accepting pauses after a failure, at first and at most.
const PAUSE_NS: (u64, u64) = (10_000_000, 1_000_000_000);

/// A listening socket of the first core.
pub struct Acceptor {
    door: Door,
    listener: TcpListener,
    connections_max: usize,
    /// The core that got the last connection.
    last_core: usize,
    paused_until: Option<Nanos>,
    pause_ns: u64,
    pauses: u64,
}

/// What accepting led to.
pub enum Step {
    /// A connection for a core.
    For(usize, Accepted),
    /// Nobody else is waiting.
    Idle,
    /// Accepting failed: the listener must not be polled until the pause ends.
    Paused,
}

impl Acceptor {
    /// Takes over a listening socket.
    pub fn new(door: Door, listener: TcpListener, connections_max: usize) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            door,
            listener,
            connections_max,
            last_core: 0,
            paused_until: None,
            pause_ns: PAUSE_NS.0,
            pauses: 0,
        })
    }

    /// Changes how many connections there may be.
    pub fn set_connections_max(&mut self, connections_max: usize) {
        self.connections_max = connections_max;
    }

    /// What is spoken behind it.
    pub fn door(&self) -> Door {
        self.door
    }

    /// The listening socket.
    pub fn listener(&self) -> &TcpListener {
        &self.listener
    }

    /// How many connections may be taken in one turn.
    pub fn per_turn() -> usize {
        ACCEPTS_PER_TURN
    }

    /// How often accepting has failed and paused.
    pub fn pauses(&self) -> u64 {
        self.pauses
    }

    /// When accepting goes on after a failure.
    pub fn paused_until(&self) -> Nanos {
        self.paused_until.unwrap_or(Nanos::NEVER)
    }

    /// Whether a pause is over; the listener must be polled again.
    pub fn ends_pause(&mut self, now: Nanos) -> bool {
        let is_over = self.paused_until.is_some_and(|until| until <= now);
        if is_over {
            self.paused_until = None;
        }
        is_over
    }

    /// Accepts one connection.
    pub fn accept(&mut self, now: Nanos, shared: &Shared) -> Step {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            match rustix::net::acceptfrom_with(&self.listener, flags) {
                Ok((fd, peer)) => {
                    if self.pause_ns > PAUSE_NS.0 {
                        info!("Accepting client connections again");
                        self.pause_ns = PAUSE_NS.0;
                    }
                    let Some(peer) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()) else {
                        continue;
                    };
                    // Neither option is vital, and the peer may be gone by now.
                    let _ = sockopt::set_tcp_nodelay(&fd, true);
                    let _ = sockopt::set_socket_keepalive(&fd, true);
                    // IPv4 clients of a listener for both are known by their own address.
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    return self.place(shared, fd, peer);
                }
                Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => {}
                Err(Errno::AGAIN) => return Step::Idle,
                Err(failure) => return self.pause(now, failure),
            }
        }
    }

    fn place(&mut self, shared: &Shared, fd: rustix::fd::OwnedFd, peer: SocketAddr) -> Step {
        let bells = &shared.doorbells;
        let counts = bells
            .iter()
            .map(|bell| bell.connections.load(Ordering::Relaxed));
        let total: usize = counts.clone().sum();
        let core = choose_core(counts, self.last_core);
        self.last_core = core;
        bells[core].connections.fetch_add(1, Ordering::Relaxed);
        let accepted = Accepted {
            door: self.door,
            fd,
            peer,
            client_id: shared.last_client_id.fetch_add(1, Ordering::Relaxed) + 1,
            is_over_limit: total >= self.connections_max,
        };
        Step::For(core, accepted)
    }

    fn pause(&mut self, now: Nanos, failure: Errno) -> Step {
        let pause_ns = self.pause_ns;
        self.pauses += 1;
        error!(
            "Temporary Client Accept Error ({failure}), sleeping {}ms{}",
            pause_ns / 1_000_000,
            if matches!(failure, Errno::MFILE | Errno::NFILE) {
                ": too few file descriptors, raise the limit (ulimit -n)"
            } else {
                ""
            }
        );
        self.pause_ns = (pause_ns * 2).min(PAUSE_NS.1);
        self.paused_until = Some(now.after_ns(pause_ns));
        Step::Paused
    }
}

/// The core with the fewest connections, unless the last one to get a
/// connection can still make it a pair.
fn choose_core(mut counts: impl Iterator<Item = usize> + Clone, last: usize) -> usize {
    let (emptiest, fewest) = counts
        .clone()
        .enumerate()
        .min_by_key(|&(_, count)| count)
        .expect("there is at least one core");
    let of_last = counts.nth(last).unwrap_or(0);
    if of_last % 2 == 1 && of_last == fewest + 1 {
        last
    } else {
        emptiest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_evenly_in_pairs() {
        let mut counts = [0usize; 3];
        let mut last = 0;
        let mut order = Vec::new();
        for _ in 0..12 {
            last = choose_core(counts.iter().copied(), last);
            counts[last] += 1;
            order.push(last);
            let (fewest, most) = (counts.iter().min(), counts.iter().max());
            assert!(most <= fewest.map(|count| count + 2).as_ref());
        }
        assert_eq!(order, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
        // After connections have gone, the emptiest comes first again.
        assert_eq!(choose_core([3, 1, 4].into_iter(), 0), 1);
    }
}
