//! The split virtqueue (virtio 1.2, section 2.7), without hardware: what a driver writes for
//! its device, and what it believes of what the device writes.
//!
//! The device is not trusted: its used ring may say anything. It gets no more said by it than
//! that the queue is [`Broken`].
//!
//! # Invariants
//! - A chain's payload, which owns the memory that the device was told of, stays here until the
//!   device has said that it is done with it, or has been stopped ([`SplitQueue::take_all`]).
//! - Nothing is read back of what the driver wrote: the device could have changed it.
//! - Memory that is shared with the device is reached by [`Shared`] alone, a word at a time.
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

pub mod pci;
mod queue;

pub use queue::{Broken, Done, MOST_SEGMENTS, PAGE, Refused, Segment, Shared, SplitQueue, pages};

#[cfg(test)]
mod tests;
