//! How busy a core was lately, published for load sharing.

use crate::sync::Ordering;

use vortex_units::{Cycles, Micros};

use super::Core;
use crate::machine::{Frequency, Machine};
use crate::message::Message;

/// A part of a period: at the end of each, a part of the bindings is swept.
const PART: Micros = Micros::new(625);
/// Parts of a period of 10 ms.
const PARTS: usize = 16;

/// Where the current period began, and where its current part ends.
pub(super) struct Utilization {
    began: Cycles,
    ends: Cycles,
    idle_then: Cycles,
    /// Which part that is.
    part: usize,
}

impl Utilization {
    pub fn new(start: Cycles, frequency: Frequency) -> Self {
        Self {
            began: start,
            ends: start + frequency.cycles(PART),
            idle_then: Cycles::ZERO,
            part: 0,
        }
    }
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Ends the part of a period if it is over, and with the last part the period: publishes
    /// what of it was not idle.
    pub(super) fn note_utilization(&mut self) {
        let now = self.ledger.last();
        if now >= self.utilization.ends {
            self.end_part(now);
        }
    }

    #[cold]
    fn end_part(&mut self, now: Cycles) {
        let part = self.utilization.part;
        self.sweep_bindings(part);
        self.utilization.ends = now + self.grid.frequency.cycles(PART);
        self.utilization.part = (part + 1) % PARTS;
        if self.utilization.part > 0 {
            return;
        }
        let span = now.saturating_sub(self.utilization.began);
        let idle = self.ledger.idle_time().saturating_sub(self.utilization.idle_then);
        let busy = span.saturating_sub(idle).get();
        let hundredths = busy.saturating_mul(10_000) / span.get().max(1);
        let hundredths = u32::try_from(hundredths).unwrap_or(10_000);
        self.post.utilization.store(hundredths, Ordering::Relaxed);
        self.forget_stale_runs();
        (self.utilization.began, self.utilization.idle_then) = (now, self.ledger.idle_time());
    }
}
