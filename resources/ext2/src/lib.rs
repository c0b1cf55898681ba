//! Ext2 (the paper's EXT2R, §4.5): the logic of the file system, without the grid and without
//! hardware, so that it runs in the kernel and, against images that `mke2fs` made, on the host.
//!
//! It holds metadata alone: superblock, descriptors, bitmaps, inodes, blocks of pointers,
//! directories, targets of symbolic links. What is in files is the file cache's: it asks where
//! blocks are ([`Ext2::map`]) or has them made ([`Ext2::allocate`]), and moves the bytes itself.
//!
//! # How it is driven
//! - **Every operation is a transaction.** It reads, changes copies, and puts them in place at
//!   its end. What stops it before says so ([`Stop`]), and nothing has changed: who does what
//!   the stop asks for calls again. No operation waits, and there are no locks.
//! - **Work is bounded** a call; what is large is done in slices ([`Stop::Again`]).
//! - **Writes go out by [`Ext2::next_write`]**, in an order from which `e2fsck -p` mends any
//!   power cut. [`Next::Flush`] is where the device's cache has to be flushed. What
//!   [`Ext2::sync`] has said to be there stays there.
//! - **Who may do what** is for the caller to decide, by [`Ext2::inode`]. Immutable and
//!   append-only inodes and the reserved blocks are respected here.
//!
//! # What the file cache has to know
//! - Blocks that [`Ext2::allocate`] says are new have anything in them on the disk.
//! - What lies beyond the size in a file's last block is for the file cache to clear.
//! - While a file is cut ([`Ext2::set_size`], [`Ext2::release`]) no read or write of what is cut
//!   is under way (§4.5, footnote 17); what is cached of it is dropped before.
//! - [`Ext2::sync`] speaks of metadata. The data are to be on the disk before, or may be old.
//!
//! # Invariants
//! - A damaged image costs errors: no input panics, loops, or does unbounded work.
//! - Memory is bounded, charged to who had it used, and what cannot be had is `ENOMEM`.
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
mod caller;
mod directory;
mod disk;
mod file;
mod fs;
mod numbers;
mod ops;
mod order;
mod space;
mod stop;
#[cfg(test)]
mod tests;
mod tx;

pub use caller::{Accounts, Caller, Free, Payer, Time};
pub use directory::{Listed, Listing};
pub use disk::{ReadOnly, Refusal};
pub use file::Run;
pub use fs::{Ext2, Options};
pub use numbers::{Block, FileBlock, Ino};
pub use ops::{Attributes, Changes, Kind, Mounted, New, Replace, Statistics};
pub use order::{Next, Write};
pub use stop::Stop;
