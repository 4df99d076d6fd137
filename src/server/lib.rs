//! The server process: reads what it was asked to do, checks that it can be
//! done here, and starts it.
//!
//! A library so that fuzzing reaches the readers of configuration files and certificates; all else
//! stays private, so that what nothing uses is noticed.

mod admin;
mod background;
mod boot;
mod cli;
mod config;
mod cores;
mod disk;
mod executor;
mod files;
mod io_failure;
mod lame_duck;
mod leaf_refusal;
mod listeners;
mod listening;
mod logging;
mod mailbox;
mod memory;
mod mesh;
mod nearest;
mod net;
mod notify;
mod options;
mod passwords;
mod preflight;
mod program;
mod recover;
mod reload;
mod settings;
mod shortage;
mod signal_loop;
mod signals;
mod storage;
mod topology;
mod turn;
mod work;

use std::path::Path;
use std::process::ExitCode;

use cli::{Command, Start};
use logging::LogStyle;
use notify::Notifier;
use trunkline_core::session::authority::Authority;

/// Does what the command line says; returns when the process is to end. To be
/// called before there is a second thread.
pub fn run() -> ExitCode {
    memory::join_what_is_freed();
    let notifier = Notifier::take_from_environment();
    let start = match cli::command(std::env::args_os().skip(1)) {
        Command::Exit(exit) => {
            print!("{}", exit.stdout);
            eprint!("{}", exit.stderr);
            if let Some(text) = exit.fatal {
                logging::fatal(text);
            }
            return ExitCode::from(exit.status);
        }
        Command::Start(start) => start,
    };
    end_process_on_panic();
    match serve(&start, notifier) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            match shortage::advice(&text) {
                Some(advice) => logging::fatal(format!("{text}: {advice}")),
                None => logging::fatal(text),
            }
        }
    }
}

/// Reads a configuration file as `-t` does and says what it amounts to.
///
/// # Errors
/// One line per warning and mistake.
pub fn judge_configuration(path: &Path) -> Result<String, String> {
    let mut requested = options::Requested::default();
    config::load(path, &mut requested).map_err(|findings| findings.to_string())?;
    let options = requested.resolve().map_err(|refusal| refusal.to_string())?;
    let digest = options.config_digest;
    Authority::new(options.policy).map_err(|bad| bad.0)?;
    Ok(digest)
}

/// Whether a client with these certificates would be let in at a time in seconds since 1970: its own,
/// intermediate ones and the authority that is trusted, in DER, one after the other.
pub fn judge_certificates(chain: &[u8], now: u64) -> bool {
    net::client_certificates::ClientCertificates::accept_chain(chain, now)
}

fn serve(
    start: &Start,
    notifier: Notifier,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for warning in &start.warnings {
        eprintln!("{warning}");
    }
    let options = &start.options;
    let style = LogStyle::new(
        options.debug,
        options.trace,
        options.log_time,
        options.log_time_utc,
        &options.log_to,
    );
    logging::install(style, options.log_to.clone())?;
    let placing = topology::Topology::of_this_machine()?.place(&options.cores)?;
    let report = preflight::check(options, &placing)?;
    for warning in report.warnings {
        tracing::warn!("{warning}");
    }
    let listeners = listeners::Listeners::open(options)?;
    boot::run(start, report.executor, &placing, listeners, notifier)
}

/// A panic in any thread ends the process with a message: a core that is gone
/// must not leave the others waiting for it.
fn end_process_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        match shortage::advice(&panic.to_string()) {
            Some(advice) => logging::write_fatal(format!("The server cannot go on: {advice}")),
            None => logging::write_fatal(
                "A bug: the server cannot go on. Please report the lines above.",
            ),
        }
        std::process::abort();
    }));
}
