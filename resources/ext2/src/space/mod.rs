//! What is free: blocks and inodes, by group, and what has been freed but may still be named
//! on the disk.

mod bitmap;
mod blocks;
mod groups;
mod held;
mod inodes;
mod quarantine;

pub(crate) use groups::{Delta, Groups};
pub(crate) use quarantine::{Quarantine, price};
