//! Rights to subjects: lists of allowed and denied patterns, compiled from a
//! configuration and asked once per subject (the answers are cached with the
//! routes) and once per subscription.
//!
//! Queue groups are patterns too: `orders.> workers` speaks of members of the
//! group `workers` only.

use super::pattern::{Pattern, has_empty_token, matches, overlap};

/// One pattern with the queue groups that it speaks of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Clause {
    pattern: Box<[u8]>,
    /// `None`: whether in a queue group or not.
    queue: Option<Box<[u8]>>,
}

/// Allowed and denied patterns; what is denied wins.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Lists {
    /// `None`: everything is allowed that is not denied.
    allow: Option<Vec<Clause>>,
    deny: Vec<Clause>,
}

/// Why a text is not a clause of rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadClause;

/// What one kind of user may publish and subscribe to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rights {
    publish: Lists,
    subscribe: Lists,
    /// Publishing is restricted.
    pub restricts_publish: bool,
    /// Leave to answer requests, as answers per request and nanoseconds after
    /// it; zero: no limit.
    pub responses: Option<(u32, u64)>,
}

impl Clause {
    fn parse(text: &str) -> Result<Self, BadClause> {
        let mut words = text.split_ascii_whitespace();
        let (pattern, queue) = (words.next().ok_or(BadClause)?, words.next());
        if words.next().is_some() || !Pattern::is_valid(pattern.as_bytes()) {
            return Err(BadClause);
        }
        Ok(Self {
            pattern: pattern.as_bytes().into(),
            queue: queue.map(|queue| queue.as_bytes().into()),
        })
    }

    /// Whether it speaks of this queue group by name or pattern.
    fn names(&self, queue: &[u8]) -> bool {
        let own = self.queue.as_deref().unwrap_or_default();
        own == queue || matches(own, queue)
    }
}

impl Lists {
    fn parse(allow: Option<&[String]>, deny: &[String]) -> Result<Self, BadClause> {
        let read = |texts: &[String]| texts.iter().map(|text| Clause::parse(text)).collect();
        Ok(Self {
            allow: allow.map(read).transpose()?,
            deny: read(deny)?,
        })
    }

    /// The clauses that match a subject: whether one without a queue does, and
    /// whether those with one include this one (`None`: there are none).
    fn find(clauses: &[Clause], subject: &[u8], queue: Option<&[u8]>) -> (bool, Option<bool>) {
        let mut plain = false;
        let mut queued = None;
        for clause in clauses {
            if !matches(&clause.pattern, subject) {
                continue;
            }
            match (&clause.queue, queue) {
                (None, _) => plain = true,
                (Some(_), Some(queue)) => {
                    queued = Some(queued.unwrap_or(false) || clause.names(queue));
                }
                (Some(_), None) => {}
            }
        }
        (plain, queued)
    }

    /// A subject that is a pattern is compared as it is written, as NATS 2.15
    /// does: `a.*` covers a subscription to `a.>`.
    fn permit(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let allowed = self.allow.as_ref().is_none_or(|clauses| {
            let (plain, queued) = Self::find(clauses, subject, queue);
            queued.unwrap_or(plain)
        });
        allowed && !self.forbid(subject, queue)
    }

    fn forbid(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let (plain, queued) = Self::find(&self.deny, subject, queue);
        plain || queued.unwrap_or(false)
    }
}

impl Rights {
    /// Compiles lists of allowed and denied patterns; no list of allowed ones
    /// allows everything.
    ///
    /// # Errors
    /// If a text is not a pattern, or a pattern and a queue.
    pub fn parse(
        publish: (Option<&[String]>, &[String]),
        subscribe: (Option<&[String]>, &[String]),
        responses: Option<(u32, u64)>,
    ) -> Result<Self, BadClause> {
        let mut publish = Lists::parse(publish.0, publish.1)?;
        // Who may answer may not publish otherwise, unless that is said.
        if responses.is_some() && publish == Lists::default() {
            publish.allow = Some(Vec::new());
        }
        Ok(Self {
            restricts_publish: publish != Lists::default(),
            publish,
            subscribe: Lists::parse(subscribe.0, subscribe.1)?,
            responses,
        })
    }

