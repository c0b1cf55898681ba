//! What was measured, and whether it is within its bounds.

use serde::Serialize;

use super::throttle::Second;
use crate::commands::experiment::checks::Check;
use crate::commands::experiment::samples::{Core, Holder, Sample};

/// The processes and what they are entitled to, in per cent.
pub const PROCESSES: [(&str, f64); 3] = [("a", 50.0), ("b", 33.0), ("c", 17.0)];
/// Where bytes are divided.
const DRWR: &str = "resource.drwr";
/// Points that a share of a second may be off.
const OFF: f64 = 1.0;
/// Per cent of a rate that must be used.
const USED: f64 = 95.0;
/// Bytes of a request at most (footnote 12).
const LARGEST: f64 = 32_768.0;

/// What DRWR served in the time between two samples.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// How long that was.
    pub seconds: f64,
    /// Bytes of each process.
    pub bytes: [u64; 3],
    /// Their requests.
    pub requests: [u64; 3],
    /// The share of each in what the three had, in per cent.
    pub shares: [f64; 3],
}

/// Cycles of a resource, or of all threads.
#[derive(Clone, Debug, Serialize)]
pub struct Used {
    /// Whose.
    pub name: String,
    /// How many.
    pub cycles: u64,
    /// Of all that there were, in per cent.
    pub per_cent: f64,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The cores.
    pub cores: usize,
    /// Each second, as the machine tells it.
    pub rows: Vec<Row>,
    /// Each second, as QEMU tells it of its disk.
    pub disk: Vec<Second>,
    /// Of all bytes, in per cent.
    pub means: [f64; 3],
    /// Bytes of a request of each.
    pub sizes: [f64; 3],
    /// Where the cycles went.
    pub used: Vec<Used>,
    /// Cycles that there were, on all cores.
    pub available: u64,
    /// Those that are on nobody's bill.
    pub unaccounted: i64,
    /// What all but idling is of them, in per cent.
    pub busy: f64,
    /// What the infrastructure is of them, in per cent.
    pub infrastructure: f64,
    /// Reads that gave less than was asked for.
    pub short: u64,
}

fn of(sample: &Sample, process: &str) -> Holder {
    let name = (DRWR.to_string(), process.to_string());
    let all = sample.cores.values().filter_map(|core| core.holders.get(&name));
    all.fold(Holder::default(), |sum, it| Holder {
        bytes: sum.bytes + it.bytes,
        requests: sum.requests + it.requests,
    })
}

fn shares(bytes: [u64; 3]) -> Option<[f64; 3]> {
    let all: u64 = bytes.iter().sum();
    (all > 0).then(|| bytes.map(|bytes| bytes as f64 * 100.0 / all as f64))
}

fn per_cent(part: u64, all: u64) -> f64 {
    part as f64 * 100.0 / all.max(1) as f64
}

fn off(shares: &[f64; 3]) -> f64 {
    let apart = shares.iter().zip(PROCESSES).map(|(share, (_, wanted))| (share - wanted).abs());
    apart.fold(0.0, f64::max)
}

