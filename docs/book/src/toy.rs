//! The smallest machine on which a grid runs, and what it takes to fill one with messages.

use std::sync::Arc;

use vortex_grid::policy::{Metric, Params, Scheduler};
use vortex_grid::{Entitlement, Frequency, Grid, GridSpec, Machine, Message};
use vortex_units::{CoreId, Cycles, Share};

/// A machine whose clock advances by 100 cycles whenever it is read.
#[derive(Default)]
pub struct Clock(u64);

impl Machine for Clock {
    fn now(&mut self) -> Cycles {
        self.0 += 100;
        Cycles::new(self.0)
    }

    fn poke(&mut self, _: CoreId) {}

    fn frequency(&self) -> Frequency {
        Frequency::megahertz(1_000)
    }
}

/// A grid of one core, with room for seven activities beside the infrastructure.
#[must_use]
pub fn grid<M: Message>() -> Arc<Grid<M>> {
    Grid::new(GridSpec {
        cores: 1,
        activities: 8,
        infrastructure: Entitlement::new(Share::ONE),
        frequency: Frequency::megahertz(1_000),
        buses: Vec::new(),
    })
}

/// A scheduler of this name that counts cycles, as the configuration would make it.
///
/// # Errors
/// Where there is no policy of this name.
pub fn scheduler(name: &str) -> Result<Arc<dyn Scheduler>, vortex_schedulers::MakeError> {
    vortex_schedulers::make(name, Params::new(Metric::Cycles, 100_000_000))
}
