//! The superblock: what a file system says of itself, and whether we can serve it.

use super::bytes::{get16, get32};
use crate::numbers::{Block, Ino};
use vortex_abi::Errno;

/// Where fields lie that are written.
pub(crate) mod field {
    pub const FREE_BLOCKS: usize = 12;
    pub const FREE_INODES: usize = 16;
    pub const MOUNT_TIME: usize = 44;
    pub const WRITE_TIME: usize = 48;
    pub const MOUNT_COUNT: usize = 52;
    pub const STATE: usize = 58;
    pub const RO_COMPAT: usize = 100;
}

/// The bits of the state.
pub(crate) mod state {
    /// It was unmounted in order.
    pub const VALID: u16 = 1;
    /// Errors have been found.
    pub const ERRORS: u16 = 2;
}

const MAGIC: u16 = 0xef53;
/// Entries of directories say of what kind they are.
const INCOMPAT_FILETYPE: u32 = 2;
const RO_COMPAT_SPARSE_SUPER: u32 = 1;
/// Files beyond 2 GiB.
pub(crate) const RO_COMPAT_LARGE_FILE: u32 = 2;
/// What is written by groups is looked through in one run: 32,768 groups of 4 KiB blocks are
/// 4 TiB.
const MOST_GROUPS: u32 = 32_768;

/// Why a file system is not served at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    NotExt2,
    /// It has features that a reader has to know; their bits.
    Features(u32),
    /// A revision that is not known.
    Revision(u32),
    /// The superblock contradicts itself; which field.
    Damaged(&'static str),
    /// More than can be served; of what.
    TooLarge(&'static str),
}

impl Refusal {
    /// As a program sees it.
    #[must_use]
    pub const fn errno(self) -> Errno {
        match self {
            Self::NotExt2 | Self::Features(_) | Self::Revision(_) => Errno::EINVAL,
            Self::Damaged(_) => Errno::EUCLEAN,
            Self::TooLarge(_) => Errno::EFBIG,
        }
    }
}

/// Why a file system is not written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// It was asked for.
    Asked,
    /// It has features that a writer has to know; their bits.
    Features(u32),
    /// It was not unmounted in order, or has errors: `e2fsck` has to look at it first.
    NotClean,
}

/// What does not change while it is mounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Bytes of a block: 1,024 shifted by 0, 1 or 2.
    pub block_size: u32,
    /// The same as a power of two.
    pub block_bits: u32,
    pub blocks: u32,
    pub inodes: u32,
    pub reserved: u32,
    pub first_data: Block,
    pub blocks_per_group: u32,
    pub inodes_per_group: u32,
    pub inode_size: u32,
    pub first_ino: Ino,
    pub groups: u32,
    /// Entries of directories say of what kind they are.
    pub filetype: bool,
    pub revision: u32,
    pub ro_compat: u32,
    /// Who beside the superuser may use what is reserved.
    pub reserved_uid: u16,
    pub reserved_gid: u16,
    /// Bytes beyond 128 that new inodes use.
    pub extra: u16,
    pub reserved_descriptors: u32,
    pub state: u16,
}

impl Layout {
    /// Reads and checks it: the 1,024 bytes at byte 1,024 of a volume of so many bytes.
    pub fn read(bytes: &[u8], volume: u64) -> Result<Self, Refusal> {
        if bytes.len() < 1024 || get16(bytes, 56) != MAGIC {
            return Err(Refusal::NotExt2);
        }
        let revision = get32(bytes, 76);
        if revision > 1 {
            return Err(Refusal::Revision(revision));
        }
        let feature = |at| if revision == 0 { 0 } else { get32(bytes, at) };
        let incompat = feature(96);
        if incompat & !INCOMPAT_FILETYPE != 0 {
            return Err(Refusal::Features(incompat & !INCOMPAT_FILETYPE));
        }
        let log = get32(bytes, 24);
        if log > 2 {
            return Err(Refusal::Damaged("block size"));
        }
        let block_bits = log.wrapping_add(10);
        let block_size = 1024_u32.wrapping_shl(log);
        let inode_size = if revision == 0 { 128 } else { u32::from(get16(bytes, 88)) };
        let first_ino = if revision == 0 { 11 } else { get32(bytes, 84) };
        let layout = Self {
            block_size,
            block_bits,
            blocks: get32(bytes, 4),
            inodes: get32(bytes, 0),
            reserved: get32(bytes, 8),
            first_data: Block(get32(bytes, 20)),
            blocks_per_group: get32(bytes, 32),
            inodes_per_group: get32(bytes, 40),
            inode_size,
            first_ino: Ino(first_ino),
            groups: 0,
            filetype: incompat & INCOMPAT_FILETYPE != 0,
            revision,
            ro_compat: feature(100),
            reserved_uid: get16(bytes, 80),
            reserved_gid: get16(bytes, 82),
            extra: if inode_size > 128 { get16(bytes, 350) } else { 0 },
            reserved_descriptors: u32::from(get16(bytes, 206)),
            state: get16(bytes, 58),
        };
        layout.checked(volume)
    }

