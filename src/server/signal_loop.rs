//! What the main thread does while the server runs: what signals ask for, until one of them ends it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use tracing::info;

use crate::reload::Reloader;
use crate::{lame_duck, logging};

/// The signals that the server waits for.
pub const SIGNALS: [i32; 6] = [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT];

/// What lame duck mode may take beyond what the options say.
const LAME_DUCK_MARGIN: Duration = Duration::from_secs(20);

/// How a process ends that is asked to dump its state.
const QUIT_STATUS: i32 = 2;

/// Between two looks for signals while something else is under way.
const SIGNAL_POLL: Duration = Duration::from_millis(50);

/// Does what signals ask for until one of them ends the server.
pub fn serve_signals(signals: &mut Signals, reloader: &mut Reloader) {
    while let Some(signal) = signals.forever().next() {
        match signal {
            SIGHUP => reloader.on_hangup(),
            SIGUSR1 => logging::reopen(),
            SIGUSR2 => {
                info!("Trapped \"user defined signal 2\" signal");
                return quack(signals, reloader);
            }
            SIGQUIT => {
                logging::write_fatal("Trapped \"quit\" signal");
                std::process::exit(QUIT_STATUS);
            }
            SIGINT => return info!("Trapped \"interrupt\" signal"),
            _ => return info!("Trapped \"terminated\" signal"),
        }
    }
}

/// Lame duck mode, until all clients are gone or somebody is in a hurry.
fn quack(signals: &mut Signals, reloader: &mut Reloader) {
    let duration = Duration::from_nanos(reloader.options.lame_duck_duration_ns);
    reloader.notifier.stopping(
        "Lame duck: clients are leaving",
        duration + LAME_DUCK_MARGIN,
    );
    reloader.admin.reloads.end();
    reloader.server.is_lame_duck = true;
    reloader.admin.is_lame_duck.store(true, Ordering::Relaxed);
    let mut interrupted = |wait: Duration| {
        let until = Instant::now() + wait;
        loop {
            // A second USR2 changes nothing, and TERM is what is under way.
            if signals.pending().any(|signal| signal == SIGINT) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(left.min(SIGNAL_POLL));
        }
    };
    let announce = || {
        reloader.admin.say_goodbye("LAMEDUCK");
        reloader.apply();
        reloader.announce();
    };
    lame_duck::run(
        &reloader.cores,
        &reloader.options,
        announce,
        &mut interrupted,
    );
}
