//! Mapping of subjects to other subjects (ADR-30): `orders.*` to `new.$1`,
//! with the functions of NATS 2.15.
//!
//! A [`Transform`] is valid by construction. It is computed once per subject
//! and cached by its users, so it is written for clarity. `random` is the only
//! function that does not follow from the subject; it takes its dice from the
//! caller.

use std::fmt;

use super::pattern::{Pattern, SEPARATOR, matches, tokens};

/// Why a mapping is not valid; the texts are those of NATS 2.15.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransformError {
    /// Source or destination is not a subject, or their `>` do not agree.
    BadSubject,
    /// A token of the destination cannot be one.
    BadDestination(String),
    /// A function that does not exist.
    UnknownFunction(String),
    /// A function that only others than mappings of accounts have.
    NotAvailable(String),
    /// A wildcard that the source does not have.
    WildcardOutOfRange(String),
    /// Too few arguments.
    NotEnoughArguments(String),
    /// Too many arguments.
    TooManyArguments(String),
    /// An argument that is not what it should be.
    InvalidArgument(String),
}

impl fmt::Display for TransformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, token) = match self {
            Self::BadSubject => return f.write_str("invalid subject"),
            Self::BadDestination(token) => ("invalid transform", token),
            Self::UnknownFunction(token) => ("unknown function", token),
            Self::NotAvailable(token) => ("function is not available in this context", token),
            Self::WildcardOutOfRange(token) => ("wildcard index out of range", token),
            Self::NotEnoughArguments(token) => {
                ("not enough arguments passed to the function", token)
            }
            Self::TooManyArguments(token) => ("too many arguments passed to the function", token),
            Self::InvalidArgument(token) => {
                ("function argument is invalid or in the wrong format", token)
            }
        };
        write!(f, "invalid mapping destination: {what}")?;
        match token.is_empty() {
            true => Ok(()),
            false => write!(f, " in {token}"),
        }
    }
}

impl std::error::Error for TransformError {}

/// One token of the destination. Positions count tokens of the subject.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    /// As it is written.
    Literal(Vec<u8>),
    /// `>`: the rest of the subject.
    Rest,
    /// `$1` or `{{wildcard(1)}}`.
    Wildcard(usize),
    /// `{{partition(n, i, …)}}`: a number below `n` from the hash of these
    /// tokens, or of the whole subject if none is named.
    Partition(u32, Vec<usize>),
    /// `{{random(n)}}`.
    Random(u32),
    /// `{{split(i, delimiter)}}`.
    Split(usize, Vec<u8>),
    /// A function of one token and a length.
    Cut(Cut, usize, i32),
}

/// Functions of a token and a length in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

/// A valid mapping from the subjects of a pattern to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transform {
    source: Vec<u8>,
    source_tokens: usize,
    parts: Vec<Part>,
}

impl Transform {
    /// Reads a mapping.
    ///
    /// # Errors
    /// As [`TransformError`] says.
    pub fn parse(source: &str, destination: &str) -> Result<Self, TransformError> {
        if !Pattern::is_valid(source.as_bytes()) {
            return Err(TransformError::BadSubject);
        }
        check_destination(destination)?;
        let wildcards = wildcard_positions(source);
        let ends_open = |subject: &str| subject.split('.').next_back() == Some(">");
        if destination.split('.').any(|token| token == "*")
            || ends_open(source) != ends_open(destination)
        {
            return Err(TransformError::BadSubject);
        }
        let has_wildcards = !wildcards.is_empty() || ends_open(source);
        let parts = destination
            .split('.')
            .map(|token| Part::parse(token, &wildcards, has_wildcards))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            source: source.as_bytes().to_vec(),
            source_tokens: source.split('.').count(),
            parts,
        })
    }

    /// The mapping of a pattern's subjects to themselves.
    ///
    /// # Panics
    /// If the pattern is not valid.
    #[must_use]
    pub fn identity(source: &str) -> Self {
        let mut wildcards = 0;
        let destination: Vec<String> = source
            .split('.')
            .map(|token| {
                if token != "*" {
                    return token.to_owned();
                }
                wildcards += 1;
                format!("${wildcards}")
            })
            .collect();
        Self::parse(source, &destination.join(".")).expect("a pattern maps to itself")
    }

    /// Whether a subject is mapped by it.
    #[must_use]
    pub fn applies_to(&self, subject: &[u8]) -> bool {
        matches(&self.source, subject)
    }

    /// Whether the result depends on dice.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Random(_)))
    }

    /// Appends what a subject becomes. `dice` gives a number below its argument.
    pub fn apply(&self, subject: &[u8], mut dice: impl FnMut(u64) -> u64, into: &mut Vec<u8>) {
        let given: Vec<&[u8]> = tokens(subject).collect();
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 {
                into.push(SEPARATOR);
            }
            match part {
                Part::Literal(text) => into.extend_from_slice(text),
                Part::Rest => {
                    let rest = given.get(self.source_tokens - 1..).unwrap_or_default();
                    into.extend_from_slice(&rest.join(&SEPARATOR));
                }
                Part::Wildcard(at) => into.extend_from_slice(token(&given, *at)),
                Part::Partition(count, of) => {
                    let key = match of.is_empty() {
                        true => subject.to_vec(),
                        false => of
                            .iter()
                            .flat_map(|&at| token(&given, at))
                            .copied()
                            .collect(),
                    };
                    push_number(
                        u64::from(fnv1a(&key).checked_rem(*count).unwrap_or(0)),
                        into,
                    );
                }
                Part::Random(0) => push_number(0, into),
                Part::Random(count) => push_number(dice(u64::from(*count)), into),
                Part::Split(at, delimiter) => split(token(&given, *at), delimiter, into),
                Part::Cut(cut, at, len) => cut.apply(token(&given, *at), *len, into),
            }
        }
    }
}

