//! rt_sigreturn(2): from the frame, as the program has left it, to the thread as it goes on.

use alloc::vec::Vec;

use vortex_machine::Registers;

use super::bytes::{read_half, read_word};
use super::vectors::{self, Claim, Format};
use super::{at, flag, order};
use crate::process::signals::{SignalSet, Stack};

/// The thread as it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Its registers. The address may be none of a program: then it faults there.
    pub registers: Registers,
    /// What it blocks.
    pub blocked: SignalSet,
    /// Its alternate stack.
    pub stack: Stack,
    /// Its vector state.
    pub vectors: Vec<u8>,
}

/// Why it does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnError<E> {
    /// The memory could not be read. If that is mended all can be tried again; else it is
    /// SIGSEGV.
    Unread(E),
    /// The processor would not take this vector state: SIGSEGV.
    Malformed,
    /// The kernel has no memory for it.
    NoMemory,
}

impl<E> From<E> for ReturnError<E> {
    fn from(error: E) -> Self {
        Self::Unread(error)
    }
}

/// Reads the frame of a thread that has called rt_sigreturn(2) with these registers; `read`
/// fills a buffer from the thread's memory.
///
/// It changes nothing, so that it can be called again after a page was missing.
pub fn parse_return<E>(
    now: &Registers,
    stack: &Stack,
    format: Format,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Returned, ReturnError<E>> {
    // The handler's return has taken the restorer's address off.
    let address = now.rsp.wrapping_sub(at::CONTEXT as u64);
    let mut frame = [0; at::INFO];
    read(address, &mut frame)?;
    let word = |at| read_word(&frame, at).unwrap_or(0);

    let mut registers = Registers::default();
    for (index, register) in order(&mut registers).into_iter().enumerate() {
        *register = word(at::REGISTERS + index * 8);
    }
    registers.rflags = registers.rflags & flag::FROM_FRAME | now.rflags & !flag::FROM_FRAME;

    let mut given = [0; Stack::SIZE];
    if let Some(bytes) = frame.get(at::STACK..at::STACK + Stack::SIZE) {
        given.copy_from_slice(bytes);
    }
    // As on Linux, what sigaltstack(2) would refuse is passed over in silence: a frame made
    // on the alternate stack names that stack, and the thread may be on it still.
    let stack = stack.changed(Stack::from_bytes(&given), registers.rsp).unwrap_or(*stack);

    let vectors = match word(at::FPSTATE) {
        0 => vectors::first(format).ok_or(ReturnError::NoMemory)?,
        address => vector_state(address, format, read)?,
    };
    let blocked = SignalSet::from_bits(word(at::MASK)).blockable();
    Ok(Returned { registers, blocked, stack, vectors })
}

fn vector_state<E>(
    address: u64,
    format: Format,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Vec<u8>, ReturnError<E>> {
    if !address.is_multiple_of(format.alignment()) {
        return Err(ReturnError::Malformed);
    }
    let mut legacy = [0; Claim::LEGACY.size];
    read(address, &mut legacy)?;
    let claim = Claim::read(&legacy, format, |offset| {
        let mut magic = [0; 4];
        read(address.wrapping_add(offset as u64), &mut magic)?;
        Ok::<u32, E>(read_half(&magic, 0).unwrap_or(0))
    })?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(claim.size.max(format.size)).map_err(|_| ReturnError::NoMemory)?;
    bytes.extend_from_slice(&legacy);
    bytes.resize(claim.size, 0);
    if let Some(rest) = bytes.get_mut(legacy.len()..)
        && !rest.is_empty()
    {
        read(address.wrapping_add(legacy.len() as u64), rest)?;
    }
    claim.taken(bytes, format).ok_or(ReturnError::Malformed)
}
