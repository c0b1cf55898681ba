//! Volumes: whole disks, and their partitions.

use alloc::string::String;
use core::fmt;

use crate::address::Address;

/// A volume: a disk, or a partition of it. Ordered, and named, as Linux does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId {
    disk: u8,
    partition: u8,
}

impl VolumeId {
    /// How many disks there can be: one a letter.
    pub const DISKS: u8 = 26;
    /// And partitions of each, as Linux's minor numbers have room for.
    pub const PARTITIONS: u8 = 15;
    /// Linux's major number of SCSI disks.
    pub const MAJOR: u32 = 8;

    /// A whole disk; `None` where there can be none.
    #[must_use]
    pub const fn disk(disk: u8) -> Option<Self> {
        if disk < Self::DISKS { Some(Self { disk, partition: 0 }) } else { None }
    }

    /// A partition of the same disk, from 1; `None` where there can be none.
    #[must_use]
    pub const fn part(self, partition: u8) -> Option<Self> {
        if partition <= Self::PARTITIONS { Some(Self { partition, ..self }) } else { None }
    }

    /// The volume with Linux's minor number: sixteen a disk. Only the first 16 disks have the
    /// first major number.
    #[must_use]
    pub fn of_minor(minor: u32) -> Option<Self> {
        let disk = u8::try_from(minor / 16).ok().and_then(Self::disk)?;
        disk.part(u8::try_from(minor % 16).ok()?)
    }

    /// Linux's minor number.
    #[must_use]
    pub fn minor(self) -> u32 {
        u32::from(self.disk).saturating_mul(16).saturating_add(u32::from(self.partition))
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = char::from(b'a'.saturating_add(self.disk));
        match self.partition {
            0 => write!(f, "sd{letter}"),
            partition => write!(f, "sd{letter}{partition}"),
        }
    }
}

/// What is known of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The disk.
    pub address: Address,
    /// Bytes of a block.
    pub block_size: u32,
    /// Its first block on the disk.
    pub first: u64,
    /// How many blocks.
    pub blocks: u64,
    /// For people.
    pub name: String,
}

impl Volume {
    /// Whether a block is of both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.address == other.address
            && self.first < other.first.saturating_add(other.blocks)
            && other.first < self.first.saturating_add(self.blocks)
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.saturating_mul(u64::from(self.block_size))
    }
}
