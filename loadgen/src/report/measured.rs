//! What is measured in one phase of load, before a report is made of it.

use crate::engine::tally::Tally;
use crate::procstat::Spent;
use crate::report::figures::{Curve, Figure, Sample};

/// Numbers of one phase.
pub struct Measured {
    /// Sums over the workers.
    pub total: Tally,
    /// From the first send to the last receipt or confirmation.
    pub seconds: f64,
    /// CPU time of the busiest worker as a share of the time.
    pub busiest: f64,
    /// CPU time of all workers as a share of what their CPUs could give.
    pub busy: f64,
    /// What the server has spent.
    pub server_spent: Option<Spent>,
    /// Its CPU time as a share of what its CPUs could give.
    pub server_busy: Option<f64>,
    /// Counts over time.
    pub series: Vec<Sample>,
    /// Percentile curves.
    pub curves: Vec<Curve>,
    /// Figures of the plan alone.
    pub figures: Vec<Figure>,
}
