//! What requested settings become, and which are refused.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn defaults_are_those_of_nats_server() {
    let options = Requested::default().resolve().expect("defaults are valid");
    assert_eq!(options.host, "0.0.0.0");
    assert_eq!(options.port, PortChoice::Fixed(4222));
    assert_eq!(options.server_name, None);
    assert!(options.log_time && !options.debug && !options.trace);
    assert_eq!(options.cores, CoreChoice::Auto);
    assert_eq!(options.max_payload, 1 << 20);
    assert_eq!(options.max_control_line, 4096);
    assert_eq!(options.max_pending_bytes, 64 << 20);
    assert_eq!(options.max_connections, 65536);
    assert_eq!(options.max_subscriptions, 0);
    assert_eq!(options.max_subscription_tokens, 0);
    assert_eq!(options.ping_interval_ns, 120_000_000_000);
    assert_eq!(options.ping_max, 2);
    assert_eq!(options.write_deadline_ns, 10_000_000_000);
    assert_eq!(options.auth_timeout_ns, 2_000_000_000);
    assert_eq!(options.policy, Policy::open());
}

#[test]
fn refuses_with_the_texts_of_nats_server() {
    let payload = Requested {
        max_payload: 104_857_600,
        ..Requested::default()
    };
    assert_eq!(
        payload.resolve().unwrap_err().to_string(),
        "max_payload (104857600) cannot be higher than max_pending (67108864)"
    );
    let pending = Requested {
        max_pending_bytes: -1,
        ..Requested::default()
    };
    assert_eq!(
        pending.resolve().unwrap_err().to_string(),
        "max_payload (1048576) cannot be higher than max_pending (-1)"
    );
    let name = Requested {
        server_name: "a b".to_owned(),
        ..Requested::default()
    };
    assert_eq!(
        name.resolve().unwrap_err().to_string(),
        "server name cannot contain spaces"
    );
    let port = Requested {
        port: 99_999,
        ..Requested::default()
    };
    assert_eq!(
        port.resolve().unwrap_err(),
        Refusal::Listener(
            "Error listening on port: 0.0.0.0:99999, \"listen tcp: address 99999: invalid port\""
                .to_owned()
        )
    );
}

#[test]
fn random_port_and_no_connections() {
    let options = Requested {
        port: -1,
        max_connections: -1,
        ..Requested::default()
    }
    .resolve()
    .unwrap();
    assert_eq!(options.port, PortChoice::Random);
    assert_eq!(options.port.to_bind(), 0);
    assert_eq!(options.connections_max(), 0);
}

#[test]
fn cores_are_a_count_a_list_or_auto() {
    let list = |cpus: &[u32]| Ok(CoreChoice::List(cpus.to_vec()));
    assert_eq!("auto".parse(), Ok(CoreChoice::Auto));
    assert_eq!("4".parse(), Ok(CoreChoice::Count(4)));
    assert_eq!("0-3,8".parse(), list(&[0, 1, 2, 3, 8]));
    assert_eq!("4-4".parse(), list(&[4]));
    assert_eq!("8,0".parse(), list(&[8, 0]));
    for wrong in [
        "",
        "0",
        "-1",
        "129",
        "3-1",
        "1,1",
        "a",
        "1-",
        "0-200",
        "0-4294967295",
        "1,,2",
    ] {
        assert!(wrong.parse::<CoreChoice>().is_err(), "{wrong}");
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let secret = || trunkline_core::session::policy::Secret("s3cret".to_owned());
    let of_token = Access {
        token: secret(),
        ..Access::default()
    };
    let of_user = Access {
        user: "alice".to_owned(),
        password: secret(),
        ..Access::default()
    };
    for access in [of_token, of_user] {
        let options = Requested {
            access,
            ..Requested::default()
        };
        assert!(!format!("{options:?}").contains("s3cret"));
        let resolved = options.resolve().unwrap();
        assert!(!format!("{resolved:?}").contains("s3cret"));
    }
}
