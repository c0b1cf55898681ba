//! The closed message type of the kernel's grid.

use vortex_grid::{Message, carries};
use vortex_units::Bytes;

use vortex_abi::Errno;

use crate::console::ConsoleRequest;
use crate::memory::{FaultError, MemoryRequest};
use crate::process::{ProcessRequest, ThreadDone, ThreadReady};

/// What a resource answers to a thread: one type, because a thread waits for whichever of
/// them its system call went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the system call returns.
    Call(Result<u64, Errno>),
    /// A fault is mended, or is the thread's own.
    Fault(Result<(), FaultError>),
}

/// All that can be sent.
#[allow(missing_docs, reason = "each variant is named as its payload")]
pub enum Mail {
    Thread(ThreadReady),
    ThreadDone(ThreadDone),
    Process(ProcessRequest),
    Memory(MemoryRequest),
    Console(ConsoleRequest),
    Answer(Answer),
}

impl Message for Mail {
    fn size(&self) -> Bytes {
        match self {
            Self::Console(request) => request.size(),
            _ => Bytes::ZERO,
        }
    }
}

carries!(
    Mail: Thread(ThreadReady), ThreadDone(ThreadDone), Process(ProcessRequest),
    Memory(MemoryRequest), Console(ConsoleRequest), Answer(Answer),
);
