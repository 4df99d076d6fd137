//! The JSON schemas of system events, and whether an event obeys its own: as much of JSON Schema as
//! those in `tests/schemas` use.

use serde_json::{Map, Value};

/// Said by nats-server 2.15 and not yet known to the schemas.
const NEWER_THAN_SCHEMAS: &[&str] = &["feature_flags", "name", "num_subscriptions"];

const SCHEMAS: [&str; 3] = [
    include_str!("../schemas/client_connect.json"),
    include_str!("../schemas/client_disconnect.json"),
    include_str!("../schemas/account_connections.json"),
];

/// Compares an event with the schema of its type.
#[track_caller]
pub fn assert_obeys(event: &Value) {
    let kind = event["type"].as_str().expect("an event has a type");
    let schemas = SCHEMAS.map(|text| serde_json::from_str::<Value>(text).unwrap());
    let schema = schemas.iter().find(|schema| schema["title"] == kind);
    let schema = schema.unwrap_or_else(|| panic!("no schema of {kind}"));
    let mut broken = Vec::new();
    check("", event, schema, &mut broken);
    assert!(broken.is_empty(), "{broken:#?}\n{event:#}");
}

fn check(place: &str, value: &Value, schema: &Value, broken: &mut Vec<String>) {
    let mut claim = |holds: bool, what: String| {
        if !holds {
            broken.push(format!("{place}: {what}"));
        }
    };
    if let Some(kind) = schema["type"].as_str() {
        claim(is_of(value, kind), format!("{value} is no {kind}"));
    }
    if let Some(wanted) = schema.get("const") {
        claim(value == wanted, format!("{value} is not {wanted}"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64()) {
        claim(number >= least, format!("{number} is below {least}"));
    }
    if let (Some(least), Some(text)) = (schema["minLength"].as_u64(), value.as_str()) {
        claim(text.len() as u64 >= least, format!("{text:?} is too short"));
    }
    let Some(fields) = value.as_object() else {
        if let Some(items) = value.as_array() {
            for item in items {
                check(&format!("{place}[]"), item, &schema["items"], broken);
            }
        }
        return;
    };
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        claim(fields.contains_key(name), format!("{name} is missing"));
    }
    for (name, field) in fields {
        match properties.get(name) {
            Some(property) => check(&format!("{place}.{name}"), field, property, broken),
            None if schema["additionalProperties"] == false
                && !NEWER_THAN_SCHEMAS.contains(&name.as_str()) =>
            {
                broken.push(format!("{place}: {name} is unknown"));
            }
            None => {}
        }
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("what is {other}?"),
    }
}

#[test]
fn the_checker_bites() {
    let schema: Value = serde_json::from_str(SCHEMAS[0]).unwrap();
    let mut broken = Vec::new();
    let event = serde_json::json!({
        "type": "other", "id": 5, "timestamp": "", "server": {"name": ""}, "client": {"acc": "A"}, "more": 1,
    });
    check("", &event, &schema, &mut broken);
    let all = broken.join("\n");
    for part in [
        ".type: \"other\" is not",
        ".id: 5 is no string",
        ".server: host is missing",
        ".server.name: \"\" is too short",
        ": more is unknown",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}
