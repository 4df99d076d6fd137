//! Tests of interest against a naive model: a list of subscriptions.

use std::collections::BTreeMap;

use super::*;
use crate::base::rng::Rng;
use crate::route::receivers::Target;
use crate::route::subscription::Sid;
use crate::subject::mapping::SubjectMapping;
use crate::subject::pattern::matches;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Model {
    pattern: Vec<u8>,
    queue: Option<Vec<u8>>,
    number: u32,
}

fn pick<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a [u8] {
    of[rng.below(of.len() as u64) as usize].as_bytes()
}

const PATTERNS: &[&str] = &[
    "a", "a.b", "a.c", "*", ">", "a.*", "a.>", "*.b", "b.*.c", "c",
];
const SUBJECTS: &[&str] = &[
    "a", "a.b", "a.c", "b.x.c", "c", "d", "a.b.c", "a..b", ".a", "a.", "a.*", ">", "a.>", "*",
];

#[test]
fn agrees_with_a_list() {
    let mut rng = Rng::new(3);
    let mut interest = Interest::new(1);
    // The subjects that others are mapped to: receivers are those of the end,
    // even if that is mapped itself.
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
    interest.set_rules(Rules {
        mappings: mappings.collect(),
        ..Rules::default()
    });
    let mut last_route = 0;
    let mut model: Vec<Model> = Vec::new();
    for _ in 0..30_000 {
        if rng.below(2) == 0 && model.len() < 60 {
            let text = pick(&mut rng, PATTERNS);
            let queue = (rng.below(2) == 0).then(|| pick(&mut rng, &["q", "r"]));
            let pattern = Pattern::parse(text).expect("valid");
            let number = interest.subscribe(4, pattern, queue, b"9", |_| {});
            model.push(Model {
                pattern: text.to_vec(),
                queue: queue.map(<[u8]>::to_vec),
                number,
            });
        } else if !model.is_empty() {
            let gone = model.swap_remove(rng.below(model.len() as u64) as usize);
            interest.unsubscribe(gone.number, |_| {});
        }
        let subject = pick(&mut rng, SUBJECTS);
        let at = interest.route(subject, last_route);
        check_route(&interest, at, &model, subject);
        let published = interest.published_route(subject, last_route);
        let end = ends.get(subject).copied();
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
        check_route(&interest, at, &model, end);
        if rng.below(2) == 0 {
            last_route = at;
        }
    }
    for gone in model {
        interest.unsubscribe(gone.number, |_| {});
    }
    assert!(interest.is_empty() && interest.patterns.is_empty());
    assert!(interest.queue_names.is_empty() && interest.wildcards.is_empty());
}

fn check_route(interest: &Interest, at: u32, model: &[Model], subject: &[u8]) {
    let reached = |queue: Option<&[u8]>| {
        let mut numbers: Vec<u32> = model
            .iter()
            .filter(|entry| entry.queue.as_deref() == queue)
            .filter(|entry| !has_empty_token(subject) && matches(&entry.pattern, subject))
            .map(|entry| entry.number)
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let sorted = |targets: &[Target]| {
        let mut numbers: Vec<u32> = targets.iter().map(|target| target.subscription).collect();
        numbers.sort_unstable();
        numbers
    };
    let route = interest.route_at(at);
    assert_eq!(sorted(&route.plain), reached(None), "{subject:?}");
    for name in [&b"q"[..], b"r"] {
        let members = route
            .queues
            .iter()
            .find(|queue| interest.queue_name(queue.queue) == name)
            .map(|queue| sorted(&queue.local))
            .unwrap_or_default();
        assert_eq!(members, reached(Some(name)), "{subject:?}");
    }
}

#[test]
fn announces_first_and_last_and_group_sizes() {
    let mut interest = Interest::new(1);
    let mut heard = Vec::new();
    let mut note = |announcement: Announcement<'_>| heard.push(format!("{announcement:?}"));
    let pattern = Pattern::parse(b"a.*").expect("valid");
    let first = interest.subscribe(0, pattern, None, b"1", &mut note);
    let second = interest.subscribe(0, pattern, None, b"2", &mut note);
    interest.unsubscribe(first, &mut note);
    interest.unsubscribe(second, &mut note);
    let member = interest.subscribe(0, pattern, Some(b"q"), b"3", &mut note);
    interest.unsubscribe(member, &mut note);
    let text = "pattern: [97, 46, 42]";
    assert_eq!(
        heard,
        [
            format!("Plain {{ {text}, present: true }}"),
            format!("Plain {{ {text}, present: false }}"),
            format!("Queue {{ {text}, queue: [113], members: 1 }}"),
            format!("Queue {{ {text}, queue: [113], members: 0 }}"),
        ]
    );
}

#[test]
fn hears_other_cores() {
    let mut interest = Interest::new(1);
    let plain = |present| Announcement::Plain {
        pattern: b"a.*",
        present,
    };
    let queue = |members| Announcement::Queue {
        pattern: b"a.b",
        queue: b"q",
        members,
    };
    interest.hear(CoreId(3), plain(true));
    interest.hear(CoreId(5), queue(2));
    interest.hear(CoreId(5), queue(4));
    let at = interest.route(b"a.b", 0);
    let route = interest.route_at(at);
    assert!(route.remote.contains(CoreId(3)) && !route.remote.contains(CoreId(5)));
    assert_eq!(route.queues[0].remote, [(CoreId(5), 4)]);
    interest.hear(CoreId(3), plain(false));
    interest.hear(CoreId(5), queue(0));
    let at = interest.route(b"a.b", at);
    assert!(interest.route_at(at).is_empty());
    assert!(interest.patterns.is_empty());
    // Something unknown that goes is no news.
    interest.hear(CoreId(5), queue(0));
    assert!(interest.patterns.is_empty());
}

#[test]
fn sids_of_any_length() {
    for sid in [&b"1"[..], b"1234567890123", b"12345678901234", &[b'x'; 300]] {
        assert_eq!(Sid::new(sid).bytes(), sid);
        assert_eq!(Sid::new(sid).with_blank(), [sid, b" "].concat());
    }
}
