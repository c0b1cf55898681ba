//! Where a file's blocks are: finding, making and freeing them.

mod allocate;
mod cut;
mod map;
mod path;
mod reap;

pub use map::Run;
pub(crate) use reap::{Reap, Reaps};
