//! Files: the root file system in memory, pipes, and the descriptors of processes.
//!
//! This is the logic behind Linux's file system calls, without the grid and without
//! hardware: a file resource owns a [`Root`], its processes own a [`Table`] and a [`Place`]
//! each, and every call is a function of these, of the time and of who pays. It decides
//! what Linux decides, with Linux's errors; where it differs its documentation says so.
//!
//! Invariants, kept in every call:
//!
//! - **All state is the owner's.** There is no lock and no shared memory: the resource that
//!   owns the [`Root`] is at home on one core.
//! - **Nothing waits.** What would wait says for what ([`Outcome::WouldBlock`]), what lets
//!   others go on says whom ([`Effects`]).
//! - **Work is bounded.** A call moves at most [`WINDOW`] bytes, follows at most 40 links,
//!   and frees large files in slices ([`Root::reap`]).
//! - **Everything is charged**: pages, objects, names and open files, to an [`Owner`], and
//!   credited to the same one when they are gone.
//! - **User memory is no slice**: bytes move through [`Sink`] and [`Source`].
//! - **No input panics.** The lints below forbid the operations that could.
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

mod accounts;
mod caller;
mod change;
mod contents;
pub mod cpio;
mod description;
mod dev;
mod directory;
mod disk;
mod encode;
mod epoll;
mod event;
mod exec;
mod extended;
mod extent;
mod fcntl;
mod inode;
mod io;
mod list;
mod load;
mod lock;
mod locking;
mod mounted;
mod moving;
mod names;
mod node;
mod open;
mod overlay;
mod page;
mod pipe;
mod place;
mod poll;
mod proc;
mod rename;
mod root;
mod sealed;
mod slab;
mod socket;
mod stat;
mod table;
mod time;
mod timer;
mod wait;
mod walk;
mod walks;

pub use accounts::{Bill, Counted, Kept, Owner};
pub use caller::Caller;
pub use contents::Sought;
pub use description::{Description, Object, OpenId};
pub use dev::Dev;
pub use encode::{STAT_SIZE, STATFS_SIZE, STATX_SIZE};
pub use epoll::{Collected, DEVICES, Look, Outside, SIGNALS, Watched};
pub use extended::Extended;
pub use inode::{Inode, InodeId};
pub use io::Random;
pub use load::LoadError;
pub use lock::LockOwner;
pub use locking::{FLOCK, Locked};
pub use mounted::{
    Ask, Cached, Change, Create, Follows, FsId, Known, Link, Listed, MapWatch, MappedFile, OnDisk,
    Rename, Then, Told, Unlink,
};
pub use moving::{Collect, Sink, Source, WINDOW};
pub use node::{At, Fd, Node};
pub use open::Opened;
pub use overlay::{Over, Overlay, Shown, Versions};
pub use page::{PAGE, Page};
pub use place::{Climb, Place};
pub use poll::Polled;
pub use proc::{NoProc, ProcEntry, ProcKind, ProcLink, ProcName, ProcSource, ProcText};
pub use root::{ENTRY_COST, NODE_COST, OPEN_COST, Root};
pub use slab::Key;
pub use socket::{Accepted, Credentials, Got, OPTION_MOST, Received, Receiving, Sending};
pub use stat::{Attributes, FileSystem};
pub use table::{Table, USUAL_LIMIT};
pub use time::{Stamp, Time};
pub use timer::Setting;
pub use vortex_abi::Errno;
pub use wait::{Arm, Effects, Outcome, Side, WaitKey};
pub use walks::Walks;

#[cfg(test)]
mod tests;
