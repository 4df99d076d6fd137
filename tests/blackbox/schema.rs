//! `/varz` and system events against the schemas that the NATS project publishes for them.

use crate::certificates::Authority;
use crate::monitoring::{json, monitoring};
use serde_json::Value;
use trunkline_tests::ServerUnderTest;
use trunkline_tests::harness::schema::check;

const SCHEMA: &str = include_str!("../schemas/varz.json");

/// Of system events, by their titles.
const EVENT_SCHEMAS: [&str; 3] = [
    include_str!("../schemas/client_connect.json"),
    include_str!("../schemas/client_disconnect.json"),
    include_str!("../schemas/account_connections.json"),
];

/// Compares an event with the schema of its type.
#[track_caller]
pub fn assert_obeys(event: &Value) {
    let kind = event["type"].as_str().expect("an event has a type");
    let schemas = EVENT_SCHEMAS.map(|text| serde_json::from_str::<Value>(text).unwrap());
    let schema = schemas.iter().find(|schema| schema["title"] == kind);
    let schema = schema.unwrap_or_else(|| panic!("no schema of {kind}"));
    let mut broken = Vec::new();
    check(event, schema, "", &mut broken);
    assert!(broken.is_empty(), "{broken:#?}\n{event:#}");
}

#[test]
fn varz_is_what_its_schema_foresees() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let authority = Authority::new("schema");
    let config = format!(
        "http: 127.0.0.1:-1\nserver_tags: [x]\nallow_non_tls: true\n{}\n\
         websocket {{ host: 127.0.0.1, port: -1, no_tls: true, handshake_timeout: \"3s\" }}\n\
         accounts {{ A {{ users: [ {{user: a, password: s3cret}} ] }} }}\n",
        authority.config("")
    );
    for config in [config.as_str(), "http: 127.0.0.1:-1"] {
        let server = ServerUnderTest::with_config(config);
        let varz = json(monitoring(&server), "/varz");
        let mut found = Vec::new();
        check(&varz, &schema, "varz", &mut found);
        assert!(found.is_empty(), "{found:#?}");
        // The schema names nearly everything, but demands little.
        let known = schema["properties"].as_object().unwrap();
        let foreign: Vec<&String> = varz
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| !known.contains_key(*name))
            .collect();
        assert!(
            foreign.iter().all(|name| NEWER.contains(&name.as_str())),
            "not in the schema: {foreign:?}"
        );
    }
}

/// Fields of 2.15.3 that the published schema does not name yet.
const NEWER: &[&str] = &[];

#[test]
fn the_checker_notices_what_does_not_fit() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for wrong in [
        serde_json::json!({"server_id": 5}),
        serde_json::json!({"port": "x"}),
        serde_json::json!({"connect_urls": [1]}),
        serde_json::json!({"start": 5}),
        serde_json::json!([]),
    ] {
        let mut found = Vec::new();
        check(&wrong, &schema, "varz", &mut found);
        assert!(!found.is_empty(), "{wrong}");
    }
}

#[test]
fn the_checker_notices_wrong_events() {
    let schema: Value = serde_json::from_str(EVENT_SCHEMAS[0]).unwrap();
    let event = serde_json::json!({
        "type": "other", "id": 5, "timestamp": "", "server": {"name": ""}, "client": {"acc": "A"}, "more": 1,
    });
    let mut found = Vec::new();
    check(&event, &schema, "", &mut found);
    let all = found.join("\n");
    for part in [
        ".type: \"other\" is not",
        ".id: 5 is no",
        ".server: \"host\" is missing",
        ".server.name: \"\" is too short",
        ".more is not foreseen",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}
