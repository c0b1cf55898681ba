//! The frame in which a handler runs, and the way back from it: Linux's `rt_sigframe` on
//! x86-64, to the byte, since programs, unwinders and language runtimes read and change it.
//!
//! ```text
//!  interrupted rsp ─► ┌──────────────────────────┐
//!                     │ red zone, 128 bytes      │   (or the top of the alternate stack)
//!                     ├──────────────────────────┤
//!                     │ magic 2 (with xsave)     │
//!                     │ vector state             │ ◄─ fpstate, at a multiple of 64
//!                     ├──────────────────────────┤
//!             +312    │ siginfo      128 bytes   │ ◄─ rsi
//!               +8    │ ucontext     304 bytes   │ ◄─ rdx
//!               +0    │ restorer                 │ ◄─ rsp, at a multiple of 16 less 8
//!                     └──────────────────────────┘
//! ```
//!
//! Whatever a program has made of its frame, [`parse_return`] gives a state in which a thread
//! may run, or refuses; it reads nothing but what the frame and its size say.
//!
//! Sources: sigaction(2) and sigreturn(2); `asm/sigcontext.h` and `asm/ucontext.h` of the
//! kernel's user headers, for the layout; Intel's manual, volume 1, chapter 13, for XSAVE.

mod build;
pub(in crate::process) mod bytes;
mod parse;
mod vectors;

#[cfg(test)]
mod tests;

pub use build::{BuildError, Built, Delivery, Trap, build};
pub use parse::{ReturnError, Returned, parse_return};
pub use vectors::Format;

/// Offsets in the frame.
mod at {
    pub const RESTORER: usize = 0;
    pub const CONTEXT: usize = 8;
    pub const FLAGS: usize = CONTEXT;
    pub const STACK: usize = CONTEXT + 16;
    /// `sigcontext`: the registers, in the order of [`super::order`].
    pub const REGISTERS: usize = CONTEXT + 40;
    /// cs, gs, fs and ss, two bytes each.
    pub const SEGMENTS: usize = REGISTERS + 144;
    pub const ERROR: usize = REGISTERS + 152;
    pub const TRAP: usize = REGISTERS + 160;
    pub const OLD_MASK: usize = REGISTERS + 168;
    pub const CR2: usize = REGISTERS + 176;
    pub const FPSTATE: usize = REGISTERS + 184;
    pub const MASK: usize = REGISTERS + 256;
    pub const INFO: usize = MASK + 8;
    pub const END: usize = INFO + super::super::Info::SIZE;
}

/// The flags that a handler begins without and that a frame sets back, beside the
/// arithmetic ones.
mod flag {
    pub const TRAP: u64 = 1 << 8;
    pub const DIRECTION: u64 = 1 << 10;
    pub const RESUME: u64 = 1 << 16;
    /// What a frame says of the flags: the rest stays as it is.
    pub const FROM_FRAME: u64 = 0x0005_0dd5;
}

/// The registers in the order of `sigcontext`.
fn order(registers: &mut vortex_machine::Registers) -> [&mut u64; 18] {
    let r = registers;
    [
        &mut r.r8,
        &mut r.r9,
        &mut r.r10,
        &mut r.r11,
        &mut r.r12,
        &mut r.r13,
        &mut r.r14,
        &mut r.r15,
        &mut r.rdi,
        &mut r.rsi,
        &mut r.rbp,
        &mut r.rbx,
        &mut r.rdx,
        &mut r.rax,
        &mut r.rcx,
        &mut r.rsp,
        &mut r.rip,
        &mut r.rflags,
    ]
}
