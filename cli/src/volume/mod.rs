//! File systems on disks, as images on the host: ext2 from a directory or a tar, made by
//! e2fsprogs' own programs without root's rights.
//!
//! What is to be on it is an `Entries`, read from either; [`make()`] has it written by `mke2fs`
//! and `debugfs`. The same entries give the same bytes.

mod archive;
mod entries;
mod error;
mod folder;
mod make;
mod plant;
mod room;
mod script;
#[cfg(test)]
mod tests;
pub mod tools;

pub use archive::read as archive;
pub use error::VolumeError;
pub use folder::read as folder;
pub use make::{Wanted, make};
pub use plant::plant;
