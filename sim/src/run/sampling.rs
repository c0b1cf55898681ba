//! Shares, interval by interval.

use vortex_units::Cycles;

use super::Simulator;
use crate::report::Sample;

impl Simulator {
    /// Notes what each activity has used on each core since the last sample, including the
    /// runs still open.
    pub(crate) fn sample(&mut self, at: Cycles) {
        let (since, before) = &mut self.last_sample;
        for (unit, before) in self.units.iter_mut().zip(before) {
            unit.catch_up(at);
            let used = unit.core.report().activities;
            let total = |activity| {
                used.iter().find(|(of, _)| *of == activity).map_or(Cycles::ZERO, |(_, used)| *used)
            };
            let now: Vec<Cycles> = self.built.activities.iter().map(|&of| total(of)).collect();
            // What was billed back meanwhile may have taken off more than was used.
            let spans = now.iter().zip(&*before).map(|(now, then)| now.saturating_sub(*then));
            let cycles = spans.collect();
            self.samples.push(Sample { since: *since, at, core: unit.id(), cycles });
            *before = now;
        }
        *since = at;
    }
}
