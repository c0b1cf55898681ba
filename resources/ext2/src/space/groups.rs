//! The groups' descriptors in memory, and which of them have something free.

use alloc::vec::Vec;

use crate::disk::Group;
use vortex_abi::Errno;

/// What a transaction changes of a group's counts, and of the sums.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delta {
    pub group: u32,
    pub blocks: i64,
    pub inodes: i64,
    pub directories: i64,
}

/// All groups.
pub(crate) struct Groups {
    table: Vec<Group>,
    /// A bit for each group that has free blocks.
    with_blocks: Vec<u64>,
    /// A bit for each group that has free inodes.
    with_inodes: Vec<u64>,
    pub free_blocks: u64,
    pub free_inodes: u64,
    /// Where the next directory beneath the root goes.
    pub next: u32,
}

impl Groups {
    /// Room for so many.
    pub fn new(count: u32) -> Result<Self, Errno> {
        let mut table = Vec::new();
        table.try_reserve_exact(count as usize).map_err(|_| Errno::ENOMEM)?;
        let bits = || {
            let mut bits = Vec::new();
            let words = count.div_ceil(64) as usize;
            bits.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
            bits.resize(words, 0_u64);
            Ok(bits)
        };
        let (with_blocks, with_inodes) = (bits()?, bits()?);
        Ok(Self { table, with_blocks, with_inodes, free_blocks: 0, free_inodes: 0, next: 0 })
    }

    /// How many are known.
    pub fn known(&self) -> u32 {
        self.table.len() as u32
    }

    /// Adds the next one.
    pub fn push(&mut self, group: Group) {
        if self.table.len() < self.table.capacity() {
            let index = self.known();
            self.table.push(group);
            self.free_blocks = self.free_blocks.saturating_add(group.free_blocks.into());
            self.free_inodes = self.free_inodes.saturating_add(group.free_inodes.into());
            self.note(index);
        }
    }

    /// One of them.
    pub fn get(&self, index: u32) -> Option<&Group> {
        self.table.get(index as usize)
    }

    /// Changes counts; none goes below nothing.
    pub fn apply(&mut self, delta: Delta) -> Option<Group> {
        let group = self.table.get_mut(delta.group as usize)?;
        group.free_blocks = moved16(group.free_blocks, delta.blocks);
        group.free_inodes = moved16(group.free_inodes, delta.inodes);
        group.directories = moved16(group.directories, delta.directories);
        let group = *group;
        self.free_blocks = self.free_blocks.saturating_add_signed(delta.blocks);
        self.free_inodes = self.free_inodes.saturating_add_signed(delta.inodes);
        self.note(delta.group);
        Some(group)
    }

    fn note(&mut self, index: u32) {
        let Some(group) = self.table.get(index as usize) else { return };
        let bit = 1_u64.wrapping_shl(index & 63);
        let put = |words: &mut [u64], has: bool| {
            if let Some(word) = words.get_mut((index / 64) as usize) {
                *word = if has { *word | bit } else { *word & !bit };
            }
        };
        put(&mut self.with_blocks, group.free_blocks > 0);
        put(&mut self.with_inodes, group.free_inodes > 0);
    }

    /// The first group from `from` on, going round, that has free blocks.
    pub fn with_blocks(&self, from: u32) -> Option<u32> {
        round(&self.with_blocks, from)
    }

    /// The first group from `from` on, going round, that has free inodes.
    pub fn with_inodes(&self, from: u32) -> Option<u32> {
        round(&self.with_inodes, from)
    }
}

fn round(words: &[u64], from: u32) -> Option<u32> {
    let start = (from / 64) as usize;
    let ahead = u64::MAX.wrapping_shl(from & 63);
    let first = |(index, word): (usize, u64)| {
        let bit = word.trailing_zeros();
        (word != 0).then(|| (index as u32).saturating_mul(64).saturating_add(bit))
    };
    let here = words.get(start).map(|word| (start, word & ahead));
    let indexed = || words.iter().copied().enumerate();
    let after = indexed().skip(start.saturating_add(1));
    let before = indexed().take(start.saturating_add(1));
    here.into_iter().chain(after).chain(before).find_map(first)
}

fn moved16(count: u16, by: i64) -> u16 {
    u16::try_from(i64::from(count).saturating_add(by).max(0)).unwrap_or(u16::MAX)
}
