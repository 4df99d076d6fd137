//! What is asked of an account's routes besides who receives: rights, mappings,
//! and one connection's own subscription.

use super::cache::Lookup;
use super::filter::Filter;
use super::interest::Interest;
use super::receivers::Target;
use super::rules::Rules;
use crate::base::slab::NONE;
use crate::subject::pattern::Pattern;
use crate::subject::rights_table::RightsId;

/// Draws are below this.
const WHOLE: u64 = 100;

impl Interest {
    /// Replaces the rules; nothing that was decided by the old ones is kept.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
        self.routes.clear();
    }

    /// Matches all subjects anew, since filters have changed.
    pub fn forget_routes(&mut self) {
        self.routes.invalidate_all();
    }

    /// Whether a set of rights allows to publish to the subject of a route.
    #[inline]
    pub fn permits(&mut self, at: u32, rights: RightsId) -> bool {
        let rules = &self.rules;
        self.routes
            .get_mut(at)
            .permits(rights, |subject| rules.rights[rights].may_publish(subject))
    }

    /// Whether a subscription may have messages of a subject by the rights that its
    /// connection has now.
    #[must_use]
    pub fn admits_delivery(&self, number: u32, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.rules
            .passes(self.subscriptions[number].filter, subject, queue)
    }

    /// What a subscription hears that its rights allow to be made.
    #[must_use]
    pub fn filter_of(
        &self,
        pattern: Pattern<'_>,
        queue: Option<&[u8]>,
        rights: Option<RightsId>,
    ) -> Filter {
        let needs_filter =
            |id: &RightsId| self.rules.rights[*id].needs_filter(pattern.text(), queue);
        rights
            .filter(needs_filter)
            .map_or(Filter::Everything, Filter::Rights)
    }

    /// The route that a message takes whose own subject has the route `at`:
    /// another one, since that is mapped; `None` if the message is lost.
    #[must_use]
    pub fn redirect(&mut self, at: u32, mut dice: impl FnMut(u64) -> u64) -> Option<u32> {
        let route = self.routes.get(at);
        let mapped = route.mapped.as_deref()?;
        let is_certain = mapped.choices.len() == 1 && u64::from(mapped.choices[0].below) == WHOLE;
        let drawn = if is_certain { 0 } else { dice(WHOLE) };
        let chosen = mapped
            .choices
            .iter()
            .position(|choice| drawn < u64::from(choice.below))?;
        let choice = &mapped.choices[chosen];
        let Some(subject) = &choice.subject else {
            let subject = self.rules.draw(route.subject(), mapped, chosen, dice);
            return Some(self.route(&subject, NONE));
        };
        let found_by = if is_certain { route.subject() } else { subject };
        if self.routes.is_current(choice.route, found_by)
            && self.routes.get(choice.route).is_detour() == is_certain
        {
            return Some(choice.route);
        }
        let (from, subject) = (route.subject().to_vec(), subject.clone());
        let to = match is_certain {
            true => self.detour(&from, &subject),
            false => self.route(&subject, NONE),
        };
        // The look-up may have replaced the route that it started from.
        let choices = self
            .routes
            .find_mut(at)
            .and_then(|from| from.mapped.as_mut());
        if let Some(choice) = choices.and_then(|mapped| mapped.choices.get_mut(chosen))
            && choice.subject.as_ref() == Some(&subject)
        {
            choice.route = to;
        }
        Some(to)
    }

    /// The detour from a subject to the one that it is always mapped to.
    fn detour(&mut self, from: &[u8], to: &[u8]) -> u32 {
        match self.routes.find_detour(from, to) {
            Lookup::Current(at) => at,
            Lookup::Unmatched(at) => {
                self.match_route(to, at);
                at
            }
        }
    }

    /// Where the detour from a subject leads, if there is one at this place.
    #[must_use]
    pub fn end_of_detour(&self, at: u32, from: &[u8]) -> Option<&[u8]> {
        let is_detour = self.routes.is_detour_from(at, from);
        is_detour.then(|| self.routes.get(at).subject())
    }

    /// The plain subscription of one connection that matches a subject, if
    /// there is one.
    pub fn plain_of_connection(&mut self, connection: u32, subject: &[u8]) -> Option<u32> {
        let route = self.asked_route(subject);
        let of_connection = |target: &&Target| target.connection == connection;
        route
            .plain
            .iter()
            .find(of_connection)
            .map(|target| target.subscription)
    }

    /// The pattern and the queue group of a subscription.
    #[must_use]
    pub fn name_of(&self, number: u32) -> (&[u8], Option<&[u8]>) {
        let subscription = &self.subscriptions[number];
        let group = subscription.group;
        let queue = (group != NONE).then(|| self.groups.name_of(group));
        (&self.patterns[subscription.pattern].text, queue)
    }
}
