//! The alternate stack of a thread: sigaltstack(2), and `stack_t` of 24 bytes.
//!
//! Invariant: a stack of size zero is disabled, and the only disabled one.

use vortex_abi::Errno;
use vortex_abi::linux::general as linux;

use super::frame::bytes::{read_half, read_word, write_half, write_word};

/// The alternate stack of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    base: u64,
    /// As the program gave them.
    flags: u32,
    size: u64,
}

const DISABLE: u32 = linux::SS_DISABLE;
const ONSTACK: u32 = linux::SS_ONSTACK;
const AUTODISARM: u32 = linux::SS_AUTODISARM;
/// `MINSIGSTKSZ`.
const SMALLEST: u64 = linux::MINSIGSTKSZ as u64;

impl Stack {
    /// There is none. Linux's first thread has no flags either, and says so in its frames;
    /// its later threads are as this one.
    pub const DISABLED: Self = Self { base: 0, flags: DISABLE, size: 0 };
    /// The length of a `stack_t`.
    pub const SIZE: usize = 24;

    /// What a program gives, unchecked.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        Self {
            base: read_word(bytes, 0).unwrap_or(0),
            flags: read_half(bytes, 8).unwrap_or(DISABLE),
            size: read_word(bytes, 16).unwrap_or(0),
        }
    }

    /// As it was set: what a signal frame holds.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        write_word(&mut bytes, 0, self.base);
        write_half(&mut bytes, 8, self.flags);
        write_word(&mut bytes, 16, self.size);
        bytes
    }

    /// As sigaltstack(2) reports it to a thread whose stack pointer is `rsp`.
    #[must_use]
    pub fn report(&self, rsp: u64) -> [u8; Self::SIZE] {
        let state = match (self.size, self.is_on(rsp)) {
            (0, _) => DISABLE,
            (_, true) => ONSTACK,
            (_, false) => 0,
        };
        Self { flags: state | self.flags & AUTODISARM, ..*self }.to_bytes()
    }

    /// The stack after sigaltstack(2) with what a program gives, called on the stack at
    /// `rsp`.
    pub fn changed(&self, given: Self, rsp: u64) -> Result<Self, Errno> {
        if self.is_on(rsp) {
            return Err(Errno::EPERM);
        }
        match given.flags & !AUTODISARM {
            DISABLE => Ok(Self { base: 0, size: 0, ..given }),
            0 | ONSTACK if given == *self => Ok(given),
            0 | ONSTACK if given.size < SMALLEST => Err(Errno::ENOMEM),
            0 | ONSTACK => Ok(given),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether an address is on it.
    #[must_use]
    pub const fn contains(&self, address: u64) -> bool {
        address > self.base && address - self.base <= self.size
    }

    /// Whether a thread with this stack pointer is known to run on it. Of a stack that
    /// disarms itself that is not known.
    #[must_use]
    pub const fn is_on(&self, rsp: u64) -> bool {
        self.flags & AUTODISARM == 0 && self.contains(rsp)
    }

    /// Where a handler's frame begins, downwards, for a thread with this stack pointer; none
    /// if there is no stack or it is on it.
    #[must_use]
    pub const fn top(&self, rsp: u64) -> Option<u64> {
        if self.size == 0 || self.is_on(rsp) {
            None
        } else {
            Some(self.base.wrapping_add(self.size))
        }
    }

    /// What is left of it when a handler begins.
    #[must_use]
    pub const fn entered(self) -> Self {
        if self.flags & AUTODISARM != 0 { Self::DISABLED } else { self }
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::DISABLED
    }
}
