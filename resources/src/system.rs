//! What all resources know: each other's ports, and the machine's constants.

use alloc::vec::Vec;

use spin::Once;
use vortex_grid::{Frequency, Port};
use vortex_units::{ActivityId, Cycles, Nanos};

use crate::console::Console;
use crate::memory::AddressSpaces;
use crate::process::{ProcessTable, Processes, Threads};

/// The ports of the resources. Thread resources are an instance an activity.
pub struct Ports {
    /// PR.
    pub process: Port<Processes>,
    /// ASR.
    pub memory: Port<AddressSpaces>,
    /// The console.
    pub console: Port<Console>,
    /// TR, by the activity's place.
    pub threads: Vec<(ActivityId, Port<Threads>)>,
}

impl Ports {
    /// The thread resource of an activity.
    #[must_use]
    pub fn threads_of(&self, activity: ActivityId) -> Option<Port<Threads>> {
        self.threads.iter().find(|(of, _)| *of == activity).map(|(_, port)| *port)
    }
}

/// How the time stamp counter relates to the time of day.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    /// The counter's rate.
    pub frequency: Frequency,
    /// Its reading when the machine began.
    pub began: Cycles,
    /// The time of day then, since 1970.
    pub epoch: Nanos,
}

impl WallClock {
    /// Time since the machine began.
    #[must_use]
    pub fn since_start(&self, now: Cycles) -> Nanos {
        let cycles = u128::from(now.saturating_sub(self.began).get());
        let nanos = cycles * 1_000 / u128::from(self.frequency.as_megahertz());
        Nanos::new(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What the resources share.
pub struct System {
    /// Set once, when the grid is built.
    pub ports: Once<Ports>,
    /// All processes.
    pub processes: ProcessTable,
    /// The clock.
    pub clock: WallClock,
    /// How long a thread runs at most at a time.
    pub timeslice: Cycles,
}