    /// Those of nobody.
    #[must_use]
    pub fn nothing() -> Self {
        let nothing = || Lists {
            allow: Some(Vec::new()),
            ..Lists::default()
        };
        Self {
            publish: nothing(),
            subscribe: nothing(),
            restricts_publish: true,
            responses: None,
        }
    }

    /// Whether messages may be published to a subject. No clause speaks of one
    /// with an empty token, which a message has that a mapping sends nowhere
    /// (NATS 2.15).
    #[must_use]
    pub fn may_publish(&self, subject: &[u8]) -> bool {
        if has_empty_token(subject) {
            return self.publish.allow.is_none();
        }
        self.publish.permit(subject, None)
    }

    /// Whether a subscription may be made.
    #[must_use]
    pub fn may_subscribe(&self, pattern: &[u8], queue: Option<&[u8]>) -> bool {
        self.subscribe.permit(pattern, queue)
    }

    /// Whether a subscription that may be made can still meet subjects that
    /// are denied, so that each has to be looked at.
    #[must_use]
    pub fn needs_filter(&self, pattern: &[u8], queue: Option<&[u8]>) -> bool {
        let is_wide = queue.is_some() || Pattern::parse(pattern).is_some_and(Pattern::has_wildcard);
        is_wide
            && self
                .subscribe
                .deny
                .iter()
                .any(|clause| overlap(&clause.pattern, pattern))
    }

    /// Whether messages on a subject must not reach a subscription.
    #[must_use]
    pub fn denies_delivery(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.subscribe.forbid(subject, queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(publish: (&[&str], &[&str]), subscribe: (&[&str], &[&str])) -> Rights {
        let own = |texts: &[&str]| -> Vec<String> { texts.iter().map(|&t| t.into()).collect() };
        let lists = [publish, subscribe].map(|(allow, deny)| (own(allow), own(deny)));
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        let [publish, subscribe] = &lists;
        Rights::parse(
            (some(&publish.0).as_deref(), &publish.1),
            (some(&subscribe.0).as_deref(), &subscribe.1),
            None,
        )
        .expect("valid")
    }

    #[test]
    fn denied_wins_over_allowed() {
        let rights = rights((&["a.>"], &["a.secret"]), (&[], &["b.*"]));
        assert!(rights.restricts_publish);
        assert!(rights.may_publish(b"a.x"));
        assert!(!rights.may_publish(b"a.secret"));
        assert!(!rights.may_publish(b"b"));
        assert!(rights.may_subscribe(b"c", None));
        assert!(rights.may_subscribe(b">", None));
        assert!(!rights.may_subscribe(b"b.x", None));
        assert!(!rights.may_subscribe(b"b.*", None));
        assert!(rights.needs_filter(b">", None));
        assert!(!rights.needs_filter(b"c.*", None));
        assert!(rights.denies_delivery(b"b.x", None));
        assert!(!rights.denies_delivery(b"c.x", None));
    }

    #[test]
    fn no_clause_speaks_of_empty_tokens() {
        for subject in [&b""[..], b"a..b", b".a", b"a."] {
            assert!(!rights((&[">", "*"], &[]), (&[], &[])).may_publish(subject));
            assert!(rights((&[], &[">", "*"]), (&[], &[])).may_publish(subject));
        }
    }

    #[test]
    fn queue_groups_have_clauses_of_their_own() {
        let rights = rights((&[], &[]), (&["a", "q.> work.*"], &["> dev"]));
        assert!(!rights.restricts_publish);
        assert!(rights.may_subscribe(b"a", Some(b"any")));
        assert!(!rights.may_subscribe(b"a", Some(b"dev")));
        assert!(!rights.may_subscribe(b"q.1", None));
        assert!(rights.may_subscribe(b"q.1", Some(b"work.1")));
        assert!(!rights.may_subscribe(b"q.1", Some(b"other")));
    }

    #[test]
    fn who_may_only_answer_may_not_publish() {
        let rights = Rights::parse((None, &[]), (None, &[]), Some((1, 0))).expect("valid");
        assert!(rights.restricts_publish);
        assert!(!rights.may_publish(b"a"));
        assert_eq!(
            Rights::parse((None, &["a..b".to_owned()]), (None, &[]), None),
            Err(BadClause)
        );
    }
}
