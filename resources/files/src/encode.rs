//! The bytes of Linux's structures, as its own header lays them out.
//!
//! Offsets and field sizes come from `linux-raw-sys`; the bytes are put there one field
//! after the other, because a structure cannot be looked at as bytes without `unsafe`.

use core::mem::offset_of;
use linux_raw_sys::general as abi;

use crate::page::PAGE;
use crate::stat::{Attributes, FileSystem};
use crate::{Dev, Time};

/// The size of `struct stat`.
pub const STAT_SIZE: usize = size_of::<abi::stat>();
/// The size of `struct statx`.
pub const STATX_SIZE: usize = size_of::<abi::statx>();
/// The size of `struct statfs`.
pub const STATFS_SIZE: usize = size_of::<abi::statfs64>();
/// The size of `struct linux_dirent64` before the name.
pub(crate) const DIRENT_NAME: usize = offset_of!(abi::linux_dirent64, d_name);

/// Puts a field's bytes at its offset. The value is cast to the field's own type, so that
/// its size is the structure's.
macro_rules! fields {
    ($bytes:ident, $structure:ident { $($field:ident: $kind:ty = $value:expr,)* }) => {
        $(
            // The type named must be the field's.
            const _: fn(&abi::$structure) -> $kind = |s| s.$field;
            put(&mut $bytes, offset_of!(abi::$structure, $field), &($value as $kind).to_le_bytes());
        )*
    };
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(value.len())) {
        place.copy_from_slice(value);
    }
}

fn put_time(bytes: &mut [u8], at: usize, time: Time) {
    put(
        bytes,
        at.saturating_add(offset_of!(abi::statx_timestamp, tv_sec)),
        &time.seconds.to_le_bytes(),
    );
    put(
        bytes,
        at.saturating_add(offset_of!(abi::statx_timestamp, tv_nsec)),
        &time.nanos.to_le_bytes(),
    );
}

impl Attributes {
    /// As `struct stat`.
    #[must_use]
    pub fn stat_bytes(&self) -> [u8; STAT_SIZE] {
        let mut bytes = [0; STAT_SIZE];
        fields!(
            bytes,
            stat {
                st_dev: u64 = self.file_system.encoded(),
                st_ino: u64 = self.number,
                st_nlink: u64 = self.links,
                st_mode: u32 = self.mode,
                st_uid: u32 = self.user,
                st_gid: u32 = self.group,
                st_rdev: u64 = self.device.encoded(),
                st_size: i64 = self.size,
                st_blksize: i64 = PAGE,
                st_blocks: i64 = self.blocks,
                st_atime: u64 = self.accessed.seconds,
                st_atime_nsec: u64 = self.accessed.nanos,
                st_mtime: u64 = self.modified.seconds,
                st_mtime_nsec: u64 = self.modified.nanos,
                st_ctime: u64 = self.changed.seconds,
                st_ctime_nsec: u64 = self.changed.nanos,
            }
        );
        bytes
    }

    /// As `struct statx`: the basic fields and the time of birth, whatever was asked for.
    #[must_use]
    pub fn statx_bytes(&self) -> [u8; STATX_SIZE] {
        let mut bytes = [0; STATX_SIZE];
        let Dev { major, minor } = self.file_system;
        fields!(
            bytes,
            statx {
                stx_mask: u32 = abi::STATX_BASIC_STATS | abi::STATX_BTIME,
                stx_blksize: u32 = PAGE,
                stx_nlink: u32 = self.links,
                stx_uid: u32 = self.user,
                stx_gid: u32 = self.group,
                stx_mode: u16 = self.mode,
                stx_ino: u64 = self.number,
                stx_size: u64 = self.size,
                stx_blocks: u64 = self.blocks,
                stx_rdev_major: u32 = self.device.major,
                stx_rdev_minor: u32 = self.device.minor,
                stx_dev_major: u32 = major,
                stx_dev_minor: u32 = minor,
            }
        );
        put_time(&mut bytes, offset_of!(abi::statx, stx_atime), self.accessed);
        put_time(&mut bytes, offset_of!(abi::statx, stx_btime), self.born);
        put_time(&mut bytes, offset_of!(abi::statx, stx_ctime), self.changed);
        put_time(&mut bytes, offset_of!(abi::statx, stx_mtime), self.modified);
        bytes
    }
}

impl FileSystem {
    /// As `struct statfs` of x86-64.
    #[must_use]
    pub fn bytes(&self) -> [u8; STATFS_SIZE] {
        let mut bytes = [0; STATFS_SIZE];
        fields!(
            bytes,
            statfs64 {
                f_type: i64 = self.magic,
                f_bsize: i64 = self.block,
                f_blocks: u64 = self.blocks,
                f_bfree: u64 = self.free,
                f_bavail: u64 = self.available,
                f_files: u64 = self.files,
                f_ffree: u64 = self.free_files,
                f_namelen: i64 = self.longest_name,
                f_frsize: i64 = self.block,
            }
        );
        bytes
    }
}

/// The fixed part of a `struct linux_dirent64` for an entry whose record is `length` long.
pub(crate) fn dirent(number: u64, next: u64, length: usize, kind: u8) -> [u8; DIRENT_NAME] {
    let mut bytes = [0; DIRENT_NAME];
    fields!(
        bytes,
        linux_dirent64 {
            d_ino: u64 = number,
            d_off: i64 = next,
            d_reclen: u16 = length,
            d_type: u8 = kind,
        }
    );
    bytes
}
