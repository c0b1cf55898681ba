//! The GUID partition table (UEFI 2.10, 5.3).

use super::crc::Crc;
use crate::bytes::{at, put};

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The first block of the entries.
    pub entries: u64,
    /// How many entries.
    pub count: u32,
    /// Bytes of each: a power of two, 128 to 4096.
    pub size: u32,
    /// The checksum of all.
    pub crc: u32,
}

/// The most bytes of entries that are looked at: four times what a table usually has.
const MOST: u32 = 64 * 1024;

impl Header {
    /// What the block there says; `None` where it is no header, or a damaged one.
    pub fn parse(block: &[u8], lies_at: u64, blocks: u64) -> Option<Self> {
        const SIGNATURE: [u8; 8] = *b"EFI PART";
        const LENGTH: u32 = 92;
        const CRC: usize = 16;
        let length = u32::from_le_bytes(at(block, 12));
        if at::<8>(block, 0) != SIGNATURE || !(LENGTH..=512).contains(&length) {
            return None;
        }
        let mut copy: [u8; 512] = at(block, 0);
        put(&mut copy, CRC, [0; 4]);
        let mut crc = Crc::new();
        crc.add(copy.get(..length as usize)?);
        let sound = crc.value() == u32::from_le_bytes(at(block, CRC))
            && u64::from_le_bytes(at(block, 24)) == lies_at;
        let header = Self {
            entries: u64::from_le_bytes(at(block, 72)),
            count: u32::from_le_bytes(at(block, 80)),
            size: u32::from_le_bytes(at(block, 84)),
            crc: u32::from_le_bytes(at(block, 88)),
        };
        let size = header.size.is_power_of_two() && (128..=4096).contains(&header.size);
        let bytes = header.count.checked_mul(header.size).filter(|bytes| *bytes <= MOST);
        let there = header.entries > 0 && header.entries < blocks;
        (sound && size && there && bytes.is_some_and(|bytes| bytes > 0)).then_some(header)
    }

    /// Bytes of all entries.
    pub fn bytes(&self) -> u32 {
        self.count.saturating_mul(self.size)
    }
}

/// The first and the last block of an entry; `None` where it is not in use.
pub fn entry(bytes: &[u8]) -> Option<(u64, u64)> {
    let used = at::<16>(bytes, 0) != [0; 16];
    let (first, last) = (u64::from_le_bytes(at(bytes, 32)), u64::from_le_bytes(at(bytes, 40)));
    (used && first <= last).then_some((first, last))
}
