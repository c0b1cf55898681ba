//! The simulated machine as one core's toolkit sees it.

use vortex_grid::{Frequency, Machine};
use vortex_units::{CoreId, Cycles};

use crate::agenda::Agenda;
use crate::clock::Clock;

/// A core of the simulated machine.
pub(crate) struct SimMachine {
    pub clock: Clock,
    pub agenda: Agenda,
    pub frequency: Frequency,
}

impl Machine for SimMachine {
    const ARRIVALS_HAVE_TIMES: bool = true;

    fn now(&mut self) -> Cycles {
        self.clock.read()
    }

    fn poke(&mut self, core: CoreId) {
        self.agenda.poke(core, self.clock.look());
    }

    fn frequency(&self) -> Frequency {
        self.frequency
    }
}
