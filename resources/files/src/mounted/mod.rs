//! File systems on disks, mounted in the tree.
//!
//! What is on a disk is not known until it was asked for. A call that needs some of it, or
//! changes it, leaves an [`Ask`] with its [`crate::Walks`] and fails with an error that means
//! nothing. Its caller has the question answered, by the resources below, tells the tree
//! ([`Root::told`]), and does what that says: the call is made again, or has ended.
//!
//! Invariants:
//!
//! - **What is in the tree of a disk is a copy**: names that were looked up, objects with their
//!   attributes. The file system below decides what is there, and whether a change is made;
//!   only then is the copy changed. What nobody holds can be forgotten at any time.
//! - **A change is alone**: while one is under way, no other is asked for at the same
//!   directories and objects ([`Root::change`]), and what was looked up there before is not
//!   believed. So the copy changes in the order in which the disk does.
//! - **What is asked about is held** until the answer is told.

mod apply;
mod ask;
mod cached;
mod changes;
mod follows;
mod forget;
mod line;
mod listing;
mod lookup;
mod mapped;
mod mount;
mod top;
mod transfer;

pub use ask::{Ask, Change, Create, Known, Link, Listed, OnDisk, Rename, Then, Told, Unlink};
pub use cached::Cached;
pub use follows::Follows;
pub use mapped::{MapWatch, MappedFile};
pub use mount::FsId;

pub(crate) use forget::{Copies, Named};
pub(crate) use lookup::Names;
pub(crate) use mapped::{Ending, MappedFiles};
pub(crate) use mount::Mounts;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use crate::Root;

/// What is kept of an object that is on a disk.
pub(crate) struct State {
    /// Which.
    pub at: OnDisk,
    /// Names of it that are in the tree.
    pub names: u32,
    /// A change of it is under way.
    pub busy: bool,
    /// Blocks of 512 bytes, when it was asked last.
    pub blocks: u64,
    /// Whether that may have changed since.
    pub grown: bool,
    /// How often its contents were changed.
    pub writes: u64,
    /// Bytes of a directory.
    pub size: u64,
    /// Its time of access is newer than the disk's.
    pub read: bool,
    /// It was looked at since the last that would have forgotten it.
    pub used: Cell<bool>,
    /// Names of it that are not to be forgotten as long as somebody holds it, or names in it are
    /// known.
    pub aside: Vec<Named>,
}

impl State {
    pub fn new(at: OnDisk, known: &Known) -> Box<Self> {
        Box::new(Self {
            at,
            names: 0,
            busy: false,
            blocks: known.blocks,
            grown: false,
            writes: 0,
            size: known.size,
            read: false,
            // Who has asked for it comes back to use it.
            used: Cell::new(true),
            aside: Vec::new(),
        })
    }
}

impl Root {
    /// Whether anything of a disk is mounted.
    #[must_use]
    pub fn has_mounts(&self) -> bool {
        !self.mounts.is_empty()
    }
}
