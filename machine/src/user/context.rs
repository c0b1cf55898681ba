//! What a thread has in the processor while it runs, and here while it does not.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use super::vectors::Vectors;
use crate::memory::USER_END;

/// The integer registers of a thread. `trap.s` knows the offsets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the processor's own names")]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rsp: u64,
    pub rflags: u64,
}

/// The state of a thread in user mode.
#[repr(C)]
#[derive(Debug)]
pub struct UserContext {
    registers: Registers,
    /// Whether all registers must be restored: it did not leave by a system call, or they
    /// were changed since.
    full: bool,
    pub(crate) fs_base: u64,
    pub(crate) gs_base: u64,
    pub(crate) vectors: Vectors,
    /// Names this context: never used again for another.
    pub(crate) number: u64,
}

const _: () = {
    assert!(offset_of!(UserContext, registers) == 0);
    assert!(offset_of!(Registers, r11) == 80);
    assert!(offset_of!(Registers, rip) == 120);
    assert!(offset_of!(Registers, rsp) == 128);
    assert!(offset_of!(Registers, rflags) == 136);
    assert!(offset_of!(UserContext, full) == 144);
};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Interrupts on, and the bit that is always one.
const RFLAGS: u64 = 0x202;
/// What a program may choose of its flags: the arithmetic ones, direction, trap, alignment
/// check and identification.
const RFLAGS_FREE: u64 = 0x0024_0dd5;

impl UserContext {
    /// A thread that begins at `entry` with this stack; all else is zero. `None` where the
    /// heap has no room for its vector state.
    #[must_use]
    pub fn new(entry: u64, stack: u64) -> Option<Self> {
        let registers =
            Registers { rip: entry, rsp: stack, rflags: RFLAGS, ..Registers::default() };
        Some(Self {
            registers,
            full: true,
            fs_base: 0,
            gs_base: 0,
            vectors: Vectors::new()?,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// A copy, as fork and clone make it. The vector state must have been saved.
    #[must_use]
    pub fn copy(&self) -> Option<Self> {
        Some(Self {
            registers: self.registers,
            full: true,
            fs_base: self.fs_base,
            gs_base: self.gs_base,
            vectors: self.vectors.copy()?,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// The registers as they are.
    #[must_use]
    pub fn registers(&self) -> &Registers {
        &self.registers
    }

    /// Sets the registers. What a program may not choose is set right: flags that are the
    /// kernel's, and an address that is not a program's becomes one that faults.
    pub fn set_registers(&mut self, registers: Registers) {
        self.registers = registers;
        self.registers.rflags = registers.rflags & RFLAGS_FREE | RFLAGS;
        self.registers.rip = registers.rip.min(USER_END);
        self.full = true;
    }

    /// Sets what a system call returns.
    pub fn set_result(&mut self, value: u64) {
        self.registers.rax = value;
    }

    /// The base of %fs: where its thread-local storage is.
    #[must_use]
    pub fn fs_base(&self) -> u64 {
        self.fs_base
    }

    /// Sets the base of %fs; false if no program can have that address.
    pub fn set_fs_base(&mut self, base: u64) -> bool {
        let fits = base < USER_END;
        if fits {
            self.fs_base = base;
        }
        fits
    }

    /// The base of %gs.
    #[must_use]
    pub fn gs_base(&self) -> u64 {
        self.gs_base
    }

    /// Sets the base of %gs; false if no program can have that address.
    pub fn set_gs_base(&mut self, base: u64) -> bool {
        let fits = base < USER_END;
        if fits {
            self.gs_base = base;
        }
        fits
    }

    /// The vector state as saved: what a signal frame holds.
    #[must_use]
    pub fn vector_state(&self) -> &[u8] {
        self.vectors.bytes()
    }

    /// Sets the vector state, if it is one that the processor takes.
    pub fn set_vector_state(&mut self, bytes: &[u8]) -> bool {
        self.number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.vectors.set(bytes)
    }
}
