//! Counters that never go back.
//!
//! What a scheduler has charged to the infrastructure it credits when the causer is known,
//! so that its figure can fall between two samples; a reader of counters would take that
//! for a restart. It gets the highest figure so far instead. The raw samples have what is.

use std::collections::BTreeMap;

/// What a figure is of: which figure, the core, the scheduler's kind and instance, the
/// activity.
pub type Of = (u8, u16, u8, u32, u32);

/// The highest figures so far, of those that are still told.
#[derive(Debug, Default)]
pub struct Upward {
    now: BTreeMap<Of, u64>,
    before: BTreeMap<Of, u64>,
}

impl Upward {
    /// A new sample begins: what the last one did not have is forgotten.
    pub fn next_sample(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// A figure as a counter.
    pub fn value(&mut self, of: Of, figure: u64) -> u64 {
        let value = self.before.get(&of).map_or(figure, |before| figure.max(*before));
        *self.now.entry(of).or_default() = value;
        value
    }
}
