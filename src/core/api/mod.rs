//! L5: the API of JetStream (`$JS.API.>`, ADR-1): requests in, decisions out.
//!
//! No state. What comes in is checked until it is a value that cannot be wrong; what goes
//! out is written as the reference server writes it.
//!
//! Not here: who has the streams.

pub mod answer;
pub mod consumer_config;
pub mod consumer_info;
pub mod consumer_names;
pub mod consumer_rules;
pub mod json;
pub mod request;
pub mod stream_config;
pub mod time_field;
mod words;
