//! What the toolkit needs of the machine beneath it: a clock, and a way to wake a core.

use vortex_units::{CoreId, Cycles};

/// The machine as one core sees it. Each core has its own value of this type.
pub trait Machine: Send + 'static {
    /// Reads this core's clock: never less than the last reading. All cores' clocks
    /// agree, up to the machine's own skew.
    fn now(&mut self) -> Cycles;

    /// Makes another core leave its idle wait or its user mode and look at its inbox.
    fn poke(&mut self, core: CoreId);

    /// Cycles a second of that clock, to turn the paper's microseconds into cycles.
    fn frequency(&self) -> Frequency;

    /// Whether arrivals from other cores must wait until this core's clock has reached the
    /// time of their sending. A simulation, whose cores run one after the other, says yes.
    const ARRIVALS_HAVE_TIMES: bool = false;
}

/// The rate of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    per_micro: u64,
}

impl Frequency {
    /// A clock of so many whole megahertz, at least one.
    #[must_use]
    pub const fn megahertz(megahertz: u64) -> Self {
        Self { per_micro: if megahertz == 0 { 1 } else { megahertz } }
    }

    /// The cycles in so many microseconds.
    #[must_use]
    pub const fn cycles(self, span: vortex_units::Micros) -> Cycles {
        Cycles::new(self.per_micro.saturating_mul(span.get()))
    }

    /// Whole megahertz.
    #[must_use]
    pub const fn as_megahertz(self) -> u64 {
        self.per_micro
    }
}
