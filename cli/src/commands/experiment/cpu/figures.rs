//! What the samples say.

use serde::Serialize;

use crate::commands::experiment::samples::{Core, Sample};
use crate::commands::experiment::stage::Stage;

/// The processes and what they are entitled to, in per cent.
pub const PROCESSES: [(&str, f64); 3] = [("a", 50.0), ("b", 33.0), ("c", 17.0)];

/// One core in one interval between two samples.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The interval's number, from 1.
    pub sample: usize,
    /// The core.
    pub core: u16,
    /// How long the interval was there.
    pub seconds: f64,
    /// The share of each process in what the three used, in per cent.
    pub shares: [f64; 3],
}

/// What was measured with one timeslice.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The timeslice, in milliseconds.
    pub timeslice: u32,
    /// The cores.
    pub cores: u16,
    /// Whether guest time counted instructions.
    pub counted: bool,
    /// The counter's rate.
    pub megahertz: u64,
    /// Time from the first sample to the last.
    pub seconds: f64,
    /// Each core in each interval.
    pub rows: Vec<Row>,
    /// The share of each process over the whole time, in per cent.
    pub means: [f64; 3],
    /// The largest deviation of a process on a core over the whole time, in points.
    pub mean_deviation: f64,
    /// The mean of the rows' deviations, in points.
    pub sample_deviation: f64,
    /// The largest of them, in points.
    pub largest_deviation: f64,
    /// Cycles that there were: elapsed, on all cores.
    pub available: u64,
    /// Those that are on nobody's bill.
    pub unaccounted: i64,
    /// The same with elapsed time taken from core 0's counter alone, as the paper has it:
    /// cores take their parts one after the other.
    pub unaccounted_by_core_0: i64,
    /// Cycles in no multiplexor client's statistics, nor infrastructure's, nor idle.
    pub beside_clients: i64,
    /// Cycles of the infrastructure.
    pub infrastructure: u64,
    /// Cycles of the sampler.
    pub sampler: u64,
    /// Cycles with nothing to do.
    pub idle: u64,
}

/// What a core did between two samples.
struct Span<'a>(&'a Core, &'a Core);

impl Span<'_> {
    fn of(&self, count: impl Fn(&Core) -> u64) -> u64 {
        count(self.1).saturating_sub(count(self.0))
    }

    fn shares(&self) -> Option<[f64; 3]> {
        let used = PROCESSES.map(|(name, _)| self.of(|core| core.of(name)));
        let all: u64 = used.iter().sum();
        (all > 0).then(|| used.map(|used| used as f64 * 100.0 / all as f64))
    }
}

/// The largest difference from what the processes are entitled to.
fn deviation(shares: &[f64; 3]) -> f64 {
    let apart = shares.iter().zip(PROCESSES).map(|(share, (_, wanted))| (share - wanted).abs());
    apart.fold(0.0, f64::max)
}

impl Figures {
    /// Of at least two samples of the same cores; `None` where there are none, or where the
    /// processes did not run.
    pub fn of(samples: &[Sample], stage: Stage, timeslice: u32) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let mut rows = Vec::new();
        for (place, pair) in samples.windows(2).enumerate() {
            for (&core, after) in &pair[1].cores {
                let span = Span(pair[0].cores.get(&core)?, after);
                let cycles = span.of(|core| core.stamp) as f64;
                let seconds = cycles / (last.megahertz as f64 * 1e6);
                rows.push(Row { sample: place + 1, core, seconds, shares: span.shares()? });
            }
        }
        let spans: Vec<Span<'_>> = last
            .cores
            .iter()
            .map(|(core, after)| Some(Span(first.cores.get(core)?, after)))
            .collect::<Option<_>>()?;
        let sum =
            |count: &dyn Fn(&Core) -> u64| spans.iter().map(|span| span.of(count)).sum::<u64>();
        let available = sum(&|core| core.stamp);
        let booked = sum(&Core::booked);
        let infrastructure = sum(&|core| core.of("infrastructure"));
        let idle = sum(&|core| core.idle);
        let clients = sum(&|core| core.clients) + infrastructure + idle;
        let elapsed = (last.stamp - first.stamp) * spans.len() as u64;
        let less = |all: u64, part: u64| i64::try_from(i128::from(all) - i128::from(part)).ok();
        let used = PROCESSES.map(|(name, _)| sum(&|core| core.of(name)) as f64);
        let all: f64 = used.iter().sum();
        let deviations = rows.iter().map(|row| deviation(&row.shares));
        let by_core = spans.iter().filter_map(Span::shares).map(|shares| deviation(&shares));
        (!rows.is_empty() && all > 0.0).then_some(())?;
        Some(Self {
            timeslice,
            cores: stage.cores.get(),
            counted: stage.counted,
            megahertz: last.megahertz,
            seconds: (last.stamp - first.stamp) as f64 / (last.megahertz as f64 * 1e6),
            means: used.map(|used| used * 100.0 / all),
            mean_deviation: by_core.fold(0.0, f64::max),
            sample_deviation: deviations.clone().sum::<f64>() / rows.len() as f64,
            largest_deviation: deviations.fold(0.0, f64::max),
            available,
            unaccounted: less(available, booked)?,
            unaccounted_by_core_0: less(elapsed, booked)?,
            beside_clients: less(available, clients)?,
            infrastructure,
            sampler: sum(&|core| core.of("sampler")),
            idle,
            rows,
        })
    }

    /// A part of what there was, in per cent.
    pub fn per_cent(&self, cycles: f64) -> f64 {
        cycles * 100.0 / self.available.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::machine::accelerator::Accelerator;
    use crate::machine::size::Cores;

    fn core(stamp: u64, used: [u64; 5]) -> Core {
        let names = ["a", "b", "c", "infrastructure", "sampler"];
        let used: BTreeMap<_, _> = names.into_iter().map(String::from).zip(used).collect();
        Core { stamp, clients: used.values().sum(), used, ..Core::default() }
    }

    fn figures(last: [u64; 5]) -> Option<Figures> {
        let stage = Stage { accelerator: Accelerator::Tcg, counted: false, cores: Cores::LEAST };
        let sample =
            |stamp, core| Sample { stamp, megahertz: 1, cores: BTreeMap::from([(0, core)]) };
        let first = sample(1_000, core(1_000, [100, 100, 100, 100, 100]));
        let second = sample(1_001_000, core(1_001_000, last));
        Figures::of(&[first, second], stage, 5)
    }

    #[test]
    fn shares_and_deviations_are_of_what_the_three_used() {
        let figures = figures([400_100, 320_100, 79_000 + 100, 1_100, 199_900 + 100]).unwrap();
        assert_eq!(figures.unaccounted, 100);
        assert_eq!(figures.unaccounted_by_core_0, 100);
        assert_eq!((figures.infrastructure, figures.sampler), (1_000, 199_900));
        assert_eq!(figures.rows.len(), 1);
        let sum: f64 = figures.means.iter().sum();
        assert!((sum - 100.0).abs() < 1e-9);
        assert!((figures.largest_deviation - 7.06).abs() < 0.1, "{}", figures.largest_deviation);
        assert!((figures.seconds - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_machine_where_nothing_ran_gives_no_figures() {
        assert!(figures([100; 5]).is_none());
    }
}
