//! Containers of requests: heap nodes that move between queues and cores without being
//! copied or allocated anew.
//!
//! A request lives in one heap node from its sending to its last reply. A [`Parcel`] owns
//! the node; a [`Fifo`] links parcels into a queue of one core; an [`Inbox`] takes parcels
//! from all cores without a lock and is never full, because the link is in the node.
//! Moving a request between any two of them writes a few pointers.
//!
//! This is the one crate outside `machine/` that uses `unsafe`, and only to tell the
//! intrusive containers of `cordyceps` (tested there under loom and Miri) where a node has
//! its links.
//!
//! # Invariants
//! - A node is owned by exactly one of: a [`Parcel`], a [`Fifo`], an [`Inbox`].
//! - A node's links are touched only by the container that owns it.
#![no_std]

extern crate alloc;

mod fifo;
mod inbox;
mod node;

pub use fifo::Fifo;
pub use inbox::Inbox;
pub use node::Parcel;

#[cfg(all(test, not(loom)))]
mod tests;
