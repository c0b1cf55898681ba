//! The way from an inode to a block of its file: the index of a pointer in the inode, and in
//! each block of pointers on the way.

use crate::numbers::FileBlock;

/// Up to four indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    indexes: [u32; 4],
    length: usize,
}

/// Blocks that the inode names itself.
pub(crate) const DIRECT: u32 = 12;

impl Path {
    /// The way to a block, where blocks hold `1 << bits` pointers. None beyond the last.
    pub fn to(block: FileBlock, bits: u32) -> Option<Self> {
        let per = 1_u64 << bits;
        let mask = per.wrapping_sub(1);
        let mut rest = u64::from(block.0);
        if rest < u64::from(DIRECT) {
            return Some(Self { indexes: [block.0, 0, 0, 0], length: 1 });
        }
        rest = rest.wrapping_sub(u64::from(DIRECT));
        let at =
            |rest: u64, level: u32| (rest.wrapping_shr(level.wrapping_mul(bits)) & mask) as u32;
        let mut covered = per;
        for (level, length) in [(0_u32, 2), (1, 3), (2, 4)] {
            if rest < covered {
                let mut indexes = [DIRECT.wrapping_add(level), 0, 0, 0];
                for (place, step) in indexes.iter_mut().skip(1).zip((0..=level).rev()) {
                    *place = at(rest, step);
                }
                return Some(Self { indexes, length });
            }
            rest = rest.wrapping_sub(covered);
            covered = covered.saturating_mul(per);
        }
        None
    }

    /// The index in the inode.
    pub const fn first(&self) -> usize {
        self.indexes[0] as usize
    }

    /// The indexes in blocks of pointers, from the inode on.
    pub fn rest(&self) -> &[u32] {
        self.indexes.get(1..self.length).unwrap_or(&[])
    }

    /// Blocks of pointers on the way.
    pub const fn depth(&self) -> usize {
        self.length.saturating_sub(1)
    }
}

/// The block of the file that follows the last one that can be.
pub(crate) fn end(bits: u32) -> u64 {
    let per = 1_u64 << bits;
    let twice = per.saturating_mul(per);
    let all = u64::from(DIRECT).saturating_add(per).saturating_add(twice);
    all.saturating_add(twice.saturating_mul(per)).min(u64::from(u32::MAX))
}
