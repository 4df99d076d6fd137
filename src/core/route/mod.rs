//! L2: who wants what, on this core and on the others.

pub mod budget;
pub mod cache;
pub mod filter;
mod groups;
pub mod interest;
pub mod interested;
mod lent;
pub mod mapped;
mod members;
pub mod receivers;
pub mod redirect;
pub mod rules;
pub mod subscription;
pub mod sweep;
mod verdicts;
