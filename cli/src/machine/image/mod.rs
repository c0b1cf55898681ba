//! The root file system that a machine starts with: a tree of files, written as an archive
//! that the kernel is given as its module.

mod archive;
mod error;
mod host;
mod needs;
mod path;
mod programs;
mod tree;

pub use archive::{table, temporary, write};
pub use error::ImageError;
pub use host::take;
pub use path::GuestPath;
pub use programs::Programs;
pub use tree::{Content, Node, Tree};
