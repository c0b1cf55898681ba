//! What must be on the disk before what (DESIGN part 8), so that `e2fsck -p` mends whatever a
//! power cut leaves.
//!
//! What is ordered is a [`Target`]: a block, or one inode's place in a block of the inode
//! table. That inodes are ordered one by one is what keeps ordinary work free of circles: a
//! block of the table can always be written, for inodes in it that have to wait are written as
//! they were before ([`Slot`]). All else waits as a whole block.
//!
//! `e2fsck -p` mends wrong counts and bitmaps, entries that name unused inodes, sizes, and
//! inodes without links that are not marked deleted. It gives up on inodes in use that no
//! entry names, on directories with two names or none, on pointers to what is no block of
//! pointers, on blocks that two inodes have, on entries that say a wrong kind. So:
//!
//! 1. A new inode is written as unused until an entry that names it can be found: the entry's
//!    block, what leads to that block, and the directory are on the disk.
//! 2. A new block of pointers or entries is written before what points to it.
//! 3. The last entry of an inode is removed after the inode has been written without links;
//!    another entry, after those that were added since are on the disk.
//! 4. A directory is written as deleted after all that its blocks wait for.
//! 5. What is freed is not given out again until what named it is off the disk.

mod entries;
mod ghosts;
mod needs;
mod rounds;
mod settle;
mod slots;
mod wants;
mod writer;

pub(crate) use ghosts::{Ghost, Ghosts};
pub(crate) use needs::{Need, Target, add, merge};
pub(crate) use rounds::Rounds;
pub(crate) use slots::{Old, PRICE, Slots};
pub(crate) use writer::Writer;
pub use writer::{Next, Write};
