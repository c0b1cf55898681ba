//! What the grid's cores want of the driver: pokes, and device queues to be resumed.

use std::sync::Arc;

use spin::Mutex;
use vortex_units::{CoreId, Cycles};

/// One such wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// This core is to leave its idle wait or its user mode.
    Poke(CoreId),
    /// The device of this resource (by its place in the configuration) has room again.
    Resume(usize),
}

/// The wishes not yet seen by the driver, in the order made.
#[derive(Clone, Default)]
pub(crate) struct Agenda(Arc<Mutex<Vec<(Cycles, Wish)>>>);

impl Agenda {
    pub fn poke(&self, core: CoreId, at: Cycles) {
        self.0.lock().push((at, Wish::Poke(core)));
    }

    pub fn resume(&self, resource: usize, at: Cycles) {
        self.0.lock().push((at, Wish::Resume(resource)));
    }

    /// Takes them out.
    pub fn take(&self) -> Vec<(Cycles, Wish)> {
        std::mem::take(&mut self.0.lock())
    }
}
