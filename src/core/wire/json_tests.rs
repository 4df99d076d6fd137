//! What Go accepts, what it refuses, and what it makes of odd strings.

use super::*;

fn value(json: &str) -> Result<Value, BadJson> {
    let object = format!("{{\"v\":{json}}}");
    let fields = fields(object.as_bytes())?;
    let [(name, value)] = &fields[..] else {
        panic!("{object}: {fields:?}");
    };
    assert_eq!(name, "v");
    Ok(value.clone())
}

fn text(text: &str) -> Result<Value, BadJson> {
    Ok(Value::Text(text.to_owned()))
}

#[test]
fn objects_and_nothing_else() {
    assert_eq!(fields(b" null\t"), Ok(Vec::new()));
    assert_eq!(fields(b" { } "), Ok(Vec::new()));
    let twice = fields(b"{\"a\" : 1 ,\"b\":[ ],\"a\":null}").expect("an object");
    let names: Vec<&str> = twice.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["a", "b", "a"]);
    for wrong in [
        "",
        "[]",
        "1",
        "\"x\"",
        "nul",
        "{",
        "{}x",
        "{} {}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "\u{b}{}",
        "nulll",
    ] {
        assert_eq!(fields(wrong.as_bytes()), Err(BadJson), "{wrong}");
    }
}

#[test]
fn scalars() {
    for number in ["0", "-0", "7", "10", "-12", "1.5", "1e3", "1E-3", "0.0e+0"] {
        assert_eq!(value(number), Ok(Value::Number(number.to_owned())));
    }
    for wrong in [
        "01", "-", "-01", "1.", ".5", "1e", "+1", "0x1", "1e+", "tru", "truee", "NaN",
    ] {
        assert_eq!(value(wrong), Err(BadJson), "{wrong}");
    }
    assert_eq!(value("true"), Ok(Value::Bool(true)));
    assert_eq!(value("false"), Ok(Value::Bool(false)));
    assert_eq!(value("null"), Ok(Value::Null));
}

#[test]
fn strings_with_escapes_and_what_is_no_text() {
    assert_eq!(
        value(r#""a\"\\\/\b\f\n\r\tA\u00e4""#),
        text("a\"\\/\u{8}\u{c}\n\r\tA\u{e4}")
    );
    assert_eq!(value(r#""\ud83d\ude00""#), text("\u{1f600}"));
    for (lone, read) in [
        (r#""\ud800""#, "\u{fffd}"),
        (r#""\udc00x""#, "\u{fffd}x"),
        (r#""\ud800A""#, "\u{fffd}A"),
        (r#""\ud800\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
        (r#""\ud800\n""#, "\u{fffd}\n"),
    ] {
        assert_eq!(value(lone), text(read), "{lone}");
    }
    assert_eq!(
        fields(b"{\"v\":\"\xff\"}").expect("an object")[0].1,
        Value::Text("\u{fffd}".to_owned())
    );
    for wrong in [
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        r#""\ud800\u1""#,
    ] {
        assert_eq!(value(wrong), Err(BadJson), "{wrong}");
    }
}

#[test]
fn nested_values_are_gone_past_however_deep() {
    for nested in [
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}],\"]\"]",
        "{\"a\":{\"b\":[{}]},\"c\":1}",
        "[[],[]]",
    ] {
        assert_eq!(value(nested), Ok(Value::Nested(nested.to_owned())));
    }
    for wrong in [
        "[",
        "[1",
        "[1,]",
        "[,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":1]",
        "[1}",
        "[}",
        "{1:2}",
        "[01]",
    ] {
        assert_eq!(value(wrong), Err(BadJson), "{wrong}");
    }
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(value(&deep), Ok(Value::Nested(deep)));
}
