//! A set of signals, as Linux's `sigset_t` lays it out: bit n-1 is signal n.

use core::fmt;

use vortex_abi::Errno;

use super::signal::Signal;

/// A set of signals.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SignalSet(u64);

/// What rt_sigprocmask(2) does with the set that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Blocks these too.
    Block,
    /// Blocks these no more.
    Unblock,
    /// Blocks these alone.
    Set,
}

impl How {
    /// As the call's argument says it.
    pub const fn new(argument: i32) -> Result<Self, Errno> {
        match argument {
            0 => Ok(Self::Block),
            1 => Ok(Self::Unblock),
            2 => Ok(Self::Set),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl SignalSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// All signals.
    pub const ALL: Self = Self(u64::MAX);
    /// What cannot be blocked, handled or ignored.
    pub const UNSTOPPABLE: Self = Self::of(&[Signal::KILL, Signal::STOP]);
    /// What faults raise: taken before all others, so that the interrupted instruction that
    /// their handlers see is the one that faulted.
    pub const SYNCHRONOUS: Self =
        Self::of(&[Signal::SEGV, Signal::BUS, Signal::ILL, Signal::TRAP, Signal::FPE, Signal::SYS]);
    /// What stops a process.
    pub const STOPPING: Self = Self::of(&[Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU]);

    /// The set of these.
    #[must_use]
    pub const fn of(signals: &[Signal]) -> Self {
        let (mut bits, mut rest) = (0, signals);
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// As Linux has it in a word.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As Linux has it in a word.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether a signal is in it.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & signal.bit() != 0
    }

    /// Puts one in.
    pub const fn insert(&mut self, signal: Signal) {
        self.0 |= signal.bit();
    }

    /// Takes one out.
    pub const fn remove(&mut self, signal: Signal) {
        self.0 &= !signal.bit();
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is not in it.
    #[must_use]
    pub const fn complement(self) -> Self {
        Self(!self.0)
    }

    /// What of it can be blocked. Every blocked set is made by this.
    #[must_use]
    pub const fn blockable(self) -> Self {
        self.without(Self::UNSTOPPABLE)
    }

    /// This blocked set, changed as rt_sigprocmask(2) is asked to.
    #[must_use]
    pub const fn changed(self, how: How, set: Self) -> Self {
        match how {
            How::Block => self.union(set).blockable(),
            How::Unblock => self.without(set).blockable(),
            How::Set => set.blockable(),
        }
    }

    /// What is no longer pending once this signal is sent: one that stops undoes one that
    /// continues, and the reverse. It holds for the process and all its threads.
    #[must_use]
    pub const fn undone_by(signal: Signal) -> Self {
        if Self::STOPPING.contains(signal) {
            Self::of(&[Signal::CONT])
        } else if Self::of(&[Signal::CONT]).contains(signal) {
            Self::STOPPING
        } else {
            Self::EMPTY
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The lowest number.
    #[must_use]
    pub const fn lowest(self) -> Option<Signal> {
        // 64 trailing zeros, of the empty set, become no signal.
        Signal::new(self.0.trailing_zeros() as i32 + 1)
    }

    /// All that are in it, from the lowest number.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let signal = rest.lowest()?;
            rest.remove(signal);
            Some(signal)
        })
    }
}

impl FromIterator<Signal> for SignalSet {
    fn from_iter<T: IntoIterator<Item = Signal>>(signals: T) -> Self {
        Self(signals.into_iter().fold(0, |bits, signal| bits | signal.bit()))
    }
}

impl fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
