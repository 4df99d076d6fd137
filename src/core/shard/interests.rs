//! The interest of every account, on this core and as far as it concerns this core
//! on the others, with the rules that the configuration gives each.

use std::rc::Rc;
use std::sync::Arc;

use crate::base::id::AccountId;
use crate::base::rng::Rng;
use crate::route::budget::RouteBudget;
use crate::route::interest::Interest;
use crate::route::rules::Rules;
use crate::route::sweep::RouteSweep;
use crate::session::authority::Authority;

/// Interest by account.
pub(super) struct Interests {
    accounts: Vec<Interest>,
    /// What remembered routes of all accounts may take together.
    budget: Rc<RouteBudget>,
    sweep: RouteSweep,
}

impl Interests {
    /// No account; routes may take so many bytes.
    pub fn new(route_bytes_max: usize) -> Self {
        Self {
            accounts: Vec::new(),
            budget: RouteBudget::new(route_bytes_max),
            sweep: RouteSweep::default(),
        }
    }

    /// Routes may take so many bytes from now on.
    pub fn set_route_bytes_max(&mut self, route_bytes_max: usize) {
        self.budget.set_bytes_max(route_bytes_max);
    }

    /// Makes room for routes if there is little; once per turn.
    pub fn sweep(&mut self) {
        self.sweep.turn(&mut self.accounts, &self.budget);
    }

    /// Frees what an idle core does not need.
    pub fn trim(&mut self) {
        self.sweep.trim(&mut self.accounts);
    }

    /// The interest of an account, if this core knows it.
    pub fn get_mut(&mut self, account: AccountId) -> Option<&mut Interest> {
        self.accounts.get_mut(account.index())
    }

    /// All accounts, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Interest> {
        self.accounts.iter()
    }

    /// All accounts, by number.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Interest> {
        self.accounts.iter_mut()
    }

    /// Subscriptions of this core.
    pub fn subscription_count(&self) -> usize {
        self.iter().map(Interest::len).sum()
    }

    /// Makes room for an account that another core may know already.
    pub fn ensure(&mut self, account: AccountId, authority: &Authority, rng: &mut Rng) {
        while self.accounts.len() <= account.index() {
            let budget = Rc::clone(&self.budget);
            let mut interest = Interest::with_budget(rng.next_u64(), budget);
            interest.set_rules(rules_of(self.accounts.len(), authority));
            self.accounts.push(interest);
        }
    }
}

/// The rules of an account.
pub(super) fn rules_of(account: usize, authority: &Authority) -> Rules {
    Rules {
        rights: Arc::clone(authority.rights()),
        mappings: authority.mappings_of(account),
    }
}

impl std::ops::Index<AccountId> for Interests {
    type Output = Interest;

    #[inline]
    fn index(&self, account: AccountId) -> &Interest {
        &self.accounts[account.index()]
    }
}

impl std::ops::IndexMut<AccountId> for Interests {
    #[inline]
    fn index_mut(&mut self, account: AccountId) -> &mut Interest {
        &mut self.accounts[account.index()]
    }
}
