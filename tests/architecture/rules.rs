//! The rules of the house as functions over sources: each returns the lines that break it.

use std::collections::BTreeMap;
use std::path::Path;

/// Files by their path from the top of the repository.
pub type Tree = BTreeMap<String, String>;

/// Files have fewer lines than this.
const LINES_MAX: usize = 500;

/// Folders that hold sources of ours.
const ROOMS: [&str; 4] = ["src", "loadgen", "bench", "tests"];

/// What the core may depend on: data structures and text, nothing that acts.
const CORE_DEPENDENCIES: [&str; 17] = [
    "ahash",
    "base64",
    "bytes",
    "crc32c",
    "ed25519-dalek",
    "flate2",
    "hashbrown",
    "httparse",
    "jiff",
    "memchr",
    "rkyv",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "tracing",
    "tungstenite",
];

/// Parts of the standard library that act, and our own crates above the core.
const FORBIDDEN_IN_CORE: [&str; 14] = [
    "std::fs",
    "std::thread",
    "std::process",
    "std::env::",
    "std::sync::mpsc",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::os",
    "Instant::now",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
    "glommio",
    "trunkline_server",
];

/// Reads the sources and manifests below the top of the repository.
pub fn read_tree(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders: Vec<_> = ROOMS.iter().map(|room| top.join(room)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            if path.is_dir() {
                if !name.starts_with('.') && !matches!(name, "target" | "node_modules" | "corpus") {
                    folders.push(path);
                }
            } else if name == "Cargo.toml" || name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                let place = path.strip_prefix(top).expect("below the top");
                tree.insert(place.to_string_lossy().into_owned(), text);
            }
        }
    }
    tree
}

/// One row of the table in the core's crate doc.
struct Room {
    layer: u32,
    may_import: Vec<String>,
}

/// Every path that begins at the crate or at a parent module leads to a module that the table allows.
pub fn import_direction(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let lib = tree.get("src/core/lib.rs").map_or("", String::as_str);
    let rooms = table(lib, &mut broken);
    for (file, text) in sources_of(tree, "src/core/") {
        let place = file.trim_start_matches("src/core/").trim_end_matches(".rs");
        let mut modules: Vec<&str> = place.split('/').collect();
        if modules.last() == Some(&"mod") || modules == ["lib"] {
            modules.pop();
        }
        let Some(own) = modules.first() else {
            continue;
        };
        let Some(room) = rooms.get(*own) else {
            broken.push(format!("{file}: `{own}` is not in the table"));
            continue;
        };
        for (line, target) in imports(&without_comments(text), modules.len()) {
            let is_room = rooms.contains_key(&target);
            if is_room && target != *own && !room.may_import.contains(&target) {
                broken.push(format!("{file}:{line}: `{own}` must not import `{target}`"));
            }
        }
    }
    broken
}

/// Reads the table, and checks that it leads down and names every module.
fn table(lib: &str, broken: &mut Vec<String>) -> BTreeMap<String, Room> {
    let mut rooms: BTreeMap<String, Room> = BTreeMap::new();
    for row in lib.lines().filter_map(|line| line.strip_prefix("//! | L")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (Some(layer), [_, name, allowed, ..]) = (cells[0].parse().ok(), &cells[..]) else {
            broken.push(format!("src/core/lib.rs: no row of a table: {row}"));
            continue;
        };
        let below = || rooms.iter().filter(|(_, room)| room.layer < layer);
        let may_import = match *allowed {
            "nothing" => Vec::new(),
            "everything below" => below().map(|(name, _)| name.clone()).collect(),
            names => names
                .split(',')
                .map(|name| name.trim().trim_matches('`').to_owned())
                .collect(),
        };
        for target in &may_import {
            if !below().any(|(name, _)| name == target) {
                broken.push(format!(
                    "src/core/lib.rs: {name} would import `{target}`, which is not below"
                ));
            }
        }
        let room = Room { layer, may_import };
        rooms.insert(name.trim_matches('`').to_owned(), room);
    }
    for line in lib.lines() {
        if let Some(name) = line.strip_prefix("pub mod ").or(line.strip_prefix("mod "))
            && !rooms.contains_key(name.trim_end_matches(';'))
        {
            broken.push(format!("src/core/lib.rs: no row for `{line}`"));
        }
    }
    if rooms.is_empty() {
        broken.push("src/core/lib.rs: no table of layers".into());
    }
    rooms
}

