//! From an interrupted thread to one whose handler begins.

use alloc::vec::Vec;

use vortex_machine::{Fault, FaultKind, Registers};

use super::bytes::{write, write_word};
use super::vectors::{self, Format};
use super::{at, flag, order};
use crate::process::signals::{Action, Info, Signal, SignalSet, Stack};

/// A signal that is to be handled, and the thread that is to handle it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// As interrupted: a system call is resumed or has its result.
    pub registers: &'a Registers,
    /// The vector state as saved.
    pub vectors: &'a [u8],
    /// How that is laid out.
    pub format: Format,
    /// What the thread blocks now.
    pub blocked: SignalSet,
    /// What it is to block once the handler has returned: mostly the same, but what it was
    /// before sigsuspend(2) and its like.
    pub restored: SignalSet,
    /// Its alternate stack.
    pub stack: Stack,
    /// Which.
    pub signal: Signal,
    /// With a handler.
    pub action: &'a Action,
    /// Why.
    pub info: &'a Info,
    /// The thread's last fault.
    pub trap: Trap,
}

/// What a frame says of a thread's last fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trap {
    /// The exception's number.
    pub number: u64,
    /// The processor's error code.
    pub error: u64,
    /// The address of the last page fault.
    pub cr2: u64,
}

impl Trap {
    /// After another fault.
    #[must_use]
    pub const fn after(self, fault: &Fault) -> Self {
        let number = match fault.kind {
            FaultKind::Page { .. } => 14,
            FaultKind::Divide => 0,
            FaultKind::Debug => 1,
            FaultKind::Breakpoint => 3,
            FaultKind::InvalidOpcode => 6,
            FaultKind::FloatingPoint => 16,
            FaultKind::Alignment => 17,
            FaultKind::Stack => 12,
            FaultKind::Protection => 13,
        };
        let cr2 = if number == 14 { fault.address } else { self.cr2 };
        Self { number, error: fault.code, cr2 }
    }
}

/// A thread whose handler begins, once the bytes are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its registers.
    pub registers: Registers,
    /// Where the bytes are to be written.
    pub address: u64,
    /// What is to be written there.
    pub bytes: Vec<u8>,
    /// What it blocks now.
    pub blocked: SignalSet,
    /// Its alternate stack, which may have disarmed itself.
    pub stack: Stack,
}

/// Why no handler can run: the thread gets SIGSEGV instead, or ends by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The action does not say where the handler returns to.
    NoRestorer,
    /// The frame does not fit on the stack.
    NoStack,
    /// The vector state is shorter than its format.
    NoVectors,
    /// The kernel has no memory for it.
    NoMemory,
}

const RED_ZONE: u64 = 128;
const VECTOR_ALIGNMENT: u64 = 64;
const STACK_ALIGNMENT: u64 = 16;
const WORD: u64 = 8;

/// `UC_FP_XSTATE`.
const HAS_XSTATE: u64 = 1;
/// `UC_SIGCONTEXT_SS` and `UC_STRICT_RESTORE_SS`.
const HAS_SS: u64 = 6;
const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;

/// Builds the frame of a handler.
pub fn build(delivery: &Delivery<'_>) -> Result<Built, BuildError> {
    let Delivery { action, signal, format, stack, .. } = *delivery;
    if !action.has(Action::RESTORER) {
        return Err(BuildError::NoRestorer);
    }
    let state = vectors::saved(delivery.vectors, format)?;
    let (address, fpstate) = place(delivery, state.len())?;
    let distance = usize::try_from(fpstate - address).map_err(|_| BuildError::NoStack)?;

    let mut bytes = Vec::new();
    let length = distance.checked_add(state.len()).ok_or(BuildError::NoMemory)?;
    bytes.try_reserve_exact(length).map_err(|_| BuildError::NoMemory)?;
    bytes.resize(length, 0);
    context(&mut bytes, delivery, fpstate);
    write(&mut bytes, at::INFO, &delivery.info.to_bytes());
    write(&mut bytes, distance, &state);

    let registers = Registers {
        rdi: u64::from(signal.number().unsigned_abs()),
        rsi: address + at::INFO as u64,
        rdx: address + at::CONTEXT as u64,
        rax: 0,
        rip: action.handler,
        rsp: address,
        rflags: delivery.registers.rflags & !(flag::DIRECTION | flag::TRAP | flag::RESUME),
        ..*delivery.registers
    };
    let blocked = delivery.blocked.union(action.blocks(signal)).blockable();
    Ok(Built { registers, address, bytes, blocked, stack: stack.entered() })
}

/// Where the frame lies, and in it the vector state of this length.
fn place(delivery: &Delivery<'_>, vectors: usize) -> Result<(u64, u64), BuildError> {
    let Delivery { stack, action, registers, .. } = delivery;
    let below = registers.rsp.checked_sub(RED_ZONE);
    // Where no stack is below, the alternate one may still be there.
    let top = if action.has(Action::ONSTACK) { stack.top(below.unwrap_or(0)) } else { None };
    let bounded = top.is_some() || stack.is_on(registers.rsp);
    let down = |from: u64, length: usize, alignment: u64| {
        let to = from.checked_sub(u64::try_from(length).ok()?)?;
        Some(to - to % alignment)
    };
    let place = || {
        let fpstate = down(top.or(below)?, vectors, VECTOR_ALIGNMENT)?;
        let aligned = down(fpstate, at::END, STACK_ALIGNMENT)?;
        Some((aligned.checked_sub(WORD)?, fpstate))
    };
    match place() {
        Some((address, _)) if bounded && !stack.contains(address) => Err(BuildError::NoStack),
        Some(placed) => Ok(placed),
        None => Err(BuildError::NoStack),
    }
}

/// Writes all that lies below the cause.
fn context(bytes: &mut [u8], delivery: &Delivery<'_>, fpstate: u64) {
    let flags = if delivery.format.xsave { HAS_XSTATE | HAS_SS } else { HAS_SS };
    write_word(bytes, at::RESTORER, delivery.action.restorer);
    write_word(bytes, at::FLAGS, flags);
    write(bytes, at::STACK, &delivery.stack.to_bytes());
    let mut registers = *delivery.registers;
    for (index, register) in order(&mut registers).into_iter().enumerate() {
        write_word(bytes, at::REGISTERS + index * 8, *register);
    }
    write_word(bytes, at::SEGMENTS, USER_CS | USER_SS << 48);
    write_word(bytes, at::ERROR, delivery.trap.error);
    write_word(bytes, at::TRAP, delivery.trap.number);
    write_word(bytes, at::OLD_MASK, delivery.restored.bits());
    write_word(bytes, at::CR2, delivery.trap.cr2);
    write_word(bytes, at::FPSTATE, fpstate);
    write_word(bytes, at::MASK, delivery.restored.bits());
}
