//! Blocks of metadata in memory: what each is, who pays for it, and what it waits for.
//!
//! # Invariants
//! - A block is here at most once, in one role; whoever asks for it in another finds damage.
//! - There are at most as many as was said at the beginning. Clean ones are given up, least
//!   recently used first; dirty ones and those being written never.
//! - Memory is charged to whoever had a block fetched or made, and credited when it goes.

mod buffer;
mod table;

pub(crate) use buffer::{Buffer, Role, copy_of};
pub(crate) use table::Cache;
