//! L5: the API of JetStream (`$JS.API.>`, ADR-1): requests in, decisions out.
//!
//! No state. What comes in is checked until it is a value that cannot be wrong; what goes
//! out is written as the reference server writes it.
//!
//! Not here: who has the streams.

pub mod account_answer;
pub mod answer;
pub mod compile;
pub mod consumer_answers;
pub mod consumer_config;
pub mod consumer_info;
pub mod consumer_names;
pub mod consumer_rules;
pub mod direct_get;
pub mod json;
mod json_fields;
pub mod message_answers;
pub mod message_query;
pub mod request;
pub mod stream_answers;
pub mod stream_change;
mod stream_checks;
pub mod stream_config;
pub mod stream_requests;
pub mod stream_state;
pub mod time_field;
mod words;

/// The level of the API that is served (ADR-44).
pub const API_LEVEL: u32 = 5;
