//! Plan handshakes: connections that come and go at fixed times; each connects, is let in, has its PING answered, and
//! closes.
//!
//! Threads that block, instead of the engine: a handshake is a dialogue, and there are few per second. Each takes the
//! next number of the schedule, so that a slow server delays no more than the handshakes that it has in hand; time
//! counts from when a handshake was meant to begin.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::args::PlanArgs;
use crate::clock::now_ns;
use crate::engine::pace::Pace;
use crate::engine::tally::Tally;
use crate::net::handshake::Handshake;
use crate::net::target::Target;
use crate::parse::Amount;
use crate::plans::measure::ServerWatch;
use crate::plans::setup::Opener;
use crate::progress::Progress;
use crate::report::figures::Curve;
use crate::report::measured::Measured;

/// Most handshakes under way at once.
pub const THREADS: usize = 64;
/// Handshakes per second if nothing else is asked for.
const RATE: f64 = 1000.0;

/// Time between two looks at how far they are, where somebody watches.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the plan.
pub fn measure(
    args: &PlanArgs,
    opener: &mut Opener,
    server: &ServerWatch,
) -> Result<Measured, String> {
    // One beforehand: what is refused is told at once, and the version is known.
    drop(opener.open("handshake", 1, 0)?);
    if let Some(Amount::Time(time)) = args.warmup {
        let mut unseen = Progress::silent();
        run_phase(args, &opener.target, Amount::Time(time), &mut unseen)?;
    }
    let before = server.snapshot();
    let start_ns = now_ns();
    let mut progress = Progress::new("handshakes", args.amount(), args.quiet || args.json);
    let tallies = run_phase(args, &opener.target, args.amount(), &mut progress)?;
    let whole_ns = (now_ns() - start_ns).max(1) as f64;
    let after = server.snapshot();
    let mut total = Tally::new();
    tallies.iter().for_each(|tally| total.merge(tally));
    let server_spent = before
        .zip(after)
        .map(|(before, after)| after.since(&before));
    let cpus = args
        .pin
        .as_ref()
        .map_or(crate::pin::available(), crate::pin::CpuList::len);
    let busy = total.cpu_ns as f64 / whole_ns / cpus as f64;
    Ok(Measured {
        seconds: total.last_ns.saturating_sub(start_ns).max(1) as f64 / 1e9,
        busiest: busy,
        busy,
        server_spent,
        server_busy: server_spent
            .map(|spent| spent.cpu_ns as f64 / whole_ns / server.cpus.max(1) as f64),
        series: Vec::new(),
        curves: Curve::of("handshake", &total.latency).into_iter().collect(),
        figures: Vec::new(),
        total,
    })
}

fn run_phase(
    args: &PlanArgs,
    target: &Target,
    amount: Amount,
    progress: &mut Progress,
) -> Result<Vec<Tally>, String> {
    let start_ns = now_ns();
    let pace = Pace::new(start_ns, args.rate.unwrap_or(RATE), 0, 1);
    let count = match amount {
        Amount::Count(count) => count,
        Amount::Time(time) => pace.due_count(0, start_ns + time.as_nanos() as u64 - 1),
    };
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|index| {
                let (next, pace) = (&next, &pace);
                let cpu = args.pin.as_ref().map(|cpus| cpus.cpu(index));
                scope.spawn(move || {
                    if let Some(cpu) = cpu {
                        crate::pin::pin_current_thread(cpu)
                            .map_err(|error| format!("cannot run on CPU {cpu}: {error}"))?;
                    }
                    Ok(come_and_go(target, pace, next, count))
                })
            })
            .collect();
        while progress.is_visible() && !threads.iter().all(|thread| thread.is_finished()) {
            progress.update(next.load(Relaxed).min(count), 0);
            std::thread::sleep(LOOK);
        }
        progress.finish();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("these threads do not panic"))
            .collect()
    })
}

/// One thread: takes numbers until there are none left.
fn come_and_go(target: &Target, pace: &Pace, next: &AtomicU64, count: u64) -> Tally {
    let cpu_at_start = crate::procstat::thread_cpu_ns();
    // Without this, sleeps end up to 50 µs late.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let mut tally = Tally::new();
    loop {
        let free_ns = now_ns();
        let number = next.fetch_add(1, Relaxed);
        if number >= count {
            break;
        }
        let due_ns = pace.due_ns(0, number);
        std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(now_ns())));
        let lag_ns = now_ns().saturating_sub(due_ns.max(free_ns));
        tally.send_lag.saturating_record(lag_ns.max(1));
        let outcome = once(target);
        tally.last_ns = now_ns();
        match outcome {
            Ok(()) => {
                tally.published += 1;
                let latency_ns = tally.last_ns.saturating_sub(due_ns);
                tally.latency.saturating_record(latency_ns.max(1));
            }
            Err(text) => tally.error(text),
        }
    }
    tally.cpu_ns = crate::procstat::thread_cpu_ns() - cpu_at_start;
    tally
}

fn once(target: &Target) -> Result<(), String> {
    let mut handshake = Handshake::open(target)?;
    handshake.greet(target, "loadgen handshake")?;
    handshake.wait_for_pong()
}
