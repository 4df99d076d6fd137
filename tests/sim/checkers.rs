//! What must be true of every run: at each delivery, and at the end.

pub mod delivery;
pub mod ending;
pub mod rights;
