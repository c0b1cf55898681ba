//! What AIOR is asked for.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;

use vortex_abi as abi;
use vortex_units::Cycles;

use super::list::Listing;
use super::operation::OpId;
use super::owner::Key;
use super::submit::Wanted;
use super::suspend::Waiter;
use super::waiters::Waiters;
use crate::memory::AddressSpace;
use crate::process::{Operands, Pid, ThreadState};

/// A system call, as the stub prepares it.
pub struct AioCall {
    /// Which.
    pub call: abi::Aio,
    /// What it works on.
    pub operands: Operands,
    /// Whose it is.
    pub thread: Arc<ThreadState>,
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// Until when it waits, if it was made before.
    pub deadline: Option<Cycles>,
    /// How far it has come.
    pub(super) stage: Stage,
}

/// How far a call has come.
#[derive(Default)]
pub(super) enum Stage {
    /// Not begun.
    #[default]
    New,
    /// The file resource is asked for what is to be read or written.
    Opening(Box<Wanted>),
    /// ASR takes a window away; what is answered then.
    Hiding(Result<u64, abi::Errno>, Range<usize>),
    /// So many entries of a list are looked at.
    Looking(usize),
    /// A descriptor is there: its operations are ended.
    Cancelling(super::cancel::Cancelling),
    /// A list is gone through.
    Listing(Box<Listing>),
}

impl AioCall {
    /// A call made for the first time, or again.
    #[must_use]
    pub fn new(
        call: abi::Aio,
        operands: Operands,
        thread: Arc<ThreadState>,
        space: Arc<AddressSpace>,
        deadline: Option<Cycles>,
    ) -> Self {
        Self { call, operands, thread, space, deadline, stage: Stage::New }
    }

    /// Whose operations it is about.
    pub(super) fn key(&self) -> Key {
        Key { pid: self.thread.process.pid, space: self.space.number }
    }
}

/// To AIOR.
pub enum AioRequest {
    /// A system call.
    Call(Box<AioCall>),
    /// An operation: from its beginning to its end.
    Run(OpId),
    /// These have waited for what has ended.
    Wake(Box<Waiters>),
    /// A window of what nobody asks for any more goes.
    Clear(Key, Range<usize>),
    /// A signal ends this thread's wait.
    Cancel(Pid),
    /// A wait's time is over.
    Timeout(Waiter),
    /// A process, or its program with this memory, has ended: from which control block on its
    /// operations are still to be ended.
    End(Pid, u64, u64),
}

impl AioRequest {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Call(call) => call.call.name(),
            Self::Run(_) => "operation",
            Self::Wake(_) => "wake",
            Self::Clear(..) => "clear",
            Self::Cancel(_) => "cancel",
            Self::Timeout(_) => "timeout",
            Self::End(..) => "end",
        }
    }
}
