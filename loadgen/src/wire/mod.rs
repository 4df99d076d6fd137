//! The client side of the NATS protocol: what goes out (`encode`), what comes in (`scan`), and the server's INFO.

pub mod encode;
pub mod info;
pub mod scan;
