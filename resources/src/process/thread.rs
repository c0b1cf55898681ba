//! A thread's control block.
//!
//! It travels: in its thread-ready request while it is ready or runs, there also while it
//! waits. So whoever handles that request has it alone, and nothing in it is shared.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_machine::{Access, Fault, FaultKind, UserContext};
use vortex_units::{CoreId, Cycles, Frames};

use super::ending::Ending;
use super::gathering::Gathering;
use super::pinning::Pinning;
use super::processes::{Process, ThreadState};
use super::seat::Seat;
use super::signals::frame::Trap;
use super::signals::restart::Interrupted;
use super::signals::{Action, Info, SignalSet, Stack};
use super::stub;
use super::threads::access_of;
use crate::System;
use crate::memory::{AddressSpace, Patience, mend_here};

/// A thread.
pub struct Thread {
    /// What others see of it.
    pub state: Arc<ThreadState>,
    /// Where it runs.
    pub seat: Arc<Seat>,
    /// Its registers.
    pub context: UserContext,
    /// Its process's memory.
    pub space: Arc<AddressSpace>,
    /// What is left of its timeslice.
    pub slice: Cycles,
    /// Where its number is cleared when it ends (`set_tid_address`).
    pub clear_tid: u64,
    /// Where its number is still to be written (`CLONE_CHILD_SETTID`).
    pub set_tid: u64,
    /// Pages that faulted for one system call, to see that it gets on.
    pub faults: u32,
    /// It waits for a page that FCR fetches: where it touched that, and for what.
    pub fetching: Option<(u64, Access)>,
    /// A buffer of its call is not there, and will not be: the call is made without.
    pub unreachable: bool,
    /// How often its call has waited for pages to make room, and what it was refused with.
    pub(super) waited: Patience,
    pub(super) refused: Option<Errno>,
    /// How often its activity's objects had been refused when it was last told of that.
    pub(super) crowded: u32,
    /// Bytes that its call has moved, where it is made again for the rest.
    pub done: u64,
    /// Until when its call waits, if it is made again; and whether that is over.
    pub deadline: Option<Cycles>,
    /// Whether that time is over.
    pub expired: bool,
    /// The head of its robust list.
    pub robust: u64,
    /// The signals that it blocks.
    pub blocked: SignalSet,
    /// What it blocks once a handler has returned, or its call, which blocks others
    /// (sigsuspend, ppoll).
    pub restored: Option<SignalSet>,
    /// Its stack for handlers.
    pub stack: Stack,
    /// Its call was interrupted: how that takes it.
    pub interrupted: Option<Interrupted>,
    /// Where the rest of an interrupted sleep is written, and when that would have ended.
    pub rest: Option<(u64, Cycles)>,
    /// The signal whose handler is to run.
    pub delivering: Option<(Info, Action)>,
    /// Frames that its faults were given in its own run, not recorded yet.
    pub given: Frames,
    /// Its last page fault, while ASR mends it.
    pub fault: Option<Fault>,
    /// Its last fault, for handlers.
    pub trap: Trap,
    /// The large buffers of its call, as far as they are pinned.
    pub(super) pinning: Option<Box<Pinning>>,
    /// The strings of its execve(2), as far as they are copied.
    pub(super) gathering: Option<Box<Gathering>>,
    /// What is left to do when it ends.
    pub(super) ending: Option<Ending>,
}

impl Thread {
    /// A thread of a process.
    #[must_use]
    pub fn new(state: Arc<ThreadState>, seat: Arc<Seat>, context: UserContext) -> Box<Self> {
        let space = state.process.memory();
        let activity = state.process.activity;
        let crowded = vortex_machine::multiplexor().map_or(0, |memory| memory.crowded(activity));
        Box::new(Self {
            state,
            seat,
            context,
            space,
            slice: Cycles::ZERO,
            clear_tid: 0,
            set_tid: 0,
            faults: 0,
            fetching: None,
            unreachable: false,
            waited: Patience::default(),
            refused: None,
            crowded,
            done: 0,
            deadline: None,
            expired: false,
            robust: 0,
            blocked: SignalSet::EMPTY,
            restored: None,
            stack: Stack::default(),
            interrupted: None,
            rest: None,
            delivering: None,
            given: Frames::ZERO,
            fault: None,
            trap: Trap::default(),
            pinning: None,
            gathering: None,
            ending: None,
        })
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Arc<Process> {
        &self.state.process
    }

    /// Makes the call that it has just made, if it is one of the direct ones that cannot
    /// block, end, or change what it does next: then it goes on in user mode without having
    /// left its run. False, with nothing done, if not.
    pub fn call_directly(&mut self, system: &System, now: Cycles, core: CoreId) -> bool {
        if self.state.interrupted.load(Ordering::Relaxed) || self.process().is_ending() {
            return false;
        }
        let Some(result) = stub::make_directly(self, system, now, core) else { return false };
        self.settle();
        self.context.set_result(match result {
            Ok(value) => value,
            Err(error) => error.as_result(),
        });
        true
    }

    /// Mends the fault that it has just had, if that disturbs nobody: then it goes on in user
    /// mode without having left its run (decision 0070). False, with nothing done, if not.
    pub fn mend_directly(&mut self, fault: &Fault) -> bool {
        let FaultKind::Page { .. } = fault.kind else { return false };
        if self.state.interrupted.load(Ordering::Relaxed) || self.process().is_ending() {
            return false;
        }
        let Some(given) = mend_here(&self.space, fault.address, access_of(fault.kind)) else {
            return false;
        };
        self.given += Frames::new(given);
        true
    }

    /// Its call is over: the next one begins anew.
    pub fn settle(&mut self) {
        self.faults = 0;
        self.unreachable = false;
        self.waited.renew();
        self.done = 0;
        self.deadline = None;
        self.expired = false;
    }

    /// Whether it waits for signals that it blocks (sigtimedwait).
    #[must_use]
    pub fn is_taking(&self) -> bool {
        const RT_SIGTIMEDWAIT: u64 = 128;
        self.context.registers().rax == RT_SIGTIMEDWAIT
    }
}