impl Part {
    fn parse(
        token: &str,
        wildcards: &[usize],
        has_wildcards: bool,
    ) -> Result<Self, TransformError> {
        if token == ">" {
            return Ok(Self::Rest);
        }
        let literal = || Self::Literal(token.as_bytes().to_vec());
        let reader = Reader {
            token,
            wildcards,
            has_wildcards,
        };
        if let Some(number) = token.strip_prefix('$') {
            return match number.parse() {
                Ok(number) => reader.position(number).map(Self::Wildcard),
                // Subjects may begin with a dollar sign.
                Err(_) => Ok(literal()),
            };
        }
        let Some((name, arguments)) = function(token) else {
            return Ok(literal());
        };
        let position = |at: usize| reader.position(reader.integer(arguments[at])?);
        let exactly = |wanted: usize| match arguments.len().cmp(&wanted) {
            std::cmp::Ordering::Less => Err(TransformError::NotEnoughArguments(token.to_owned())),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(TransformError::TooManyArguments(token.to_owned())),
        };
        if let Some(cut) = Cut::named(name) {
            exactly(2)?;
            let len = reader.integer(arguments[1])?.try_into();
            let len = len.map_err(|_| reader.invalid())?;
            return Ok(Self::Cut(cut, position(0)?, len));
        }
        match name {
            "wildcard" => {
                if arguments == [""] {
                    return Err(TransformError::NotEnoughArguments(token.to_owned()));
                }
                exactly(1)?;
                position(0).map(Self::Wildcard)
            }
            "partition" => {
                let of = (1..arguments.len()).map(position);
                let count = reader.count(arguments[0])?;
                // Without wildcards the arguments are not looked at.
                let of = match has_wildcards {
                    true => of.collect::<Result<_, _>>()?,
                    false => Vec::new(),
                };
                Ok(Self::Partition(count, of))
            }
            "random" => {
                exactly(1)?;
                reader.count(arguments[0]).map(Self::Random)
            }
            "split" => {
                exactly(2)?;
                if arguments[1].contains([' ', '.']) {
                    return Err(reader.invalid());
                }
                let at = position(0)?;
                Ok(Self::Split(at, arguments[1].as_bytes().to_vec()))
            }
            _ => Err(TransformError::UnknownFunction(token.to_owned())),
        }
    }
}

/// Reads the arguments of one token of a destination.
struct Reader<'a> {
    token: &'a str,
    wildcards: &'a [usize],
    has_wildcards: bool,
}

impl Reader<'_> {
    fn invalid(&self) -> TransformError {
        TransformError::InvalidArgument(self.token.to_owned())
    }

    /// Where the wildcard of this number is in the source.
    fn position(&self, number: i64) -> Result<usize, TransformError> {
        let at = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        at.and_then(|at| self.wildcards.get(at).copied())
            .filter(|_| self.has_wildcards)
            .ok_or_else(|| {
                let named = match self.has_wildcards {
                    true => format!("{}: [{number}]", self.token),
                    false => self.token.to_owned(),
                };
                TransformError::WildcardOutOfRange(named)
            })
    }

    fn integer(&self, text: &str) -> Result<i64, TransformError> {
        text.trim_matches(' ').parse().map_err(|_| self.invalid())
    }

    fn count(&self, text: &str) -> Result<u32, TransformError> {
        u32::try_from(self.integer(text)?)
            .ok()
            .filter(|number| *number <= i32::MAX as u32)
            .ok_or_else(|| self.invalid())
    }
}

