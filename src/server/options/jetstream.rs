//! The settings of a `jetstream {}` block: whether streams are kept, where, and how much of them.

use std::env;
use std::path::{Path, PathBuf};

use trunkline_core::base::id::AccountId;
use trunkline_core::base::shown::{duration, quoted};
use trunkline_core::session::policy::Policy;

use super::address::Refusal;
use crate::program;

/// Memory for what is read from the store, over all cores, unless that is said.
const READ_CACHE_BYTES: u64 = 256 << 20;

/// How often nats-server flushes, unless that is said: what a file may ask for without any effect here.
const SYNC_INTERVAL_NS: u64 = 120_000_000_000;

/// Requests that may wait, unless that is said (NATS 2.15).
const QUEUE_LIMIT: i64 = 10_000;

/// Operations on files at a time, unless that is said (NATS 2.15).
const CONCURRENT_IO: i64 = 4096;

/// What a file and the flags asked for.
#[derive(Clone, Debug, Default)]
pub struct RequestedJetStream {
    /// `None`: nobody has said.
    pub is_enabled: Option<bool>,
    /// Everything else.
    pub settings: JetStreamSettings,
}

/// What a block says; numbers as nats-server reads them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JetStreamSettings {
    /// Bytes of streams in memory; `None`: three quarters of the memory.
    pub memory_bytes_max: Option<u64>,
    /// Bytes of streams on disk; `None`: three quarters of what is free.
    pub storage_bytes_max: Option<u64>,
    /// The name under which the API can be reached from elsewhere; empty: none.
    pub domain: String,
    /// Requests with fields that nobody knows are refused.
    pub is_strict: bool,
    /// `sync_interval: always`.
    pub syncs_always: bool,
    /// `sync_interval`, which changes nothing: every message is durable before it is acknowledged.
    pub sync_interval_ns: u64,
    /// A prefix of tags of which replicas have different ones.
    pub unique_tag: String,
    /// Words for those who manage this server from outside.
    pub extension_hint: String,
    /// Of no effect without a cluster, in bytes.
    pub max_outstanding_catchup: i64,
    /// Of no effect without a cluster.
    pub max_buffered_messages: i64,
    /// Of no effect without a cluster.
    pub max_buffered_bytes: i64,
    /// Requests to the API that may wait.
    pub request_queue_limit: i64,
    /// Questions about streams that may wait.
    pub info_queue_limit: i64,
    /// Of no effect: cores do not wait for files.
    pub max_concurrent_io: i64,
    /// What streams and consumers may ask for.
    pub limits: JetStreamLimits,
    /// Memory for what is read from the store, over all cores.
    pub read_cache_bytes: u64,
}

impl Default for JetStreamSettings {
    fn default() -> Self {
        Self {
            memory_bytes_max: None,
            storage_bytes_max: None,
            domain: String::new(),
            is_strict: true,
            syncs_always: false,
            sync_interval_ns: SYNC_INTERVAL_NS,
            unique_tag: String::new(),
            extension_hint: String::new(),
            max_outstanding_catchup: 0,
            max_buffered_messages: 0,
            max_buffered_bytes: 0,
            request_queue_limit: QUEUE_LIMIT,
            info_queue_limit: QUEUE_LIMIT,
            max_concurrent_io: CONCURRENT_IO,
            limits: JetStreamLimits::default(),
            read_cache_bytes: READ_CACHE_BYTES,
        }
    }
}

/// `limits` of the block, as written; 0: the default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct JetStreamLimits {
    /// Messages that a consumer may leave unacknowledged.
    pub max_ack_pending: i64,
    /// Streams and consumers of one server that have replicas.
    pub max_ha_assets: i64,
    /// Messages that a pull request may ask for.
    pub max_request_batch: i64,
    /// Consumers of a stream that says nothing of them.
    pub default_max_consumers: i64,
    /// Time within which messages are the same, in nanoseconds.
    pub duplicate_window_ns: i64,
    /// Batches of one stream under way.
    pub batch_max_inflight_per_stream: i64,
    /// Batches under way.
    pub batch_max_inflight_total: i64,
    /// Messages of a batch.
    pub batch_max_messages: i64,
    /// Time after which a batch is given up, in nanoseconds.
    pub batch_timeout_ns: i64,
}

/// Streams are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JetStreamOptions {
    /// The directory that holds the store's own, `jetstream`.
    pub store_dir: PathBuf,
    /// Nobody has named a directory, and this one may be gone after a reboot.
    pub is_temporary: bool,
    /// What the block says.
    pub settings: JetStreamSettings,
}