impl Figures {
    /// Of at least two samples; `None` where there are none, or nothing was read.
    pub fn of(samples: &[Sample], disk: Vec<Second>, short: u64) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let between = |from: &Sample, to: &Sample, what: &dyn Fn(Holder) -> u64| {
            PROCESSES.map(|(name, _)| what(of(to, name)).saturating_sub(what(of(from, name))))
        };
        let mut rows = Vec::new();
        for pair in samples.windows(2) {
            let [from, to] = pair else { continue };
            let bytes = between(from, to, &|it| it.bytes);
            rows.push(Row {
                seconds: (to.stamp - from.stamp) as f64 / (to.megahertz as f64 * 1e6),
                bytes,
                requests: between(from, to, &|it| it.requests),
                shares: shares(bytes)?,
            });
        }
        let all = |what: &dyn Fn(&Core) -> u64| -> Option<u64> {
            let spans = last.cores.iter().map(|(number, after)| {
                Some(what(after).saturating_sub(what(first.cores.get(number)?)))
            });
            spans.sum()
        };
        let available = all(&|core| core.stamp)?;
        let booked = all(&Core::booked)?;
        let idle = all(&|core| core.idle)?;
        let names = last.cores.values().flat_map(|core| core.by_resource.keys().cloned());
        let names: std::collections::BTreeSet<String> = names.collect();
        let mut used = Vec::new();
        for name in names {
            let cycles = all(&|core| core.by_resource.get(&name).copied().unwrap_or(0))?;
            used.push(Used { name, cycles, per_cent: per_cent(cycles, available) });
        }
        used.sort_by_key(|used| std::cmp::Reverse(used.cycles));
        let bytes = between(first, last, &|it| it.bytes);
        let requests = between(first, last, &|it| it.requests);
        let mut sizes = [0.0; 3];
        for (size, (bytes, requests)) in sizes.iter_mut().zip(bytes.iter().zip(requests)) {
            *size = *bytes as f64 / requests.max(1) as f64;
        }
        Some(Self {
            cores: last.cores.len(),
            rows,
            disk,
            means: shares(bytes)?,
            sizes,
            used,
            available,
            unaccounted: i64::try_from(i128::from(available) - i128::from(booked)).ok()?,
            busy: 100.0 - per_cent(idle, available),
            short,
            infrastructure: per_cent(all(&|core| core.of("infrastructure"))?, available),
        })
    }

    /// What was used of each rate, but for its first second, in per cent.
    pub fn phases(&self) -> Vec<(Second, f64)> {
        let phases = self.disk.chunk_by(|one, next| one.phase == next.phase);
        let sum = |seconds: &[Second]| {
            let mut all = *seconds.iter().find(|second| !second.first)?;
            let rest = seconds.iter().filter(|second| !second.first).skip(1);
            for second in rest {
                all.seconds += second.seconds;
                all.bytes += second.bytes;
                all.operations += second.operations;
            }
            Some((all, all.used()))
        };
        phases.filter_map(sum).collect()
    }

    /// The bounds.
    pub fn checks(&self) -> Vec<Check> {
        let mut all = Vec::new();
        let mut most = |what: String, measured: f64, bound: f64, unit| {
            all.push(Check { what, measured, bound, unit, holds: measured <= bound });
        };
        let worst = self.rows.iter().map(|row| off(&row.shares)).fold(0.0, f64::max);
        most("largest deviation of a second's share".into(), worst, OFF, "points");
        let unaccounted = self.unaccounted.unsigned_abs() as f64;
        most("cycles on nobody's bill".into(), unaccounted, 0.0, "cycles");
        most("reads that were short".into(), self.short as f64, 0.0, "reads");
        let largest = self.sizes.iter().copied().fold(0.0, f64::max);
        most("bytes of a request".into(), largest, LARGEST, "bytes");
        for (phase, used) in self.phases() {
            let what = format!("use of {}", super::print::rate(phase.rate));
            all.push(Check { what, measured: used, bound: USED, unit: "%", holds: used >= USED });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::throttle::Rate;
    use super::*;

    fn sample(stamp: u64, bytes: [u64; 3]) -> Sample {
        let holders = PROCESSES.iter().zip(bytes).map(|((name, _), bytes)| {
            let name = (DRWR.to_string(), (*name).to_string());
            (name, Holder { bytes, requests: bytes / 16 })
        });
        let core = Core {
            stamp,
            idle: stamp,
            holders: holders.collect(),
            by_resource: BTreeMap::from([(DRWR.into(), stamp / 4)]),
            ..Core::default()
        };
        Sample { stamp, megahertz: 1, cores: BTreeMap::from([(0, core)]) }
    }

    fn second(first: bool, bytes: u64) -> Second {
        let rate = Rate { bytes: 1_000, operations: 0 };
        Second { phase: 0, rate, first, seconds: 1.0, bytes, operations: 1 }
    }

    fn figures(bytes: [u64; 3], read: u64) -> Figures {
        let samples = [sample(0, [0; 3]), sample(1_000_000, bytes)];
        Figures::of(&samples, vec![second(true, 9), second(false, read)], 0).unwrap()
    }

    #[test]
    fn shares_and_use_are_judged() {
        let good = figures([5_000, 3_300, 1_700], 960);
        assert!(good.checks().iter().all(|check| check.holds), "{:?}", good.checks());
        assert_eq!((good.means, good.sizes[0].round()), ([50.0, 33.0, 17.0], 16.0));
        assert_eq!(good.used[0].cycles, 250_000);
        let wrong = |figures: &Figures| figures.checks().iter().filter(|it| !it.holds).count();
        assert_eq!(wrong(&figures([5_200, 3_100, 1_700], 960)), 1);
        assert_eq!(wrong(&figures([5_000, 3_300, 1_700], 940)), 1);
        assert_eq!(wrong(&Figures { unaccounted: -1, ..good }), 1);
    }

    #[test]
    fn where_nothing_is_read_there_are_no_figures() {
        assert!(Figures::of(&[sample(0, [0; 3]), sample(1, [0; 3])], Vec::new(), 0).is_none());
    }
}
