//! What a source file names: the modules that it declares, its imports, the paths in its code. Reads
//! tokens, not meaning; comments and texts are skipped, and the tests, which come last.

use std::collections::BTreeSet;

/// One name that a `use` brings in.
pub struct Use {
    pub line: usize,
    pub path: Vec<String>,
    /// What it is called in this file.
    pub name: String,
    pub is_public: bool,
}

/// What a file names.
#[derive(Default)]
pub struct Source {
    pub children: BTreeSet<String>,
    pub uses: Vec<Use>,
    /// Paths of two names or more, with their lines.
    pub mentions: Vec<(usize, Vec<String>)>,
}

impl Source {
    /// Reads a file up to its tests.
    pub fn read(text: &str) -> Self {
        let mut reader = Reader {
            tokens: tokens(text),
            at: 0,
        };
        let mut source = Self::default();
        while let Some((line, token)) = reader.next() {
            match (token, reader.peek(0), reader.peek(1)) {
                ("mod", "tests", "{") => break,
                ("mod", name, ";") => {
                    source.children.insert(name.to_owned());
                }
                ("use", ..) => {
                    // `pub use` and `pub(crate) use`.
                    let is_public = matches!(reader.peek_back(2), "pub" | ")");
                    reader.read_use(&[], is_public, &mut source.uses);
                }
                (name, "::", _) if is_name(name) => {
                    // Who may see a thing (`pub(in …)`) takes nothing from there.
                    let is_path = !matches!(reader.peek_back(2), "$" | "in");
                    let path = reader.read_path(name);
                    if is_path && path.len() > 1 {
                        source.mentions.push((line, path));
                    }
                }
                _ => {}
            }
        }
        source
    }
}

/// Tokens with their lines, and how far they are read.
struct Reader<'a> {
    tokens: Vec<(usize, &'a str)>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        self.at += 1;
        self.tokens.get(self.at - 1).copied()
    }

    fn peek(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.1)
    }

    /// A token that was read; the last one is 1 back.
    fn peek_back(&self, back: usize) -> &'a str {
        let at = self.at.checked_sub(back);
        at.map_or("", |at| self.tokens[at].1)
    }

    /// Reads the rest of a path that begins with this name.
    fn read_path(&mut self, name: &str) -> Vec<String> {
        let mut path = vec![name.to_owned()];
        while self.peek(0) == "::" {
            if is_name(self.peek(1)) {
                path.push(self.peek(1).to_owned());
            }
            self.at += 2;
        }
        path
    }

    /// Reads one path of a `use`, or a group of paths.
    fn read_use(&mut self, before: &[String], is_public: bool, uses: &mut Vec<Use>) {
        let mut path = before.to_vec();
        let mut name = None;
        let mut line = 0;
        while let Some((at, token)) = self.next() {
            line = at;
            match token {
                "{" => return self.read_group(&path, is_public, uses),
                "self" if !path.is_empty() => {}
                "*" => name = Some("*".to_owned()),
                token => path.push(token.to_owned()),
            }
            if self.peek(0) != "::" {
                break;
            }
            self.at += 1;
        }
        if self.peek(0) == "as" {
            name = Some(self.peek(1).to_owned());
            self.at += 2;
        }
        uses.push(Use {
            line,
            name: name.or_else(|| path.last().cloned()).unwrap_or_default(),
            path,
            is_public,
        });
    }

    fn read_group(&mut self, before: &[String], is_public: bool, uses: &mut Vec<Use>) {
        while !matches!(self.peek(0), "}" | "") {
            self.read_use(before, is_public, uses);
            self.at += usize::from(self.peek(0) == ",");
        }
        self.at += 1;
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// Names, numbers, `::` and single marks, with their lines.
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut tokens = Vec::new();
    let (mut line, mut rest) = (1, text);
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '/' if rest.starts_with("//") => rest.find('\n'),
            '"' => Some(text_len(rest)),
            'r' if rest.starts_with("r\"") => rest[2..].find('"').map(|at| at + 3),
            'r' if rest.starts_with("r#\"") => rest.find("\"#").map(|at| at + 2),
            '\'' => Some(letter_len(rest)),
            ':' if rest.starts_with("::") => Some(2),
            first if is_of_word(first) => rest.find(|letter| !is_of_word(letter)),
            first => Some(first.len_utf8()),
        };
        let (token, after) = rest.split_at(len.unwrap_or(rest.len()));
        if is_of_word(first) || !(first.is_whitespace() || token.len() > 2) {
            tokens.push((line, token));
        }
        line += token.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of the text in quotes that this one begins with.
fn text_len(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, letter)| {
        let is_end = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of a letter in quotes, or of the mark that begins the name of a lifetime.
fn letter_len(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    match letters.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |at| at + 4),
        _ => match letters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
    }
}