    fn checked(mut self, volume: u64) -> Result<Self, Refusal> {
        let bits = self.block_size.saturating_mul(8);
        let wrong = Refusal::Damaged;
        if !self.inode_size.is_power_of_two() || !(128..=self.block_size).contains(&self.inode_size)
        {
            return Err(wrong("inode size"));
        }
        if self.first_data.0 != u32::from(self.block_size == 1024) {
            return Err(wrong("first data block"));
        }
        if !(8..=bits).contains(&self.blocks_per_group) || !self.blocks_per_group.is_multiple_of(8)
        {
            return Err(wrong("blocks per group"));
        }
        if !(8..=bits).contains(&self.inodes_per_group) || !self.inodes_per_group.is_multiple_of(8)
        {
            return Err(wrong("inodes per group"));
        }
        if self.blocks <= self.first_data.0.saturating_add(4) {
            return Err(wrong("number of blocks"));
        }
        if u64::from(self.blocks).saturating_mul(u64::from(self.block_size)) > volume {
            return Err(wrong("number of blocks: the volume is smaller"));
        }
        let data = self.blocks.saturating_sub(self.first_data.0);
        self.groups = data.div_ceil(self.blocks_per_group.max(1));
        if self.groups > MOST_GROUPS {
            return Err(Refusal::TooLarge("groups"));
        }
        if u64::from(self.inodes)
            != u64::from(self.groups).saturating_mul(u64::from(self.inodes_per_group))
        {
            return Err(wrong("number of inodes"));
        }
        if !(11..=self.inodes).contains(&self.first_ino.0) {
            return Err(wrong("first inode"));
        }
        if self.reserved > self.blocks {
            return Err(wrong("reserved blocks"));
        }
        if self.extra > 0 {
            let room = u16::try_from(self.inode_size.saturating_sub(128)).unwrap_or(0);
            if self.extra > room || !self.extra.is_multiple_of(4) {
                self.extra = 0;
            }
        }
        Ok(self)
    }

    /// Features that a writer has to know, and we do not.
    pub const fn unknown_to_writers(&self) -> u32 {
        self.ro_compat & !(RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE)
    }

    /// Where the superblock is: the block, and the bytes before it there.
    pub const fn superblock(&self) -> (Block, usize) {
        if self.block_size == 1024 { (Block(1), 0) } else { (Block(0), 1024) }
    }

    /// The block size as a length.
    pub const fn size(&self) -> usize {
        self.block_size as usize
    }

    /// Pointers in a block.
    pub const fn pointers(&self) -> u32 {
        self.block_size / 4
    }

    /// The first block of the descriptors.
    pub const fn descriptors(&self) -> Block {
        Block(self.first_data.0.saturating_add(1))
    }

    /// Descriptors in a block.
    pub const fn descriptors_per_block(&self) -> u32 {
        self.block_size / 32
    }

    /// Blocks of descriptors.
    pub const fn descriptor_blocks(&self) -> u32 {
        self.groups.div_ceil(self.descriptors_per_block())
    }

    /// Inodes in a block.
    pub const fn inodes_per_block(&self) -> u32 {
        match self.block_size.checked_div(self.inode_size) {
            Some(count) => count,
            None => 1,
        }
    }

    /// Blocks of a group's inode table.
    pub const fn table_blocks(&self) -> u32 {
        self.inodes_per_group.div_ceil(self.inodes_per_block())
    }

    /// The first block of a group.
    pub const fn group_start(&self, group: u32) -> Block {
        Block(self.first_data.0.saturating_add(group.saturating_mul(self.blocks_per_group)))
    }

    /// Blocks of a group: the last one may have fewer.
    pub fn group_blocks(&self, group: u32) -> u32 {
        self.blocks.saturating_sub(self.group_start(group).0).min(self.blocks_per_group)
    }

    /// The group of a block, and its place there.
    pub fn group_of(&self, block: Block) -> (u32, u32) {
        let at = block.0.saturating_sub(self.first_data.0);
        let per = self.blocks_per_group.max(1);
        (at.checked_div(per).unwrap_or(0), at.checked_rem(per).unwrap_or(0))
    }

    /// The group of an inode, and its place there.
    pub fn inode_group(&self, ino: Ino) -> (u32, u32) {
        let at = ino.0.saturating_sub(1);
        let per = self.inodes_per_group.max(1);
        (at.checked_div(per).unwrap_or(0), at.checked_rem(per).unwrap_or(0))
    }

    /// Whether a group begins with a copy of the superblock and the descriptors.
    pub fn has_copy(&self, group: u32) -> bool {
        if self.ro_compat & RO_COMPAT_SPARSE_SUPER == 0 || group <= 1 {
            return true;
        }
        [3, 5, 7].into_iter().any(|base: u32| {
            let mut power = base;
            while power < group {
                power = power.saturating_mul(base);
            }
            power == group
        })
    }
}
