//! Plan subs: a million literal and some thousand wildcard subscriptions, and one publisher whose messages match some.
//!
//! Literals are `p.aI.bJ.m` over a square of I and J. Wildcards come in three shapes: a few per cent `p.*.bJ.m` and
//! `p.aI.*.m`, for even I and J, which many messages match, and for the rest `p.aI.bJ.>`, which hardly any message
//! matches but every match has to pass by. So a message has about two deliveries, and how many exactly is known.

use std::collections::HashMap;
use std::sync::Arc;

use crate::args::PlanArgs;
use crate::batch::Batch;
use crate::engine::phase::Group;
use crate::engine::publisher::{Publisher, Style};
use crate::engine::subscriber::Subscriber;
use crate::engine::worker::{Link, Role};
use crate::plans::flow;
use crate::plans::setup::{Opener, Setup, WINDOW_BYTES};
use crate::random::Random;

/// Distinct subjects published: more than any cache of matches should hold.
const PUBLISHED_SUBJECTS: usize = 200_000;
/// SUBs between two barriers.
const SUBSCRIBE_AT_ONCE: usize = 10_000;
/// One write of the publisher.
const WRITE_BYTES: usize = 64 * 1024;

/// Subscribing connections.
pub fn connections(args: &PlanArgs) -> usize {
    args.connections.unwrap_or(10)
}

/// The square of literals and the wildcards over it.
struct Field {
    prefix: String,
    side: usize,
    literals: usize,
    /// Even rows and columns with a wildcard, below this.
    lines: usize,
    /// How many subscriptions of the shape `p.aI.bJ.>` each cell has.
    cells: HashMap<usize, u64>,
    wildcards: Vec<String>,
}

impl Field {
    fn new(prefix: &str, literals: usize, wildcards: usize) -> Self {
        let side = literals.isqrt() + usize::from(literals.isqrt().pow(2) < literals);
        // At most a tenth of the wildcards, half of it rows and half columns, two apart.
        let lines = (wildcards / 20 * 2).min(side);
        let mut field = Field {
            prefix: prefix.into(),
            side,
            literals,
            lines,
            cells: HashMap::new(),
            wildcards: Vec::with_capacity(wildcards),
        };
        for line in (0..lines).step_by(2) {
            field.wildcards.push(format!("{prefix}.*.b{line}.m"));
            field.wildcards.push(format!("{prefix}.a{line}.*.m"));
        }
        let mut random = Random::new(0xCE11);
        while field.wildcards.len() < wildcards {
            let cell = random.below(literals as u64) as usize;
            *field.cells.entry(cell).or_default() += 1;
            field
                .wildcards
                .push(format!("{prefix}.a{}.b{}.>", cell / side, cell % side));
        }
        field
    }

    fn literal(&self, cell: usize) -> String {
        format!(
            "{}.a{}.b{}.m",
            self.prefix,
            cell / self.side,
            cell % self.side
        )
    }

    fn matches(&self, cell: usize) -> u64 {
        let has_line = |line: usize| u64::from(line < self.lines && line.is_multiple_of(2));
        1 + has_line(cell / self.side)
            + has_line(cell % self.side)
            + self.cells.get(&cell).copied().unwrap_or(0)
    }
}

/// Subscribes and builds the publisher.
pub fn set_up(args: &PlanArgs, opener: &mut Opener) -> Result<Setup, String> {
    if args.literals == 0 || args.literals > 20_000_000 || args.wildcards > 20_000_000 {
        return Err(
            "subs takes 1 to 20 million --literals and up to 20 million --wildcards".into(),
        );
    }
    if args.verify || args.rate.is_some() {
        return Err("subs takes neither --verify nor --rate".into());
    }
    let field = Field::new(&args.prefix, args.literals, args.wildcards);
    let mut links = Vec::new();
    let opened = opener.open("subscriber", connections(args), 0)?;
    let count = opened.len();
    for (index, mut connection) in opened.into_iter().enumerate() {
        let literals = (index..field.literals)
            .step_by(count)
            .map(|cell| field.literal(cell));
        let wildcards = field.wildcards.iter().skip(index).step_by(count).cloned();
        let mut all = literals.chain(wildcards).peekable();
        let mut sid_base = 0;
        while all.peek().is_some() {
            let subjects: Vec<String> = all.by_ref().take(SUBSCRIBE_AT_ONCE).collect();
            flow::subscribe_from(&mut connection, &subjects, None, sid_base)?;
            sid_base += subjects.len() as u64;
        }
        let role = Role::Subscriber(Box::new(Subscriber::counting(0)));
        links.push(Link::new(connection, role, format!("subscriber {index}")));
    }
    let publisher = publisher(args, &field)?;
    for connection in opener.open("publisher", 1, args.size.max())? {
        let role = Role::Publisher(Box::new(Publisher::new(0, 0, publisher.clone(), STYLE)));
        links.push(Link::new(connection, role, "publisher".into()));
    }
    let groups = vec![Group {
        members: count as u64,
        joint: true,
    }];
    let window = (WINDOW_BYTES / (args.size.max() as u64 + 64)).max(64);
    let subscriptions = field.literals + field.wildcards.len();
    Ok(Setup {
        links,
        groups,
        window,
        subscriptions,
    })
}

const STYLE: Style = Style {
    stamped: false,
    lap_messages_max: u64::MAX,
    lap_bytes_max: WRITE_BYTES,
};

fn publisher(args: &PlanArgs, field: &Field) -> Result<Arc<Batch>, String> {
    let mut random = Random::new(0xF1E1D);
    let cells: Vec<usize> = (0..PUBLISHED_SUBJECTS)
        .map(|_| random.below(field.literals as u64) as usize)
        .collect();
    let subjects: Vec<String> = cells.iter().map(|cell| field.literal(*cell)).collect();
    let batch = Batch::build(&subjects, &args.size, 1)?;
    Ok(Arc::new(batch.with_deliveries(|index| {
        field.matches(cells[index % cells.len()])
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern_matches(pattern: &str, subject: &str) -> bool {
        let mut subject = subject.split('.');
        for token in pattern.split('.') {
            match (token, subject.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (token, Some(own)) if token == own => {}
                _ => return false,
            }
        }
        subject.next().is_none()
    }

    #[test]
    fn expected_matches_agree_with_matching_one_by_one() {
        for (literals, wildcards) in [(1, 0), (100, 200), (90, 45), (10, 1000)] {
            let field = Field::new("p", literals, wildcards);
            assert_eq!(
                field.wildcards.len(),
                wildcards.max(field.lines.div_ceil(2) * 2)
            );
            for cell in 0..literals {
                let subject = field.literal(cell);
                let naive = field
                    .wildcards
                    .iter()
                    .filter(|pattern| pattern_matches(pattern, &subject))
                    .count() as u64
                    + 1;
                assert_eq!(
                    field.matches(cell),
                    naive,
                    "{subject} of {literals} and {wildcards}"
                );
            }
        }
    }
}
