//! One subscribing connection: counts, or looks into every message for latency and verification.

use crate::engine::tally::Tally;
use crate::stamp::Stamp;
use crate::verify::Verifier;
use crate::wire::scan::{Control, CountScanner, Message, MessageScanner, Sink, WireError};

/// A subscriber.
pub struct Subscriber {
    /// The group it belongs to.
    pub group: usize,
    mode: Mode,
    /// Messages received in this phase.
    pub received: u64,
    /// The last PING of the phase is out.
    pub barrier_sent: bool,
    /// … and was answered.
    pub barrier_passed: bool,
}

enum Mode {
    Count(CountScanner),
    Look {
        latency: bool,
        verifier: Option<Box<Verifier>>,
    },
}

/// Control lines met while scanning.
#[derive(Default)]
pub struct Controls {
    /// PINGs, to be answered.
    pub pings: u32,
    /// PONGs.
    pub pongs: u32,
    /// Texts of `-ERR`.
    pub errors: Vec<String>,
}

impl Controls {
    /// Takes one control line.
    pub fn take(&mut self, control: Control<'_>) {
        match control {
            Control::Ping => self.pings += 1,
            Control::Pong => self.pongs += 1,
            Control::Error(text) => self.errors.push(String::from_utf8_lossy(text).into_owned()),
            Control::Ok | Control::Info => {}
        }
    }
}

impl Subscriber {
    /// One that only counts.
    pub fn counting(group: usize) -> Self {
        Self::with(group, Mode::Count(CountScanner::default()))
    }

    /// One that reads stamps, for latency or verification or both.
    pub fn looking(group: usize, latency: bool, verifier: Option<Verifier>) -> Self {
        Self::with(
            group,
            Mode::Look {
                latency,
                verifier: verifier.map(Box::new),
            },
        )
    }

    fn with(group: usize, mode: Mode) -> Self {
        Subscriber {
            group,
            mode,
            received: 0,
            barrier_sent: false,
            barrier_passed: false,
        }
    }

    /// Begins a phase.
    pub fn restart(&mut self) {
        self.received = 0;
        self.barrier_sent = false;
        self.barrier_passed = false;
    }

    /// The verifier, if it has one.
    pub fn verifier(&self) -> Option<&Verifier> {
        match &self.mode {
            Mode::Look { verifier, .. } => verifier.as_deref(),
            Mode::Count(_) => None,
        }
    }

    /// Takes received bytes; returns how many were used.
    pub fn scan(
        &mut self,
        bytes: &[u8],
        now_ns: u64,
        tally: &mut Tally,
        controls: &mut Controls,
    ) -> Result<usize, WireError> {
        match &mut self.mode {
            Mode::Count(scanner) => {
                let (messages, payload_bytes) = (scanner.messages, scanner.payload_bytes);
                let used = scanner.scan(bytes, |control| controls.take(control))?;
                self.received += scanner.messages - messages;
                tally.received += scanner.messages - messages;
                tally.received_bytes += scanner.payload_bytes - payload_bytes;
                Ok(used)
            }
            Mode::Look { latency, verifier } => {
                let before = tally.received;
                let latency = *latency;
                let used = MessageScanner::scan(
                    bytes,
                    &mut Look {
                        latency,
                        verifier,
                        now_ns,
                        tally,
                        controls,
                    },
                )?;
                self.received += tally.received - before;
                Ok(used)
            }
        }
    }
}

struct Look<'a> {
    latency: bool,
    verifier: &'a mut Option<Box<Verifier>>,
    now_ns: u64,
    tally: &'a mut Tally,
    controls: &'a mut Controls,
}

impl Sink for Look<'_> {
    fn message(&mut self, message: &Message<'_>) {
        self.tally.received += 1;
        self.tally.received_bytes += message.payload.len() as u64;
        if self.latency
            && let Some(stamp) = Stamp::read(message.payload)
        {
            self.tally
                .latency
                .saturating_record(self.now_ns.saturating_sub(stamp.time_ns).max(1));
        }
        if let Some(verifier) = self.verifier {
            verifier.check(message);
        }
    }

    fn control(&mut self, control: Control<'_>) {
        self.controls.take(control);
    }
}
