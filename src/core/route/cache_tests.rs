//! Tests of the cache: sights, staleness, the budget, loans.

use super::*;
use crate::base::limits::ROUTE_CACHE_BYTES;
use crate::base::rng::Rng;
use crate::base::slab::NONE;
use crate::route::receivers::Target;

fn cache(budget: &Rc<RouteBudget>, seed: u64) -> RouteCache {
    RouteCache::new(RandomState::with_seeds(seed, 2, 3, 4), Rc::clone(budget))
}

fn new_cache() -> RouteCache {
    cache(&RouteBudget::new(ROUTE_CACHE_BYTES), 1)
}

fn targets(count: u32) -> impl Iterator<Item = Target> {
    (0..count).map(|subscription| Target {
        connection: 1,
        subscription,
    })
}

/// One look-up with a match if need be.
fn see(cache: &mut RouteCache, subject: &[u8], count: u32) -> u32 {
    match cache.find(subject, NONE) {
        Lookup::Current(at) => at,
        Lookup::Unmatched(at) => {
            assert!(cache.get(at).is_empty(), "nothing of another subject");
            cache.get_mut(at).plain.extend(targets(count));
            cache.filled(at);
            at
        }
    }
}

/// Looks up as often as it takes to be remembered.
fn fill(cache: &mut RouteCache, subject: &[u8], count: u32) -> u32 {
    assert_eq!(see(cache, subject, count), SCRATCH, "at first sight");
    let at = see(cache, subject, count);
    assert_ne!(at, SCRATCH, "at second sight");
    at
}

#[test]
fn remembers_until_invalidated() {
    let mut cache = new_cache();
    let a = fill(&mut cache, b"a", 1);
    let b = fill(&mut cache, b"b", 2);
    assert_eq!(cache.find(b"a", b), Lookup::Current(a));
    assert_eq!(cache.find(b"b", b), Lookup::Current(b));
    assert_eq!(cache.get(a).head(), b"HMSG a ");
    cache.invalidate(b"a");
    assert_eq!(cache.find(b"a", a), Lookup::Unmatched(a));
    assert!(cache.get(a).is_empty());
    cache.filled(a);
    cache.invalidate_all();
    assert_eq!(cache.find(b"b", b), Lookup::Unmatched(b));
}

#[test]
fn a_first_sight_is_good_until_the_next() {
    let mut cache = new_cache();
    assert_eq!(see(&mut cache, b"once", 3), SCRATCH);
    assert_eq!(cache.find(b"once", SCRATCH), Lookup::Current(SCRATCH));
    assert_eq!(see(&mut cache, b"then", 1), SCRATCH);
    assert!(!cache.is_current(SCRATCH, b"once"));
    assert_eq!(cache.get(SCRATCH).plain.len(), 1);
    // Interest in the subject changes: it is marked although in no table.
    cache.invalidate(b"other");
    assert!(cache.is_current(SCRATCH, b"then"));
    cache.invalidate(b"then");
    assert!(!cache.is_current(SCRATCH, b"then"));
    // A detour at first sight goes with any change: where it leads is not looked up.
    let found = cache.find_detour(b"from", b"to");
    assert_eq!(found, Lookup::Unmatched(SCRATCH));
    cache.filled(SCRATCH);
    assert!(cache.is_detour_from(SCRATCH, b"from"));
    cache.invalidate(b"to");
    assert!(!cache.is_current(SCRATCH, b"from"));
}

/// Whoever asks in the middle of a message leaves its route where it is.
#[test]
fn questions_change_no_place() {
    let budget = RouteBudget::new(3000);
    let mut cache = cache(&budget, 1);
    let known = fill(&mut cache, b"known", 2);
    see(&mut cache, b"once", 3);
    for number in 0..100 {
        let subject = format!("asked.{number}");
        for _ in 0..3 {
            assert_eq!(
                cache.find_asked(subject.as_bytes()),
                Lookup::Unmatched(ASKED)
            );
            cache.get_mut(ASKED).plain.extend(targets(1000));
            cache.filled(ASKED);
        }
    }
    assert!(budget.is_full());
    assert_eq!(cache.find_asked(b"known"), Lookup::Current(known));
    assert!(cache.is_current(known, b"known") && cache.is_current(SCRATCH, b"once"));
    cache.invalidate(b"known");
    assert_eq!(cache.find_asked(b"known"), Lookup::Unmatched(ASKED));
    assert_eq!(cache.get(known).plain.len(), 2);
    cache.filled(ASKED);
    cache.invalidate(b"known");
    assert!(!cache.is_current(ASKED, b"known"));
    cache.check_invariants();
}

