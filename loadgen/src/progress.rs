//! How far the work is, on one line of the terminal that is never wider than it: with the rate and the time that is left.
//! Nothing is drawn unless both stdout and stderr are terminals.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::now_ns;
use crate::parse::Amount;
use crate::report::numbers::grouped;

/// Least time between two drawings.
const REDRAW_NS: u64 = 200_000_000;
/// Steps of the bar; its share of the work is that of 1.
const PARTS: u64 = 1000;
/// What is at the right is cut where the terminal ends.
const TEMPLATE: &str = "{prefix} [{bar:10}] {percent:>3} % {wide_msg}";

fn bar(name: &'static str, quiet: bool) -> ProgressBar {
    let visible = !quiet && std::io::stdout().is_terminal();
    let target = match visible {
        // Hides itself if stderr is no terminal.
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is valid");
    ProgressBar::with_draw_target(Some(PARTS), target)
        .with_style(style.progress_chars("#-"))
        .with_prefix(name)
}

fn show(bar: &ProgressBar, share: f64, text: String) {
    bar.set_position((share.clamp(0.0, 1.0) * PARTS as f64) as u64);
    bar.set_message(text);
}

/// How far a phase of load is.
pub struct Progress {
    bar: ProgressBar,
    amount: Amount,
    start_ns: u64,
    drawn_ns: u64,
    drawn_count: u64,
}

impl Progress {
    /// Of a phase; never drawn if `quiet`.
    pub fn new(name: &'static str, amount: Amount, quiet: bool) -> Self {
        let now = now_ns();
        Progress {
            bar: bar(name, quiet),
            amount,
            start_ns: now,
            drawn_ns: now,
            drawn_count: 0,
        }
    }

    /// One that is never drawn.
    pub fn silent() -> Self {
        Progress::new("", Amount::Count(1), true)
    }

    /// Whether it is drawn at all.
    pub fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Draws, if it is time to.
    pub fn update(&mut self, published: u64, received: u64) {
        let now = now_ns();
        if now < self.drawn_ns + REDRAW_NS || !self.is_visible() {
            return;
        }
        let count = if published > 0 { published } else { received };
        let seconds = |from_ns: u64| now.saturating_sub(from_ns) as f64 / 1e9;
        let rate = count.saturating_sub(self.drawn_count) as f64 / seconds(self.drawn_ns);
        let elapsed = seconds(self.start_ns);
        let share = match self.amount {
            Amount::Count(all) => count as f64 / all.max(1) as f64,
            Amount::Time(time) => elapsed / time.as_secs_f64().max(1e-9),
        };
        let text = format!(
            "{}/s{}  published {}, received {}",
            grouped(rate),
            left(share, elapsed),
            grouped(published as f64),
            grouped(received as f64)
        );
        show(&self.bar, share, text);
        (self.drawn_ns, self.drawn_count) = (now, count);
    }

    /// Takes it away.
    pub fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How far many runs are, one after the other.
pub struct Runs {
    bar: ProgressBar,
    start_ns: u64,
    all: usize,
    done: usize,
}

impl Runs {
    /// Of `all` runs; never drawn if `quiet`.
    pub fn new(name: &'static str, all: usize, quiet: bool) -> Self {
        Runs {
            bar: bar(name, quiet),
            start_ns: now_ns(),
            all,
            done: 0,
        }
    }

    /// The next run begins.
    pub fn begin(&mut self, label: &str) {
        let elapsed = now_ns().saturating_sub(self.start_ns) as f64 / 1e9;
        let share = self.done as f64 / self.all.max(1) as f64;
        let number = self.done + 1;
        let text = format!(
            "run {number} of {}{}  {label}",
            self.all,
            left(share, elapsed)
        );
        show(&self.bar, share, text);
        self.done = number;
    }

    /// Prints something else above the line.
    pub fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

/// The time that is left, if the rest goes as what was done so far.
fn left(share: f64, elapsed_s: f64) -> String {
    // Before that it is a guess from too little, and 0 would leave forever.
    if share < 0.001 {
        return String::new();
    }
    let seconds = elapsed_s * (1.0 - share.min(1.0)) / share;
    // Rounded up: the last second is not "0 s".
    let whole = Duration::try_from_secs_f64(seconds.ceil()).map_or(0, |time| time.as_secs());
    match whole {
        0..60 => format!(", {whole} s left"),
        60..3600 => format!(", {} min {} s left", whole / 60, whole % 60),
        _ => format!(", {} h {} min left", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_follows_from_what_was_done() {
        for (share, elapsed_s, expected) in [
            (0.0, 5.0, ""),
            (0.5, 5.0, ", 5 s left"),
            (0.99, 5.0, ", 1 s left"),
            (1.2, 5.0, ", 0 s left"),
            (0.1, 10.0, ", 1 min 30 s left"),
            (0.01, 100.0, ", 2 h 45 min left"),
        ] {
            assert_eq!(left(share, elapsed_s), expected, "{share}");
        }
    }

    #[test]
    fn nothing_is_drawn_when_quiet() {
        let mut progress = Progress::silent();
        progress.update(1, 1);
        progress.finish();
        let mut runs = Runs::new("compare", 3, true);
        runs.begin("one");
        let mut printed = false;
        runs.aside(|| printed = true);
        assert!(printed && !progress.is_visible() && runs.done == 1);
    }
}
