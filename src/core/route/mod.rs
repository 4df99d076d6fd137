//! L2: who wants what, on this core and on the others.

pub mod cache;
pub mod interest;
pub mod redirect;
pub mod rules;
pub mod stub;
pub mod subscription;
pub mod wanted;