#[test]
fn subjects_that_never_come_again_take_no_room() {
    let mut cache = new_cache();
    let known = fill(&mut cache, b"known", 1);
    let bytes = cache.bytes();
    let mut remembered = 0;
    for number in 0..100_000 {
        let subject = format!("_INBOX.x.{number}");
        remembered += u32::from(see(&mut cache, subject.as_bytes(), 1) != SCRATCH);
    }
    // Parts of hashes are the same by chance, once in 8192.
    assert!(remembered < 50 && cache.bytes() < bytes + 20_000);
    assert_eq!(cache.find(b"known", NONE), Lookup::Current(known));
}

#[test]
fn a_detour_is_found_by_one_subject_and_ends_with_the_other() {
    let mut cache = new_cache();
    let own = fill(&mut cache, b"from", 1);
    cache.find_detour(b"from", b"to");
    let Lookup::Unmatched(detour) = cache.find_detour(b"from", b"to") else {
        panic!("it was never filled");
    };
    assert!(cache.get(detour).is_detour() && !cache.get(own).is_detour());
    assert_eq!(cache.get(detour).subject(), b"to");
    assert_eq!(cache.get(detour).head(), b"HMSG to ");
    cache.filled(detour);
    assert_eq!(cache.find(b"from", detour), Lookup::Current(detour));
    assert_eq!(cache.find(b"from", NONE), Lookup::Current(own));
    let known = cache.find_detour(b"from", b"to");
    assert_eq!(known, Lookup::Current(detour));
    let end = fill(&mut cache, b"to", 1);
    assert_ne!(end, detour);
    assert_eq!(cache.subject_hash(end), cache.subject_hash(detour));
    cache.invalidate(b"from");
    assert!(!cache.is_current(own, b"from") && cache.is_current(detour, b"from"));
    cache.invalidate(b"to");
    assert!(!cache.is_current(end, b"to") && !cache.is_current(detour, b"from"));
    let known = cache.find_detour(b"from", b"to");
    assert_eq!(known, Lookup::Unmatched(detour));
}

#[test]
fn every_route_beyond_the_budget_pays_for_itself() {
    let bytes_max = 400_000;
    let budget = RouteBudget::new(bytes_max);
    let mut cache = cache(&budget, 1);
    let mut rng = Rng::new(2);
    for number in 0..20_000usize {
        let subject = format!("s.{number}");
        if number % 2 == 0 {
            fill(&mut cache, subject.as_bytes(), rng.below(20) as u32);
        } else {
            for _ in 0..2 {
                if let Lookup::Unmatched(at) = cache.find_detour(subject.as_bytes(), b"to") {
                    cache.filled(at);
                }
            }
        }
        // All of them in use, which may not stop the hand for ever.
        for older in number.saturating_sub(50)..number {
            cache.find(format!("s.{older}").as_bytes(), NONE);
        }
        // The last route, and a part of a table that has just grown.
        assert!(
            budget.bytes() < bytes_max + 8000,
            "{number} {}",
            budget.bytes()
        );
    }
    assert!(budget.bytes() > bytes_max / 2);
    cache.check_invariants();
    drop(cache);
    assert_eq!(budget.bytes(), 0);
}

#[test]
fn one_route_may_exceed_the_budget_and_gives_it_back() {
    let budget = RouteBudget::new(100_000);
    let mut cache = cache(&budget, 1);
    for number in 0..100 {
        fill(&mut cache, format!("s.{number}").as_bytes(), 1);
    }
    let large = fill(&mut cache, b"large", 50_000);
    assert_eq!(cache.get(large).plain.len(), 50_000);
    assert!(budget.is_full() && cache.table.len() == 1);
    // Nobody listens any more, and the next match leaves no capacity.
    cache.invalidate_all();
    assert_eq!(see(&mut cache, b"large", 1), large);
    see(&mut cache, b"other", 1);
    assert!(budget.bytes() < 60_000, "{}", budget.bytes());
    cache.check_invariants();
}

#[test]
fn an_account_without_routes_gets_none_of_a_used_up_budget() {
    let budget = RouteBudget::new(100_000);
    let (mut busy, mut late) = (cache(&budget, 1), cache(&budget, 2));
    fill(&mut busy, b"large", 50_000);
    for _ in 0..3 {
        assert_eq!(see(&mut late, b"s", 1), SCRATCH);
    }
    busy.clear();
    assert_ne!(see(&mut late, b"s", 1), SCRATCH);
}

