//! L0: identifiers, limits and small containers that everything else stands on.
pub mod budget;
pub mod core_set;
pub mod deadlines;
pub mod duration;
pub mod id;
pub mod identity;
pub mod limits;
pub mod moment;
pub mod pages;
pub mod rng;
pub mod short;
pub mod shown;
pub mod slab;
pub mod slot_table;
pub mod text;
pub mod traffic;
pub mod width;
