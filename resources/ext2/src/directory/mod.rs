//! Directories: entries in blocks, and an index in memory of those that are large.

mod block;
mod find;
mod index;
mod lay;
mod list;

pub(crate) use find::Found;
pub(crate) use index::{Indexes, Note};
pub use list::{Listed, Listing};
