//! The stub (§3.4): from a thread's registers to a call without pointers, to be made
//! directly or sent as a request.

use vortex_abi::{self as abi, Call, Errno};
use vortex_machine::Access;
use vortex_units::Cycles;

use super::direct::{self, Effect};
use super::thread::Thread;
use crate::System;
use crate::console::ConsoleRequest;
use crate::memory::{Unpinned, pin};

/// A call, ready to be made or made.
pub enum Prepared {
    /// It was made.
    Done(Result<u64, Errno>),
    /// It changes what becomes of the thread.
    Effect(Effect),
    /// A page that it needs must be there first.
    Fault(u64, Access),
    /// A request to ASR.
    Memory(abi::Memory),
    /// A request to the console.
    Console(ConsoleRequest),
}

impl From<Unpinned> for Prepared {
    fn from(unpinned: Unpinned) -> Self {
        match unpinned {
            Unpinned::Fault(address, access) => Self::Fault(address, access),
            Unpinned::Address => Self::Done(Err(Errno::EFAULT)),
            Unpinned::NoMemory => Self::Done(Err(Errno::ENOMEM)),
        }
    }
}

/// Decodes the call that a thread has made, and pins its buffers.
pub fn prepare(thread: &mut Thread, system: &System, now: Cycles) -> Prepared {
    let registers = *thread.context.registers();
    let arguments =
        [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9];
    let Some(call) = abi::decode(registers.rax, &arguments) else {
        return Prepared::Done(Err(Errno::ENOSYS));
    };
    match call {
        Call::Direct(call) => direct::make(thread, call, system, now),
        Call::Memory(call) => Prepared::Memory(call),
        Call::Console(call) => {
            let abi::Console::Write { buffer, .. } = call;
            match pin(&thread.process.space, buffer.0, Access::Read) {
                Ok(buffer) => Prepared::Console(ConsoleRequest::new(call, buffer)),
                Err(unpinned) => unpinned.into(),
            }
        }
    }
}
