//! Routes against a naive list, while everything changes that can: subscriptions, filters, budgets,
//! other accounts, routes that are lent.

use super::*;
use crate::subject::rights::Rights;
use crate::subject::rights_table::{RightsCollector, RightsTable};

/// Two accounts that share a small budget, and a list of what the first one should know.
struct Trial {
    rng: Rng,
    budget: Rc<RouteBudget>,
    interests: Vec<Interest>,
    sweep: RouteSweep,
    loans: Vec<Loan>,
    /// The subjects that others are mapped to: receivers are those of the end, even if that is mapped
    /// itself.
    ends: BTreeMap<&'static [u8], &'static [u8]>,
    model: Vec<Model>,
    /// What a subscription has that hears nothing.
    deaf: Filter,
    last_route: u32,
}

impl Trial {
    fn new() -> Self {
        // So small that routes are taken out all the time.
        let budget = RouteBudget::new(4000);
        let mut interests: Vec<Interest> = (1..3)
            .map(|seed| Interest::with_budget(seed, Rc::clone(&budget)))
            .collect();
        let ends: BTreeMap<&[u8], &[u8]> = BTreeMap::from([
            (&b"a.c"[..], &b"a.b"[..]),
            (b"d", b"a.c"),
            (b"c", b"c"),
            (b"a.b.c", b"new"),
        ]);
        let mappings = ends.iter().map(|(from, to)| {
            let [from, to] = [from, to].map(|text| std::str::from_utf8(text).expect("UTF-8"));
            SubjectMapping::parse(from, &[(to, 100)]).expect("valid")
        });
        let mut rights = RightsCollector::new(&RightsTable::default(), None);
        let everything = [">".to_owned(), "> *".to_owned()];
        let deaf = Rights::parse((None, &[]), (None, &everything), None).expect("valid");
        let deaf = rights.number_of(deaf).map(Filter::Rights);
        interests[0].set_rules(Rules {
            mappings: mappings.collect(),
            rights: rights.finish(),
        });
        Self {
            rng: Rng::new(3),
            budget,
            interests,
            sweep: RouteSweep::default(),
            loans: Vec::new(),
            ends,
            model: Vec::new(),
            deaf: deaf.expect("there is room"),
            last_route: 0,
        }
    }

    /// What costs routes their places.
    fn press(&mut self, step: usize) {
        match self.rng.below(50) {
            0 => self.sweep.turn(&mut self.interests, &self.budget),
            1 => self.sweep.trim(&mut self.interests),
            2 => {
                // Another account, which wants its part of the budget.
                self.interests[1].route(pick(&mut self.rng, SUBJECTS), NONE);
            }
            3 => self.budget.set_bytes_max(self.rng.below(8000) as usize),
            4 if step % 1000 < 50 => self.interests[0].forget_routes(),
            _ => {}
        }
        if self.rng.below(4) == 0 && !self.loans.is_empty() {
            let at = self.rng.below(self.loans.len() as u64) as usize;
            let loan = self.loans.swap_remove(at);
            loan.end(&mut self.interests[0], &self.model);
        }
    }

    /// Subscribes, unsubscribes or filters.
    fn change(&mut self, step: usize) {
        let (interest, rng, model) = (&mut self.interests[0], &mut self.rng, &mut self.model);
        if rng.below(2) == 0 && model.len() < 60 {
            let text = pick(rng, PATTERNS);
            let queue = (rng.below(2) == 0).then(|| pick(rng, &["q", "r"]));
            let pattern = Pattern::parse(text).expect("valid");
            let number = interest.subscribe(4, pattern, queue, b"9", |_| {});
            model.push(Model {
                pattern: text.to_vec(),
                queue: queue.map(<[u8]>::to_vec),
                number,
                born: step,
                is_deaf: false,
            });
        } else if rng.below(20) == 0 && !model.is_empty() {
            let at = rng.below(model.len() as u64) as usize;
            let one = &mut model[at];
            one.is_deaf = !one.is_deaf;
            let filter = match one.is_deaf {
                true => self.deaf,
                false => Filter::Everything,
            };
            interest.set_filter(one.number, filter);
            interest.forget_routes();
        } else if !model.is_empty() {
            let gone = model.swap_remove(rng.below(model.len() as u64) as usize);
            interest.unsubscribe(gone.number, |_| {});
        }
    }

    /// Compares the way of a message with the list.
    fn compare(&mut self) {
        let (interest, model) = (&mut self.interests[0], &self.model);
        let subject = pick(&mut self.rng, SUBJECTS);
        let at = interest.route(subject, self.last_route);
        check_route(interest, at, model, subject);
        let published = interest.published_route(subject, self.last_route);
        let end = self.ends.get(subject).copied();
        let (at, end) = match (interest.route_at(published).is_detour(), end) {
            (true, Some(end)) => (published, end),
            (false, Some(end)) => {
                let to = interest
                    .redirect(published, |_| 0)
                    .expect("it goes somewhere");
                assert!(interest.route_at(to).is_detour());
                (to, end)
            }
            (is_detour, None) => {
                assert!(!is_detour && interest.route_at(published).mapped.is_none());
                (published, subject)
            }
        };
        assert_eq!(interest.route_at(at).subject(), end);
        check_route(interest, at, model, end);
        let asked = pick(&mut self.rng, SUBJECTS);
        let is_reached = |one: &Model| !one.is_deaf && matches(&one.pattern, asked);
        let is_wanted = !has_empty_token(asked) && model.iter().any(is_reached);
        assert_eq!(interest.has_interest(asked), is_wanted);
        let subject = interest.route_at(at).subject();
        assert_eq!(subject, end, "the message is on its way");
        if self.rng.below(2) == 0 {
            self.last_route = at;
        }
        if self.rng.below(8) == 0 && self.loans.len() < 4 {
            self.loans.push(Loan::new(interest, at, model));
        }
    }

    /// Everything is taken back; nothing must be left of it.
    fn end(mut self) {
        let interest = &mut self.interests[0];
        for loan in self.loans {
            loan.end(interest, &self.model);
        }
        for gone in self.model {
            interest.unsubscribe(gone.number, |_| {});
        }
        assert!(interest.is_empty() && interest.patterns.is_empty());
        assert_eq!(interest.groups.counts(), (0, 0));
        assert!(interest.wildcards.is_empty());
        drop(self.interests);
        assert_eq!(self.budget.bytes(), 0, "what is charged is given back");
    }
}

#[test]
fn agrees_with_a_list() {
    let mut trial = Trial::new();
    for step in 0..60_000 {
        trial.press(step);
        trial.change(step);
        trial.compare();
        if step % 64 == 0 {
            trial.interests[0].check_invariants();
        }
    }
    trial.end();
}
