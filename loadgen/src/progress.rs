//! A progress bar on stderr, when that is a terminal.

use std::io::{IsTerminal, Write};

use crate::clock::now_ns;
use crate::parse::Amount;

/// Least time between two drawings.
const REDRAW_NS: u64 = 200_000_000;
const WIDTH: usize = 30;

/// Draws how far a phase is.
pub struct Progress {
    name: &'static str,
    amount: Amount,
    visible: bool,
    start_ns: u64,
    drawn_ns: u64,
}

impl Progress {
    /// A bar for a phase; invisible if `quiet` or if stderr is no terminal.
    pub fn new(name: &'static str, amount: Amount, quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        Progress {
            name,
            amount,
            visible,
            start_ns: now_ns(),
            drawn_ns: 0,
        }
    }

    /// A bar that is never drawn.
    pub fn silent() -> Self {
        Progress {
            name: "",
            amount: Amount::Count(1),
            visible: false,
            start_ns: 0,
            drawn_ns: 0,
        }
    }

    /// Draws, if it is time to.
    pub fn update(&mut self, published: u64, received: u64) {
        let now = now_ns();
        if !self.visible || now < self.drawn_ns + REDRAW_NS {
            return;
        }
        self.drawn_ns = now;
        let elapsed = (now - self.start_ns) as f64 / 1e9;
        let share = match self.amount {
            Amount::Count(count) => {
                published.max(if published == 0 { received } else { 0 }) as f64 / count as f64
            }
            Amount::Time(time) => elapsed / time.as_secs_f64().max(1e-9),
        };
        let line = bar(self.name, share.min(1.0), published, received, elapsed);
        // A terminal that went away is no reason to stop.
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if self.visible {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(name: &str, share: f64, published: u64, received: u64, elapsed: f64) -> String {
    let filled = (share * WIDTH as f64) as usize;
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH - filled));
    format!(
        "{name} [{bar}] {:3.0} %  published {published}  received {received}  {elapsed:.1} s",
        share * 100.0
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn bars() {
        let half = super::bar("pub", 0.5, 10, 0, 1.0);
        assert!(
            half.starts_with("pub [###############---------------]  50 %"),
            "{half}"
        );
        assert!(super::bar("pub", 1.0, 1, 1, 0.0).contains("100 %"));
    }
}
