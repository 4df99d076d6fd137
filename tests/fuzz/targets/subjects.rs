//! Patterns and subjects: the parser of patterns, the trie and the interest against naive twins.

use trunkline_core::base::limits::Limits;
use trunkline_core::route::interest::Interest;
use trunkline_core::subject::pattern::{Pattern, is_literal, matches};
use trunkline_core::subject::trie::WildcardTrie;

/// Input: lines. `+pattern` subscribes or, if there is one, unsubscribes; every other line is a
/// subject to be matched.
pub fn subjects(data: &[u8]) {
    let line_len_max = Limits::default().max_control_line as usize;
    let mut world = World::new();
    for line in data.split(|&byte| byte == b'\n').take(256) {
        let line = &line[..line.len().min(line_len_max)];
        match line.split_first() {
            Some((b'+', pattern)) => world.toggle(pattern),
            _ => world.check(line),
        }
    }
    world.clear();
}

struct World {
    interest: Interest,
    trie: WildcardTrie,
    /// Pattern and number of its subscription.
    model: Vec<(Vec<u8>, u32)>,
    wildcards: usize,
}

impl World {
    fn new() -> Self {
        Self {
            interest: Interest::new(1),
            trie: WildcardTrie::new(2),
            model: Vec::new(),
            wildcards: 0,
        }
    }

    fn toggle(&mut self, text: &[u8]) {
        let pattern = Pattern::parse(text);
        assert_eq!(pattern.is_some(), is_valid(text), "validity of a pattern");
        let Some(pattern) = pattern else {
            return;
        };
        let has_wildcard = split(text)
            .iter()
            .any(|token| *token == b"*" || *token == b">");
        assert_eq!(pattern.has_wildcard(), has_wildcard);
        assert_eq!(is_literal(text), !has_wildcard);
        let known = self.model.iter().position(|(known, _)| known == text);
        if let Some(at) = known {
            let (_, number) = self.model.swap_remove(at);
            self.interest.unsubscribe(number, |_| {});
            if has_wildcard {
                self.trie.remove(text);
                self.wildcards -= 1;
            }
            return;
        }
        let number = self.interest.subscribe(0, pattern, None, b"1", |_| {});
        if has_wildcard {
            self.trie.insert(text, number);
            self.wildcards += 1;
        }
        self.model.push((text.to_vec(), number));
    }

    fn check(&mut self, subject: &[u8]) {
        let given = split(subject);
        let is_valid_subject = given.iter().all(|token| !token.is_empty());
        let mut expected = Vec::new();
        let mut expected_of_trie = Vec::new();
        for (pattern, number) in &self.model {
            let wanted = split(pattern);
            let reached = reaches(&wanted, &given);
            assert_eq!(
                matches(pattern, subject),
                reached,
                "the naive matchers differ"
            );
            // In a message wildcards are letters: only a pattern without any is compared as text.
            if reached && is_valid_subject {
                expected.push(*number);
                if !is_literal(pattern) {
                    expected_of_trie.push(*number);
                }
            }
        }
        expected.sort_unstable();
        expected_of_trie.sort_unstable();
        let at = self.interest.route(subject, 0);
        let plain = &self.interest.route_at(at).plain;
        let mut found: Vec<u32> = plain.iter().map(|target| target.subscription).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "the interest");
        if is_valid_subject {
            let mut found = Vec::new();
            self.trie.matches(subject, |number| found.push(number));
            found.sort_unstable();
            assert_eq!(found, expected_of_trie, "the trie");
        }
        assert_eq!(self.trie.len(), self.wildcards);
    }

    fn clear(mut self) {
        for (pattern, number) in std::mem::take(&mut self.model) {
            self.interest.unsubscribe(number, |_| {});
            if !is_literal(&pattern) {
                self.trie.remove(&pattern);
            }
        }
        assert!(self.trie.is_empty() && self.interest.is_empty());
    }
}

fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split(|&byte| byte == b'.').collect()
}

fn is_valid(pattern: &[u8]) -> bool {
    let tokens = split(pattern);
    let (last, before) = tokens.split_last().expect("a text has a token");
    !last.is_empty()
        && before
            .iter()
            .all(|token| !token.is_empty() && *token != b">")
}

/// The definition of matching, token by token from the front.
fn reaches(wanted: &[&[u8]], given: &[&[u8]]) -> bool {
    let ends_in_rest = wanted.last() == Some(&&b">"[..]);
    let fixed = if ends_in_rest {
        &wanted[..wanted.len() - 1]
    } else {
        wanted
    };
    let long_enough = if ends_in_rest {
        given.len() > fixed.len()
    } else {
        given.len() == fixed.len()
    };
    let fits = |(want, have): (&&[u8], &&[u8])| *want == b"*" || want == have;
    long_enough && fixed.iter().zip(given).all(fits)
}
