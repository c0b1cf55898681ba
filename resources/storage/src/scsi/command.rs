//! Commands, and the bytes that they are.

use crate::bytes::put;

/// A command descriptor block, as long as virtio's.
pub type Cdb = [u8; 32];

/// Which way a command's data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// There is none.
    No,
    /// To the disk.
    Out,
    /// From it.
    In,
}

/// What a disk is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Which units a target has, in so many bytes.
    ReportLuns(u32),
    /// What a unit is, in so many bytes.
    Inquiry(u16),
    /// How many blocks it has, by its 16-byte form.
    ReadCapacity16,
    /// The same, of disks that know no other.
    ReadCapacity10,
    /// Blocks from this one on.
    Read {
        /// The first.
        block: u64,
        /// How many.
        count: u32,
    },
    /// The same, written.
    Write {
        /// The first.
        block: u64,
        /// How many.
        count: u32,
    },
    /// All that it has taken is to be on the medium.
    Synchronize,
}

impl Command {
    /// Bytes that the 16-byte READ CAPACITY answers.
    pub const CAPACITY_16: usize = 32;
    /// And the other.
    pub const CAPACITY_10: usize = 8;

    /// Which way its data goes.
    #[must_use]
    pub fn way(self) -> Way {
        match self {
            Self::Write { .. } => Way::Out,
            Self::Synchronize => Way::No,
            _ => Way::In,
        }
    }

    /// Whether it moves blocks, all of them or none.
    #[must_use]
    pub fn moves_blocks(self) -> bool {
        matches!(self, Self::Read { .. } | Self::Write { .. })
    }

    /// Whether it is about a disk's blocks, and not about what there is.
    #[must_use]
    pub fn is_of_blocks(self) -> bool {
        self.moves_blocks() || self == Self::Synchronize
    }

    /// Where on the disk it is about, and how many blocks it moves.
    #[must_use]
    pub fn span(self) -> (u64, u32) {
        match self {
            Self::Read { block, count } | Self::Write { block, count } => (block, count),
            _ => (0, 0),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encoded(self) -> Cdb {
        let mut cdb = [0; 32];
        match self {
            Self::ReportLuns(length) => {
                put(&mut cdb, 0, [0xa0]);
                put(&mut cdb, 6, length.to_be_bytes());
            }
            Self::Inquiry(length) => {
                put(&mut cdb, 0, [0x12]);
                put(&mut cdb, 3, length.to_be_bytes());
            }
            Self::ReadCapacity16 => {
                // SERVICE ACTION IN (16) with READ CAPACITY's action.
                put(&mut cdb, 0, [0x9e, 0x10]);
                put(&mut cdb, 10, (Self::CAPACITY_16 as u32).to_be_bytes());
            }
            Self::ReadCapacity10 => put(&mut cdb, 0, [0x25]),
            Self::Read { block, count } => transfer(&mut cdb, [0x28, 0x88], block, count),
            Self::Write { block, count } => transfer(&mut cdb, [0x2a, 0x8a], block, count),
            Self::Synchronize => put(&mut cdb, 0, [0x35]),
        }
        cdb
    }
}

/// READ or WRITE: the 10-byte form where that reaches, which every disk knows.
fn transfer(cdb: &mut Cdb, [ten, sixteen]: [u8; 2], block: u64, count: u32) {
    match (u32::try_from(block), u16::try_from(count)) {
        (Ok(block), Ok(count)) => {
            put(cdb, 0, [ten]);
            put(cdb, 2, block.to_be_bytes());
            put(cdb, 7, count.to_be_bytes());
        }
        _ => {
            put(cdb, 0, [sixteen]);
            put(cdb, 2, block.to_be_bytes());
            put(cdb, 10, count.to_be_bytes());
        }
    }
}