impl RequestedJetStream {
    /// `None`: no streams are kept.
    ///
    /// # Errors
    /// nats-server's text about a domain that is none, or about the system account.
    pub(super) fn resolve(
        self,
        store_dir: Option<PathBuf>,
        policy: &Policy,
    ) -> Result<Option<JetStreamOptions>, Refusal> {
        if self.is_enabled != Some(true) {
            return Ok(None);
        }
        check_domain(&self.settings.domain).map_err(Refusal::Setting)?;
        let system = policy.accounts.get(AccountId::SYSTEM.index());
        if system.is_some_and(|system| system.jetstream.is_some()) {
            let text = "Not allowed to enable JetStream on the system account";
            return Err(Refusal::Listener(text.to_owned()));
        }
        let named = store_dir.filter(|named| !named.as_os_str().is_empty());
        let is_temporary = named.is_none() && program::is_stand_in();
        let store_dir = named.unwrap_or_else(|| match is_temporary {
            true => env::temp_dir().join("nats"),
            false => lasting_directory(),
        });
        Ok(Some(JetStreamOptions {
            store_dir,
            is_temporary,
            settings: self.settings,
        }))
    }
}

/// A domain is one token of the subjects of the API.
fn check_domain(domain: &str) -> Result<(), String> {
    if domain.contains(['.', '*', '>']) {
        return Err("invalid domain name: may not contain ., * or >".to_owned());
    }
    if domain.contains(char::is_whitespace) {
        let subject = format!("$JS.{domain}.API.>");
        return Err(format!(
            "invalid domain name: derived {} is not a valid subject",
            quoted(&subject)
        ));
    }
    Ok(())
}

/// Where the store is if nobody says: a place of this user that a reboot leaves alone.
fn lasting_directory() -> PathBuf {
    let home = |name| env::var_os(name).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    let data = home("XDG_DATA_HOME").filter(absolute);
    let own = data.map(|data| data.join("trunkline"));
    own.unwrap_or_else(|| match rustix::process::geteuid().is_root() {
        true => PathBuf::from("/var/lib/trunkline"),
        false => home("HOME")
            .filter(absolute)
            .unwrap_or_else(|| Path::new("/var/lib").to_owned())
            .join(".local/share/trunkline"),
    })
}

/// A setting by nats-server's name for it, and how its value is shown.
type Setting = (&'static str, fn(&JetStreamSettings) -> String);

/// What cannot change without a restart (NATS 2.15).
const FIXED: &[Setting] = &[
    ("JetStreamDomain", |settings| settings.domain.clone()),
    ("SyncAlways", |settings| settings.syncs_always.to_string()),
    ("SyncInterval", |settings| {
        duration(settings.sync_interval_ns)
    }),
    ("NoJetStreamStrict", |settings| {
        (!settings.is_strict).to_string()
    }),
    ("JetStreamUniqueTag", |settings| settings.unique_tag.clone()),
    ("JetStreamExtHint", |settings| {
        settings.extension_hint.clone()
    }),
    ("JetStreamMaxCatchup", |settings| {
        settings.max_outstanding_catchup.to_string()
    }),
    ("StreamMaxBufferedMsgs", |settings| {
        settings.max_buffered_messages.to_string()
    }),
    ("StreamMaxBufferedSize", |settings| {
        settings.max_buffered_bytes.to_string()
    }),
    ("JetStreamRequestQueueLimit", |settings| {
        settings.request_queue_limit.to_string()
    }),
    ("JetStreamInfoQueueLimit", |settings| {
        settings.info_queue_limit.to_string()
    }),
    ("JetStreamConcurrentIOs", |settings| {
        settings.max_concurrent_io.to_string()
    }),
    ("JetStreamReadCache", |settings| {
        settings.read_cache_bytes.to_string()
    }),
];

/// Names what a reload cannot change.
///
/// # Errors
/// nats-server's text about the first of it.
pub fn refuse(
    old: Option<&JetStreamOptions>,
    new: Option<&JetStreamOptions>,
) -> Result<(), String> {
    let unsupported = |what: &str| Err(format!("config reload not supported for {what}"));
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, None) => return Ok(()),
        // A store is read, and its streams are spread, before there is a client.
        (old, _) => {
            let (old, new) = (old.is_some(), old.is_none());
            return unsupported(&format!("JetStream: old={old}, new={new}"));
        }
    };
    if old.store_dir != new.store_dir {
        return unsupported("jetstream storage directory");
    }
    let (before, after) = (&old.settings, &new.settings);
    let bounds = [
        (before.memory_bytes_max, after.memory_bytes_max),
        (before.storage_bytes_max, after.storage_bytes_max),
    ];
    for (before, after) in bounds {
        match (before, after) {
            (Some(before), Some(after)) if after < before => {
                return unsupported("decreasing jetstream max memory and store");
            }
            (Some(_), None) | (None, Some(_)) => {
                return unsupported("jetstream max memory and max store");
            }
            _ => {}
        }
    }
    for (name, shown) in FIXED {
        let (old, new) = (shown(before), shown(after));
        if old != new {
            return unsupported(&format!("{name}: old={old}, new={new}"));
        }
    }
    Ok(())
}

