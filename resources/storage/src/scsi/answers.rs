//! What a disk says of itself.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes::at;

/// Units that are looked at of one target: no host here has more.
const UNITS: usize = 16;

/// The units in the answer to REPORT LUNS.
#[must_use]
pub fn units(bytes: &[u8]) -> Vec<u16> {
    let length = u32::from_be_bytes(at(bytes, 0)) as usize;
    let end = length.saturating_add(8).min(bytes.len());
    let list = bytes.get(8..end).unwrap_or_default();
    let unit = |entry: &[u8]| {
        let [first, second] = at(entry, 0);
        // Peripheral and flat addressing; others are of no disk here.
        match first >> 6 {
            0 if first & 0x3f == 0 => Some(u16::from(second)),
            1 => Some(u16::from_be_bytes([first & 0x3f, second])),
            _ => None,
        }
    };
    list.chunks_exact(8).filter_map(unit).take(UNITS).collect()
}

/// The answer to INQUIRY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Vendor and product, for people.
    pub name: String,
    /// Whether it is a disk, and there.
    pub is_disk: bool,
}

impl Inquiry {
    /// Bytes of the standard answer.
    pub const LENGTH: u16 = 36;

    /// What these bytes say.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let [first] = at(bytes, 0);
        let letter = |byte: &u8| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => ' ',
        };
        let text: String = at::<24>(bytes, 8).iter().map(letter).collect();
        let words: Vec<&str> = text.split_whitespace().collect();
        // A direct access block device that is connected.
        Self { name: words.join(" "), is_disk: first == 0 }
    }
}

/// The answer to READ CAPACITY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of each: a power of two, 512 to 4096.
    pub block_size: u32,
}

impl Capacity {
    /// What the 16-byte form says; `None` where no disk here can be so.
    #[must_use]
    pub fn parse16(bytes: &[u8]) -> Option<Self> {
        Self::new(u64::from_be_bytes(at(bytes, 0)), u32::from_be_bytes(at(bytes, 8)))
    }

    /// What the other form says; `None` also where it says that it does not reach.
    #[must_use]
    pub fn parse10(bytes: &[u8]) -> Option<Self> {
        let last = u32::from_be_bytes(at(bytes, 0));
        let last = (last != u32::MAX).then_some(u64::from(last))?;
        Self::new(last, u32::from_be_bytes(at(bytes, 4)))
    }

    fn new(last: u64, block_size: u32) -> Option<Self> {
        let blocks = last.checked_add(1)?;
        let sound = block_size.is_power_of_two() && (512..=4096).contains(&block_size);
        // So that bytes of it are a number too.
        blocks.checked_mul(u64::from(block_size)).filter(|bytes| *bytes <= i64::MAX as u64)?;
        sound.then_some(Self { blocks, block_size })
    }
}
