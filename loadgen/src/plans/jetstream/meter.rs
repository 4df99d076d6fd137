//! Runs a crew and takes its numbers, with those that only plans of JetStream have.

use crate::args::PlanArgs;
use crate::engine::tally::Tally;
use crate::parse::Amount;
use crate::plans::jetstream::crew::{Actor, Crew, Work};
use crate::plans::measure::{Scene, ServerWatch, measure_run};
use crate::procstat::Memory;
use crate::progress::Progress;
use crate::report::figures::Figure;
use crate::report::measured::Measured;
use crate::verify::Verdict;

/// What came of a plan.
pub struct Outcome {
    /// The numbers.
    pub measured: Measured,
    /// The server's memory at the end of what was measured.
    pub memory: Option<Memory>,
    /// With --verify.
    pub verdict: Option<Verdict>,
}

/// Measures one plan.
pub struct Meter<'a> {
    /// The plan's name.
    pub name: &'static str,
    /// The options.
    pub args: &'a PlanArgs,
    /// The server.
    pub server: &'a ServerWatch,
}

impl Meter<'_> {
    /// Runs a phase that is measured. `settle` waits for what the server has left to do, which counts as its work.
    pub fn measure<A: Actor>(
        &self,
        crew: &mut Crew<A>,
        amount: Amount,
        settle: impl FnOnce() -> Result<(), String>,
    ) -> Result<Outcome, String> {
        let (args, server) = (self.args, self.server);
        let scene = Scene {
            begins_at_first: false,
            cpus: args.pin.as_ref(),
            server,
        };
        server.forget_peak();
        let written = server.written_bytes();
        let mut progress = Progress::new(self.name, amount, args.quiet || args.json);
        let mut measured = measure_run(&scene, &mut progress, |watch| {
            let work = Work::new(amount, args.drain_timeout);
            let tallies = crew.run(&work, watch)?;
            settle()?;
            Ok(tallies)
        })?;
        let written = server
            .written_bytes()
            .zip(written)
            .map(|(after, before)| after.saturating_sub(before));
        let memory = server.memory();
        let above = memory
            .zip(server.resident_before)
            .map(|(memory, before)| memory.peak_bytes.saturating_sub(before));
        measured.figures = figures(&measured.total, written, above);
        Ok(Outcome {
            measured,
            memory,
            verdict: None,
        })
    }

    /// Runs a phase that is not measured but must go well.
    pub fn prepare<A: Actor>(
        &self,
        crew: &mut Crew<A>,
        amount: Amount,
        what: &str,
    ) -> Result<(), String> {
        let work = Work::new(amount, self.args.drain_timeout);
        let mut total = Tally::new();
        let tallies = crew.run(&work, &mut |_, _| {})?;
        tallies.iter().for_each(|tally| total.merge(tally));
        match (total.errors, total.surplus) {
            (0, 0) => Ok(()),
            (_, surplus) => {
                let texts = total.error_texts.join("; ");
                Err(format!("{what}: surplus {surplus}, errors: {texts}"))
            }
        }
    }

    /// Runs a phase that looks at what was measured; what goes wrong in it is a fault of that.
    pub fn audit<A: Actor>(&self, crew: &mut Crew<A>, outcome: &mut Outcome) -> Result<(), String> {
        let work = Work::new(Amount::Count(u64::MAX), self.args.drain_timeout);
        for tally in crew.run(&work, &mut |_, _| {})? {
            let total = &mut outcome.measured.total;
            total.surplus += tally.surplus;
            let texts = tally.error_texts.iter();
            texts.for_each(|text| total.error(format!("when it was read back: {text}")));
        }
        Ok(())
    }

    /// Warms up, if that is wanted.
    pub fn warm_up<A: Actor>(&self, crew: &mut Crew<A>) -> Result<(), String> {
        match self.args.warmup {
            Some(amount) => self.prepare(crew, amount, "during the warm-up"),
            None => Ok(()),
        }
    }
}

fn figures(total: &Tally, written: Option<u64>, above: Option<u64>) -> Vec<Figure> {
    let messages = match total.published {
        0 => total.received,
        published => published,
    };
    let written = written.filter(|_| messages > 0);
    let mebibytes = above.map(|bytes| bytes as f64 / 1_048_576.0);
    let all = [
        (
            "server disk writes",
            "bytes/message",
            written.map(|bytes| bytes as f64 / messages as f64),
        ),
        ("peak above idle", "MiB", mebibytes),
    ];
    all.into_iter()
        .filter(|(_, _, value)| value.is_some())
        .map(|(name, unit, value)| Figure { name, unit, value })
        .collect()
}
