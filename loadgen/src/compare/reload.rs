//! Tells a server to reload, again and again, while it is under load.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::compare::config::{CHANGED, Prepared};
use crate::monitor::{Turns, get};
use crate::net::connect;
use crate::report::figures::Figure;

/// Time between two reloads.
const INTERVAL: Duration = Duration::from_millis(200);
/// Connections of the user whose rights change.
const CHANGED_CONNECTIONS: usize = 8;

/// A thread that reloads until it is stopped.
pub struct Reloader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u32, String>>,
    before: (Turns, Option<String>),
    http: std::net::SocketAddr,
}

impl Reloader {
    /// Starts reloading process `pid`; `None` when the row asks for no reloads.
    pub fn start(prepared: &Prepared, pid: i32) -> Result<Option<Self>, String> {
        let (Some(contents), Some(config), Some(http)) =
            (&prepared.contents, &prepared.config, prepared.http)
        else {
            return Ok(None);
        };
        let mut changed = prepared.server.clone();
        (changed.user, changed.password) = (Some(CHANGED.0.into()), Some(CHANGED.1.into()));
        let target = changed.target()?;
        let before = (Turns::read(http), load_time(http));
        let (contents, config) = (contents.clone(), config.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            // They lose rights, or are closed; what becomes of them is not what is measured.
            let held = connect::connect_all(&target, "loadgen changed", CHANGED_CONNECTIONS)?;
            let result = reload(&contents, &config, pid, &stopped);
            drop(held);
            result
        });
        Ok(Some(Reloader {
            stop,
            thread,
            before,
            http,
        }))
    }

    /// Stops reloading; what came of it.
    pub fn stop(self) -> Result<Vec<Figure>, String> {
        self.stop.store(true, Relaxed);
        let count = self.thread.join().expect("the reloader does not panic")?;
        let (turns, loaded) = (Turns::read(self.http), load_time(self.http));
        if loaded.is_none() || loaded == self.before.1 {
            return Err(format!("{count} signals to reload changed nothing"));
        }
        let figure = |name, unit, value| Figure { name, unit, value };
        let long = turns.long.zip(self.before.0.long);
        Ok(vec![
            figure("reloads", "signals", Some(f64::from(count))),
            figure(
                "longest turn",
                "ms",
                turns.longest_seconds.map(|seconds| seconds * 1e3),
            ),
            figure(
                "turns above 5 ms",
                "turns",
                long.map(|(after, before)| after - before),
            ),
        ])
    }
}

/// When the server says that it read its configuration.
fn load_time(http: std::net::SocketAddr) -> Option<String> {
    let varz: serde_json::Value = serde_json::from_str(&get(http, "/varz").ok()?).ok()?;
    Some(varz.get("config_load_time")?.to_string())
}

fn reload(
    contents: &[String; 2],
    config: &Path,
    pid: i32,
    stop: &AtomicBool,
) -> Result<u32, String> {
    let fresh = PathBuf::from(format!("{}.new", config.display()));
    let pid = Pid::from_raw(pid).ok_or("the server has no process id")?;
    let mut count = 0;
    for text in contents.iter().cycle() {
        std::thread::sleep(INTERVAL);
        if stop.load(Relaxed) {
            break;
        }
        std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, config))
            .map_err(|error| format!("cannot write {}: {error}", config.display()))?;
        // The caller has started this process and still waits for it.
        kill_process(pid, Signal::HUP)
            .map_err(|error| format!("cannot signal the server: {error}"))?;
        count += 1;
    }
    Ok(count)
}
