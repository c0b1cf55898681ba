//! An inode's fields. What is not named here stays as it is.

use super::bytes::{get16, get32, put16, put32};
use crate::caller::Time;
use crate::numbers::Block;

/// The bits of an inode's mode.
pub(crate) mod mode {
    pub const KIND: u16 = 0o170_000;
    pub const FIFO: u16 = 0o010_000;
    pub const CHARACTER: u16 = 0o020_000;
    pub const DIRECTORY: u16 = 0o040_000;
    pub const BLOCK: u16 = 0o060_000;
    pub const FILE: u16 = 0o100_000;
    pub const SYMLINK: u16 = 0o120_000;
    pub const SOCKET: u16 = 0o140_000;
    pub const SET_GID: u16 = 0o2000;
}

/// The bits of an inode's flags.
pub(crate) mod flags {
    pub const IMMUTABLE: u32 = 0x10;
    pub const APPEND: u32 = 0x20;
    /// A directory with an index in its blocks, which we do not keep up.
    pub const INDEX: u32 = 0x1000;
    /// What a new inode has of its directory: all but what follows would be ours to do.
    /// secrm, unrm, sync, nodump, noatime, journal, notail, dirsync.
    pub const INHERITED: u32 = 0x1 | 0x2 | 0x8 | 0x40 | 0x80 | 0x4000 | 0x8000 | 0x1_0000;
    /// Of these a file that is no directory has all but dirsync.
    pub const NOT_OF_FILES: u32 = 0x1_0000;
    /// Of these, what is neither file nor directory has nodump and noatime.
    pub const OF_OTHERS: u32 = 0x40 | 0x80;
    /// Its blocks are told in another way than ext2's: extents, data in the inode, encrypted.
    pub const FOREIGN: u32 = 0x8_0000 | 0x1000_0000 | 0x800;
    /// What can be set from outside.
    pub const SETTABLE: u32 =
        0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x4000 | 0x8000 | 0x1_0000;
}

const EXTRA_EPOCH: u32 = 3;

/// An inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inode {
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub accessed: Time,
    pub changed: Time,
    pub modified: Time,
    pub deleted: u32,
    pub links: u16,
    /// In units of 512 bytes.
    pub sectors: u32,
    pub flags: u32,
    pub pointers: [u32; 15],
    pub generation: u32,
    /// The block of its extended attributes.
    pub attributes: Block,
}

impl Inode {
    /// Reads one.
    pub fn read(bytes: &[u8]) -> Self {
        let mode = get16(bytes, 0);
        let low = u64::from(get32(bytes, 4));
        let high = u64::from(get32(bytes, 108));
        let is_file = mode & mode::KIND == mode::FILE;
        let mut pointers = [0; 15];
        for (index, pointer) in pointers.iter_mut().enumerate() {
            *pointer = get32(bytes, index.wrapping_mul(4).wrapping_add(40));
        }
        Self {
            mode,
            uid: u32::from(get16(bytes, 2)) | u32::from(get16(bytes, 120)) << 16,
            gid: u32::from(get16(bytes, 24)) | u32::from(get16(bytes, 122)) << 16,
            size: if is_file { low | high << 32 } else { low },
            accessed: time(bytes, 8, 140),
            changed: time(bytes, 12, 132),
            modified: time(bytes, 16, 136),
            deleted: get32(bytes, 20),
            links: get16(bytes, 26),
            sectors: get32(bytes, 28),
            flags: get32(bytes, 32),
            pointers,
            generation: get32(bytes, 100),
            attributes: Block(get32(bytes, 104)),
        }
    }

    /// Puts it over what is there.
    pub fn write(&self, bytes: &mut [u8]) {
        put16(bytes, 0, self.mode);
        put16(bytes, 2, low(self.uid));
        put32(bytes, 4, self.size as u32);
        put_time(bytes, 8, 140, self.accessed);
        put_time(bytes, 12, 132, self.changed);
        put_time(bytes, 16, 136, self.modified);
        put32(bytes, 20, self.deleted);
        put16(bytes, 24, low(self.gid));
        put16(bytes, 26, self.links);
        put32(bytes, 28, self.sectors);
        put32(bytes, 32, self.flags);
        for (index, pointer) in self.pointers.iter().enumerate() {
            put32(bytes, index.wrapping_mul(4).wrapping_add(40), *pointer);
        }
        put32(bytes, 100, self.generation);
        put32(bytes, 104, self.attributes.0);
        if self.is(mode::FILE) {
            put32(bytes, 108, (self.size >> 32) as u32);
        }
        put16(bytes, 120, low(self.uid >> 16));
        put16(bytes, 122, low(self.gid >> 16));
    }

