//! What one worker counted in one phase.

use hdrhistogram::Histogram;

/// Longest latency recorded: a minute; longer ones count as a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Error texts kept; all are counted.
const ERROR_TEXTS_MAX: usize = 20;

/// A histogram for nanoseconds up to a minute, at three digits.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3).expect("the bounds are valid constants")
}

/// Counts of one worker.
pub struct Tally {
    /// Messages published; requests sent in reqrep.
    pub published: u64,
    /// Payload bytes published.
    pub published_bytes: u64,
    /// Messages received; replies received in reqrep.
    pub received: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
    /// Deliveries that were promised and did not come, counted per subscriber.
    pub lost: u64,
    /// Deliveries beyond what was promised.
    pub surplus: u64,
    /// Latency in nanoseconds.
    pub latency: Histogram<u64>,
    /// In an open loop: how late we sent, in nanoseconds.
    pub send_lag: Histogram<u64>,
    /// Errors, counted.
    pub errors: u64,
    /// The first few error texts.
    pub error_texts: Vec<String>,
    /// When the first message arrived, 0 if none did.
    pub first_ns: u64,
    /// When the last thing happened that belongs to the measured work.
    pub last_ns: u64,
    /// CPU time of this worker's thread.
    pub cpu_ns: u64,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Tally {
            published: 0,
            published_bytes: 0,
            received: 0,
            received_bytes: 0,
            lost: 0,
            surplus: 0,
            latency: new_histogram(),
            send_lag: new_histogram(),
            errors: 0,
            error_texts: Vec::new(),
            first_ns: 0,
            last_ns: 0,
            cpu_ns: 0,
        }
    }

    /// Counts an error and keeps its text if there is room.
    pub fn error(&mut self, text: String) {
        self.errors += 1;
        if self.error_texts.len() < ERROR_TEXTS_MAX && !self.error_texts.contains(&text) {
            self.error_texts.push(text);
        }
    }

    /// Adds what another worker counted.
    pub fn merge(&mut self, other: &Tally) {
        self.published += other.published;
        self.published_bytes += other.published_bytes;
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.lost += other.lost;
        self.surplus += other.surplus;
        self.latency
            .add(&other.latency)
            .expect("all histograms have the same bounds");
        self.send_lag
            .add(&other.send_lag)
            .expect("all histograms have the same bounds");
        self.errors += other.errors;
        for text in &other.error_texts {
            if self.error_texts.len() < ERROR_TEXTS_MAX && !self.error_texts.contains(text) {
                self.error_texts.push(text.clone());
            }
        }
        self.first_ns = [self.first_ns, other.first_ns]
            .into_iter()
            .filter(|time| *time > 0)
            .min()
            .unwrap_or(0);
        self.last_ns = self.last_ns.max(other.last_ns);
        self.cpu_ns += other.cpu_ns;
    }
}
