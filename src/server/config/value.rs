//! What a configuration file holds once it is read: values, each with the place
//! it was written at, and the errors that name such a place.
//!
//! Containers are shared (`Arc`), so that a variable referenced a thousand times
//! costs a thousand pointers, not a thousand copies of what it stands for.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A place in a configuration file.
///
/// Columns count as nats-server counts them: from 0 in the first line and from 1
/// in every later one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    /// The file as the user named it, or as an `include` resolved to it.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// See the type.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One value of the grammar.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Bare, quoted or block string.
    Text(Arc<str>),
    /// Already multiplied by its size suffix.
    Integer(i64),
    /// A number with a decimal point.
    Float(f64),
    /// true/false, yes/no, on/off.
    Bool(bool),
    /// `2006-01-02T15:04:05Z`, kept as written: nothing supported uses one yet.
    DateTime(Arc<str>),
    /// `[ … ]`
    Array(Arc<Vec<Item>>),
    /// `{ … }`
    Map(Arc<Map>),
}

impl Value {
    /// The kind of value, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a boolean",
            Value::DateTime(_) => "a date",
            Value::Array(_) => "an array",
            Value::Map(_) => "a map",
        }
    }
}

/// A value and where it stands: at its key inside a map, at itself in an array.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What was written.
    pub value: Value,
    /// Where.
    pub at: Position,
}

/// One `key value` of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key as written; options compare it without regard to case.
    pub key: String,
    /// Its value.
    pub item: Item,
    /// A `$key` referred to it: then an unknown key is a definition, not a mistake.
    pub used_as_variable: bool,
}

/// Entries up to which a map is searched through; beyond, it knows where its
/// keys stand.
const SEARCHED_MAX: usize = 16;

/// A map in the order of the file; a repeated key keeps its last value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    entries: Vec<Entry>,
    /// Where each key stands; empty while there are few.
    places: HashMap<String, usize>,
}

impl Map {
    /// Adds `entry`, replacing one whose key is spelled the same.
    pub fn insert(&mut self, entry: Entry) {
        if let Some(place) = self.place_of(&entry.key) {
            self.entries[place] = entry;
            return;
        }
        self.entries.push(entry);
        if self.entries.len() <= SEARCHED_MAX {
            return;
        }
        // The last one, or all of them if they have just become many.
        let known = self.places.len();
        let new = self.entries.iter().enumerate().skip(known);
        let new = new.map(|(place, entry)| (entry.key.clone(), place));
        self.places.extend(new);
    }

    fn place_of(&self, key: &str) -> Option<usize> {
        match self.places.is_empty() {
            true => self.entries.iter().position(|entry| entry.key == key),
            false => self.places.get(key).copied(),
        }
    }

    /// Looks `key` up as a variable and remembers that it was used as one.
    pub fn use_as_variable(&mut self, key: &str) -> Option<Value> {
        let place = self.place_of(key)?;
        let entry = &mut self.entries[place];
        entry.used_as_variable = true;
        Some(entry.item.value.clone())
    }

    /// The entries in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries by value, in the order of the file.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Whether the map holds nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A mistake in a configuration file, or a warning about one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The place; absent when the whole file is meant and the message names it.
    pub at: Option<Position>,
    /// What is wrong there.
    pub message: String,
}

impl ConfigError {
    /// A mistake at `at`.
    pub fn at(at: &Position, message: impl Into<String>) -> Self {
        Self {
            at: Some(at.clone()),
            message: message.into(),
        }
    }

    /// A mistake of the whole file.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self {
            at: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(formatter, "{at}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The outcome of reading one file: its values, and every file that took part.
#[derive(Clone, Debug)]
pub struct Document {
    /// The top level.
    pub map: Map,
    /// The file as the user named it.
    pub path: PathBuf,
}