    /// Makes the bytes of a new one, with so many beyond 128 in use.
    pub fn begin(bytes: &mut [u8], extra: u16, now: Time) {
        bytes.fill(0);
        if extra > 0 {
            put16(bytes, 128, extra);
            put_time(bytes, 144, 148, now);
            if !has(bytes, 144) {
                put32(bytes, 144, 0);
            }
        }
    }

    /// Whether it is of this kind.
    pub const fn is(&self, kind: u16) -> bool {
        self.mode & mode::KIND == kind
    }

    /// A symbolic link whose target is where pointers would be.
    pub fn is_fast_symlink(&self, block_size: u32) -> bool {
        let attributes = if self.attributes.0 == 0 { 0 } else { block_size / 512 };
        self.is(mode::SYMLINK) && self.sectors == attributes && self.size < 60
    }

    /// Whether it has pointers to blocks.
    pub fn has_blocks(&self, block_size: u32) -> bool {
        self.is(mode::FILE)
            || self.is(mode::DIRECTORY)
            || (self.is(mode::SYMLINK) && !self.is_fast_symlink(block_size))
    }

    /// The 60 bytes of the pointers.
    pub fn inline(&self) -> [u8; 60] {
        let mut bytes = [0; 60];
        for (place, pointer) in bytes.chunks_exact_mut(4).zip(self.pointers) {
            place.copy_from_slice(&pointer.to_le_bytes());
        }
        bytes
    }

    /// Puts bytes where the pointers are; what is beyond 60 is left out.
    pub fn set_inline(&mut self, target: &[u8]) {
        let mut bytes = [0; 60];
        for (place, byte) in bytes.iter_mut().zip(target) {
            *place = *byte;
        }
        for (pointer, place) in self.pointers.iter_mut().zip(bytes.chunks_exact(4)) {
            *pointer = get32(place, 0);
        }
    }

    /// Makes it the node of this device, encoded as Linux does (12 bits major, 20 minor).
    pub fn set_device(&mut self, device: u32) {
        let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
        if major < 256 && minor < 256 {
            self.pointers[0] = major << 8 | minor;
        } else {
            self.pointers[1] = device;
        }
    }
}

const fn low(value: u32) -> u16 {
    value as u16
}

/// Whether the inode uses its bytes up to and with the four at `at`.
fn has(bytes: &[u8], at: usize) -> bool {
    let used = usize::from(get16(bytes, 128)).saturating_add(128);
    bytes.len() > 128 && at.saturating_add(4) <= used.min(bytes.len())
}

fn time(bytes: &[u8], at: usize, extra: usize) -> Time {
    let seconds = i64::from(get32(bytes, at).cast_signed());
    if !has(bytes, extra) {
        return Time { seconds, nanoseconds: 0 };
    }
    let extra = get32(bytes, extra);
    let epoch = i64::from(extra & EXTRA_EPOCH) << 32;
    Time { seconds: seconds.saturating_add(epoch), nanoseconds: (extra >> 2).min(999_999_999) }
}

fn put_time(bytes: &mut [u8], at: usize, extra: usize, time: Time) {
    let low = time.seconds as u32;
    if has(bytes, extra) {
        put32(bytes, at, low);
        let epoch = time.seconds.saturating_sub(i64::from(low.cast_signed())) >> 32;
        put32(bytes, extra, (epoch as u32 & EXTRA_EPOCH) | time.nanoseconds << 2);
    } else {
        let limit = i64::from(i32::MIN)..=i64::from(i32::MAX);
        let seconds = time.seconds.clamp(*limit.start(), *limit.end());
        put32(bytes, at, seconds as u32);
    }
}
