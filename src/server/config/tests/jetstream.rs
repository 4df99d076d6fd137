//! `jetstream` of a file. What both servers say is in the corpus (`tests/config`).

use super::*;
use crate::options::jetstream::JetStreamLimits;
use trunkline_core::session::policy::JetStreamAccountLimits;

#[test]
fn every_key_reaches_its_setting() {
    let options = good(
        "jetstream {
           store_dir: data, max_mem: 1G, max_file: \"2T\", domain: hub, strict: false
           read_cache: \"512M\"
           limits {
             max_ack_pending: 1, max_ha_assets: 2, max_request_batch: 3, default_max_consumers: 4
             duplicate_window: \"5s\"
             batch { max_inflight_per_stream: 6, max_inflight_total: 7, max_msgs: 8, timeout: \"9ns\" }
           }
         }",
    );
    let jetstream = options.jetstream.unwrap();
    assert_eq!(jetstream.store_dir, Path::new("data"));
    let settings = jetstream.settings;
    assert_eq!(settings.memory_bytes_max, Some(1_000_000_000));
    assert_eq!(settings.storage_bytes_max, Some(2 << 40));
    assert_eq!(settings.domain, "hub");
    assert!(!settings.is_strict);
    assert_eq!(settings.read_cache_bytes, 512 << 20);
    let expected = JetStreamLimits {
        max_ack_pending: 1,
        max_ha_assets: 2,
        max_request_batch: 3,
        default_max_consumers: 4,
        duplicate_window_ns: 5_000_000_000,
        batch_max_inflight_per_stream: 6,
        batch_max_inflight_total: 7,
        batch_max_messages: 8,
        batch_timeout_ns: 9,
    };
    assert_eq!(settings.limits, expected);
    assert!(options.notices.is_empty());
}

#[test]
fn the_last_word_decides_whether_there_are_streams() {
    for (text, is_on) in [
        ("jetstream: true", true),
        ("jetstream: Enabled", true),
        ("jetstream: disable", false),
        ("jetstream {}", true),
        ("jetstream { enabled: false }", false),
        ("port: 4222", false),
    ] {
        assert_eq!(good(text).jetstream.is_some(), is_on, "{text}");
    }
}

#[test]
fn accounts_have_their_limits() {
    let options = good(
        "accounts {
           A { jetstream: { max_mem: 1, max_file: 2, max_streams: 3, max_consumers: 4, max_bytes: true,
                mem_max_stream_bytes: 5, disk_max_stream_bytes: 6, max_ack_pending: 7 } }
           B { jetstream: enabled }
           C { }
         }",
    );
    let accounts = &options.policy.accounts;
    let jetstream: Vec<_> = accounts.iter().map(|account| account.jetstream).collect();
    let limits = JetStreamAccountLimits {
        max_memory: 1,
        max_storage: 2,
        max_streams: 3,
        max_consumers: 4,
        max_ack_pending: 7,
        memory_max_stream_bytes: 5,
        storage_max_stream_bytes: 6,
        is_max_bytes_required: true,
    };
    let open = Some(JetStreamAccountLimits::default());
    // Beside accounts, the global one is not for streams.
    assert_eq!(jetstream, [None, None, Some(limits), open, None]);
    assert_eq!(good("port: 1").policy.accounts[0].jetstream, open);
}

#[test]
fn what_nothing_comes_of_is_said_and_encryption_is_refused() {
    let options = good("jetstream { max_concurrent_io: 64, unique_tag: \"az:\", sync: \"1s\" }");
    assert_eq!(
        options.notices,
        [
            "jetstream max_concurrent_io: nothing comes of it, this server runs alone",
            "jetstream unique_tag: nothing comes of it, this server runs alone",
            "jetstream sync: every message is durable before it is acknowledged, as with \"always\"",
        ]
    );
    for (text, expected) in [
        ("jetstream { ek: abc }", "\"ek\" is not supported"),
        (
            "jetstream { prev_key: abc }",
            "\"prev_key\" is not supported",
        ),
        (
            "jetstream { tpm { keys_file: a } }",
            "\"tpm\" is not supported",
        ),
        ("jetstream { read_cache: 5 }", "read_cache is between 8 MiB"),
        ("jetstream { max_memm: 5 }", "did you mean max_mem?"),
    ] {
        let mistakes = bad(text);
        assert!(mistakes.contains(expected), "{text}: {mistakes}");
    }
}
