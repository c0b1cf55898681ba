//! What has been freed, and may still be named on the disk: it is not given out again until
//! what freed it is there. Its bits are clear already.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::numbers::{Block, Ino};
use crate::order::Need;

/// Runs of blocks in it, at most; more frees wait for the disk.
const MOST: usize = 8192;

/// Blocks one after the other.
pub(crate) struct Held {
    pub length: u32,
    pub needs: [Option<Need>; 2],
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Quarantine {
    pub blocks: BTreeMap<Block, Held>,
    pub inodes: BTreeMap<Ino, Vec<Need>>,
    /// In the order in which it was freed.
    pub line: VecDeque<Freed>,
}

/// What stands in the line.
#[derive(Clone, Copy)]
pub(crate) enum Freed {
    Blocks(Block),
    Inode(Ino),
}

impl Quarantine {
    /// Whether so many more runs may come.
    pub fn has_room(&self, more: usize) -> bool {
        self.line.len().saturating_add(more) <= MOST
    }

    /// Puts blocks into it.
    pub fn hold(&mut self, start: Block, length: u32, needs: [Option<Need>; 2]) {
        self.blocks.insert(start, Held { length, needs });
        self.line.push_back(Freed::Blocks(start));
    }

    /// Puts an inode into it.
    pub fn hold_inode(&mut self, ino: Ino, needs: Vec<Need>) {
        self.inodes.insert(ino, needs);
        self.line.push_back(Freed::Inode(ino));
    }

    /// If the block is in it, the first block after the run that it is in.
    pub fn past(&self, block: Block) -> Option<Block> {
        let (start, held) = self.blocks.range(..=block).next_back()?;
        let end = start.after(held.length);
        (block < end).then_some(end)
    }

    /// How many blocks from this one on are not in it, up to `most`.
    pub fn clear_run(&self, block: Block, most: u32) -> u32 {
        let next = self.blocks.range(block..).next();
        next.map_or(most, |(start, _)| start.0.saturating_sub(block.0).min(most))
    }
}
