//! `/varz` and system events against the schemas that the NATS project publishes for them. The checker
//! knows the words of JSON Schema that occur there, and fails at others.

use crate::certificates::Authority;
use crate::monitoring::{json, monitoring};
use serde_json::Value;
use trunkline_tests::ServerUnderTest;

const SCHEMA: &str = include_str!("../schemas/varz.json");

/// Of system events, by their titles.
const EVENT_SCHEMAS: [&str; 3] = [
    include_str!("../schemas/client_connect.json"),
    include_str!("../schemas/client_disconnect.json"),
    include_str!("../schemas/account_connections.json"),
];

/// Said of events by nats-server 2.15 and not yet known to the schemas.
const NEWER_THAN_SCHEMAS: [&str; 3] = ["feature_flags", "name", "num_subscriptions"];

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

/// Everything that does not fit.
fn check(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "$schema" | "$id" | "$comment" | "title" | "description" => {}
            "type" => {
                let is = |kind: &Value| is_of_type(value, kind.as_str().unwrap());
                let fits = match rule {
                    Value::Array(kinds) => kinds.iter().any(is),
                    kind => is(kind),
                };
                if !fits {
                    found.push(format!("{path}: {value} is no {rule}"));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() => found.push(format!("{path}: {value}")),
            "maximum" if value.as_f64() > rule.as_f64() => found.push(format!("{path}: {value}")),
            "minimum" | "maximum" => {}
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{path}: {value} is none of {rule}"));
            }
            "enum" => {}
            "const" if value != rule => found.push(format!("{path}: {value} is not {rule}")),
            "const" => {}
            "minLength" => {
                let len = value.as_str().map_or(0, str::len) as u64;
                if rule.as_u64().is_some_and(|least| len < least) {
                    found.push(format!("{path}: {value} is too short"));
                }
            }
            "format" => {
                let is_moment = rule == "date-time";
                assert!(is_moment, "{path}: format {rule} is not known here");
                let text = value.as_str().unwrap_or_default();
                if !(text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z')) {
                    found.push(format!("{path}: {value} is no moment"));
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        found.push(format!("{path}: {name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    let inner = format!("{path}.{name}");
                    match (rule.get(name), schema.get("additionalProperties")) {
                        (Some(rule), _) => check(field, rule, &inner, found),
                        (None, Some(Value::Bool(false))) => {
                            if !NEWER_THAN_SCHEMAS.contains(&name.as_str()) {
                                found.push(format!("{inner} is not foreseen"));
                            }
                        }
                        (None, Some(rule @ Value::Object(_))) => check(field, rule, &inner, found),
                        (None, _) => {}
                    }
                }
            }
            "additionalProperties" if schema.get("properties").is_none() => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if rule.is_object() {
                        check(field, rule, &format!("{path}.{name}"), found);
                    }
                }
            }
            "additionalProperties" => {}
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(item, rule, &format!("{path}[]"), found);
                }
            }
            other => panic!("{path}: the schema says {other:?}, which is not known here"),
        }
    }
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "null" => value.is_null(),
        other => panic!("the schema says type {other:?}"),
    }
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
