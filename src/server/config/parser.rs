//! Keys and scalars to a tree: maps, arrays, includes, variables, number suffixes.
//!
//! Entries end by a new line, `,` or `;`; a whole file may stand in one pair of
//! braces (JSON). A lone `/` between values is ignored and a lone `}` at the end
//! of a file is too, as nats-server does.
//!
//! Bounded here: nesting and inclusion ([`NESTING_MAX`], refused beyond), so that
//! recursion over the tree is safe. nats-server has no such bound, and takes an
//! include cycle until the process dies.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lexer::Lexer;
use super::number::{date_time, float, integer};
use super::token::{END, Key, Scalar, is_blank, is_separator};
use super::value::{ConfigError, Document, Entry, Item, Map, Position, Value};
use crate::io_failure::describe;
use trunkline_core::base::shown::quoted;

/// How deep maps and arrays, and how deep includes, may nest.
pub const NESTING_MAX: usize = 100;

/// Looks up an environment variable; tests replace it.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads the file at `path` and everything it includes.
pub fn parse_file(path: &Path, environment: Environment<'_>) -> Result<Document, ConfigError> {
    let input = std::fs::read(path).map_err(|error| {
        let reason = describe(&error);
        ConfigError::of_file(format!("open {}: {reason}", path.display()))
    })?;
    let map = parse_bytes(&input, path, environment, &[])?;
    Ok(Document {
        map,
        path: path.to_owned(),
    })
}

/// Reads `input` as the contents of `path`, which `including` led to.
pub(super) fn parse_bytes(
    input: &[u8],
    path: &Path,
    environment: Environment<'_>,
    including: &[PathBuf],
) -> Result<Map, ConfigError> {
    let mut chain = including.to_vec();
    chain.push(path.to_owned());
    let file: Arc<str> = path.display().to_string().into();
    let mut parser = Parser::new(Lexer::new(input, file), environment, chain);
    parser.top()?;
    Ok(parser.finish())
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    environment: Environment<'a>,
    /// This file and those that led to it.
    chain: Vec<PathBuf>,
    /// The open maps, outermost first: where variables are looked up.
    scopes: Vec<Map>,
    depth: usize,
    /// Environment variables being read, to find cycles.
    resolving: Vec<String>,
    /// Inside an environment variable every value stands where it was referenced.
    fixed_position: Option<Position>,
}

impl<'a> Parser<'a> {
    fn new(lexer: Lexer<'a>, environment: Environment<'a>, chain: Vec<PathBuf>) -> Self {
        Self {
            lexer,
            environment,
            chain,
            scopes: vec![Map::default()],
            depth: 0,
            resolving: Vec::new(),
            fixed_position: None,
        }
    }

    fn finish(mut self) -> Map {
        assert_eq!(self.scopes.len(), 1, "every opened map was closed");
        self.scopes.pop().unwrap_or_default()
    }

    fn position(&self) -> Position {
        match &self.fixed_position {
            Some(position) => position.clone(),
            None => self.lexer.position(),
        }
    }

