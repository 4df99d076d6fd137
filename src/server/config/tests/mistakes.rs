//! Configuration files that are refused, with the text and the place, and files
//! of no sense at all. nats-server 2.15.3 refuses them too, except where a case
//! says otherwise.

use std::path::Path;

use super::super::parser;
use super::{bad, load_bytes};

/// Files with a mistake in a setting, and what is said of them.
const SETTINGS: &[(&str, &str)] = &[
    (
        "debug: true\nfoo: 1\n",
        "main.conf:2:1: unknown field \"foo\"",
    ),
    ("\"foo\": 1\n", "main.conf:1:1: unknown field \"foo\""),
    ("\n\n  Foo 1", "main.conf:3:3: unknown field \"Foo\""),
    (
        "jetstream: maybe",
        "main.conf:1:0: Expected 'enabled' or 'disabled' for string value, got 'maybe'",
    ),
    (
        "JetStream { Key: abc }",
        "main.conf:1:12: \"key\" is not supported by trunkline yet",
    ),
    (
        "port: abc",
        "main.conf:1:0: port must be an integer, not a string",
    ),
    (
        "port: \"4222\"",
        "main.conf:1:0: port must be an integer, not a string",
    ),
    (
        "debug: 1",
        "main.conf:1:0: debug must be a boolean, not an integer",
    ),
    (
        "server_name: 5",
        "main.conf:1:0: server_name must be a string, not an integer",
    ),
    (
        "server_name: \"a b\"",
        "main.conf:1:0: server name cannot contain spaces",
    ),
    (
        "max_route_cache: 1000",
        "main.conf:1:0: max_route_cache is between 1 MiB and 64 GiB per core",
    ),
    (
        "max_route_cache: 65GB",
        "main.conf:1:0: max_route_cache is between 1 MiB and 64 GiB per core",
    ),
    (
        "max_payload: 99GB",
        "main.conf:1:0: max_payload value is too big",
    ),
    (
        "max_sub_tokens: 300",
        "main.conf:1:0: max_sub_tokens value is too big",
    ),
    (
        "max_sub_tokens: 0",
        "main.conf:1:0: max_sub_tokens value can not be negative",
    ),
    (
        "listen: foo",
        "main.conf:1:0: could not parse address string \"foo\"",
    ),
    (
        "listen: \":abc\"",
        "main.conf:1:0: could not parse port \"abc\"",
    ),
    (
        "listen: true",
        "main.conf:1:0: expected port or host:port, got a boolean",
    ),
    (
        "listen: \"::1:4222\"",
        "main.conf:1:0: could not parse address string \"::1:4222\"",
    ),
    (
        "write_deadline: \"5\"",
        "main.conf:1:0: error parsing write_deadline: time: missing unit in duration \"5\"",
    ),
    (
        "ping_interval: 1.5",
        "main.conf:1:0: ping_interval must be a duration such as \"2s\", not a float",
    ),
    (
        "cores: 0",
        "main.conf:1:0: cores: a count is between 1 and 128, not 0",
    ),
    // nats-server accepts these and then misbehaves.
    (
        "max_payload: -2",
        "main.conf:1:0: max_payload value can not be negative",
    ),
    (
        "max_subs: -5",
        "main.conf:1:0: max_subs value can not be negative",
    ),
    (
        "ping_interval: \"-1s\"",
        "main.conf:1:0: ping_interval value can not be negative",
    ),
];

#[test]
fn mistakes_of_settings_are_placed_and_named() {
    for &(text, expected) in SETTINGS {
        assert_eq!(bad(text), expected, "{text}");
    }
    assert_eq!(
        bad("foo: 1\nping_interval: 5\nport: x"),
        "main.conf:2:1: invalid use of field \"ping_interval\": ping_interval should be converted to a duration\n\
         main.conf:1:0: unknown field \"foo\"\n\
         main.conf:3:1: port must be an integer, not a string"
    );
}

