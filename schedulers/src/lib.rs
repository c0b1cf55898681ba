//! The repository of schedulers (§3.1.2): policies compiled into the kernel, chosen by name
//! at boot.
//!
//! [`make`] makes an instance from a name and its parameters; [`POLICIES`] says what each
//! is for and which knobs it reads, so that the configuration can refuse a knob that a
//! policy would ignore. [`load`] is the same for load sharing.
//!
//! A policy is one file (and its parts beneath it) that serves resources and multiplexors
//! alike. What several need stands beside them: an indexed heap, a line of
//! clients, virtual time, the table of clients and the tally of what they consumed.
//! No policy allocates outside `add_client`, and none panics on what it is told: a client
//! that it does not know is passed over.
#![no_std]

extern crate alloc;

mod common;
mod deadline;
mod fair;
mod fifo;
mod heap;
mod hierarchy;
mod limited;
mod line;
pub mod load;
mod order;
mod priority;
mod propshare;
mod repository;
mod reserve;
mod table;
mod tally;
#[cfg(test)]
mod testing;
mod virtual_time;

pub use deadline::{Cbs, Edf, PERIOD as CBS_PERIOD};
pub use fifo::Fifo;
pub use hierarchy::Hierarchy;
pub use limited::{Limit, limited};
pub use order::Scan;
pub use priority::{Multilevel, Strict};
pub use propshare::{Lottery, RoundRobin, Stride, Wfq};
pub use repository::{MakeError, POLICIES, Policy, canonical, make};
pub use reserve::MClock;
