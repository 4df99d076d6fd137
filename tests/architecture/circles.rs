//! No circles of files inside a crate: who reads a file may stop at the files that it names.
//!
//! An edge leads from one file to another if the first names something that the second defines, in a
//! `use` or in a path anywhere; names that a module only hands on are followed to the file that defines
//! them. Two things are no edges: `mod x;`, and a `pub use` of something from the own children, by which
//! a parent says what is behind its door.
//!
//! Methods are not seen, since a call of one names no file. So a child may add `impl` blocks to a type
//! of its parent, Rust's way to spread a long `impl` over files, as long as the parent names nothing of
//! that child: a type that both need has a file of its own, below them. Tests are left out: they stand
//! above everything, and nothing stands on them.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::{Tree, sources_of};
use crate::source::{Source, Use};

/// Folders of crates whose files form no circles.
const CRATES: [&str; 3] = ["src/core/", "src/server/", "loadgen/src/"];

/// Where circles are still allowed.
const NOT_YET: [&str; 0] = [];

/// Steps from a name to where it is defined; more are a circle of re-exports.
const STEPS_MAX: usize = 8;

/// The files of one crate.
struct Crate<'a> {
    files: Vec<(&'a str, Vec<String>, Source)>,
    modules: BTreeMap<Vec<String>, usize>,
}

/// The first thing that one file takes from another: its line and its name.
type Edges = BTreeMap<(usize, usize), (usize, String)>;

/// Names every edge that lies on a circle, with the shortest way back.
pub fn no_circles(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for folder in CRATES {
        let house = Crate::read(tree, folder);
        let edges = house.edges();
        let file = |at: usize| house.files[at].0;
        for (&(from, to), (line, name)) in &edges {
            let is_left_out =
                |room: &&str| file(from).starts_with(room) && file(to).starts_with(room);
            if NOT_YET.iter().any(is_left_out) {
                continue;
            }
            if let Some(way) = shortest_way(&edges, to, from) {
                let way: Vec<&str> = way.into_iter().map(file).collect();
                let way = way.join(" -> ");
                let file = file(from);
                broken.push(format!("{file}:{line}: `{name}` closes a circle: {way}"));
            }
        }
    }
    broken
}

impl<'a> Crate<'a> {
    fn read(tree: &'a Tree, folder: &'a str) -> Self {
        let files: Vec<_> = sources_of(tree, folder)
            .filter(|(file, _)| !is_test(file))
            .map(|(file, text)| {
                let module = module(&file[folder.len()..]);
                (file.as_str(), module, Source::read(text))
            })
            .collect();
        let mut modules = BTreeMap::new();
        for (at, (_, module, _)) in files.iter().enumerate() {
            // A library comes before the program around it.
            modules.entry(module.clone()).or_insert(at);
        }
        Self { files, modules }
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (from, (_, _, source)) in self.files.iter().enumerate() {
            let is_own = |of: &&Use| of.is_public && source.children.contains(&of.path[0]);
            let uses = source.uses.iter().filter(|of| !is_own(of));
            let taken = uses.map(|of| (of.line, &of.path));
            let named = source.mentions.iter().map(|(line, path)| (*line, path));
            for (line, path) in taken.chain(named) {
                if let Some(to) = self.definer(from, path, STEPS_MAX).filter(|&to| to != from) {
                    let edge = || (line, path.join("::"));
                    edges.entry((from, to)).or_insert_with(edge);
                }
            }
        }
        edges
    }

    /// The file that defines what a path leads to, if it is one of this crate.
    fn definer(&self, from: usize, path: &[String], steps_left: usize) -> Option<usize> {
        let (_, own, source) = &self.files[from];
        let steps_left = steps_left.checked_sub(1)?;
        let (mut module, mut rest) = match path[0].as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (own.clone(), &path[1..]),
            "super" => (own.clone(), path),
            child if source.children.contains(child) => (own.clone(), path),
            name => {
                let of = source.uses.iter().find(|of| of.name == name)?;
                let whole = [&of.path, &path[1..]].concat();
                return self.definer(from, &whole, steps_left);
            }
        };
        while let Some(name) = rest.first() {
            if name == "super" {
                module.pop();
            } else {
                module.push(name.clone());
                if !self.modules.contains_key(&module) {
                    module.pop();
                    break;
                }
            }
            rest = &rest[1..];
        }
        let at = *self.modules.get(&module)?;
        let handed_on = |name: &String| self.files[at].2.uses.iter().find(|of| of.name == *name);
        match rest.first().and_then(handed_on) {
            Some(of) => self.definer(at, &of.path, steps_left),
            None => Some(at),
        }
    }
}

fn is_test(file: &str) -> bool {
    file.ends_with("_tests.rs") || file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// The module of a file, by its place below the root of its crate.
fn module(place: &str) -> Vec<String> {
    let names = place.trim_end_matches(".rs").split('/');
    let mut module: Vec<String> = names.map(str::to_owned).collect();
    module.pop_if(|last| matches!(last.as_str(), "mod" | "lib" | "main"));
    module
}

/// The files from one to the other, both named; a file does not lead to itself.
fn shortest_way(edges: &Edges, from: usize, to: usize) -> Option<Vec<usize>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::from([from]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way[way.len() - 1];
            if last == to {
                return Some(way);
            }
            for &(_, next) in edges
                .range((last, 0)..=(last, usize::MAX))
                .map(|edge| edge.0)
            {
                if seen.insert(next) {
                    longer.push([way.as_slice(), &[next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}
