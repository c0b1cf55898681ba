//! What lies on the disk: structures in little-endian bytes, as ext2 defines them.
//!
//! Nothing here keeps state or decides; offsets are from the start of the structure.

mod bytes;
mod dirent;
mod group;
mod inode;
mod superblock;

pub(crate) use bytes::{get16, get32, put, put16, put32};
pub(crate) use dirent::{Entries, entry_size, put_entry};
pub(crate) use group::Group;
pub(crate) use inode::{Inode, flags, mode};
pub(crate) use superblock::{Layout, RO_COMPAT_LARGE_FILE, field, state};
pub use superblock::{ReadOnly, Refusal};
