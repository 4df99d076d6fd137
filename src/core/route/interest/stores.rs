//! Streams as receivers: every message of the subjects of a stream reaches it.
//!
//! To other cores a stream is a subscription without a queue group.

use super::{Announcement, Interest, StoreTargets};
use crate::base::slab::NONE;
use crate::route::receivers::StoreTarget;
use crate::subject::pattern::Pattern;

impl Interest {
    /// A stream of this core takes messages of a pattern.
    pub fn add_store(
        &mut self,
        pattern: Pattern<'_>,
        target: StoreTarget,
        announce: impl FnOnce(Announcement<'_>),
    ) {
        let at = self.pattern_or_new(pattern);
        let entry = &mut self.patterns[at];
        if !entry.is_wanted_here() {
            announce(Announcement::Plain {
                pattern: pattern.text(),
                present: true,
            });
        }
        let StoreTargets(stores) = &mut **entry.stores.get_or_insert_default();
        debug_assert!(!stores.contains(&target), "a stream has a pattern once");
        stores.push(target);
        self.changed(at);
    }

    /// It takes them no more.
    pub fn remove_store(
        &mut self,
        pattern: &[u8],
        target: StoreTarget,
        announce: impl FnOnce(Announcement<'_>),
    ) {
        let Some(at) = self.pattern(pattern) else {
            debug_assert!(false, "it has taken them");
            return;
        };
        self.changed(at);
        let entry = &mut self.patterns[at];
        entry.stores = entry.stores.take().and_then(|mut stores| {
            stores.0.retain(|other| *other != target);
            (!stores.0.is_empty()).then_some(stores)
        });
        if !entry.is_wanted_here() {
            announce(Announcement::Plain {
                pattern,
                present: false,
            });
        }
        self.drop_if_unused(at, NONE);
    }
}
