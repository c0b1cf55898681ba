//! The master boot record, and its like at the head of each extended partition.

use crate::bytes::at;

/// An entry of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    kind: u8,
    /// The first block, counted from where the table's kind says.
    pub first: u64,
    /// How many.
    pub blocks: u64,
}

impl Entry {
    /// Whether it names nothing.
    pub const fn is_empty(self) -> bool {
        self.kind == 0 || self.blocks == 0
    }

    /// Whether it only says that there is a GPT.
    pub const fn is_protective(self) -> bool {
        self.kind == 0xee
    }

    /// Whether it has partitions in it.
    pub const fn is_extended(self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85) && self.blocks > 0
    }
}

/// The four entries; `None` where there is no such table: without its signature, or with what
/// no table has, such as the first block of a FAT file system.
pub fn entries(block: &[u8]) -> Option<[Entry; 4]> {
    const TABLE: usize = 446;
    const SIGNATURE: [u8; 2] = [0x55, 0xaa];
    if at::<2>(block, 510) != SIGNATURE {
        return None;
    }
    let place = |number: usize| TABLE.saturating_add(number.saturating_mul(16));
    let sound = |number| matches!(at::<1>(block, place(number)), [0x00 | 0x80]);
    let entry = |number: usize| {
        let bytes: [u8; 16] = at(block, place(number));
        Entry {
            kind: at::<1>(&bytes, 4)[0],
            first: u64::from(u32::from_le_bytes(at(&bytes, 8))),
            blocks: u64::from(u32::from_le_bytes(at(&bytes, 12))),
        }
    };
    (0..4).all(sound).then(|| [entry(0), entry(1), entry(2), entry(3)])
}
