//! The rules of the house, checked on the sources, and each check on a small house that breaks it.

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/functions.rs"]
mod functions;
#[path = "architecture/marks.rs"]
mod marks;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use std::path::Path;

use circles::no_circles;
use functions::short_functions;
use marks::no_marks;
use rules::{Tree, core_is_pure, import_direction, loadgen_is_independent, read_tree, small_rooms};

fn house() -> Tree {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate has a parent folder");
    read_tree(top)
}

#[track_caller]
fn assert_kept(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn the_house_is_read() {
    let house = house();
    for file in [
        "src/core/shard/mod.rs",
        "loadgen/Cargo.toml",
        "tests/architecture.rs",
    ] {
        assert!(house.contains_key(file), "{file}");
    }
}

#[test]
fn imports_of_the_core_go_down() {
    assert_kept(&import_direction(&house()));
}

#[test]
fn the_core_does_nothing_itself() {
    assert_kept(&core_is_pure(&house()));
}

#[test]
fn loadgen_shares_no_code_with_the_server() {
    assert_kept(&loadgen_is_independent(&house()));
}

#[test]
fn rooms_are_small_and_say_what_they_are_for() {
    assert_kept(&small_rooms(&house()));
}

#[test]
fn files_of_a_crate_form_no_circles() {
    assert_kept(&no_circles(&house()));
}

#[test]
fn functions_are_short() {
    assert_kept(&short_functions(&house()));
}

#[test]
fn nobody_reads_the_marks_of_rust() {
    assert_kept(&no_marks(&house()));
}

#[test]
fn a_mark_of_rust_is_found() {
    let file = "src/server/log.rs";
    let text = "//! Log.\nfn log() {\n    assert!(x, \"{x:?}\");\n    warn!(\"{x:?}\");\n}\n#[cfg(test)]\nmod tests { fn f() { format!(\"{:?}\", 1); } }\n";
    let broken = no_marks(&small_house(&[(file, text)]));
    assert_eq!(
        broken,
        ["src/server/log.rs:4: shows a value as Rust writes it"]
    );
}

const LIB: &str = "//! Core.\n//!\n//! | layer | module | may import |\n//! |---|---|---|\n\
    //! | L0 | `base` | nothing |\n//! | L1 | `wire` | `base` |\n//! | L1 | `subject` | `base` |\n\
    //! | L4 | `shard` | everything below |\n\npub mod base;\npub mod shard;\npub mod subject;\npub mod wire;\n";

const MANIFEST: &str = "[package]\nname = \"trunkline-core\"\n\n[dependencies]\nbytes.workspace = true\nserde = \"1\"\n";

/// A small house that keeps all rules, with some files changed.
fn small_house(changes: &[(&str, &str)]) -> Tree {
    let files = [
        ("src/core/lib.rs", LIB),
        ("src/core/Cargo.toml", MANIFEST),
        ("src/core/base/mod.rs", "//! Base.\npub mod id;\n"),
        (
            "src/core/base/id.rs",
            "//! Ids.\nuse super::super::base::limits;\n",
        ),
        (
            "src/core/wire/mod.rs",
            "//! Wire.\nuse crate::base::id::{A, wire};\nuse super::base;\n",
        ),
        (
            "src/core/shard/mod.rs",
            "//! Shard.\nuse crate::{base::{id, limits}, wire, subject::trie};\n",
        ),
        (
            "loadgen/Cargo.toml",
            "[dependencies]\nclap = { version = \"4\" }\n",
        ),
        (
            "loadgen/src/main.rs",
            "//! Loads.\n// Shares nothing with trunkline_core.\n",
        ),
    ];
    let all = files.iter().chain(changes);
    all.map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
        .collect()
}

/// A check is silent on the small house and names the place in a changed one.
#[track_caller]
fn assert_bites(check: fn(&Tree) -> Vec<String>, file: &str, text: &str, place: &str) {
    assert_kept(&check(&small_house(&[])));
    let broken = check(&small_house(&[(file, text)]));
    let is_named = broken.len() == 1 && broken[0].starts_with(place);
    assert!(is_named, "expected {place}, found {broken:?}");
}

#[test]
fn upward_and_sideward_imports_are_found() {
    let wire = "src/core/wire/mod.rs";
    for (line, place) in [
        (
            "use crate::shard::Shard;",
            ":3: `wire` must not import `shard`",
        ),
        (
            "use crate::subject::trie;",
            ":3: `wire` must not import `subject`",
        ),
        (
            "use crate::{base::{id}, shard};",
            ":3: `wire` must not import `shard`",
        ),
        (
            "use crate::{\n    base,\n    shard::mesh,\n};",
            ":3: `wire` must not import `shard`",
        ),
        ("use super::shard;", ":3: `wire` must not import `shard`"),
        (
            "fn f() { crate::subject::pattern::parse(); }",
            ":3: `wire` must not import `subject`",
        ),
        (
            "pub(in crate::shard) fn f() {}",
            ":3: `wire` must not import `shard`",
        ),
    ] {
        let text = format!("//! Wire.\n// use crate::shard;\n{line}\n");
        assert_bites(import_direction, wire, &text, &format!("{wire}{place}"));
    }
    let deep = "src/core/wire/parse/odd.rs";
    let text = "//! Odd.\nuse super::super::super::subject::trie;\n";
    let place = format!("{deep}:2: `wire` must not import `subject`");
    assert_bites(import_direction, deep, text, &place);
    let base = "src/core/base/id.rs";
    let place = format!("{base}:2: `base` must not import `wire`");
    assert_bites(
        import_direction,
        base,
        "//! Ids.\nuse crate::wire;\n",
        &place,
    );
}

#[test]
fn a_wrong_table_is_found() {
    let lib = "src/core/lib.rs";
    let upward = LIB.replace("| `subject` | `base` |", "| `subject` | `base`, `wire` |");
    assert_bites(
        import_direction,
        lib,
        &upward,
        "src/core/lib.rs: `subject` would import `wire`",
    );
    let missing = format!("{LIB}pub mod stream;\n");
    assert_bites(
        import_direction,
        lib,
        &missing,
        "src/core/lib.rs: no row for `pub mod stream;`",
    );
    let file = "src/core/stream/mod.rs";
    assert_bites(
        import_direction,
        file,
        "//! Streams.\n",
        "src/core/stream/mod.rs: `stream` is not",
    );
    let gone = import_direction(&small_house(&[(lib, "//! Core.\n")]));
    assert!(
        gone.contains(&"src/core/lib.rs: no table of layers".to_owned()),
        "{gone:?}"
    );
}

#[test]
fn a_core_that_acts_is_found() {
    let manifest = "src/core/Cargo.toml";
    for (addition, line) in [
        ("rustix.workspace = true\n", 7),
        ("bytes2 = { package = \"glommio-ng\" }\n", 7),
        ("[dev-dependencies]\ntokio = \"1\"\n", 8),
        ("[dependencies.mio]\nversion = \"1\"\n", 7),
        ("[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n", 8),
    ] {
        let broken = core_is_pure(&small_house(&[(
            manifest,
            &format!("{MANIFEST}{addition}"),
        )]));
        let place = format!("{manifest}:{line}: ");
        assert!(
            broken.iter().any(|found| found.starts_with(&place)),
            "{addition} {broken:?}"
        );
    }
    let file = "src/core/wire/mod.rs";
    for line in [
        "use std::fs;",
        "fn f() { std::thread::spawn(g); }",
        "use std::net::TcpStream;",
        "use trunkline_server::options;",
        "let now = Instant::now();",
    ] {
        let text = format!("//! Wire.\n{line}\n");
        assert_bites(core_is_pure, file, &text, "src/core/wire/mod.rs:2: ");
    }
}

#[test]
fn a_dependent_loadgen_is_found() {
    let check = loadgen_is_independent;
    let manifest = "[dev-dependencies]\ntrunkline-core.workspace = true\n";
    assert_bites(
        check,
        "loadgen/Cargo.toml",
        manifest,
        "loadgen/Cargo.toml:2: depends on",
    );
    let source = "//! Loads.\nuse trunkline_core::wire;\n";
    assert_bites(
        check,
        "loadgen/src/main.rs",
        source,
        "loadgen/src/main.rs:2: use",
    );
    let source = "//! Loads.\n#[path = \"../../src/core/wire/mod.rs\"]\nmod wire;\n";
    assert_bites(
        check,
        "loadgen/src/main.rs",
        source,
        "loadgen/src/main.rs:2: ",
    );
}

#[test]
fn a_large_or_silent_room_is_found() {
    let file = "bench/src/main.rs";
    let large = format!("//! Large.\n{}", "\n".repeat(499));
    assert_bites(small_rooms, file, &large, "bench/src/main.rs: 500 lines");
    let largest = format!("//! Large.\n{}", "\n".repeat(498));
    assert_kept(&small_rooms(&small_house(&[(file, &largest)])));
    assert_bites(
        small_rooms,
        file,
        "fn main() {}\n",
        "bench/src/main.rs:1: does not open",
    );
}

/// A small house whose server has these files besides a library.
fn small_server(files: &[(&str, &str)]) -> Tree {
    let lib = ("src/server/lib.rs", "//! Server.\nmod a;\nmod b;\n");
    let files: Vec<(&str, &str)> = files.iter().copied().chain([lib]).collect();
    small_house(&files)
}

#[test]
fn a_circle_of_files_is_found() {
    let (a, b) = ("src/server/a.rs", "src/server/b.rs");
    for (a_text, b_text, place) in [
        (
            "use crate::b::B;",
            "use super::a;",
            "src/server/a.rs:2: `crate::b::B` closes",
        ),
        (
            "fn f() { crate::b::f(); }",
            "use crate::{a::{self, A}, c};",
            "src/server/a.rs:2: `crate::b::f` closes",
        ),
        (
            "use crate::b;",
            "fn f(a: super::a::A) {}",
            "src/server/a.rs:2: `crate::b` closes",
        ),
    ] {
        let a_text = format!("//! A.\n{a_text}\n");
        let b_text = format!("//! B.\n{b_text}\n");
        let broken = no_circles(&small_server(&[(a, &a_text), (b, &b_text)]));
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].starts_with(place), "{broken:?}");
        assert_kept(&no_circles(&small_server(&[(a, &a_text), (b, "//! B.\n")])));
    }
}

