//! What an attack works with: a server, how large to be and how long, and the moment from which it counts.

use std::time::{Duration, Instant};

use crate::crowds::bystander::Bystanders;
use crate::crowds::lane::Lane;
use crate::crowds::readers::Readers;
use crate::net::conn::Connection;
use crate::net::connect;
use crate::net::target::{ServerArgs, Target};
use crate::procstat::Snapshot;

/// The user of attackers without a user of their own, in rows that have users.
pub const USER: (&str, &str) = ("crowd", "crowd-password");

/// How long an attack lasts at scale 1.
const TIME: Duration = Duration::from_secs(4);
/// The shortest attack, however small the scale.
const TIME_MIN: Duration = Duration::from_millis(100);
/// How long setting up may take for one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// The stage of one attack on one server.
pub struct Scene<'a> {
    server: &'a ServerArgs,
    pid: i32,
    bystanders: &'a Bystanders,
    scale: f64,
    record: Option<Record>,
}

/// What is known of an attack that has begun.
pub struct Record {
    /// When.
    pub at: Instant,
    /// What the server had spent until then.
    pub spent: Option<Snapshot>,
    /// Receivers that the server has cut since.
    pub cut: u64,
}

impl<'a> Scene<'a> {
    /// A scene in which nothing has happened, with the server of process `pid`.
    pub fn new(server: &'a ServerArgs, pid: i32, bystanders: &'a Bystanders, scale: f64) -> Self {
        Scene {
            server,
            pid,
            bystanders,
            scale,
            record: None,
        }
    }

    /// `number` at this scale, at least 1.
    pub fn scaled(&self, number: usize) -> usize {
        scaled(number, self.scale)
    }

    /// Everything is set up: from now on bystanders' waits, CPU time and progress count. Returns the attack's end.
    pub fn begin(&mut self) -> Instant {
        let spent = Snapshot::take(self.pid);
        let at = Instant::now();
        self.bystanders.measure();
        let cut = 0;
        self.record = Some(Record { at, spent, cut });
        at + TIME.mul_f64(self.scale).max(TIME_MIN)
    }

    /// Lets receivers go, and notes how many of them the server has cut.
    pub fn release(&mut self, readers: Readers) -> Result<(), String> {
        let cut = readers.stop()?;
        if let Some(record) = &mut self.record {
            record.cut += cut;
        }
        Ok(())
    }

    /// What is known of the attack, if it has begun.
    pub fn into_record(self) -> Option<Record> {
        self.record
    }

    /// The listener of the row, as the usual user.
    pub fn target(&self) -> Result<Target, String> {
        self.server.target()
    }

    /// The same, as another user.
    pub fn target_as(&self, user: &str) -> Result<Target, String> {
        let mut server = self.server.clone();
        (server.user, server.password) = (Some(user.into()), Some(USER.1.into()));
        server.target()
    }

    /// Connects one attacker.
    pub fn open(&self) -> Result<Lane, String> {
        Lane::open(&self.target()?)
    }

    /// Connects `count` attackers.
    pub fn open_many(&self, count: usize) -> Result<Vec<Connection>, String> {
        Ok(connect::connect_all(&self.target()?, "loadgen attacker", count)?.0)
    }

    /// Sends what sets an attack up, and waits until the server has worked it off.
    pub fn prepare(&self, lane: &mut Lane, bytes: &[u8]) -> Result<(), String> {
        match lane.exchange(bytes, Instant::now() + PATIENCE)? {
            true => Ok(()),
            false => Err(format!(
                "setting up took longer than {} s",
                PATIENCE.as_secs()
            )),
        }
    }
}

/// `number` times `scale`, at least 1.
pub fn scaled(number: usize, scale: f64) -> usize {
    ((number as f64 * scale) as usize).max(1)
}
