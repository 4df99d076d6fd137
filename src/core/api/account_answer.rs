//! What an account has of JetStream, and may have (`$JS.API.INFO`).

use serde::Serialize;

use super::API_LEVEL;
use super::answer::answer;

/// Limits of an account; -1 where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct AccountLimits {
    /// Bytes in memory.
    pub max_memory: i64,
    /// Bytes on disk.
    pub max_storage: i64,
    /// Streams.
    pub max_streams: i64,
    /// Consumers.
    pub max_consumers: i64,
    /// Messages of a consumer that wait for an acknowledgement.
    pub max_ack_pending: i64,
    /// Bytes of a stream in memory.
    pub memory_max_stream_bytes: i64,
    /// Bytes of a stream on disk.
    pub storage_max_stream_bytes: i64,
    /// Whether a stream must say how many bytes it may take.
    pub max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

/// What an account has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct AccountUsage {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Bytes in memory that its streams may come to have.
    pub reserved_memory: u64,
    /// Bytes on disk that its streams may come to have.
    pub reserved_storage: u64,
    /// Streams.
    pub streams: usize,
    /// Consumers.
    pub consumers: usize,
}

/// Requests that an account has made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ApiCounts {
    /// All of them.
    pub total: u64,
    /// Those that could not be served.
    pub errors: u64,
    /// Those that are not answered yet.
    pub inflight: u64,
}

/// The answer to `INFO`.
#[must_use]
pub fn account_info(
    usage: &AccountUsage,
    domain: &str,
    limits: &AccountLimits,
    api: ApiCounts,
) -> String {
    #[derive(Serialize)]
    struct Api {
        level: u32,
        total: u64,
        errors: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        inflight: Option<u64>,
    }
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        usage: &'a AccountUsage,
        limits: &'a AccountLimits,
        #[serde(skip_serializing_if = "str::is_empty")]
        domain: &'a str,
        api: Api,
    }
    let api = Api {
        level: API_LEVEL,
        total: api.total,
        errors: api.errors,
        inflight: Some(api.inflight).filter(|&inflight| inflight > 0),
    };
    let said = Said {
        usage,
        limits,
        domain,
        api,
    };
    answer("account_info", said)
}
