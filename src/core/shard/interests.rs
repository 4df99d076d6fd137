//! The interest of every account, on this core and as far as it concerns this core
//! on the others, with the rules that the configuration gives each.
//!
//! An account's place is given again once it is gone (`session::succession`), and
//! cores hear of that at different moments: from their configuration, or before
//! it from a core that has it already. Whoever comes first makes the interest of
//! the new account; what names the older one afterwards finds nothing.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::base::id::AccountId;
use crate::base::rng::Rng;
use crate::base::traffic::Traffic;
use crate::route::budget::RouteBudget;
use crate::route::interest::Interest;
use crate::route::rules::Rules;
use crate::route::sweep::RouteSweep;
use crate::session::authority::Authority;

/// Interest by account.
pub(super) struct Interests {
    /// By place.
    accounts: Vec<Interest>,
    /// By place, who has it.
    generations: Vec<u32>,
    former_traffic: Traffic,
    /// What remembered routes of all accounts may take together.
    budget: Rc<RouteBudget>,
    sweep: RouteSweep,
}

impl Interests {
    /// No account; routes may take so many bytes.
    pub fn new(route_bytes_max: usize) -> Self {
        Self {
            accounts: Vec::new(),
            generations: Vec::new(),
            former_traffic: Traffic::default(),
            budget: RouteBudget::new(route_bytes_max),
            sweep: RouteSweep::default(),
        }
    }

    /// Routes may take so many bytes from now on.
    pub fn set_route_bytes_max(&mut self, route_bytes_max: usize) {
        self.budget.set_bytes_max(route_bytes_max);
    }

    /// Memory of the routes of all accounts, and its bound.
    pub fn route_bytes(&self) -> (usize, usize) {
        (self.budget.bytes(), self.budget.bytes_max())
    }

    /// Makes room for routes if there is little; once per turn.
    pub fn sweep(&mut self) {
        self.sweep.turn(&mut self.accounts, &self.budget);
    }

    /// Frees what an idle core does not need.
    pub fn trim(&mut self) {
        self.sweep.trim(&mut self.accounts);
        self.accounts.iter_mut().for_each(Interest::trim);
    }

    /// The interest of an account, if this core knows it.
    #[inline]
    pub fn find(&mut self, account: AccountId) -> Option<&mut Interest> {
        let generation = self.generations.get(account.index())?;
        match *generation == account.generation() {
            true => self.accounts.get_mut(account.index()),
            false => None,
        }
    }

    /// All accounts, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, &Interest)> {
        let ids = (0u32..).zip(&self.generations);
        let ids = ids.map(|(at, &generation)| AccountId::new(at, generation));
        ids.zip(&self.accounts)
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (AccountId, &mut Interest)> {
        let ids = (0u32..).zip(&self.generations);
        let ids = ids.map(|(at, &generation)| AccountId::new(at, generation));
        ids.zip(&mut self.accounts)
    }

    /// Subscriptions of this core.
    pub fn subscription_count(&self) -> usize {
        self.iter().map(|(_, interest)| interest.len()).sum()
    }

    /// Messages of accounts that are forgotten.
    pub fn former_traffic(&self) -> Traffic {
        self.former_traffic
    }

    /// The interest of an account, for which room is made if another core knows it
    /// already; `None` if its place belongs to a later one.
    ///
    /// # Panics
    /// If the place is given again while its former account has subscriptions.
    pub fn ensure(
        &mut self,
        account: AccountId,
        authority: &Authority,
        rng: &mut Rng,
    ) -> Option<&mut Interest> {
        let at = account.index();
        while self.accounts.len() <= at {
            // Nobody has those before it yet.
            let interest = self.make(self.accounts.len(), authority, rng);
            self.accounts.push(interest);
            self.generations.push(0);
        }
        match self.generations[at].cmp(&account.generation()) {
            Ordering::Greater => return None,
            Ordering::Equal => {}
            Ordering::Less => {
                let interest = self.make(at, authority, rng);
                let former = std::mem::replace(&mut self.accounts[at], interest);
                self.forget(former);
                self.generations[at] = account.generation();
            }
        }
        Some(&mut self.accounts[at])
    }

    /// Forgets the places from this one on, which belong to nobody any more.
    ///
    /// # Panics
    /// If one of them has subscriptions.
    pub fn truncate(&mut self, len: usize) {
        self.generations.truncate(len);
        while self.accounts.len() > len
            && let Some(former) = self.accounts.pop()
        {
            self.forget(former);
        }
    }

    fn make(&self, place: usize, authority: &Authority, rng: &mut Rng) -> Interest {
        let mut interest = Interest::with_budget(rng.next_u64(), Rc::clone(&self.budget));
        interest.set_rules(rules_of(place, authority));
        interest
    }

    fn forget(&mut self, former: Interest) {
        assert!(former.is_empty(), "who is gone wants nothing");
        self.former_traffic.add(&former.traffic);
    }
}

/// The rules of the account that has a place.
pub(super) fn rules_of(place: usize, authority: &Authority) -> Rules {
    Rules {
        rights: authority.rights().clone(),
        mappings: authority.mappings_of(place),
    }
}

/// Of an account that is known to be here: that of an open connection.
impl std::ops::Index<AccountId> for Interests {
    type Output = Interest;

    #[inline]
    fn index(&self, account: AccountId) -> &Interest {
        debug_assert_eq!(self.generations[account.index()], account.generation());
        &self.accounts[account.index()]
    }
}

impl std::ops::IndexMut<AccountId> for Interests {
    #[inline]
    fn index_mut(&mut self, account: AccountId) -> &mut Interest {
        debug_assert_eq!(self.generations[account.index()], account.generation());
        &mut self.accounts[account.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::CoreId;
    use crate::route::interest::Announcement;

    #[test]
    fn who_names_the_former_account_of_a_place_names_nobody() {
        let (authority, mut rng) = (Authority::open(), Rng::new(1));
        let mut interests = Interests::new(1 << 20);
        let (former, later) = (AccountId::new(3, 0), AccountId::new(3, 7));
        let mut hear = |interests: &mut Interests, account, present| {
            let interest = interests.ensure(account, &authority, &mut rng)?;
            interest.traffic.count_in(10);
            let pattern = b"a";
            interest.apply_announcement(CoreId(1), Announcement::Plain { pattern, present });
            Some(interest.has_interest(pattern))
        };
        assert_eq!(hear(&mut interests, former, true), Some(true));
        assert_eq!(hear(&mut interests, later, false), Some(false));
        assert_eq!(hear(&mut interests, former, true), None);
        assert_eq!(hear(&mut interests, later, true), Some(true));
        assert_eq!(hear(&mut interests, former, false), None);
        assert!(interests.find(former).is_none());
        assert!(interests.find(AccountId::new(4, 0)).is_none());
        let wanted = interests
            .find(later)
            .map(|interest| interest.has_interest(b"a"));
        assert_eq!(wanted, Some(true));
        interests.truncate(3);
        assert!(interests.find(later).is_none());
        assert_eq!(interests.former_traffic().in_bytes, 30, "none is lost");
    }
}
