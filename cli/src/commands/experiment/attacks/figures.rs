//! What the samples of an attack say.

use serde::Serialize;

use crate::commands::experiment::samples::{Core, Sample};

/// The first neighbour's part of what both have, in per cent.
pub const RATIO: f64 = 50.0 * 100.0 / 83.0;
/// What the attacker is entitled to beside them.
pub const ATTACKER: f64 = 17.0;
/// Points that either may be off.
const POINTS: f64 = 0.5;
/// The two ends of the time: a timeslice, and what the host's scheduler takes in one piece,
/// where time is the host's.
const TIMESLICE_MS: f64 = 5.0;
const HOST_QUANTUM_MS: f64 = 4.0;
/// Per cent of all cycles that the infrastructure may have.
const INFRASTRUCTURE: f64 = 0.5;

/// And that may pass with nothing to do: the neighbours always have something.
const IDLE: f64 = 0.5;

/// It.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Which attack.
    pub attack: String,
    /// Time from the first sample to the last.
    pub seconds: f64,
    /// The first neighbour's part of what both had, on the core where it is most off.
    pub ratio: f64,
    /// The attacker's part of what all three had, on the core where it had most.
    pub attacker: f64,
    /// Points that these may be off.
    pub tolerance: f64,
    /// The infrastructure's part of all cycles.
    pub infrastructure: f64,
    /// Idle cycles, of all.
    pub idle: f64,
    /// Cycles on nobody's bill.
    pub unaccounted: i64,
}

impl Figures {
    /// Of at least two samples; `None` if the neighbours did not run on each core.
    pub fn of(samples: &[Sample], attack: &str, counted: bool) -> Option<Self> {
        let ends = TIMESLICE_MS + if counted { 0.0 } else { HOST_QUANTUM_MS };
        let (first, last) = (samples.first()?, samples.last()?);
        let seconds = last.stamp.checked_sub(first.stamp)? as f64 / (last.megahertz as f64 * 1e6);
        let mut figures = Self {
            attack: attack.into(),
            seconds,
            ratio: RATIO,
            attacker: 0.0,
            tolerance: POINTS + ends / (seconds * 10.0),
            infrastructure: 0.0,
            idle: 0.0,
            unaccounted: 0,
        };
        let (mut infrastructure, mut idle, mut all) = (0.0, 0.0, 0.0);
        for (number, after) in &last.cores {
            let before = first.cores.get(number)?;
            let span = |count: &dyn Fn(&Core) -> u64| count(after).saturating_sub(count(before));
            let [a, b, attacker] =
                ["a", "b", "attacker"].map(|name| span(&|core| core.of(name)) as f64);
            if a + b <= 0.0 {
                return None;
            }
            let ratio = a * 100.0 / (a + b);
            if (ratio - RATIO).abs() > (figures.ratio - RATIO).abs() {
                figures.ratio = ratio;
            }
            figures.attacker = figures.attacker.max(attacker * 100.0 / (a + b + attacker));
            infrastructure += span(&|core| core.of("infrastructure")) as f64;
            idle += span(&|core| core.idle) as f64;
            let elapsed = span(&|core| core.stamp);
            all += elapsed as f64;
            let booked = span(&Core::booked);
            figures.unaccounted += i64::try_from(i128::from(elapsed) - i128::from(booked)).ok()?;
        }
        figures.infrastructure = infrastructure * 100.0 / f64::max(all, 1.0);
        figures.idle = idle * 100.0 / f64::max(all, 1.0);
        Some(figures)
    }

    /// Points that somebody is off: a neighbour either way, the attacker beyond its share.
    pub fn off(&self) -> f64 {
        f64::max((self.ratio - RATIO).abs(), self.attacker - ATTACKER)
    }

    /// Whether all bounds do.
    pub fn hold(&self) -> bool {
        self.off() <= self.tolerance
            && self.infrastructure <= INFRASTRUCTURE
            && self.idle <= IDLE
            && self.unaccounted == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn figures(a: u64, b: u64, attacker: u64) -> Figures {
        let sample = |stamp: u64, times: u64| {
            let used = [("a", a), ("b", b), ("attacker", attacker)];
            let used = used.map(|(name, cycles)| (name.to_string(), cycles * times)).into();
            let core = Core { stamp, used, ..Core::default() };
            Sample { stamp, megahertz: 1, cores: BTreeMap::from([(0, core)]) }
        };
        let elapsed = a + b + attacker;
        Figures::of(&[sample(7, 0), sample(7 + elapsed, 1)], "x", false).unwrap()
    }

    #[test]
    fn an_attacker_within_its_share_is_no_harm_and_one_beyond_it_is() {
        assert!(figures(5_000_000, 3_300_000, 1_700_000).hold());
        assert!(figures(5_000_000, 3_300_000, 100_000).hold(), "who uses less leaves it to both");
        assert!(!figures(5_000_000, 3_300_000, 2_000_000).hold());
        assert!(!figures(5_000_000, 3_000_000, 1_700_000).hold(), "one neighbour suffers");
        let stopped = Figures { idle: 90.0, ..figures(5_000_000, 3_300_000, 0) };
        assert!(!stopped.hold(), "both are kept from running");
    }
}
