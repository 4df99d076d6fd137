//! The runs of the plans, one file per kind of work.

pub mod consume;
mod fill;
pub mod get;
pub mod objects;
pub mod publish;

pub use fill::FILLERS_MAX;
