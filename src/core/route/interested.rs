//! Whether a subject of an account has interest, and how much, for those who
//! ask before they go to the trouble of saying something.

use super::interest::Interest;

impl Interest {
    /// Whether no core has a subscription at all.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether somebody on any core subscribes to a subject.
    pub fn has_interest(&mut self, subject: &[u8]) -> bool {
        if self.is_unused() {
            return false;
        }
        !self.asked_route(subject).is_empty()
    }

    /// Whether somebody on any core would get what is sent to a subject: a member of a queue
    /// group, or whoever is in none.
    pub fn has_receiver(&mut self, subject: &[u8], group: Option<&[u8]>) -> bool {
        if self.is_unused() {
            return false;
        }
        let number = group.map(|name| self.queue_number(name));
        let route = self.asked_route(subject);
        match number {
            None => !route.plain.is_empty() || !route.remote.is_empty(),
            Some(number) => number.is_some_and(|number| route.queue(number).is_some()),
        }
    }

    /// Subscriptions of this core that a subject reaches: all, or those of one
    /// queue group.
    pub fn count_interested(&mut self, subject: &[u8], queue: Option<&[u8]>) -> usize {
        let group = queue.map(|name| self.queue_number(name));
        let route = self.asked_route(subject);
        let groups = route.queues.iter();
        let in_groups = groups
            .filter(|one| group.is_none_or(|group| group == Some(one.queue)))
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
        assert!(interest.is_unused() && !interest.has_interest(b"a.b"));
        let pattern = Pattern::parse(b"a.*").unwrap();
        for (sid, queue) in [(b"1", None), (b"2", Some(&b"q"[..])), (b"3", Some(b"r"))] {
            interest.subscribe(0, pattern, queue, sid, |_| {});
        }
        assert!(interest.has_interest(b"a.b") && !interest.has_interest(b"b"));
        assert_eq!(interest.count_interested(b"a.b", None), 3);
        assert_eq!(interest.count_interested(b"a.b", Some(b"q")), 1);
        assert_eq!(interest.count_interested(b"a.b", Some(b"none")), 0);
        let elsewhere = Announcement::Plain {
            pattern: b"b",
            present: true,
        };
        interest.apply_announcement(CoreId(1), elsewhere);
        assert!(interest.has_interest(b"b"));
        assert_eq!(interest.count_interested(b"b", None), 0);
    }
}
