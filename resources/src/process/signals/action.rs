//! What a process wants done with a signal: the kernel's `struct sigaction` of
//! rt_sigaction(2) on x86-64, 32 bytes: handler, flags, restorer, mask.

use vortex_abi::linux::general as linux;

use super::frame::bytes::{read_word, write_word};
use super::set::SignalSet;

/// What a process wants done with a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Where its handler begins; 0 is the default, 1 ignores it.
    pub handler: u64,
    /// `SA_…`.
    pub flags: u64,
    /// Where the handler returns to, to call rt_sigreturn(2).
    pub restorer: u64,
    /// What is blocked while the handler runs.
    pub mask: SignalSet,
}

/// What the handler's word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// What the signal does by itself.
    Default,
    /// Nothing.
    Ignore,
    /// The function at this address.
    At(u64),
}

impl Action {
    /// Its length in the memory of a process.
    pub const SIZE: usize = 32;
    /// A process is not told of children that stop.
    pub const NOCLDSTOP: u64 = linux::SA_NOCLDSTOP as u64;
    /// Children do not wait to be waited for.
    pub const NOCLDWAIT: u64 = linux::SA_NOCLDWAIT as u64;
    /// The handler takes three arguments. It gets them in any case.
    pub const SIGINFO: u64 = linux::SA_SIGINFO as u64;
    /// `restorer` is set: on x86-64 a handler needs it.
    pub const RESTORER: u64 = linux::SA_RESTORER as u64;
    /// The handler runs on the alternate stack.
    pub const ONSTACK: u64 = linux::SA_ONSTACK as u64;
    /// Interrupted calls are repeated.
    pub const RESTART: u64 = linux::SA_RESTART as u64;
    /// The signal itself is not blocked in its handler.
    pub const NODEFER: u64 = linux::SA_NODEFER as u64;
    /// The handler runs once.
    pub const RESETHAND: u64 = linux::SA_RESETHAND as u64;
    /// The flags that are kept; a program sees by the others' absence that they are unknown.
    pub const KNOWN: u64 = Self::NOCLDSTOP
        | Self::NOCLDWAIT
        | Self::SIGINFO
        | Self::RESTORER
        | Self::ONSTACK
        | Self::RESTART
        | Self::NODEFER
        | Self::RESETHAND
        | linux::SA_EXPOSE_TAGBITS as u64;

    /// From the memory of a process.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let word = |at| read_word(bytes, at).unwrap_or(0);
        Self {
            handler: word(0),
            flags: word(8),
            restorer: word(16),
            mask: SignalSet::from_bits(word(24)),
        }
    }

    /// As the memory of a process has it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let words = [self.handler, self.flags, self.restorer, self.mask.bits()];
        for (index, word) in words.into_iter().enumerate() {
            write_word(&mut bytes, index * 8, word);
        }
        bytes
    }

    /// What the handler's word means.
    #[must_use]
    pub const fn handler(&self) -> Handler {
        match self.handler {
            0 => Handler::Default,
            1 => Handler::Ignore,
            address => Handler::At(address),
        }
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// What is blocked while the handler of this signal runs, beside what was.
    #[must_use]
    pub const fn blocks(&self, signal: super::Signal) -> SignalSet {
        let mut set = self.mask;
        if !self.has(Self::NODEFER) {
            set.insert(signal);
        }
        set.blockable()
    }
}
