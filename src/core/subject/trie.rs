//! The wildcard patterns of one account.
//!
//! Literal patterns never come here: they are one hash look-up (`route`).
//! Among servers with a million subscriptions wildcards are few, so the trie
//! stays small and a match visits few nodes.
//!
//! Layout: nodes in one slab; the edge from a node to the child for a token is
//! found in one hash table for the whole trie, keyed by (parent, token), so a
//! node costs the same whether it has one child or a hundred thousand and a
//! level of the walk is one probe. The child for `*` and the pattern that ends
//! in `>` hang on the node itself. Rejected: a hash map per node (several
//! hundred bytes each) and sorted children (slow to build with many).
//!
//! A match visits a node at most once, so hostile patterns full of `*` cost at
//! most the size of the trie.

use ahash::RandomState;

use super::pattern::{SEPARATOR, tokens};
use crate::base::short;
use crate::base::slab::{NONE, Slab};
use crate::base::slot_table::SlotTable;
use crate::base::text::Text;

/// Branches whose room is kept for the next walk.
const BRANCHES_KEPT: usize = 256;

/// Patterns with wildcards, each with the number that its owner gave it.
#[derive(Debug)]
pub struct WildcardTrie {
    nodes: Slab<Node>,
    edges: SlotTable,
    hasher: RandomState,
    root: u32,
    patterns: usize,
    /// Branches of a walk that are still to be taken: a node, and where the
    /// rest of the subject begins.
    branches: Vec<(u32, usize)>,
}

#[derive(Debug)]
struct Node {
    parent: u32,
    token: Text,
    /// Child for the token `*`.
    star: u32,
    /// Number of the pattern that ends in `>` after this node.
    rest: u32,
    /// Number of the pattern that ends at this node.
    pattern: u32,
    /// Children reached through `edges`.
    literal_children: u32,
}

impl Node {
    fn new(parent: u32, token: &[u8]) -> Self {
        Self {
            parent,
            token: Text::new(token),
            star: NONE,
            rest: NONE,
            pattern: NONE,
            literal_children: 0,
        }
    }

    fn is_needed(&self) -> bool {
        self.literal_children > 0 || self.star != NONE || self.rest != NONE || self.pattern != NONE
    }
}