#[test]
fn a_longer_circle_is_found_through_re_exports() {
    let files = [
        (
            "src/server/a.rs",
            "//! A.\nmod inner;\npub use inner::Inner;\n",
        ),
        ("src/server/a/inner.rs", "//! Inner.\nuse crate::b::B;\n"),
        ("src/server/b.rs", "//! B.\nuse crate::a::Inner;\n"),
    ];
    let broken = no_circles(&small_server(&files));
    let way = "src/server/a/inner.rs:2: `crate::b::B` closes a circle: \
               src/server/b.rs -> src/server/a/inner.rs";
    assert!(broken.iter().any(|found| found == way), "{broken:?}");
    assert_eq!(
        broken.len(),
        2,
        "the door itself is on no circle: {broken:?}"
    );
}

#[test]
fn a_child_may_add_to_its_parents_type_only() {
    let wing = (
        "src/server/a/wing.rs",
        "//! Wing.\nuse super::A;\nimpl A { fn f() {} }\n",
    );
    let parent = |text: &str| format!("//! A.\nmod wing;\npub struct A;\n{text}\n");
    let kept = parent("fn f() { A::f(); }");
    assert_kept(&no_circles(&small_server(&[
        ("src/server/a.rs", &kept),
        wing,
    ])));
    for text in ["use wing::Part;", "fn f() { wing::f(); }"] {
        let text = parent(text);
        let broken = no_circles(&small_server(&[("src/server/a.rs", &text), wing]));
        assert_eq!(broken.len(), 2, "{broken:?}");
    }
}