    fn enter(&mut self) -> Result<(), ConfigError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self
                .lexer
                .error(format!("nested more than {NESTING_MAX} deep")));
        }
        Ok(())
    }

    fn insert(&mut self, entry: Entry) {
        self.scopes
            .last_mut()
            .expect("the top level stays open until the end")
            .insert(entry);
    }

    fn top(&mut self) -> Result<(), ConfigError> {
        loop {
            self.lexer.skip_spaces_and_comments();
            match self.lexer.peek() {
                END if self.lexer.at_end() => return Ok(()),
                END | '/' => return Err(self.lexer.error("Unexpected EOF.")),
                '{' => self.braces()?,
                _ => {
                    self.entry()?;
                    self.end_of_top_entry()?;
                }
            }
        }
    }

    fn end_of_top_entry(&mut self) -> Result<(), ConfigError> {
        loop {
            if self.lexer.skip_comment() {
                return Ok(());
            }
            match self.lexer.peek() {
                END if self.lexer.at_end() => return Ok(()),
                END | '\n' | '\r' | ';' | ',' | '}' => {
                    self.lexer.advance();
                    return Ok(());
                }
                '/' | ' ' | '\t' => {
                    self.lexer.advance();
                }
                other => {
                    return Err(self.lexer.error(format!(
                        "Expected a top-level value to end with a new line, comment or EOF, but got '{}' instead.",
                        other.escape_debug()
                    )));
                }
            }
        }
    }

    /// `{ … }` around top-level entries: they stay top-level entries.
    fn braces(&mut self) -> Result<(), ConfigError> {
        self.enter()?;
        self.lexer.advance();
        loop {
            self.lexer.skip_spaces_and_comments();
            match self.lexer.peek() {
                END if self.lexer.at_end() => break,
                END | '/' => return Err(self.lexer.error("Unexpected EOF.")),
                '{' => self.braces()?,
                '}' => {
                    self.lexer.advance();
                    break;
                }
                _ => {
                    self.entry()?;
                    self.end_of_braced_entry()?;
                    continue;
                }
            }
            self.end_of_inner_braces()?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// After an inner pair of braces a terminator may stand, but not the end.
    fn end_of_inner_braces(&mut self) -> Result<(), ConfigError> {
        loop {
            self.lexer.skip_spaces_and_comments();
            match self.lexer.peek() {
                ',' | ';' => {
                    self.lexer.advance();
                }
                END => {
                    let message = "Expected a block-level to end with a '}', but got EOF instead.";
                    return Err(self.lexer.error(message));
                }
                _ => return Ok(()),
            }
        }
    }

    fn end_of_braced_entry(&mut self) -> Result<(), ConfigError> {
        loop {
            if self.lexer.skip_comment() {
                continue;
            }
            match self.lexer.peek() {
                '/' | ' ' | '\t' => {
                    self.lexer.advance();
                }
                '\n' | '\r' | ';' | ',' => {
                    self.lexer.advance();
                    return Ok(());
                }
                '}' => return Ok(()),
                other => {
                    return Err(self.lexer.error(format!(
                        "Expected a block-level value to end with a new line, comment or EOF, but got '{}' instead.",
                        other.escape_debug()
                    )));
                }
            }
        }
    }

    /// One `key value` or `include` of the top level.
    fn entry(&mut self) -> Result<(), ConfigError> {
        if is_separator(self.lexer.peek()) {
            let message = format!("Unexpected key separator '{}'", self.lexer.peek());
            return Err(self.lexer.error(message));
        }
        let key = self.lexer.key()?;
        if key.is_include {
            return self.include();
        }
        self.lexer.skip_spaces();
        if is_separator(self.lexer.peek()) {
            self.lexer.advance();
        } else if self.lexer.peek() == END {
            // A surplus closing brace reads as a key and is forgiven.
            if key.text == "}" {
                return Ok(());
            }
            let message = format!("config is invalid: key {} has no value", quoted(&key.text));
            return Err(ConfigError::at(&key.at, message));
        }
        self.set(key)
    }

    /// Reads the value of `key` into the innermost open map.
    fn set(&mut self, key: Key) -> Result<(), ConfigError> {
        let value = self.value()?;
        let at = self.fixed_position.clone().unwrap_or(key.at);
        self.insert(Entry {
            key: key.text,
            item: Item { value, at },
            used_as_variable: false,
        });
        Ok(())
    }

    fn value(&mut self) -> Result<Value, ConfigError> {
        while is_blank(self.lexer.peek()) {
            self.lexer.advance();
        }
        match self.lexer.peek() {
            '[' => self.array(),
            '{' => self.map(),
            _ => {
                let at = self.position();
                match self.lexer.scalar()? {
                    Scalar::Text(text) => Ok(Value::Text(text.into())),
                    Scalar::Bool(value) => Ok(Value::Bool(value)),
                    Scalar::Integer(text) => integer(&text, &at),
                    Scalar::Float(text) => float(&text, &at),
                    Scalar::DateTime(text) => date_time(&text, &at),
                    Scalar::Variable(name) => self.variable(&name, &at),
                }
            }
        }
    }

    fn array(&mut self) -> Result<Value, ConfigError> {
        self.enter()?;
        self.lexer.advance();
        let mut items = Vec::new();
        loop {
            self.lexer.skip_spaces_and_comments();
            match self.lexer.peek() {
                ']' => {
                    self.lexer.advance();
                    break;
                }
                ',' | '/' => {
                    return Err(self.lexer.error("Unexpected array value terminator ','."));
                }
                _ => {
                    let mut at = self.position();
                    // Strings stand behind their quote, variables behind their dollar.
                    at.column += u32::from(matches!(self.lexer.peek(), '"' | '\'' | '$'));
                    let has_end = matches!(self.lexer.peek(), '{' | '[');
                    let value = self.value()?;
                    if has_end {
                        // Maps and arrays stand where they end.
                        at = self.position();
                    }
                    items.push(Item { value, at });
                    if self.array_ends()? {
                        break;
                    }
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Array(Arc::new(items)))
    }

    fn array_ends(&mut self) -> Result<bool, ConfigError> {
        loop {
            if self.lexer.skip_comment() {
                continue;
            }
            match self.lexer.peek() {
                ' ' | '\t' => {
                    self.lexer.advance();
                }
                ',' | '/' | '\n' | '\r' => {
                    self.lexer.advance();
                    return Ok(false);
                }
                ']' => {
                    self.lexer.advance();
                    return Ok(true);
                }
                other => {
                    return Err(self.lexer.error(format!(
                        "Expected an array value terminator \",\" or an array terminator \"]\", but got '{}' instead.",
                        other.escape_debug()
                    )));
                }
            }
        }
    }

    fn map(&mut self) -> Result<Value, ConfigError> {
        self.enter()?;
        self.lexer.advance();
        self.scopes.push(Map::default());
        loop {
            self.lexer.skip_spaces_and_comments();
            match self.lexer.peek() {
                '}' => {
                    self.lexer.advance();
                    break;
                }
                END => return Err(self.lexer.error("Unexpected EOF processing map.")),
                ']' => return Err(self.lexer.error("Unexpected array end ']' processing map.")),
                separator if is_separator(separator) => {
                    let message = format!("Unexpected key separator '{separator}'.");
                    return Err(self.lexer.error(message));
                }
                '/' => {
                    // nats-server drops a lone slash in front of a key.
                    self.lexer.advance();
                    if self.lexer.at_end() {
                        return Err(self.lexer.error("Unexpected EOF processing map key."));
                    }
                }
                _ => {}
            }
            self.map_entry()?;
            if self.map_ends()? {
                break;
            }
        }
        let map = self.scopes.pop().expect("this map was pushed above");
        self.depth -= 1;
        Ok(Value::Map(Arc::new(map)))
    }

    fn map_entry(&mut self) -> Result<(), ConfigError> {
        let key = self.lexer.key()?;
        if key.is_include {
            return self.include();
        }
        self.lexer.skip_spaces();
        if is_separator(self.lexer.peek()) {
            self.lexer.advance();
            self.lexer.skip_spaces();
        }
        if matches!(self.lexer.peek(), ',' | '}' | END) {
            let message = format!("Expected a value for key {}.", quoted(&key.text));
            return Err(self.lexer.error(message));
        }
        self.set(key)
    }

    fn map_ends(&mut self) -> Result<bool, ConfigError> {
        loop {
            if self.lexer.skip_comment() {
                continue;
            }
            match self.lexer.peek() {
                ' ' | '\t' => {
                    self.lexer.advance();
                }
                ',' | ';' | '/' | '\n' | '\r' => {
                    self.lexer.advance();
                    return Ok(false);
                }
                '}' => {
                    self.lexer.advance();
                    return Ok(true);
                }
                other => {
                    return Err(self.lexer.error(format!(
                        "Expected a map value terminator \",\" or a map terminator \"}}\", but got '{}' instead.",
                        other.escape_debug()
                    )));
                }
            }
        }
    }

    /// Reads another file into the innermost open map. Its name is relative to
    /// this file, and so is one that begins with a slash, as in nats-server.
    fn include(&mut self) -> Result<(), ConfigError> {
        let at = self.position();
        let name = self.lexer.include_path()?;
        let directory = self.chain.last().and_then(|file| file.parent());
        let path = directory
            .unwrap_or(Path::new(""))
            .join(name.trim_start_matches('/'));
        let failed = |reason: String| {
            ConfigError::at(
                &at,
                format!("error parsing include file '{name}', {reason}"),
            )
        };
        if self.chain.contains(&path) {
            return Err(failed("it includes itself".to_owned()));
        }
        if self.chain.len() > NESTING_MAX {
            return Err(failed(format!("included more than {NESTING_MAX} deep")));
        }
        let input = std::fs::read(&path)
            .map_err(|error| failed(format!("open {}: {}", path.display(), describe(&error))))?;
        let map = parse_bytes(&input, &path, self.environment, &self.chain)?;
        for entry in map.into_entries() {
            self.insert(entry);
        }
        Ok(())
    }

    /// Looks `name` up in the open maps from the inside out, then in the environment.
    fn variable(&mut self, name: &str, at: &Position) -> Result<Value, ConfigError> {
        // A bcrypt hash needs no quotes.
        if name.starts_with("2a$") {
            return Ok(Value::Text(format!("${name}").into()));
        }
        for scope in self.scopes.iter_mut().rev() {
            if let Some(value) = scope.use_as_variable(name) {
                return Ok(value);
            }
        }
        if self.resolving.iter().any(|open| open == name) {
            let message = format!("variable reference cycle for '{name}'");
            return Err(ConfigError::at(at, message));
        }
        match (self.environment)(name) {
            Some(text) => self.environment_value(name, &text, at),
            None => Err(ConfigError::at(
                at,
                format!("variable reference for '{name}' can not be found"),
            )),
        }
    }

    /// An environment variable's text is read as a value of the grammar.
    fn environment_value(
        &self,
        name: &str,
        text: &str,
        at: &Position,
    ) -> Result<Value, ConfigError> {
        let input = format!("value={text}");
        let lexer = Lexer::new(input.as_bytes(), at.file.clone());
        let mut parser = Parser::new(lexer, self.environment, self.chain.clone());
        parser.fixed_position = Some(at.clone());
        parser.depth = self.depth;
        parser.resolving = self.resolving.clone();
        parser.resolving.push(name.to_owned());
        let outcome = parser
            .top()
            .map(|()| parser.finish().use_as_variable("value"));
        match outcome {
            Ok(Some(value)) => Ok(value),
            // The text may be a secret: the message names the variable only.
            Ok(None) | Err(_) => Err(ConfigError::at(
                at,
                format!("variable reference for '{name}' could not be parsed"),
            )),
        }
    }
}
