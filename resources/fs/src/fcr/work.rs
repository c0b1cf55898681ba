//! What goes on with a file.

use alloc::collections::BTreeMap;

use vortex_units::{ActivityId, Cycles};

use super::queued::Queued;
use super::waiting::Waiting;

/// It.
pub struct Work<M> {
    /// How many read or write it.
    pub inside: u32,
    /// Somebody has it alone, or waits until nobody is inside.
    pub closed: bool,
    pub waits: Waiting<M>,
    /// Pieces that nobody has taken yet.
    pub queued: Queued,
    /// Whose pages of it are to be written.
    pub dirtiers: BTreeMap<ActivityId, Dirtier>,
}

/// Somebody whose pages of a file are to be written.
#[derive(Clone, Copy, Debug)]
pub struct Dirtier {
    pub pages: u32,
    /// Of them, those that the disk is being given.
    pub writing: u32,
    /// The first of them, since the last that was written.
    pub since: Cycles,
    /// A request is on its way that writes them, and since when.
    pub busy: bool,
    pub asked: Cycles,
    /// It could not be asked to: whoever waits for them writes them.
    pub refused: bool,
}

impl<M> Default for Work<M> {
    fn default() -> Self {
        let (waits, queued) = (Waiting::default(), Queued::default());
        Self { inside: 0, closed: false, waits, queued, dirtiers: BTreeMap::new() }
    }
}

impl<M> Work<M> {
    /// Whether there is nothing to be known of the file, but for those who wait for just that.
    pub fn is_over(&self) -> bool {
        self.inside == 0
            && !self.closed
            && self.waits.is_quiet()
            && self.queued.is_empty()
            && self.dirtiers.is_empty()
    }
}