#[test]
fn comments_texts_and_tests_form_no_circles() {
    let a = "//! A.\nuse crate::b::B;\n";
    for b in [
        "// use crate::a::A;",
        "const TEXT: &str = \"\\\"crate::a::A\";",
        "const MARK: char = '\"'; // crate::a::A \"",
        "pub(in crate::a) fn f() {}",
        "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}",
    ] {
        let b = format!("//! B.\n{b}\n");
        let files = [("src/server/a.rs", a), ("src/server/b.rs", b.as_str())];
        assert_kept(&no_circles(&small_server(&files)));
    }
}

#[test]
fn a_long_function_is_found() {
    let file = "src/server/a.rs";
    let long = |lines: usize| format!("//! A.\npub fn f() {{\n{}}}\n", "    g();\n".repeat(lines));
    let place = "src/server/a.rs:2: `f` has 71 lines";
    assert_bites(short_functions, file, &long(69), place);
    assert_kept(&short_functions(&small_house(&[(file, &long(68))])));
    let method = format!(
        "//! A.\nimpl A {{\n    async fn f<T>(\n        a: T,\n    ) {{\n{}    }}\n}}\n",
        "        g();\n".repeat(68)
    );
    let place = "src/server/a.rs:3: `f` has 72 lines";
    assert_bites(short_functions, file, &method, place);
    let bodiless = format!(
        "//! A.\ntrait A {{\n    fn f(\n        &self,\n    );\n{}}}\n",
        "    const A: u8;\n".repeat(80)
    );
    assert_kept(&short_functions(&small_house(&[(file, &bodiless)])));
}
