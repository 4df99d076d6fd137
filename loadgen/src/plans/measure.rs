//! One phase of load with everything that is counted about it.

use crate::engine::Engine;
use crate::engine::phase::Phase;
use crate::engine::tally::Tally;
use crate::pin::CpuList;
use crate::procstat::{self, Snapshot};
use crate::progress::Progress;
use crate::report::figures::{Curve, Sample};
use crate::report::measured::Measured;

/// Samples of a run beyond which every second one is dropped.
const SAMPLES_MAX: usize = 600;
/// Least time between two samples.
const SAMPLE_NS: u64 = 20_000_000;

/// Collects samples, ever fewer per second the longer it takes.
struct Series {
    start_ns: u64,
    step_ns: u64,
    next_ns: u64,
    samples: Vec<Sample>,
}

impl Series {
    fn new(start_ns: u64) -> Self {
        Series {
            start_ns,
            step_ns: SAMPLE_NS,
            next_ns: start_ns,
            samples: Vec::new(),
        }
    }

    fn take(&mut self, now_ns: u64, published: u64, received: u64) {
        if now_ns < self.next_ns {
            return;
        }
        if self.samples.len() >= SAMPLES_MAX {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.step_ns *= 2;
        }
        self.samples.push(Sample {
            seconds: (now_ns - self.start_ns) as f64 / 1e9,
            published,
            received,
        });
        self.next_ns = now_ns + self.step_ns;
    }
}

/// Runs one phase of the engine and takes its numbers.
pub fn measure(
    engine: &mut Engine,
    phase: &Phase,
    server: &ServerWatch,
    progress: &mut Progress,
) -> Result<Measured, String> {
    let cpus = engine.cpus.clone();
    let scene = Scene {
        // What others publish may begin long after we are ready.
        begins_at_first: phase.external.is_some(),
        cpus: cpus.as_ref(),
        server,
    };
    measure_run(&scene, progress, |watch| engine.run(phase, watch))
}

/// Where a run takes place.
pub struct Scene<'a> {
    /// Time counts from the first message that arrives, not from the start.
    pub begins_at_first: bool,
    /// CPUs of our threads, if they are pinned.
    pub cpus: Option<&'a CpuList>,
    /// The server.
    pub server: &'a ServerWatch,
}

/// Takes the numbers of a run, which is given what watches it: messages published and received until then.
pub fn measure_run(
    scene: &Scene<'_>,
    progress: &mut Progress,
    run: impl FnOnce(&mut dyn FnMut(u64, u64)) -> Result<Vec<Tally>, String>,
) -> Result<Measured, String> {
    let server = scene.server;
    let before = server.snapshot();
    let start_ns = crate::clock::now_ns();
    let mut series = Series::new(start_ns);
    let tallies = run(&mut |published, received| {
        progress.update(published, received);
        series.take(crate::clock::now_ns(), published, received);
    })?;
    let whole_ns = (crate::clock::now_ns() - start_ns).max(1);
    let after = server.snapshot();
    progress.finish();
    let mut total = Tally::new();
    tallies.iter().for_each(|tally| total.merge(tally));
    let begin_ns = if scene.begins_at_first && total.first_ns > 0 {
        total.first_ns
    } else {
        start_ns
    };
    let end_ns = if total.last_ns > 0 {
        total.last_ns
    } else {
        start_ns + whole_ns
    };
    let seconds = end_ns.saturating_sub(begin_ns).max(1) as f64 / 1e9;
    let whole = whole_ns as f64;
    let cpus = tallies
        .len()
        .min(scene.cpus.map_or(crate::pin::available(), CpuList::len));
    let busiest = tallies.iter().map(|tally| tally.cpu_ns).max().unwrap_or(0) as f64 / whole;
    let busy = total.cpu_ns as f64 / whole / cpus.max(1) as f64;
    let server_spent = before
        .zip(after)
        .map(|(before, after)| after.since(&before));
    let server_busy =
        server_spent.map(|spent| spent.cpu_ns as f64 / whole / server.cpus.max(1) as f64);
    series.next_ns = 0;
    series.take(
        begin_ns.max(start_ns) + (seconds * 1e9) as u64,
        total.published,
        total.received,
    );
    Ok(Measured {
        series: series.samples,
        curves: Curve::of("latency", &total.latency).into_iter().collect(),
        figures: Vec::new(),
        total,
        seconds,
        busiest,
        busy,
        server_spent,
        server_busy,
    })
}

/// The server process, if its id was given.
pub struct ServerWatch {
    pid: Option<i32>,
    /// CPUs it may use.
    pub cpus: usize,
    /// Resident memory at the beginning.
    pub resident_before: Option<u64>,
}

impl ServerWatch {
    /// Watches process `pid`, which must exist.
    pub fn new(pid: Option<i32>) -> Result<Self, String> {
        let resident_before = pid
            .and_then(procstat::memory)
            .map(|memory| memory.resident_bytes);
        match pid {
            Some(pid) if resident_before.is_none() => {
                Err(format!("--server-pid {pid}: no such process"))
            }
            _ => Ok(ServerWatch {
                pid,
                cpus: pid.and_then(crate::pin::available_to).unwrap_or(1),
                resident_before,
            }),
        }
    }

    /// What it has spent until now.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.pid.and_then(Snapshot::take)
    }

    /// Bytes that it has caused to be written until now.
    pub fn written_bytes(&self) -> Option<u64> {
        self.pid.and_then(procstat::written_bytes)
    }

    /// Lets the peak of its memory begin anew.
    pub fn forget_peak(&self) {
        self.pid.into_iter().for_each(procstat::forget_peak);
    }

    /// Memory now.
    pub fn memory(&self) -> Option<procstat::Memory> {
        self.pid.and_then(procstat::memory)
    }
}
