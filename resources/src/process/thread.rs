//! A thread's control block.
//!
//! It travels: in its thread-ready request while it is ready or runs, there also while it
//! waits. So whoever handles that request has it alone, and nothing in it is shared.

use alloc::boxed::Box;
use alloc::sync::Arc;

use vortex_machine::UserContext;
use vortex_units::Cycles;

use super::processes::{Pid, Process};

/// A thread.
pub struct Thread {
    /// Its number, of the same kind as processes'.
    pub tid: Pid,
    /// Its registers.
    pub context: UserContext,
    /// Its process.
    pub process: Arc<Process>,
    /// What is left of its timeslice.
    pub slice: Cycles,
    /// Where its number is cleared when it ends (`set_tid_address`).
    pub clear_tid: u64,
    /// The pages that faulted one after the other in one system call, to see that it gets
    /// on.
    pub faults: u32,
}

impl Thread {
    /// A thread of a process; `None` where memory has run out.
    #[must_use]
    pub fn new(tid: Pid, process: Arc<Process>, context: UserContext) -> Option<Box<Self>> {
        Some(Box::new(Self { tid, context, process, slice: Cycles::ZERO, clear_tid: 0, faults: 0 }))
    }
}
