//! Whether and by how many a subject of an account is wanted, for those who
//! ask before they go to the trouble of saying something.

use super::interest::Interest;

impl Interest {
    /// Whether no core has a subscription at all.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether somebody on any core subscribes to a subject.
    pub fn is_wanted(&mut self, subject: &[u8]) -> bool {
        if self.is_unused() {
            return false;
        }
        !self.asked_route(subject).is_empty()
    }

    /// Subscriptions of this core that a subject reaches: all, or those of one
    /// queue group.
    pub fn count_wanting(&mut self, subject: &[u8], queue: Option<&[u8]>) -> usize {
        let group = queue.map(|name| self.queue_number(name));
        let route = self.asked_route(subject);
        let groups = route.queues.iter();
        let in_groups = groups
            .filter(|one| group.is_none_or(|wanted| wanted == Some(one.queue)))
            .map(|one| one.local.len())
            .sum::<usize>();
        match queue {
            Some(_) => in_groups,
            None => in_groups + route.plain.len(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::base::id::CoreId;
    use crate::route::interest::Announcement;
    use crate::subject::pattern::Pattern;

    #[test]
    fn interest_of_both_kinds_is_seen() {
        let mut interest = Interest::new(1);
        assert!(interest.is_unused() && !interest.is_wanted(b"a.b"));
        let pattern = Pattern::parse(b"a.*").unwrap();
        for (sid, queue) in [(b"1", None), (b"2", Some(&b"q"[..])), (b"3", Some(b"r"))] {
            interest.subscribe(0, pattern, queue, sid, |_| {});
        }
        assert!(interest.is_wanted(b"a.b") && !interest.is_wanted(b"b"));
        assert_eq!(interest.count_wanting(b"a.b", None), 3);
        assert_eq!(interest.count_wanting(b"a.b", Some(b"q")), 1);
        assert_eq!(interest.count_wanting(b"a.b", Some(b"none")), 0);
        let elsewhere = Announcement::Plain {
            pattern: b"b",
            present: true,
        };
        interest.hear(CoreId(1), elsewhere);
        assert!(interest.is_wanted(b"b"));
        assert_eq!(interest.count_wanting(b"b", None), 0);
    }
}
