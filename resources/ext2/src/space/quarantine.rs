//! What has been freed, and may still be named on the disk: it is not given out again until
//! what freed it is there. Its bits are clear already.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::held::HeldBits;
use crate::disk::Layout;
use crate::numbers::{Block, Ino};
use crate::order::Need;

/// Runs of blocks in it, at most; more frees wait for the disk.
const MOST: usize = 8192;

/// Blocks one after the other.
struct Held {
    length: u32,
    needs: [Option<Need>; 2],
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Quarantine {
    blocks: BTreeMap<Block, Held>,
    inodes: BTreeMap<Ino, Vec<Need>>,
    /// In the order in which it was freed.
    pub line: VecDeque<Freed>,
    /// The same, as searches see it.
    pub block_bits: HeldBits,
    pub inode_bits: HeldBits,
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
    pub fn hold(&mut self, layout: &Layout, start: Block, length: u32, needs: [Option<Need>; 2]) {
        self.put_blocks(layout, start, length, true);
        self.blocks.insert(start, Held { length, needs });
        self.line.push_back(Freed::Blocks(start));
    }

    /// Puts an inode into it.
    pub fn hold_inode(&mut self, layout: &Layout, ino: Ino, needs: Vec<Need>) {
        let (group, bit) = layout.inode_group(ino);
        self.inode_bits.put(group, bit, 1, true);
        self.inodes.insert(ino, needs);
        self.line.push_back(Freed::Inode(ino));
    }

    /// What must be on the disk before something of it is given out.
    pub fn needs(&self, freed: Freed) -> impl Iterator<Item = Need> {
        let (blocks, inode) = match freed {
            Freed::Blocks(start) => (self.blocks.get(&start).map(|held| &held.needs), None),
            Freed::Inode(ino) => (None, self.inodes.get(&ino)),
        };
        let of_blocks = blocks.into_iter().flatten().flatten();
        of_blocks.chain(inode.into_iter().flatten()).copied()
    }

    /// Lets something out.
    pub fn let_out(&mut self, layout: &Layout, freed: Freed) {
        match freed {
            Freed::Blocks(start) => {
                if let Some(held) = self.blocks.remove(&start) {
                    self.put_blocks(layout, start, held.length, false);
                }
            }
            Freed::Inode(ino) => {
                if self.inodes.remove(&ino).is_some() {
                    let (group, bit) = layout.inode_group(ino);
                    self.inode_bits.put(group, bit, 1, false);
                }
            }
        }
    }

    /// Blocks one after the other may be of several groups.
    fn put_blocks(&mut self, layout: &Layout, start: Block, length: u32, held: bool) {
        let (mut at, end) = (start, start.after(length));
        while at < end {
            let (group, bit) = layout.group_of(at);
            let room = layout.blocks_per_group.saturating_sub(bit).max(1);
            let count = end.0.saturating_sub(at.0).min(room);
            self.block_bits.put(group, bit, count, held);
            at = at.after(count);
        }
    }

    /// How many blocks from this one on are not in it, up to `most`.
    pub fn clear_run(&self, block: Block, most: u32) -> u32 {
        let next = self.blocks.range(block..).next();
        next.map_or(most, |(start, _)| start.0.saturating_sub(block.0).min(most))
    }

    /// Gives up some of its memory; whether there was any.
    pub fn dissolve(&mut self) -> bool {
        self.blocks.pop_first().is_some()
            || self.inodes.pop_first().is_some()
            || self.block_bits.dissolve()
            || self.inode_bits.dissolve()
    }
}