impl Cut {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "splitfromleft" => Self::SplitFromLeft,
            "splitfromright" => Self::SplitFromRight,
            "slicefromleft" => Self::SliceFromLeft,
            "slicefromright" => Self::SliceFromRight,
            "left" => Self::Left,
            "right" => Self::Right,
            _ => return None,
        })
    }

    /// Lengths that do not fit leave the token as it is.
    fn apply(self, token: &[u8], len: i32, into: &mut Vec<u8>) {
        let Some(len) = usize::try_from(len)
            .ok()
            .filter(|len| (1..token.len()).contains(len))
        else {
            into.extend_from_slice(token);
            return;
        };
        let pieces: Vec<&[u8]> = match self {
            Self::Left => vec![&token[..len]],
            Self::Right => vec![&token[token.len() - len..]],
            Self::SplitFromLeft => vec![&token[..len], &token[len..]],
            Self::SplitFromRight => {
                let (left, right) = token.split_at(token.len() - len);
                vec![left, right]
            }
            Self::SliceFromLeft => token.chunks(len).collect(),
            Self::SliceFromRight => {
                let mut pieces: Vec<&[u8]> = token.rchunks(len).collect();
                pieces.reverse();
                pieces
            }
        };
        into.extend_from_slice(&pieces.join(&SEPARATOR));
    }
}

fn token<'a>(given: &[&'a [u8]], at: usize) -> &'a [u8] {
    given.get(at).copied().unwrap_or_default()
}

fn push_number(number: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(number.to_string().as_bytes());
}

/// Splits at a delimiter; empty pieces make no token.
fn split(token: &[u8], delimiter: &[u8], into: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(token);
    let delimiter = String::from_utf8_lossy(delimiter);
    let pieces: Vec<&str> = match delimiter.is_empty() {
        true => text.split("").collect(),
        false => text.split(&*delimiter).collect(),
    };
    let pieces: Vec<&str> = pieces
        .into_iter()
        .filter(|piece| !piece.is_empty())
        .collect();
    into.extend_from_slice(pieces.join(".").as_bytes());
}

/// FNV-1a of 32 bits, which clients compute too.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Positions of the tokens `*`.
fn wildcard_positions(source: &str) -> Vec<usize> {
    let tokens = source.split('.').enumerate();
    tokens
        .filter(|(_, token)| *token == "*")
        .map(|(at, _)| at)
        .collect()
}

/// Name, in lower case, and arguments of `{{name(arguments)}}`.
pub(super) fn function(token: &str) -> Option<(&'static str, Vec<&str>)> {
    let inner = token.strip_prefix("{{")?.strip_suffix("}}")?;
    if inner.is_empty() {
        return None;
    }
    let unknown = Some(("", Vec::new()));
    let inner = inner.trim();
    let Some((name, rest)) = inner.split_once('(') else {
        return unknown;
    };
    let Some((arguments, "")) = rest.rsplit_once(')') else {
        return unknown;
    };
    let name = name.trim_end();
    let Some(known) = FUNCTIONS.iter().find(|known| is_named(name, known)) else {
        return unknown;
    };
    let arguments = arguments.split(',').enumerate();
    // Blanks after a comma belong to the comma.
    let arguments = arguments.map(|(at, text)| match at {
        0 => text,
        _ => text.trim_start(),
    });
    Some((known.0, arguments.collect()))
}

/// The functions, and where their names may have a capital letter.
const FUNCTIONS: &[(&str, &[usize])] = &[
    ("wildcard", &[0]),
    ("partition", &[0]),
    ("random", &[0]),
    ("split", &[0]),
    ("splitfromleft", &[0, 5, 9]),
    ("splitfromright", &[0, 5, 9]),
    ("slicefromleft", &[0, 5, 9]),
    ("slicefromright", &[0, 5, 9]),
    ("left", &[0]),
    ("right", &[0]),
    ("account-hash", &[0, 8]),
    ("account-hash-import", &[0, 8, 13]),
    ("account-hash-leaf-remote", &[0, 8, 13, 18]),
];

fn is_named(name: &str, (known, capitals): &(&str, &[usize])) -> bool {
    let is_alike = |(at, (given, wanted)): (usize, (u8, u8))| {
        given == wanted || (capitals.contains(&at) && given == wanted.to_ascii_uppercase())
    };
    name.len() == known.len() && name.bytes().zip(known.bytes()).enumerate().all(is_alike)
}

/// Checks what is said about destinations before they are read.
fn check_destination(destination: &str) -> Result<(), TransformError> {
    let mut ended = false;
    for token in destination.split('.') {
        if token.is_empty() || ended {
            return Err(TransformError::BadDestination(token.to_owned()));
        }
        let is_function = token.len() > 4 && token.starts_with("{{") && token.ends_with("}}");
        if !is_function && token.contains(['\t', '\n', '\u{c}', '\r', ' ']) {
            // Which token it is, the reference does not say here.
            return Err(TransformError::BadDestination(String::new()));
        }
        ended = token == ">";
    }
    Ok(())
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
