//! What an answer over the system account says, before it is put into words.

use serde_json::Value;

use crate::admin::parameters::Refused;

/// What an answer says.
pub enum Outcome {
    /// Nothing: the question is for somebody else.
    Silence,
    /// The whole answer, as it is.
    Bare(Value),
    /// Data after what is said of the server.
    Data(Value),
    /// That it has been done.
    Done,
    /// That the request is wrong.
    BadRequest(String),
    /// Why there is no data.
    NoData(String),
    /// Why it was not done.
    Failed(String),
}

impl From<Result<Value, Refused>> for Outcome {
    fn from(result: Result<Value, Refused>) -> Self {
        match result {
            Ok(data) => Self::Data(data),
            // A parameter of the wrong type is a wrong request here.
            Err(Refused(text)) if text.starts_with("Error decoding") => Self::BadRequest(text),
            Err(Refused(text)) => Self::NoData(text),
        }
    }
}