/// One line for each change that a reload makes.
pub fn lines(old: Option<&JetStreamOptions>, new: Option<&JetStreamOptions>) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else {
        return Vec::new();
    };
    let (old, new) = (&old.settings, &new.settings);
    let mut lines = Vec::new();
    let bounds = [
        ("max_mem_store", old.memory_bytes_max, new.memory_bytes_max),
        (
            "max_file_store",
            old.storage_bytes_max,
            new.storage_bytes_max,
        ),
    ];
    for (name, old, new) in bounds {
        if let Some(new) = new.filter(|&new| old != Some(new)) {
            lines.push(format!("JetStream {name} = {}", friendly_bytes(new)));
        }
    }
    if old.limits != new.limits {
        lines.push("JetStream limits".to_owned());
    }
    lines
}

/// Bytes as nats-server's log has them.
pub fn friendly_bytes(bytes: u64) -> String {
    let unit = bytes.checked_ilog2().unwrap_or(0) / 10;
    match unit {
        0 => format!("{bytes} B"),
        _ => {
            let scale = (1_u64 << (10 * unit)) as f64;
            let prefix = char::from(b"KMGTPE"[unit as usize - 1]);
            format!("{:.2} {prefix}B", bytes as f64 / scale)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn options(settings: JetStreamSettings) -> JetStreamOptions {
        JetStreamOptions {
            store_dir: "/a".into(),
            is_temporary: false,
            settings,
        }
    }

    #[test]
    fn bytes_are_shown_as_the_reference_does() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (10_000_000, "9.54 MB"),
            (18_957_376_512, "17.66 GB"),
            (u64::MAX, "16.00 EB"),
        ] {
            assert_eq!(friendly_bytes(bytes), expected);
        }
    }

    #[test]
    fn a_reload_raises_bounds_and_changes_limits() {
        let with = |memory, storage| {
            options(JetStreamSettings {
                memory_bytes_max: memory,
                storage_bytes_max: storage,
                ..JetStreamSettings::default()
            })
        };
        let old = with(Some(10_000_000), None);
        let mut new = with(Some(20_000_000), None);
        new.settings.limits.max_ack_pending = 5;
        assert_eq!(refuse(Some(&old), Some(&new)), Ok(()));
        let expected = ["JetStream max_mem_store = 19.07 MB", "JetStream limits"];
        assert_eq!(lines(Some(&old), Some(&new)), expected);
        let refused = |new: Option<JetStreamOptions>| refuse(Some(&old), new.as_ref()).unwrap_err();
        let text = "config reload not supported for";
        assert_eq!(
            refused(Some(with(Some(5), None))),
            format!("{text} decreasing jetstream max memory and store")
        );
        assert_eq!(
            refused(Some(with(None, None))),
            format!("{text} jetstream max memory and max store")
        );
        let moved = JetStreamOptions {
            store_dir: "/b".into(),
            ..old.clone()
        };
        assert_eq!(
            refused(Some(moved)),
            format!("{text} jetstream storage directory")
        );
        assert_eq!(
            refused(None),
            format!("{text} JetStream: old=true, new=false")
        );
        let mut lenient = old.clone();
        lenient.settings.is_strict = false;
        assert_eq!(
            refused(Some(lenient)),
            format!("{text} NoJetStreamStrict: old=false, new=true")
        );
    }

    #[test]
    fn a_domain_is_one_token() {
        for (domain, is_good) in [("", true), ("a/b", true), ("a.b", false), ("a b", false)] {
            assert_eq!(check_domain(domain).is_ok(), is_good, "{domain}");
        }
    }
}
