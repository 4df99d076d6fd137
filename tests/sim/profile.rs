//! What differs between seeds: sizes, speeds, limits and habits.

use trunkline_core::base::limits::{Limits, WorkLimits};

use crate::clock::{MICROSECOND, MILLISECOND, Time};
use crate::dice::Dice;

/// The circumstances of one run.
#[derive(Debug)]
pub struct Profile {
    pub cores: usize,
    pub clients: usize,
    /// Things that each client does.
    pub acts: u64,
    /// Longest pause between two of them.
    pub act_gap_max: Time,
    /// Payloads up to this size now and then.
    pub payload_max: u64,
    pub large_percent: u64,
    /// Largest pieces in which bytes travel.
    pub pieces: &'static [u64],
    /// Sizes of kernel buffers.
    pub capacities: &'static [usize],
    /// Longest time until a pushed batch is seen, unless causality says so.
    pub visibility_max: Time,
    /// Longest time until a core that was woken runs.
    pub wake_max: Time,
    /// How often a core loses its processor between two steps, and for how long.
    pub preempt_percent: u64,
    pub preempt_max: Time,
    /// How often it does so where causality is at stake, and for how long:
    /// before the batch for another core, and between rings and sockets.
    /// Only one core does: if all of them did, none would overtake another.
    pub torn_core: usize,
    pub torn_percent: u64,
    pub torn_max: Time,
    /// How rarely it does so for really long.
    pub starve_one_in: u64,
    pub starve_max: Time,
    pub buffer_bytes: usize,
    pub turn_input: usize,
    /// Percent of acts that stop reading, and that end the connection.
    pub pause_percent: u64,
    pub pause_max: Time,
    pub leave_percent: u64,
    pub churn_percent: u64,
    /// Percent of acts that ask a service.
    pub request_percent: u64,
    /// Percent of acts that say CONNECT once more.
    pub reconnect_percent: u64,
    /// There are accounts, users and rights.
    pub has_policy: bool,
    /// Other policies that come while it runs.
    pub reloads: u64,
    /// Longest time of a check of a password.
    pub check_max: Time,
    /// The server sends PINGs.
    pub heartbeats: bool,
    /// Limits are so small that the server may close connections.
    pub is_tight: bool,
    pub limits: Limits,
}

impl Profile {
    pub fn new(seed: u64, dice: &mut Dice) -> Self {
        let is_large = dice.percent(20);
        let is_tight = dice.percent(20);
        let heartbeats = dice.percent(10) && !is_large;
        let mut limits = Limits {
            // A server that starves takes longer than usual to say what is due.
            write_deadline_ns: 1_000_000 * MILLISECOND,
            ..Limits::default()
        };
        if is_tight {
            limits.max_pending_bytes = dice.between(8 << 10, 4 << 20);
            limits.write_deadline_ns = dice.between(5, 200) * MILLISECOND;
        }
        if heartbeats {
            limits.ping_interval_ns = dice.between(10, 40) * MILLISECOND;
            // A server that takes a line a turn comes to a PONG behind thousands of
            // PINGs after long.
            limits.ping_max = 1_000_000;
        }
        let (pieces, capacities): (&[u64], &[usize]) = if is_large {
            (&[3_000, 20_000, 500_000], &[20_000, 200_000, 3_000_000])
        } else {
            let pieces: [&[u64]; 2] = [&[1, 4, 20, 300, 10_000], &[10_000]];
            (*dice.pick(&pieces), &[60, 400, 4_000, 100_000])
        };
        let starves = dice.percent(40);
        let has_policy = dice.percent(60);
        let cores = *dice.pick(&[1, 2, 2, 3, 3, 3, 4, 4, 8]);
        let mut profile = Self {
            cores,
            clients: dice.between(3, if is_large { 8 } else { 22 }) as usize,
            acts: dice.between(10, if is_large { 25 } else { 40 }),
            act_gap_max: *dice.pick(&[20, 200, 2_000]) * MICROSECOND,
            payload_max: if is_large { 300_000 } else { 400 },
            large_percent: if is_large { 30 } else { 3 },
            pieces,
            capacities,
            visibility_max: *dice.pick(&[0, 5, 50, 500]) * MICROSECOND,
            wake_max: *dice.pick(&[2, 20, 100]) * MICROSECOND,
            preempt_percent: *dice.pick(&[0, 5, 20]),
            preempt_max: *dice.pick(&[5, 50, 500]) * MICROSECOND,
            torn_core: dice.between(0, cores as u64 - 1) as usize,
            torn_percent: *dice.pick(&[0, 5, 25]),
            torn_max: *dice.pick(&[100, 3_000]) * MICROSECOND,
            starve_one_in: if starves {
                dice.between(20, 400)
            } else {
                u64::MAX
            },
            starve_max: *dice.pick(&[2, 20]) * MILLISECOND,
            buffer_bytes: *dice.pick(&[256, 4 << 10, 128 << 10]),
            turn_input: *dice.pick(&[100, 8 << 10, 512 << 10]),
            pause_percent: *dice.pick(&[0, 2, 6]),
            pause_max: *dice.pick(&[1, 30]) * MILLISECOND,
            leave_percent: *dice.pick(&[0, 1, 4]),
            churn_percent: *dice.pick(&[2, 10, 25]),
            request_percent: *dice.pick(&[10, 50]),
            reconnect_percent: *dice.pick(&[0, 1, 4]),
            has_policy,
            reloads: if has_policy { dice.between(0, 5) } else { 0 },
            check_max: *dice.pick(&[20, 500, 5_000]) * MICROSECOND,
            heartbeats,
            is_tight,
            limits,
        };
        profile.limits.work = work_limits(&mut Dice::new(seed, 5));
        if !has_policy && Dice::new(seed, 4).percent(30) {
            profile.relay_much();
        }
        profile
    }

    /// Much that depends on what others have just done, and one core that is
    /// often late with saying what it did: whoever overtakes it is noticed.
    fn relay_much(&mut self) {
        self.request_percent = 70;
        self.torn_percent = 25;
        self.torn_max = 3_000 * MICROSECOND;
        self.preempt_percent = 0;
        self.starve_one_in = u64::MAX;
        self.pause_percent = 0;
    }
}

/// Turns so short that everything is cut wherever it can be, in most runs.
fn work_limits(dice: &mut Dice) -> WorkLimits {
    let usual = WorkLimits::default();
    if dice.percent(30) {
        return usual;
    }
    let bulk_receivers = *dice.pick(&[0, 1, 3, 64]);
    let wide = *dice.pick(&[0, 1, 3, 4_096]);
    let step = *dice.pick(&[1, 2, 64]);
    let mut part = |usual: u64| *dice.pick(&[1, 100, 5_000, usual]);
    WorkLimits {
        mesh_ns: part(usual.mesh_ns),
        input_ns: part(usual.input_ns),
        slice_ns: part(usual.slice_ns),
        backlog_ns: part(usual.backlog_ns),
        send_ns: part(usual.send_ns),
        store_ns: usual.store_ns,
        fan_out_receivers: bulk_receivers.max(wide),
        bulk_receivers,
        unsent_bytes_max: *dice.pick(&[0, 200, 5_000, 16 << 20]),
        step,
        withdrawn_at_once: *dice.pick(&[0, 1, 64]),
    }
}
