//! Tests of mappings of subjects: examples and mistakes, with the texts of the reference server.

use super::*;

fn mapped(source: &str, destination: &str, subject: &str) -> String {
    let transform = Transform::parse(source, destination).expect("valid");
    assert!(transform.applies_to(subject.as_bytes()));
    let mut into = Vec::new();
    transform.apply(subject.as_bytes(), |below| below - 1, &mut into);
    String::from_utf8(into).expect("text")
}

#[test]
fn wildcards_and_rests() {
    assert_eq!(mapped("a", "b", "a"), "b");
    assert_eq!(mapped("a.*.*", "b.$2.$1", "a.x.y"), "b.y.x");
    assert_eq!(mapped("a.*.>", "b.{{wildcard(1)}}.>", "a.x.y.z"), "b.x.y.z");
    assert_eq!(mapped(">", "all.>", "a.b"), "all.a.b");
    assert_eq!(mapped("a.*", "b.$1.$1", "a.x"), "b.x.x");
    assert_eq!(mapped("a.*", "$JS.{{ Wildcard( 1 ) }}", "a.x"), "$JS.x");
}

#[test]
fn functions_as_in_the_reference() {
    // Values as documented in ADR-30 and observed with NATS 2.15.
    let of = |destination: &str, token: &str| mapped("s.*", destination, &format!("s.{token}"));
    assert_eq!(of("{{SplitFromLeft(1,3)}}", "12345"), "123.45");
    assert_eq!(of("{{splitfromright(1,3)}}", "12345"), "12.345");
    assert_eq!(of("{{SliceFromLeft(1,2)}}", "12345"), "12.34.5");
    assert_eq!(of("{{SliceFromRight(1,2)}}", "12345"), "1.23.45");
    assert_eq!(of("{{split(1,-)}}", "-a--b-"), "a.b");
    assert_eq!(of("{{left(1,2)}}", "12345"), "12");
    assert_eq!(of("{{right(1,2)}}", "12345"), "45");
    assert_eq!(of("{{left(1,9)}}", "12345"), "12345");
    assert_eq!(of("{{random(10)}}", "x"), "9");
    assert_eq!(of("{{partition(0)}}", "x"), "0");
}

#[test]
fn invalid_mappings_are_named() {
    use TransformError as E;
    let error = |source: &str, destination: &str| {
        Transform::parse(source, destination).expect_err("invalid")
    };
    let token = |token: &str| token.to_owned();
    assert_eq!(error("a..b", "c"), E::BadSubject);
    assert_eq!(error("a.*", "b.*"), E::BadSubject);
    assert_eq!(error("a.>", "b"), E::BadSubject);
    assert_eq!(error("a", "b..c"), E::BadDestination(token("")));
    assert_eq!(
        error("a.*", "b.$2"),
        E::WildcardOutOfRange(token("$2: [2]"))
    );
    assert_eq!(
        error("a", "b.{{wildcard(1)}}"),
        E::WildcardOutOfRange(token("{{wildcard(1)}}"))
    );
    assert_eq!(
        error("a.*", "{{nothing(1)}}"),
        E::UnknownFunction(token("{{nothing(1)}}"))
    );
    assert_eq!(
        error("a.*", "{{left(1)}}"),
        E::NotEnoughArguments(token("{{left(1)}}"))
    );
    assert_eq!(
        error("a.*", "{{left(1,2,3)}}"),
        E::TooManyArguments(token("{{left(1,2,3)}}"))
    );
    assert_eq!(
        error("a.*", "{{partition(x,1)}}"),
        E::InvalidArgument(token("{{partition(x,1)}}"))
    );
}

#[test]
fn identity_maps_to_itself() {
    let mut into = Vec::new();
    Transform::identity("a.*.c.>").apply(b"a.b.c.d.e", |_| 0, &mut into);
    assert_eq!(into, b"a.b.c.d.e");
}