/// Files that cannot be read, and what is said of them.
const GRAMMAR: &[(&str, &str)] = &[
    (
        "port = \n5222",
        "main.conf:1:7: Parse error: Expected value but found new line",
    ),
    (
        "port: 5222 5",
        "main.conf:1:11: Parse error: Expected a top-level value to end with a new line, comment or EOF, but got '5' instead.",
    ),
    (
        "= 5",
        "main.conf:1:0: Parse error: Unexpected key separator '='",
    ),
    (
        "port",
        "main.conf:1:0: config is invalid: key \"port\" has no value",
    ),
    (
        "a {\n b = [1 2]\n}",
        "main.conf:2:9: Parse error: Expected an array value terminator \",\" or an array terminator \"]\", but got '2' instead.",
    ),
    (
        "a { b: 1",
        "main.conf:1:8: Parse error: Expected a map value terminator \",\" or a map terminator \"}\", but got '\\0' instead.",
    ),
    (
        "a {",
        "main.conf:1:3: Parse error: Unexpected EOF processing map.",
    ),
    (
        "server_name: \"abc",
        "main.conf:1:17: Parse error: Unexpected EOF in quoted string",
    ),
    (
        "server_name: 'abc",
        "main.conf:1:17: Parse error: Unexpected EOF in quoted string",
    ),
    (
        "server_name: (\nabc",
        "main.conf:2:4: Parse error: Unexpected EOF processing block.",
    ),
    (
        r#"server_name: "\q""#,
        "main.conf:1:15: Parse error: Invalid escape character 'q'. Only \\xXX, \\t, \\n, \\r, \\\" and \\\\ are allowed",
    ),
    (
        r#"server_name: "\x4""#,
        "main.conf:1:17: Parse error: Expected two hexadecimal digits after '\\x'",
    ),
    (
        "port: .5",
        "main.conf:1:6: Parse error: Floats must start with a digit",
    ),
    (
        "port: 5.",
        "main.conf:1:8: Parse error: Floats must have a digit after the '.', but got '\\0' instead.",
    ),
    (
        "port: -x",
        "main.conf:1:7: Parse error: Expected a digit but got 'x'.",
    ),
    (
        "port: 12-3",
        "main.conf:1:8: Parse error: All ISO8601 dates must be in full Zulu form.",
    ),
    (
        "port: 2020-01-01",
        "main.conf:1:16: Parse error: Expected YYYY-MM-DDThh:mm:ssZ, but found '\\0' in it.",
    ),
    (
        "port: 2020-13-01T00:00:00Z",
        "main.conf:1:6: expected Zulu formatted DateTime, but got '2020-13-01T00:00:00Z'",
    ),
    (
        "ping_max: 99999999999999999999",
        "main.conf:1:10: integer '99999999999999999999' is out of the range",
    ),
    (
        "x: [ ,1 ]",
        "main.conf:1:5: Parse error: Unexpected array value terminator ','.",
    ),
    (
        "x: [1,2]\n",
        "main.conf:2:1: Parse error: Expected an array value terminator \",\" or an array terminator \"]\", but got '\\0' instead.",
    ),
    (
        "x: { y: , }",
        "main.conf:1:8: Parse error: Expected a value for key \"y\".",
    ),
    (
        "port: $NOPE",
        "main.conf:1:6: variable reference for 'NOPE' can not be found",
    ),
    (
        "port: $TEST_CYCLE",
        "main.conf:1:6: variable reference for 'TEST_CYCLE' could not be parsed",
    ),
    (
        "port: $TEST_BROKEN",
        "main.conf:1:6: variable reference for 'TEST_BROKEN' could not be parsed",
    ),
    (
        "port: $port",
        "main.conf:1:6: variable reference for 'port' can not be found",
    ),
    (
        "include 5",
        "main.conf:1:8: Parse error: Expected include value but found start of a number",
    ),
    ("/port: 5", "main.conf:1:0: Parse error: Unexpected EOF."),
    // nats-server wraps around, or drops the value without a word.
    (
        "max_pending: 9999eb",
        "main.conf:1:13: integer '9999eb' is out of the range",
    ),
    (
        "max_pending: 1kbb",
        "main.conf:1:13: expected integer, but got '1kbb'",
    ),
];

#[test]
fn mistakes_of_grammar_are_placed_and_named() {
    for &(text, expected) in GRAMMAR {
        assert_eq!(bad(text), expected, "{text}");
    }
    assert_eq!(
        load_bytes(b"server_name: \"a\xff\"").unwrap_err(),
        "main.conf:1:17: Parse error: text is not valid UTF-8"
    );
    assert!(load_bytes(b"# caf\xe9\nport: 1").is_ok());
    assert!(load_bytes(b"port: 1\0\n").is_ok());
}

#[test]
fn nesting_is_bounded() {
    for opening in ["[", "{a "] {
        let text = format!("x {}", opening.repeat(100_000));
        assert!(
            bad(&text).contains("nested more than 100 deep"),
            "{opening}"
        );
    }
    assert!(bad(&"{".repeat(100_000)).contains("nested more than 100 deep"));
}

/// Random bytes, and random edits of a good file, are read or refused: no panic,
/// no endless loop. Errors always carry a place.
#[test]
fn no_input_makes_the_reader_panic() {
    const PIECES: &[&str] = &[
        "port",
        " ",
        "\n",
        "=",
        ":",
        "{",
        "}",
        "[",
        "]",
        ",",
        ";",
        "\"",
        "'",
        "\\",
        "\\x4",
        "#",
        "//",
        "/",
        "(",
        ")",
        "\n)\n",
        "$",
        "$x",
        "5",
        "1k",
        "-1",
        "1.5",
        "1.2.3",
        "2020-01-01T00:00:00Z",
        "include ",
        "true",
        "\0",
        "\r\n",
        "\u{e9}",
        "\t",
        "x",
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..60_000 {
        let mut input = Vec::new();
        for _ in 0..random(24) {
            if round % 3 == 0 {
                input.push(random(256) as u8);
            } else {
                input.extend_from_slice(PIECES[random(PIECES.len())].as_bytes());
            }
        }
        let path = Path::new("/nonexistent/main.conf");
        let outcome = parser::parse_bytes(&input, path, &|_| None, &[]);
        if let Err(error) = outcome {
            assert!(error.at.is_some(), "{error} for {input:?}");
        }
    }
}
