//! Counts under way, while messages come and go: by the table of subjects if everything
//! counts, by messages otherwise. What was counted already changes with what happens.

/// A count under way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preparation {
    /// Of all messages of the subjects that match; those before `number` are done.
    Count { number: u32 },
    /// Of the messages before `until`, it included, that match; those before `at` are
    /// done.
    Scan { at: u64, until: u64 },
    /// Of the last messages of subjects that match. Then what was seen is counted, up
    /// to `until`.
    List { number: u32, until: u64 },
    /// For the last message of all subjects that match, up to `until`.
    Last { number: u32, best: u64, until: u64 },
}

impl Preparation {
    pub fn of_count() -> Self {
        Self::Count { number: 0 }
    }

    pub fn of_scan(from: u64, until: u64) -> Self {
        Self::Scan { at: from, until }
    }

    pub fn of_list(until: u64) -> Self {
        Self::List { number: 0, until }
    }

    pub fn of_last(until: u64) -> Self {
        Self::Last {
            number: 0,
            best: 0,
            until,
        }
    }

    /// Whether a new message is counted when its subject is.
    pub fn will_meet(&self, of_number: u32) -> bool {
        matches!(self, Self::Count { number } if of_number >= *number)
    }

    /// Whether a message that is gone was counted.
    pub fn has_met(&self, sequence: u64, of_number: u32) -> bool {
        match *self {
            Self::Count { number } => of_number < number,
            Self::Scan { at, until } => sequence < at || sequence > until,
            Self::List { until, .. } | Self::Last { until, .. } => sequence > until,
        }
    }
}
