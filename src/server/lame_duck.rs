//! Lame duck mode: the server goes away without its clients noticing more than
//! a reconnect (NATS 2.15, ADR-5).
//!
//! Nobody is accepted any more, clients are told, and after a grace period they
//! are closed one by one, in random order, so that the servers that they go to
//! are not overrun.

use std::time::{Duration, Instant};

use tracing::info;

use crate::cores::Cores;
use crate::options::Options;
use crate::turn::Core;

/// Between two rounds of closing.
const STEP_MAX: Duration = Duration::from_secs(1);
const STEP_MIN: Duration = Duration::from_millis(10);

/// Something that ends the wait early, as a poll: true if the server must end
/// at once.
pub type Interrupted<'a> = &'a mut dyn FnMut(Duration) -> bool;

/// Goes through with it; returns when the last client is gone, or earlier if it
/// is interrupted.
pub fn run(
    cores: &Cores,
    options: &Options,
    announce: impl FnOnce(),
    interrupted: Interrupted<'_>,
) {
    info!("Entering lame duck mode, stop accepting new clients");
    ask(cores, |core| {
        core.stop_accepting();
        0
    });
    announce();
    if count(cores) == 0 {
        return;
    }
    let grace = Duration::from_nanos(options.lame_duck_grace_period_ns);
    if interrupted(grace) {
        return;
    }
    info!("Closing existing clients");
    let duration = Duration::from_nanos(options.lame_duck_duration_ns).saturating_sub(grace);
    let begin = Instant::now();
    let total = count(cores);
    let step =
        (duration / u32::try_from(total.max(1)).unwrap_or(u32::MAX)).clamp(STEP_MIN, STEP_MAX);
    loop {
        let left = count(cores);
        if left == 0 {
            return;
        }
        // As many as must be gone by now, and one more.
        let elapsed = begin.elapsed().as_secs_f64() / duration.as_secs_f64().max(0.001);
        let wanted = ((total as f64 * elapsed) as usize + 1).min(total);
        let closed = total.saturating_sub(left);
        let left = close(cores, wanted.saturating_sub(closed).max(1));
        if left == 0 || interrupted(step) {
            return;
        }
    }
}

fn close(cores: &Cores, count: usize) -> usize {
    let each = count.div_ceil(cores.count());
    ask(cores, move |core| core.shard_mut().close_some(each))
}

fn count(cores: &Cores) -> usize {
    ask(cores, |core| core.shard_mut().connection_count())
}

/// The sum of the cores' answers.
fn ask(cores: &Cores, question: impl Fn(&mut Core) -> usize + Clone + Send + 'static) -> usize {
    cores
        .ask_all(move |core, _| question(core))
        .iter()
        .take(cores.count())
        .sum()
}
