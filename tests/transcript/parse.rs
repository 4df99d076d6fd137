//! Reads a transcript file into sections and steps.

use super::escape::{self, Piece};

/// One file.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    pub config: String,
    pub flags: Vec<String>,
    pub sections: Vec<Section>,
}

/// One session; connections are opened at first use.
#[derive(Clone, Debug)]
pub struct Section {
    pub title: String,
    pub line: usize,
    pub split: bool,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    /// For reports: where, and as written.
    pub line: usize,
    pub text: String,
    pub connection: String,
    pub action: Action,
}

#[derive(Clone, Debug)]
pub enum Action {
    Send(Vec<u8>),
    Expect(Vec<Piece>),
    Open,
    /// JSON fields of an INFO: a value, or `None` for absent; `Some("present")` for any value.
    Info(Vec<(String, String)>),
    Closed,
    Drop,
    Unfinished,
}

impl Transcript {
    /// Errors name the line.
    pub fn parse(text: &str) -> Result<Transcript, String> {
        let mut transcript = Transcript::default();
        let mut split_all = false;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(title) = line.strip_prefix("---") {
                transcript.sections.push(Section {
                    title: title.trim().to_owned(),
                    line: number,
                    split: split_all,
                    steps: Vec::new(),
                });
            } else if let Some(section) = transcript.sections.last_mut() {
                match line {
                    "split" => section.split = true,
                    "no split" => section.split = false,
                    _ => section.steps.push(
                        step(number, line).map_err(|error| format!("line {number}: {error}"))?,
                    ),
                }
            } else if let Some(config) = line.strip_prefix("config:") {
                transcript.config.push_str(config.trim());
                transcript.config.push('\n');
            } else if let Some(flags) = line.strip_prefix("flags:") {
                let words = flags.split_ascii_whitespace().map(str::to_owned);
                transcript.flags.extend(words);
            } else if line == "split" {
                split_all = true;
            } else {
                return Err(format!("line {number}: a step before the first section"));
            }
        }
        if transcript.sections.is_empty() {
            return Err("no section".to_owned());
        }
        Ok(transcript)
    }
}

fn step(number: usize, line: &str) -> Result<Step, String> {
    let name_length = line
        .find(|character: char| !character.is_ascii_alphanumeric())
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(name_length);
    let connection = if name.is_empty() { "main" } else { name };
    let action = match (name, rest) {
        (_, rest) if rest.starts_with("> ") => Action::Send(escape::bytes(&rest[2..])?),
        (_, rest) if rest.starts_with("< ") => Action::Expect(escape::pieces(&rest[2..])?),
        (keyword, rest) => {
            // A bare keyword speaks of the connection `main`.
            let (connection, words) = if is_keyword(keyword) {
                ("main", line)
            } else {
                (keyword, rest.trim_start())
            };
            return Ok(Step {
                line: number,
                text: line.to_owned(),
                connection: connection.to_owned(),
                action: keyword_action(words)?,
            });
        }
    };
    Ok(Step {
        line: number,
        text: line.to_owned(),
        connection: connection.to_owned(),
        action,
    })
}

fn is_keyword(word: &str) -> bool {
    ["open", "info", "closed", "drop", "unfinished"].contains(&word)
}

fn keyword_action(words: &str) -> Result<Action, String> {
    let (keyword, rest) = words.split_once(' ').unwrap_or((words, ""));
    match keyword {
        "open" => Ok(Action::Open),
        "closed" => Ok(Action::Closed),
        "drop" => Ok(Action::Drop),
        "unfinished" => Ok(Action::Unfinished),
        "info" => rest
            .split_ascii_whitespace()
            .map(|field| {
                field
                    .split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .ok_or_else(|| format!("{field:?} is not name=value"))
            })
            .collect::<Result<_, _>>()
            .map(Action::Info),
        _ => Err(format!("unknown step {words:?}")),
    }
}