impl WildcardTrie {
    /// An empty trie whose hash function follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut nodes = Slab::default();
        let root = nodes.insert(Node::new(NONE, b""));
        Self {
            nodes,
            edges: SlotTable::default(),
            hasher: RandomState::with_seeds(seed, 1, 2, 3),
            root,
            patterns: 0,
            branches: Vec::new(),
        }
    }

    /// Number of patterns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.patterns
    }

    /// Whether there is no pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns == 0
    }

    /// Gives up so many free slots at most.
    pub fn trim(&mut self, slots_max: usize) {
        self.nodes.trim(slots_max);
    }

    /// Memory of nodes and edges; that of long tokens is not counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.nodes.bytes() + self.edges.bytes()
    }

    /// Puts a valid pattern in; it must not be there yet.
    pub fn insert(&mut self, pattern: &[u8], number: u32) {
        let mut node = self.root;
        for token in tokens(pattern) {
            if token == b">" {
                let previous = std::mem::replace(&mut self.nodes[node].rest, number);
                assert_eq!(previous, NONE, "a pattern is inserted once");
                self.patterns += 1;
                return;
            }
            node = self.child_or_new(node, token);
        }
        let previous = std::mem::replace(&mut self.nodes[node].pattern, number);
        assert_eq!(previous, NONE, "a pattern is inserted once");
        self.patterns += 1;
    }

    /// Takes a pattern out; it must be there.
    pub fn remove(&mut self, pattern: &[u8]) {
        let mut node = self.root;
        let mut ends_in_rest = false;
        for token in tokens(pattern) {
            if token == b">" {
                ends_in_rest = true;
                break;
            }
            node = if token == b"*" {
                self.nodes[node].star
            } else {
                self.child(node, token).expect("the pattern is in the trie")
            };
        }
        let slot = if ends_in_rest {
            &mut self.nodes[node].rest
        } else {
            &mut self.nodes[node].pattern
        };
        assert_ne!(*slot, NONE, "the pattern is in the trie");
        *slot = NONE;
        self.patterns -= 1;
        self.prune(node);
    }

    /// Calls `found` with the number of every pattern that matches a subject
    /// without empty tokens; returns how many nodes that took.
    pub fn matches(&mut self, subject: &[u8], mut found: impl FnMut(u32)) -> usize {
        if self.patterns == 0 {
            return 0;
        }
        let mut visited = 0;
        // A list instead of recursion: a subject may have any number of tokens.
        let mut branches = std::mem::take(&mut self.branches);
        branches.push((self.root, 0));
        while let Some((node, start)) = branches.pop() {
            self.step(node, subject, start, &mut branches, &mut found);
            visited += 1;
        }
        branches.shrink_to(BRANCHES_KEPT);
        self.branches = branches;
        visited
    }

    /// Visits a node; `start` is beyond the subject if nothing of it is left.
    #[inline]
    fn step(
        &self,
        node: u32,
        subject: &[u8],
        start: usize,
        branches: &mut Vec<(u32, usize)>,
        found: &mut impl FnMut(u32),
    ) {
        let here = &self.nodes[node];
        let Some(rest) = subject.get(start..) else {
            if here.pattern != NONE {
                found(here.pattern);
            }
            return;
        };
        // Something is left, and `>` takes one token or more.
        if here.rest != NONE {
            found(here.rest);
        }
        let len = memchr::memchr(SEPARATOR, rest).unwrap_or(rest.len());
        let next = start + len + 1;
        if here.star != NONE {
            branches.push((here.star, next));
        }
        // Below most nodes there is nothing to look up, so their tokens are not hashed.
        if here.literal_children > 0
            && let Some(child) = self.child(node, &rest[..len])
        {
            branches.push((child, next));
        }
    }

    fn hash(&self, parent: u32, token: &[u8]) -> u64 {
        self.hasher.hash_one((parent, token))
    }

    fn child(&self, parent: u32, token: &[u8]) -> Option<u32> {
        self.edges.find(self.hash(parent, token), |&candidate| {
            let node = &self.nodes[candidate];
            node.parent == parent && short::equal(&node.token, token)
        })
    }

    fn child_or_new(&mut self, parent: u32, token: &[u8]) -> u32 {
        if token == b"*" {
            if self.nodes[parent].star == NONE {
                self.nodes[parent].star = self.nodes.insert(Node::new(parent, token));
            }
            return self.nodes[parent].star;
        }
        if let Some(child) = self.child(parent, token) {
            return child;
        }
        let child = self.nodes.insert(Node::new(parent, token));
        self.nodes[parent].literal_children += 1;
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        self.edges
            .insert(hasher.hash_one((parent, token)), child, |node| {
                hasher.hash_one((nodes[node].parent, &*nodes[node].token))
            });
        child
    }

    /// Removes nodes that lead nowhere, from a node upwards.
    fn prune(&mut self, mut node: u32) {
        while node != self.root && !self.nodes[node].is_needed() {
            let parent = self.nodes[node].parent;
            if self.nodes[parent].star == node {
                self.nodes[parent].star = NONE;
            } else {
                let (nodes, hasher) = (&self.nodes, &self.hasher);
                let hash = |at: u32| hasher.hash_one((nodes[at].parent, &*nodes[at].token));
                self.edges.remove(hash(node), node, hash);
                self.nodes[parent].literal_children -= 1;
            }
            self.nodes.remove(node);
            node = parent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::subject::pattern::{Pattern, matches};

    fn random_text(rng: &mut Rng, alphabet: &[&str]) -> Vec<u8> {
        let count = 1 + rng.below(4);
        let tokens: Vec<&str> = (0..count)
            .map(|_| alphabet[rng.below(alphabet.len() as u64) as usize])
            .collect();
        tokens.join(".").into_bytes()
    }

    #[test]
    fn agrees_with_the_naive_twin() {
        let mut rng = Rng::new(11);
        let mut trie = WildcardTrie::new(1);
        let mut model: Vec<Option<Vec<u8>>> = Vec::new();
        for step in 0..20_000 {
            let text = random_text(&mut rng, &["a", "b", "cc", "*", "*", ">"]);
            let valid = Pattern::parse(&text).is_some_and(Pattern::has_wildcard);
            let known = model.iter().position(|known| known.as_ref() == Some(&text));
            match known {
                Some(number) => {
                    trie.remove(&text);
                    model[number] = None;
                }
                None if valid => {
                    trie.insert(&text, model.len() as u32);
                    model.push(Some(text));
                }
                None => {}
            }
            if step % 5 == 0 {
                let subject = random_text(&mut rng, &["a", "b", "cc", "d", "*", ">"]);
                let mut found = Vec::new();
                trie.matches(&subject, |number| found.push(number));
                found.sort_unstable();
                let expected: Vec<u32> = (0u32..)
                    .zip(&model)
                    .filter(|(_, pattern)| {
                        pattern
                            .as_ref()
                            .is_some_and(|pattern| matches(pattern, &subject))
                    })
                    .map(|(number, _)| number)
                    .collect();
                assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&subject));
            }
        }
        for pattern in model.iter().flatten() {
            trie.remove(pattern);
        }
        // As deep as a control line can be configured to be.
        let deep = "a.".repeat(500_000);
        trie.insert(format!("{deep}*").as_bytes(), 1);
        let mut found = 0;
        trie.matches(format!("{deep}b").as_bytes(), |_| found += 1);
        assert_eq!(found, 1);
        trie.remove(format!("{deep}*").as_bytes());
        assert!(trie.is_empty());
        assert_eq!((trie.nodes.len(), trie.edges.len()), (1, 0));
    }
}
