//! Address spaces: frames, the page tables that name them, and what changes those.
//!
//! It knows the tables' form, and no machine: where physical memory lies, who gives frames
//! out and which cores there are, a [`Physical`] says. On the bare machine that is all of
//! memory, mapped in one place; the tests' is an arena of the host's, with cores that they
//! play themselves, so that every walk and every bit can be set beside a model.
//!
//! # Invariants
//! - The number of a frame's handles is that of the handles and of the page-table entries
//!   that name it; a frame is given back when the last of them is gone.
//! - A frame is given back only when no core can reach it by what it has loaded.
#![no_std]

extern crate alloc;

mod frame;
mod huge;
mod leftover;
mod physical;
mod range;
mod space;
mod table;

pub use frame::{Frame, PAGE};
pub use huge::{HUGE_PAGE, Huge};
pub use leftover::Leftover;
pub use physical::{MAX_CORES, Physical, Use};
pub use range::Work;
pub use space::{Look, Seen, Space, Withdrawn, page_of};
pub use table::{Access, MapError, USER_END};
