//! The block of leaf nodes: where to listen is taken, all else is refused by name.

use super::{bad, good, load_bytes};
use crate::options::PortChoice;

#[test]
fn a_leaf_block_may_say_where_to_listen() {
    for (text, host, port) in [
        ("leafnodes { listen: \"127.0.0.1:-1\" }", "127.0.0.1", -1),
        ("leaf { host: a, port: 7422 }", "a", 7422),
        ("LeafNodes { net: a, Port: 7422 }", "a", 7422),
        ("leafnodes { listen: 7422 }", "0.0.0.0", 7422),
        ("leafnodes { p: 7422, port: $p }", "0.0.0.0", 7422),
    ] {
        let leaf = good(text).leaf.expect(text);
        let expected = match u16::try_from(port) {
            Ok(port) => PortChoice::Fixed(port),
            Err(_) => PortChoice::Random,
        };
        assert_eq!((&*leaf.host, leaf.port), (host, expected), "{text}");
        assert!(leaf.place.ends_with("main.conf:1:0"), "{}", leaf.place);
        let (_, warnings) = load_bytes(text.as_bytes()).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    for text in ["leafnodes {}", "leafnodes { host: a }", "debug: true"] {
        assert_eq!(good(text).leaf, None, "{text}");
    }
}

#[test]
fn a_leaf_block_may_say_nothing_else() {
    for key in [
        "remotes",
        "authorization",
        "tls",
        "advertise",
        "no_advertise",
        "reconnect",
        "compression",
        "min_version",
        "isolate",
        "write_deadline",
    ] {
        assert_eq!(
            bad(&format!("leafnodes {{ port: -1, {key}: [] }}")),
            format!("main.conf:1:22: {key:?} is not supported by trunkline yet")
        );
    }
    for (text, expected) in [
        (
            "leafnodes: 5",
            "main.conf:1:0: Expected map to define a leafnode, got an integer",
        ),
        (
            "leafnodes { foo: 1 }",
            "main.conf:1:12: unknown field \"foo\"",
        ),
        (
            "leafnodes { port: x }",
            "main.conf:1:12: port must be an integer, not a string",
        ),
        (
            "leafnodes { listen: x }",
            "main.conf:1:12: could not parse address string \"x\"",
        ),
    ] {
        assert_eq!(bad(text), expected, "{text}");
    }
    let (requested, _) = load_bytes(b"leafnodes { port: 70000 }").unwrap();
    assert_eq!(
        requested.resolve().unwrap_err().to_string(),
        "Error listening on leafnode port: 70000 - listen tcp: address 70000: invalid port"
    );
}
