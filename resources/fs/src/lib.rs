//! Files on disks (§3.3.1, §4.5, Table 2): what is above storage.
//!
//! ```text
//!  file calls ──► FCR ──► EXT2R ──► storage
//!       └────────────────► EXT2R
//! ```
//!
//! - [`FileCache`] (FCR): the pages of files, in frames of the machine. What is there, file
//!   calls copy from a [`CachedFile`] without a request.
//! - [`Ext2`] (EXT2R): names, inodes and maps of blocks: the resource around a file system's
//!   logic ([`Logic`]), which knows no grid.
//!
//! Both are written against any message type that carries their requests ([`Mail`]) and any
//! memory ([`PageFrame`]), as what is beneath them is. What the kernel has to provide is said at
//! [`Wiring`].
//!
//! # Invariants
//! - Bytes go between the disk and a page once for all who want them at the same time, on the
//!   bill of one of them.
//! - What was written goes to the disk on the bill of who wrote it.
//! - A file's inode says nothing of data that is not on the disk: sizes follow data.
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod cache;
mod ext2r;
mod fcr;
mod names;
mod requests;
mod shown;
mod wiring;

pub use cache::{
    Bills, CachedFile, Fetched, Files, Frames, PAGE, PageFrame, PageName, Reading, Tray,
};
pub use ext2r::{Ext2, Logic, Mounting, Next, Owes, Owing, Stop, Who, Write, Writing};
pub use fcr::{FETCH, FETCH_BYTES, FETCH_TIME, FileCache};
pub use names::{FileId, MountId, Time, Times};
pub use requests::{
    Answer, CacheReply, CacheRequest, Caller, Changes, Entries, Entry, Ext2Reply, Ext2Request,
    Mail, New, Object, Operating, Operation, Replace, Run, Served, Usage,
};
pub use shown::{Showing, Shown};
pub use wiring::{Mounted, Ports, Wiring};

#[cfg(test)]
mod tests;
