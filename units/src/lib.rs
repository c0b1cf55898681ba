//! The quantities of Vortex as types, so that no bare integer crosses a module's border.
//!
//! A cycle is not a nanosecond and a core is not an activity: every public interface of
//! the kernel names its unit here. The types are plain wrappers, free at run time; they
//! offer the few operations that make sense for their unit and no others.
//!
//! Sums saturate in none of them: the ledger depends on exact integers, so arithmetic that
//! could wrap is offered only as `checked_*` or `saturating_*` by name.
#![no_std]

mod amounts;
mod names;
mod share;

pub use amounts::{Bytes, Cycles, Frames, Micros, Nanos, Rate, Requests};
pub use names::{ActivityId, CoreId, InstanceId};
pub use share::{Share, ShareError};

#[cfg(test)]
mod tests;
