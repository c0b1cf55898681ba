//! How much is free.

use crate::Ext2;
use crate::caller::Accounts;

/// How much there is, and is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks that files can have.
    pub blocks: u64,
    /// Blocks that are free.
    pub free: u64,
    /// Blocks that are free for all.
    pub available: u64,
    /// Inodes.
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
}

impl<A: Accounts> Ext2<A> {
    /// How much there is, and is free.
    pub fn statistics(&self) -> Statistics {
        let free = self.groups.free_blocks;
        Statistics {
            block_size: self.layout.block_size,
            blocks: u64::from(self.layout.blocks).saturating_sub(self.overhead),
            free,
            available: free.saturating_sub(self.layout.reserved.into()),
            inodes: self.layout.inodes.into(),
            free_inodes: self.groups.free_inodes,
        }
    }
}
