//! L5: the API of JetStream (`$JS.API.>`, ADR-1): requests in, decisions out.
//!
//! No state. What comes in is checked until it is a value that cannot be wrong; what goes
//! out is written as the reference server writes it.
//!
//! Not here: who has the streams.

pub mod answer;
pub mod json;
pub mod request;
pub mod stream_config;
mod words;
