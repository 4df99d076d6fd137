//! Features of nats-server that a file can switch.

use std::collections::BTreeMap;

use super::Options;

/// The features that nats-server 2.15.3 can switch, all of them streams', and
/// whether they are on if nobody says anything.
const FEATURE_FLAGS: [(&str, bool); 4] = [
    ("js_ack_fc_v2", false),
    ("js_api_reply_v2", false),
    ("js_raft_delete_range", true),
    ("js_snapshot_sources", false),
];

impl Options {
    /// What monitoring says of features: the known ones, switched as asked.
    pub fn all_feature_flags(&self) -> BTreeMap<String, bool> {
        let flag = |(name, default): (&str, bool)| {
            let is_on = self.feature_flags.get(name).copied().unwrap_or(default);
            (name.to_owned(), is_on)
        };
        FEATURE_FLAGS.into_iter().map(flag).collect()
    }
}