#[test]
fn a_sweep_takes_the_unused_and_moves_the_rest_together() {
    let mut cache = new_cache();
    let subjects: Vec<String> = (0..1000).map(|number| format!("s.{number}")).collect();
    for subject in &subjects {
        fill(&mut cache, subject.as_bytes(), 1);
    }
    let bytes = cache.bytes();
    let sweep = |cache: &mut RouteCache, eviction| {
        let mut from = Some(0);
        while let Some(at) = from {
            from = cache.sweep(at, 64, eviction);
        }
    };
    for subject in subjects.iter().step_by(10) {
        cache.find(subject.as_bytes(), NONE);
    }
    sweep(&mut cache, Eviction::Unused);
    assert_eq!((cache.table.len(), cache.places()), (100, FIRST + 100));
    assert!(cache.bytes() < bytes / 5);
    for subject in subjects.iter().step_by(10) {
        let Lookup::Current(at) = cache.find(subject.as_bytes(), NONE) else {
            panic!("it was used");
        };
        assert_eq!(cache.get(at).subject(), subject.as_bytes());
    }
    cache.invalidate(b"s.0");
    sweep(&mut cache, Eviction::Stale);
    assert_eq!(cache.table.len(), 99);
    cache.invalidate_all();
    sweep(&mut cache, Eviction::Stale);
    assert_eq!((cache.table.len(), cache.places()), (0, FIRST));
    cache.check_invariants();
}

/// What happens to a subject while its route is lent, and whether the route
/// comes back.
#[test]
fn a_lent_route_comes_back_only_if_it_is_still_right() {
    type Event = fn(&mut RouteCache, u32);
    let cases: &[(&str, bool, Event)] = &[
        ("nothing", true, |_, _| {}),
        ("others", true, |cache, _| {
            fill(cache, b"other", 1);
            cache.invalidate(b"other");
        }),
        ("change of the subject", false, |cache, _| {
            cache.invalidate(b"lent");
        }),
        ("change of any", false, |cache, _| cache.invalidate_all()),
        ("matched anew", false, |cache, _| {
            see(cache, b"lent", 2);
        }),
        ("lent anew", false, |cache, at| {
            see(cache, b"lent", 2);
            let again = cache.lend(at);
            assert_eq!(again.plain.len(), 2);
        }),
        ("forgotten", false, |cache, _| cache.clear()),
        ("forgotten and others", false, |cache, _| {
            cache.clear();
            fill(cache, b"other", 1);
            fill(cache, b"more", 1);
        }),
        ("evicted", false, |cache, at| cache.evict(at)),
        ("evicted and matched anew", false, |cache, at| {
            cache.evict(at);
            see(cache, b"lent", 2);
            see(cache, b"lent", 2);
        }),
        ("moved", false, |cache, _| {
            let all: Vec<String> = (0..200).map(|number| format!("s.{number}")).collect();
            for subject in &all {
                fill(cache, subject.as_bytes(), 1);
            }
            cache.find(b"s.199", NONE);
            cache.sweep(0, NONE, Eviction::Unused);
        }),
    ];
    for (name, comes_back, event) in cases {
        let mut cache = new_cache();
        fill(&mut cache, b"first", 1);
        let at = fill(&mut cache, b"lent", 5);
        let route = cache.lend(at);
        assert_eq!((route.plain.len(), route.subject()), (5, &b"lent"[..]));
        assert!(!cache.is_current(at, b"lent"), "nobody uses the stub");
        event(&mut cache, at);
        cache.put_back(at, route);
        let found = cache.find(b"lent", at);
        assert_eq!(
            found == Lookup::Current(at) && cache.get(at).plain.len() == 5,
            *comes_back,
            "{name}"
        );
        let hidden = cache.routes[FIRST as usize..]
            .iter()
            .any(|route| route.plain.len() == 5);
        assert_eq!(hidden, *comes_back, "{name}: it stands nowhere else");
        cache.check_invariants();
    }
}

#[test]
fn the_route_of_a_first_sight_is_lent_too() {
    let mut cache = new_cache();
    see(&mut cache, b"once", 5);
    let route = cache.lend(SCRATCH);
    cache.put_back(SCRATCH, route);
    assert!(cache.is_current(SCRATCH, b"once"));
    let route = cache.lend(SCRATCH);
    see(&mut cache, b"next", 1);
    cache.put_back(SCRATCH, route);
    assert!(cache.is_current(SCRATCH, b"next"));
    assert_eq!(cache.get(SCRATCH).plain.len(), 1);
    let route = cache.lend(SCRATCH);
    cache.invalidate(b"next");
    cache.put_back(SCRATCH, route);
    assert!(!cache.is_current(SCRATCH, b"next"));
    cache.check_invariants();
}
