//! What goes on with a file.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use vortex_grid::Kept;
use vortex_units::{ActivityId, Cycles};

use super::piece::Piece;

/// It.
pub struct Work<M> {
    /// How many read or write it.
    pub inside: u32,
    /// Somebody has it alone, or waits until nobody is inside.
    pub closed: bool,
    pub waits: Vec<Wait<M>>,
    /// Pieces that nobody has taken yet.
    pub queued: Vec<Piece>,
    /// Whose pages of it are to be written.
    pub dirtiers: BTreeMap<ActivityId, Dirtier>,
}

/// A request that waits.
pub struct Wait<M> {
    pub kept: Kept<M>,
    pub what: Waits,
}

/// For what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// That it may enter, or have the file alone.
    Gate,
    /// That nobody is inside.
    Idle,
    /// That one of these pages is at another state.
    Pages(u32, u32),
    /// That nothing goes on with the file any more.
    Over,
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
        let (waits, queued) = (Vec::new(), Vec::new());
        Self { inside: 0, closed: false, waits, queued, dirtiers: BTreeMap::new() }
    }
}

impl<M> Work<M> {
    /// Whether there is nothing to be known of the file, but for those who wait for just that.
    pub fn is_over(&self) -> bool {
        self.inside == 0
            && !self.closed
            && self.waits.iter().all(|wait| wait.what == Waits::Over)
            && self.queued.is_empty()
            && self.dirtiers.is_empty()
    }
}
