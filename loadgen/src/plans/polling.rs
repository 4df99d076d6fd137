//! Plan polling: request-reply among many idle connections, in turns quiet and while every monitoring endpoint is
//! polled. What is measured is how much the polling disturbs.

use crate::args::PlanArgs;
use crate::engine::Engine;
use crate::engine::phase::Phase;
use crate::engine::tally::{Tally, new_histogram};
use crate::engine::worker::{Link, Role};
use crate::monitor::Poller;
use crate::plans::measure::{ServerWatch, measure};
use crate::plans::setup::{Opener, Setup};
use crate::plans::{judge, reqrep};
use crate::procstat::Spent;
use crate::progress::Progress;
use crate::report::figures::{Curve, Figure, Latency};
use crate::report::measured::Measured;

/// Requests per second if nothing else is asked for.
const RATE: f64 = 1000.0;

/// How many idle connections are held beside.
pub fn connections(args: &PlanArgs) -> usize {
    args.connections.unwrap_or(1000)
}

/// Connects clients, responders and idle connections.
pub fn set_up(args: &PlanArgs, opener: &mut Opener) -> Result<Setup, String> {
    if args.monitor.is_none() {
        return Err("polling needs --monitor HOST:PORT, the server's monitoring address".into());
    }
    let mut setup = reqrep::set_up(args, opener)?;
    let idle = opener.open("idle", connections(args), 0)?;
    let link =
        |(index, connection)| Link::new(connection, Role::Idle, format!("connection {index}"));
    setup.links.extend(idle.into_iter().enumerate().map(link));
    Ok(setup)
}

/// Quiet, polled, polled, quiet, and so on: whatever drifts hits both.
pub fn measure_phases(
    args: &PlanArgs,
    engine: &mut Engine,
    phase: &Phase,
    server: &ServerWatch,
) -> Result<Measured, String> {
    let address = args.monitor.as_deref().unwrap_or_default();
    let phase = Phase {
        rate: Some(args.rate.unwrap_or(RATE)),
        ..phase.clone()
    };
    let (mut quiet, mut polled) = (new_histogram(), new_histogram());
    let (mut total, mut last) = (Tally::new(), None);
    let (mut seconds, mut polls, mut polled_seconds) = (0.0, 0, 0.0);
    let mut spent = [Spent::default(); 2];
    for round in 0..args.rounds * 2 {
        let with_polling = matches!(round % 4, 1 | 2);
        let poller = match with_polling {
            true => Some(Poller::start(address, args.polls, args.pin.as_ref())?),
            false => None,
        };
        let mut progress = Progress::new("polling", phase.amount, args.quiet || args.json);
        let mut measured = measure(engine, &phase, server, &mut progress)?;
        judge::judge(&mut measured.total, engine, None);
        if let Some(poller) = poller {
            polls += poller.stop()?;
            polled_seconds += measured.seconds;
        }
        let histogram = if with_polling {
            &mut polled
        } else {
            &mut quiet
        };
        histogram
            .add(&measured.total.latency)
            .expect("all histograms have the same bounds");
        let side = &mut spent[usize::from(with_polling)];
        *side = *side + measured.server_spent.unwrap_or_default();
        seconds += measured.seconds;
        total.merge(&measured.total);
        last = Some(measured);
    }
    let mut measured = last.ok_or("--rounds must be at least 1")?;
    measured.figures = figures(&quiet, &polled);
    measured.figures.push(Figure {
        name: "polls",
        unit: "requests/s",
        value: Some(polls as f64 / polled_seconds),
    });
    measured.figures.push(Figure {
        name: "server CPU for polling",
        unit: "% of a core",
        value: measured
            .server_spent
            .map(|_| (spent[1].cpu_ns as f64 - spent[0].cpu_ns as f64) / polled_seconds / 1e7),
    });
    measured.curves = [("quiet", &quiet), ("polled", &polled)]
        .iter()
        .filter_map(|(name, histogram)| Curve::of(name, histogram))
        .collect();
    measured.server_spent = measured.server_spent.map(|_| spent[0] + spent[1]);
    measured.series = Vec::new();
    // Quiet and polled are told apart; over both it means nothing.
    total.latency.clear();
    (measured.total, measured.seconds) = (total, seconds);
    Ok(measured)
}

/// Where a side measured nothing there is nothing to compare.
fn figures(
    quiet: &hdrhistogram::Histogram<u64>,
    polled: &hdrhistogram::Histogram<u64>,
) -> Vec<Figure> {
    let Some((quiet, polled)) = Latency::of(quiet).zip(Latency::of(polled)) else {
        return Vec::new();
    };
    let figure = |name, unit, value| Figure {
        name,
        unit,
        value: Some(value),
    };
    let (quiet, polled) = (quiet.p99_us, polled.p99_us);
    vec![
        figure("p99 quiet", "µs", quiet),
        figure("p99 polled", "µs", polled),
        figure("p99 polled by quiet", "×", polled / quiet),
    ]
}
