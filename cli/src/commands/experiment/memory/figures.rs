//! What a run says.

use serde::Serialize;

use crate::commands::experiment::samples::{Core, Sample};

/// The first neighbour's part of what both have, in per cent.
pub const RATIO: f64 = 50.0 * 100.0 / 83.0;
/// What the attacker is entitled to beside them.
pub const ATTACKER: f64 = 17.0;
/// Points that shares may be off, and per cent of its pages by which a neighbour's faults may
/// be more or fewer than without an attack.
pub const BOUND: f64 = 2.0;
/// Per cent of all cycles that the infrastructure may have.
const INFRASTRUCTURE: f64 = 0.5;

/// What a neighbour tells of its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Faults of pages in memory, or of none.
    pub minor: u64,
    /// Of pages that had left it.
    pub major: u64,
    /// Milliseconds until it had all its pages.
    pub ready: u64,
}

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
    /// The infrastructure's part of all cycles.
    pub infrastructure: f64,
    /// Cycles on nobody's bill.
    pub unaccounted: i64,
    /// Frames that were given back by order.
    pub given: u64,
    /// What the neighbours tell.
    pub faults: [Faults; 2],
    /// By how much their faults may be off.
    pub allowed: f64,
    /// What is not as it must be.
    pub wrong: Vec<String>,
}

/// Faults that a neighbour has told.
fn faults(line: &str) -> Option<Faults> {
    let words: Vec<&str> = line.trim().strip_prefix("steady: of ")?.split(' ').collect();
    let number = |place: usize| words.get(place)?.parse().ok();
    Some(Faults { minor: number(2)?, major: number(5)?, ready: number(10)? })
}

impl Figures {
    /// Of at least two samples and what the machine has said until its end; `None` if the
    /// neighbours did not run on each core, or did not come to their end.
    pub fn of(samples: &[Sample], console: &str, attack: &str, pages: u32) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let seconds = last.stamp.checked_sub(first.stamp)? as f64 / (last.megahertz as f64 * 1e6);
        let mut told = console.lines().filter_map(faults);
        let given = console.lines().find_map(|line| {
            line.trim().strip_prefix("reclamation: ")?.split(' ').next()?.parse().ok()
        });
        let mut figures = Self {
            attack: attack.into(),
            seconds,
            ratio: RATIO,
            attacker: 0.0,
            infrastructure: 0.0,
            unaccounted: 0,
            given: given?,
            faults: [told.next()?, told.next()?],
            allowed: f64::from(pages) * BOUND / 100.0,
            wrong: Vec::new(),
        };
        let (mut infrastructure, mut all) = (0.0, 0.0);
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
            let elapsed = span(&|core| core.stamp);
            all += elapsed as f64;
            let booked = span(&Core::booked);
            figures.unaccounted += i64::try_from(i128::from(elapsed) - i128::from(booked)).ok()?;
        }
        figures.infrastructure = infrastructure * 100.0 / f64::max(all, 1.0);
        Some(figures)
    }

    /// By how many points the neighbours' shares are off, or the attacker has too much.
    pub fn off(&self) -> f64 {
        (self.ratio - RATIO).abs().max(self.attacker - ATTACKER)
    }

    /// Notes what is not as it must be, beside a run without an attack.
    pub fn judge(&mut self, calm: [Faults; 2]) {
        let bounds = [
            ((self.ratio - RATIO).abs() <= BOUND, "the neighbours' shares"),
            (self.attacker <= ATTACKER + BOUND, "the attacker's share"),
            (self.infrastructure <= INFRASTRUCTURE, "the infrastructure's part"),
            (self.unaccounted == 0, "cycles on nobody's bill"),
        ];
        let broken = bounds.into_iter().filter(|(holds, _)| !holds);
        self.wrong.extend(broken.map(|(_, what)| what.to_string()));
        for (name, own, calm) in [("a", self.faults[0], calm[0]), ("b", self.faults[1], calm[1])] {
            let more = own.minor.abs_diff(calm.minor) as f64;
            if more > self.allowed || own.major as f64 > self.allowed {
                self.wrong.push(format!("the faults of {name}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SAID: &str = "steady: of 100 pages 112 minor and 0 major faults, ready in 9 ms\r\n\
        steady: of 100 pages 110 minor and 1 major faults, ready in 9 ms\r\n\
        reclamation: 7 frames given back, 1 refused, 0 failed\r\n";

    fn figures(a: u64, b: u64, attacker: u64, said: &str) -> Figures {
        let sample = |stamp: u64, times: u64| {
            let used = [("a", a), ("b", b), ("attacker", attacker)];
            let used = used.map(|(name, cycles)| (name.to_string(), cycles * times)).into();
            let core = Core { stamp, used, ..Core::default() };
            Sample { stamp, megahertz: 1, cores: BTreeMap::from([(0, core)]) }
        };
        let elapsed = a + b + attacker;
        let samples = [sample(7, 0), sample(7 + elapsed, 1)];
        let mut figures = Figures::of(&samples, said, "x", 100).unwrap();
        figures.judge([Faults { minor: 111, ..Faults::default() }; 2]);
        figures
    }

    #[test]
    fn what_is_said_is_judged() {
        let good = figures(5_000_000, 3_300_000, 1_700_000, SAID);
        assert_eq!((good.wrong.clone(), good.given), (Vec::new(), 7));
        assert!(!figures(5_000_000, 3_300_000, 2_200_000, SAID).wrong.is_empty());
        assert!(!figures(5_000_000, 2_900_000, 1_700_000, SAID).wrong.is_empty());
        for (from, to) in [("112 minor", "114 minor"), ("1 major", "3 major")] {
            let said = SAID.replace(from, to);
            assert_eq!(figures(5_000_000, 3_300_000, 1_700_000, &said).wrong.len(), 1, "{to}");
        }
    }
}
