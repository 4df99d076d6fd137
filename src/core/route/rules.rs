//! What an account's rules make of a matched route: receivers that must not
//! get the subject are taken out, and mappings say where its messages go. Both
//! are decided when the route is matched, so that they cost nothing per
//! message.

use std::sync::Arc;

use super::filter::Filter;
use super::mapped::{Choice, Mapped};
use super::receivers::{Route, Target};
use super::subscription::Subscription;
use crate::base::slab::{NONE, Slab};
use crate::subject::mapping::SubjectMapping;
use crate::subject::rights_table::RightsTable;

/// The rules of one account.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// All sets of rights.
    pub rights: RightsTable,
    /// Mappings of the account; the first that applies counts.
    pub mappings: Arc<[SubjectMapping]>,
}

impl Rules {
    /// Sets where the messages of a route that was just matched go.
    pub(super) fn map(&self, route: &mut Route) {
        if !self.mappings.is_empty() && !route.is_detour() {
            route.mapped = self.mapped(route.subject()).map(Box::new);
        }
    }

    /// Takes the receivers out of a route that was just matched that must not
    /// get its subject.
    pub(super) fn filter<'a>(
        &self,
        route: &mut Route,
        subscriptions: &Slab<Subscription>,
        queue_name: impl Fn(u32) -> &'a [u8],
    ) {
        let mut plain = std::mem::take(&mut route.plain);
        let mut queues = std::mem::take(&mut route.queues);
        let subject = route.subject();
        let passes = |target: &Target, queue: Option<&[u8]>| {
            self.passes(subscriptions[target.subscription].filter, subject, queue)
        };
        plain.retain(|target| passes(target, None));
        for queue in &mut queues {
            let name = queue_name(queue.queue);
            queue.local.retain(|target| passes(target, Some(name)));
        }
        queues.retain(|queue| !queue.local.is_empty() || !queue.remote.is_empty());
        route.plain = plain;
        route.queues = queues;
    }

    /// Whether a filter lets messages of a subject through.
    pub(super) fn passes(&self, filter: Filter, subject: &[u8], queue: Option<&[u8]>) -> bool {
        match filter {
            Filter::Everything => true,
            Filter::Rights(id) => !self.rights[id].denies_delivery(subject, queue),
        }
    }

    fn mapped(&self, subject: &[u8]) -> Option<Mapped> {
        let applies = |mapping: &SubjectMapping| mapping.applies_to(subject);
        let mapping = self.mappings.iter().position(applies)?;
        let choices = self.mappings[mapping].choices().iter();
        let choices = choices.map(|(below, transform)| Choice {
            below: *below,
            subject: (!transform.is_random()).then(|| {
                let mut into = Vec::new();
                transform.apply(subject, |_| 0, &mut into);
                into
            }),
            route: NONE,
        });
        Some(Mapped {
            choices: choices.collect(),
            mapping,
        })
    }

    /// Writes the subject of a destination that is drawn for every message.
    pub(super) fn draw(
        &self,
        subject: &[u8],
        mapped: &Mapped,
        choice: usize,
        dice: impl FnMut(u64) -> u64,
    ) -> Vec<u8> {
        let mut into = Vec::new();
        let (_, transform) = &self.mappings[mapped.mapping].choices()[choice];
        transform.apply(subject, dice, &mut into);
        into
    }
}
