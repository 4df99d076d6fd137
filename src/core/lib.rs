//! The pure core of Trunkline.
