//! The machine as the grid's cores see it.

use vortex_grid::{Frequency, Machine};
use vortex_machine::Poker;
use vortex_units::{CoreId, Cycles};

/// A core's clock and its way to wake others.
pub struct Clock(pub Poker);

impl Machine for Clock {
    fn now(&mut self) -> Cycles {
        self.0.now()
    }

    fn poke(&mut self, core: CoreId) {
        self.0.poke(core);
    }

    fn frequency(&self) -> Frequency {
        Frequency::megahertz(self.0.megahertz())
    }
}
