//! A group's descriptor.

use super::bytes::{get16, get32, put16};
use crate::numbers::Block;

/// A group of blocks: where its bitmaps and inodes are, and what is free.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    pub block_bitmap: Block,
    pub inode_bitmap: Block,
    pub inode_table: Block,
    pub free_blocks: u16,
    pub free_inodes: u16,
    pub directories: u16,
    /// It begins with so many blocks of copies.
    pub copies: u32,
}

impl Group {
    /// Bytes of a descriptor.
    pub const SIZE: usize = 32;

    /// Reads one.
    pub fn read(bytes: &[u8]) -> Self {
        Self {
            block_bitmap: Block(get32(bytes, 0)),
            inode_bitmap: Block(get32(bytes, 4)),
            inode_table: Block(get32(bytes, 8)),
            free_blocks: get16(bytes, 12),
            free_inodes: get16(bytes, 14),
            directories: get16(bytes, 16),
            copies: 0,
        }
    }

    /// Puts the counts, which alone change.
    pub fn write_counts(&self, bytes: &mut [u8]) {
        put16(bytes, 12, self.free_blocks);
        put16(bytes, 14, self.free_inodes);
        put16(bytes, 16, self.directories);
    }
}
