//! What has been freed, and may still be named on the disk: it is not given out again until
//! what freed it is there. Its bits are clear already.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::held::{CHUNK, HeldBits};
use crate::caller::Payer;
use crate::disk::Layout;
use crate::numbers::{Block, Ino};
use crate::order::Need;

/// Runs of blocks in it, at most; more frees wait for the disk.
const MOST: usize = 8192;

/// What is noted of something that waits is counted as so many bytes, and as so many more for the
/// bits of each part of a group in which it is.
const NOTED: usize = 96;
const BITS: usize = 144;

/// Blocks one after the other.
struct Held {
    length: u32,
    needs: [Option<Need>; 2],
    payer: Payer,
}

/// What so many blocks, or an inode, one after the other are counted as.
pub(crate) const fn price(length: u32) -> usize {
    NOTED.saturating_add(BITS.saturating_mul(length.div_ceil(CHUNK) as usize))
}

/// All that waits.
#[derive(Default)]
pub(crate) struct Quarantine {
    blocks: BTreeMap<Block, Held>,
    inodes: BTreeMap<Ino, (Vec<Need>, Payer)>,
    /// In the order in which it was freed.
    pub line: VecDeque<Freed>,
    /// The same, as searches see it.
    pub block_bits: HeldBits,
    pub inode_bits: HeldBits,
}

/// Who has paid, and how many bytes.
pub(crate) type Paid = (Payer, usize);

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
    pub fn hold(
        &mut self,
        layout: &Layout,
        (start, length): (Block, u32),
        needs: [Option<Need>; 2],
        payer: Payer,
    ) {
        self.put_blocks(layout, start, length, true);
        self.blocks.insert(start, Held { length, needs, payer });
        self.line.push_back(Freed::Blocks(start));
    }

    /// Puts an inode into it.
    pub fn hold_inode(&mut self, layout: &Layout, ino: Ino, needs: Vec<Need>, payer: Payer) {
        let (group, bit) = layout.inode_group(ino);
        self.inode_bits.put(group, bit, 1, true);
        self.inodes.insert(ino, (needs, payer));
        self.line.push_back(Freed::Inode(ino));
    }

    /// What must be on the disk before something of it is given out.
    pub fn needs(&self, freed: Freed) -> impl Iterator<Item = Need> {
        let (blocks, inode) = match freed {
            Freed::Blocks(start) => (self.blocks.get(&start).map(|held| &held.needs), None),
            Freed::Inode(ino) => (None, self.inodes.get(&ino).map(|(needs, _)| needs)),
        };
        let of_blocks = blocks.into_iter().flatten().flatten();
        of_blocks.chain(inode.into_iter().flatten()).copied()
    }

    /// Lets something out: what was paid for it.
    #[must_use]
    pub fn let_out(&mut self, layout: &Layout, freed: Freed) -> Option<Paid> {
        match freed {
            Freed::Blocks(start) => {
                let held = self.blocks.remove(&start)?;
                self.put_blocks(layout, start, held.length, false);
                Some((held.payer, price(held.length)))
            }
            Freed::Inode(ino) => {
                let (_, payer) = self.inodes.remove(&ino)?;
                let (group, bit) = layout.inode_group(ino);
                self.inode_bits.put(group, bit, 1, false);
                Some((payer, price(1)))
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

    /// What is paid for all that waits.
    #[cfg(test)]
    pub fn paid(&self) -> impl Iterator<Item = Paid> {
        let blocks = self.blocks.values().map(|held| (held.payer, price(held.length)));
        blocks.chain(self.inodes.values().map(|(_, payer)| (*payer, price(1))))
    }

    /// Gives up some of its memory, and what was paid for that; `None` if there was none.
    pub fn dissolve(&mut self) -> Option<Option<Paid>> {
        if let Some((_, held)) = self.blocks.pop_first() {
            return Some(Some((held.payer, price(held.length))));
        }
        if let Some((_, (_, payer))) = self.inodes.pop_first() {
            return Some(Some((payer, price(1))));
        }
        (self.block_bits.dissolve() || self.inode_bits.dissolve()).then_some(None)
    }
}
