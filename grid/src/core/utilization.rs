//! How busy a core was lately, published for load sharing.

use crate::sync::Ordering;

use vortex_units::{Cycles, Micros};

use super::Core;
use crate::machine::{Frequency, Machine};
use crate::message::Message;

const PERIOD: Micros = Micros::new(10_000);

/// Where the current period began, and where it ends.
pub(super) struct Utilization {
    began: Cycles,
    ends: Cycles,
    idle_then: Cycles,
}

impl Utilization {
    pub fn new(start: Cycles, frequency: Frequency) -> Self {
        Self { began: start, ends: start + frequency.cycles(PERIOD), idle_then: Cycles::ZERO }
    }
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Ends the period if it is over: publishes what of it was not idle.
    pub(super) fn note_utilization(&mut self) {
        let now = self.ledger.last();
        if now >= self.utilization.ends {
            self.end_period(now);
        }
    }

    #[cold]
    fn end_period(&mut self, now: Cycles) {
        let span = now.saturating_sub(self.utilization.began);
        let idle = self.ledger.idle_time().saturating_sub(self.utilization.idle_then);
        let busy = span.saturating_sub(idle).get();
        let hundredths = busy.saturating_mul(10_000) / span.get().max(1);
        let hundredths = u32::try_from(hundredths).unwrap_or(10_000);
        self.post.utilization.store(hundredths, Ordering::Relaxed);
        self.forget_stale_runs();
        self.sweep_bindings();
        let ends = now + self.grid.frequency.cycles(PERIOD);
        self.utilization = Utilization { began: now, ends, idle_then: self.ledger.idle_time() };
    }
}
