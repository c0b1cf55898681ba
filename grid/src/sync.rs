//! The atomics of what cores share: the machine's, or a model checker's.
//!
//! Under `--cfg loom` every order that the memory model allows is explored (`post/model.rs`
//! and its siblings); under `--cfg shuttle` whole cores run on threads with random
//! schedules. Otherwise these are `core`'s own.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, fence,
};

/// A place where another core may come in between, for the model checker; otherwise
/// nothing. The inbox is checked under loom by itself and hides such places from shuttle.
#[inline]
pub(crate) fn interleave() {
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}
