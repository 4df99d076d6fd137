//! What the NATS project publishes as JSON schemas (`tests/schemas`), and values compared with it. The
//! checker knows the words of JSON Schema that occur there, and fails at others.

use serde_json::Value;

/// Said of events by nats-server 2.15 and not yet known to the schemas.
const NEWER_THAN_SCHEMAS: [&str; 3] = ["feature_flags", "name", "num_subscriptions"];

/// Everything that does not fit.
pub fn check(value: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "$schema" | "$id" | "$comment" | "title" | "description" | "default" => {}
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
            "maxLength" => {
                let len = value.as_str().map_or(0, str::len) as u64;
                if rule.as_u64().is_some_and(|most| len > most) {
                    found.push(format!("{path}: {value} is too long"));
                }
            }
            "pattern" => {
                let text = value.as_str().unwrap_or_default();
                let fits = match rule.as_str().unwrap() {
                    "^[^.*>]+$" => !text.is_empty() && !text.contains(['.', '*', '>']),
                    "^[^.*>]*$" => !text.contains(['.', '*', '>']),
                    other => panic!("{path}: pattern {other} is not known here"),
                };
                if !fits {
                    found.push(format!("{path}: {value} is not like {rule}"));
                }
            }
            "allOf" => {
                for part in rule.as_array().unwrap() {
                    check(value, part, path, found);
                }
            }
            "oneOf" => {
                let broken_by = |part: &Value| {
                    let mut broken = Vec::new();
                    check(value, part, path, &mut broken);
                    broken
                };
                let parts = rule.as_array().unwrap();
                let broken: Vec<_> = parts.iter().map(broken_by).collect();
                if broken.iter().filter(|one| one.is_empty()).count() != 1 {
                    found.push(format!("{path}: not one of these fits: {broken:?}"));
                }
            }
            "patternProperties" => {
                let rule = rule.get(".*").expect("the one pattern that is known here");
                for (name, field) in value.as_object().into_iter().flatten() {
                    check(field, rule, &format!("{path}.{name}"), found);
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
