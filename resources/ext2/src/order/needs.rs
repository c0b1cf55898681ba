//! What must be on the disk first.

use alloc::vec::Vec;

use crate::numbers::{Block, Ino};

/// Something that comes to be on the disk as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A block.
    Block(Block),
    /// An inode's place in the inode table.
    Slot(Ino),
}

/// A target as it was after an operation, or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub on: Target,
    pub version: u64,
}

impl Need {
    pub const fn block(block: Block, version: u64) -> Self {
        Self { on: Target::Block(block), version }
    }

    pub const fn slot(ino: Ino, version: u64) -> Self {
        Self { on: Target::Slot(ino), version }
    }
}

/// Adds a need; one of the same target becomes the later of the two.
pub(crate) fn add(needs: &mut Vec<Need>, need: Need) {
    match needs.iter_mut().find(|there| there.on == need.on) {
        Some(there) => there.version = there.version.max(need.version),
        None => needs.push(need),
    }
}

/// Adds needs.
pub(crate) fn merge(needs: &mut Vec<Need>, more: &[Need]) {
    for need in more {
        add(needs, *need);
    }
}
