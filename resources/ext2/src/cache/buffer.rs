//! A block of metadata.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::caller::Payer;
use crate::numbers::{Block, Ino};
use crate::order::Need;
use vortex_abi::Errno;

/// What a block is. A block that is read in one role and found in another is damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Fetched, and not looked at yet.
    Unknown,
    Superblock,
    Descriptors,
    BlockBitmap,
    InodeBitmap,
    /// Of an inode table.
    Inodes,
    /// Pointers to blocks of this inode.
    Pointers(Ino),
    /// Entries of this directory.
    Entries(Ino),
    /// The target of this symbolic link.
    Target(Ino),
    /// Extended attributes, of any number of inodes.
    Attributes,
}

impl Role {
    /// The inode that it belongs to alone.
    pub const fn owner(self) -> Option<Ino> {
        match self {
            Self::Pointers(ino) | Self::Entries(ino) | Self::Target(ino) => Some(ino),
            _ => None,
        }
    }

    /// Never given up while the file system is mounted.
    pub const fn stays(self) -> bool {
        matches!(self, Self::Superblock | Self::Descriptors)
    }
}

/// A block of metadata in memory.
pub(crate) struct Buffer {
    pub block: Block,
    pub role: Role,
    /// None when the block has been freed and only what hangs on it is left.
    pub bytes: Option<Box<[u8]>>,
    pub payer: Payer,
    /// The operation that changed it last.
    pub version: u64,
    /// The version that has been given out to be written.
    pub issued: u64,
    /// The version that will be there after a power cut.
    pub stable: u64,
    /// It is being written.
    pub in_flight: bool,
    /// Inodes in it are not on the disk as they are here.
    pub pending: bool,
    /// It stands in a line of those to be written.
    pub queued: bool,
    /// It is wanted on the disk soon.
    pub urgent: bool,
    /// What must be on the disk before it is written.
    pub needs: Vec<Need>,
    /// Where the first pointer to it is, while that may not be on the disk.
    pub anchor: Option<Need>,
    /// It has been freed: what hung on it hangs on this.
    pub gone: Option<Need>,
    /// Neighbours in the line of clean blocks.
    pub(super) before: u32,
    pub(super) after: u32,
    pub(super) listed: bool,
    /// On whose count of what is not written yet it is.
    pub(super) counted: Option<Payer>,
    /// Since which round it has waited to be written, at the longest.
    pub(super) round: Option<u64>,
}

impl Buffer {
    pub fn new(block: Block, role: Role, bytes: Box<[u8]>, payer: Payer) -> Self {
        Self {
            block,
            role,
            bytes: Some(bytes),
            payer,
            version: 0,
            issued: 0,
            stable: 0,
            in_flight: false,
            pending: false,
            queued: false,
            urgent: false,
            needs: Vec::new(),
            anchor: None,
            gone: None,
            before: u32::MAX,
            after: u32::MAX,
            listed: false,
            counted: None,
            round: None,
        }
    }

    /// What is on the disk is what is here.
    pub const fn is_clean(&self) -> bool {
        self.version == self.stable
            && !self.in_flight
            && !self.pending
            && self.gone.is_none()
            && self.anchor.is_none()
    }

    /// What is here has to come to be on the disk. What waits beside that is told of elsewhere.
    pub const fn is_changed(&self) -> bool {
        self.bytes.is_some() && self.version != self.stable
    }

    /// On whose count it belongs, as it is now: it has to stay until it is written.
    pub const fn counts(&self) -> Option<Payer> {
        match self.bytes {
            Some(_) if !self.is_clean() && !self.role.stays() => Some(self.payer),
            _ => None,
        }
    }
}

/// A copy of bytes; `ENOMEM` if there is no memory.
pub(crate) fn copy_of(bytes: &[u8]) -> Result<Box<[u8]>, Errno> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(bytes);
    Ok(copy.into_boxed_slice())
}