/// The top-level modules that a text names, with their lines. `depth` is how many modules the file is
/// below the crate; modules inside a file are not counted, so that `super` may lead less far than
/// assumed, never further.
fn imports(text: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let to_crate = "super::".repeat(depth);
    for prefix in ["crate::", to_crate.as_str()] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].chars().next_back();
            let is_inside =
                before.is_some_and(|letter| letter.is_alphanumeric() || "_$:".contains(letter));
            if is_inside {
                continue;
            }
            let line = text[..at].matches('\n').count() + 1;
            let rest = &text[at + prefix.len()..];
            found.extend(heads(rest).into_iter().map(|head| (line, head)));
        }
    }
    found
}

/// The first names of a path, or of the paths in a group in braces.
fn heads(text: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let is_letter = |letter: &char| letter.is_alphanumeric() || *letter == '_';
        text.trim_start().chars().take_while(is_letter).collect()
    };
    let Some(group) = text.strip_prefix('{') else {
        return vec![name(text)];
    };
    let mut heads = vec![name(group)];
    let mut depth = 1;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => heads.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// The core depends on nothing that acts and names nothing that does.
pub fn core_is_pure(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let manifest = tree.get("src/core/Cargo.toml").map_or("", String::as_str);
    for (line, name) in dependencies(manifest) {
        if !CORE_DEPENDENCIES.contains(&name.as_str()) {
            broken.push(format!(
                "src/core/Cargo.toml:{line}: `{name}` is not allowed"
            ));
        }
    }
    for (file, text) in sources_of(tree, "src/core/") {
        for (number, line) in (1..).zip(without_comments(text).lines()) {
            for forbidden in FORBIDDEN_IN_CORE {
                if line.contains(forbidden) {
                    broken.push(format!("{file}:{number}: `{forbidden}` in the core"));
                }
            }
        }
    }
    broken
}

/// The load generator is an independent eye: it shares no code with the server.
pub fn loadgen_is_independent(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let manifest = tree.get("loadgen/Cargo.toml").map_or("", String::as_str);
    for (line, name) in dependencies(manifest) {
        if name.starts_with("trunkline") {
            broken.push(format!("loadgen/Cargo.toml:{line}: depends on `{name}`"));
        }
    }
    for (file, text) in sources_of(tree, "loadgen/") {
        for (number, line) in (1..).zip(without_comments(text).lines()) {
            if line.contains("trunkline_core") || line.contains("src/core") {
                broken.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    broken
}

/// Files are small and say first what they are for.
pub fn small_rooms(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in tree.iter().filter(|(file, _)| file.ends_with(".rs")) {
        let lines = text.lines().count();
        if lines >= LINES_MAX {
            broken.push(format!(
                "{file}: {lines} lines, fewer than {LINES_MAX} are allowed"
            ));
        }
        if !text.starts_with("//! ") {
            broken.push(format!("{file}:1: does not open with what it is for"));
        }
    }
    broken
}

/// The sources below a folder.
pub fn sources_of<'a>(
    tree: &'a Tree,
    folder: &'a str,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    tree.iter()
        .filter(move |(file, _)| file.starts_with(folder) && file.ends_with(".rs"))
}

/// Blanks out what follows `//`, documentation included; lines stay where they are.
fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or("").to_owned();
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// Names of the packages that a manifest depends on, with their lines; a renamed one under both names.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_list = false;
    for (number, line) in (1..).zip(manifest.lines().map(str::trim)) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            is_list = section.ends_with("dependencies");
            if let Some((list, name)) = section.rsplit_once('.')
                && list.ends_with("dependencies")
            {
                found.push((number, name.to_owned()));
            }
        } else if is_list && !line.starts_with('#') && line.contains('=') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or("");
            found.push((number, name.trim_matches('"').to_owned()));
        }
        if let Some((_, renamed)) = line.split_once("package = \"") {
            let name = renamed.split('"').next().unwrap_or("");
            found.push((number, name.to_owned()));
        }
    }
    found
}
