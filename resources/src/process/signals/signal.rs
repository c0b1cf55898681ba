//! A signal's number and name, and what it does where nobody handles it: signal(7).

use core::fmt;

use vortex_abi::linux::general as linux;

/// A signal: 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// What a signal does to a process that has no handler for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The process ends.
    Terminate,
    /// The process ends, and its state may be dumped.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// The process goes on if it was stopped; it has done so when the signal was sent.
    Continue,
}

const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

#[allow(missing_docs, reason = "signal(7) documents them")]
impl Signal {
    pub const HUP: Self = Self(linux::SIGHUP as u8);
    pub const INT: Self = Self(linux::SIGINT as u8);
    pub const QUIT: Self = Self(linux::SIGQUIT as u8);
    pub const ILL: Self = Self(linux::SIGILL as u8);
    pub const TRAP: Self = Self(linux::SIGTRAP as u8);
    pub const ABRT: Self = Self(linux::SIGABRT as u8);
    pub const BUS: Self = Self(linux::SIGBUS as u8);
    pub const FPE: Self = Self(linux::SIGFPE as u8);
    pub const KILL: Self = Self(linux::SIGKILL as u8);
    pub const USR1: Self = Self(linux::SIGUSR1 as u8);
    pub const SEGV: Self = Self(linux::SIGSEGV as u8);
    pub const USR2: Self = Self(linux::SIGUSR2 as u8);
    pub const PIPE: Self = Self(linux::SIGPIPE as u8);
    pub const ALRM: Self = Self(linux::SIGALRM as u8);
    pub const TERM: Self = Self(linux::SIGTERM as u8);
    pub const STKFLT: Self = Self(linux::SIGSTKFLT as u8);
    pub const CHLD: Self = Self(linux::SIGCHLD as u8);
    pub const CONT: Self = Self(linux::SIGCONT as u8);
    pub const STOP: Self = Self(linux::SIGSTOP as u8);
    pub const TSTP: Self = Self(linux::SIGTSTP as u8);
    pub const TTIN: Self = Self(linux::SIGTTIN as u8);
    pub const TTOU: Self = Self(linux::SIGTTOU as u8);
    pub const URG: Self = Self(linux::SIGURG as u8);
    pub const XCPU: Self = Self(linux::SIGXCPU as u8);
    pub const XFSZ: Self = Self(linux::SIGXFSZ as u8);
    pub const VTALRM: Self = Self(linux::SIGVTALRM as u8);
    pub const PROF: Self = Self(linux::SIGPROF as u8);
    pub const WINCH: Self = Self(linux::SIGWINCH as u8);
    pub const IO: Self = Self(linux::SIGIO as u8);
    pub const PWR: Self = Self(linux::SIGPWR as u8);
    pub const SYS: Self = Self(linux::SIGSYS as u8);
    /// The first that is queued.
    pub const RTMIN: Self = Self(linux::SIGRTMIN as u8);
    /// The last.
    pub const MAX: Self = Self(64);
}

impl Signal {
    /// The signal of this number, if there is one. Zero, with which kill(2) only looks, is
    /// none.
    #[must_use]
    pub const fn new(number: i32) -> Option<Self> {
        if number >= 1 && number <= Self::MAX.0 as i32 { Some(Self(number as u8)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// Its place in tables: from zero.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.saturating_sub(1) as usize
    }

    /// Its bit in Linux's sets.
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << (self.index() % 64)
    }

    /// Whether it is queued, instead of being pending at most once.
    #[must_use]
    pub const fn is_realtime(self) -> bool {
        self.0 >= Self::RTMIN.0
    }

    /// What it does where nobody handles it.
    #[must_use]
    pub const fn default_disposition(self) -> Disposition {
        match self {
            Self::QUIT | Self::ILL | Self::TRAP | Self::ABRT | Self::BUS | Self::FPE => {
                Disposition::Core
            }
            Self::SEGV | Self::XCPU | Self::XFSZ | Self::SYS => Disposition::Core,
            Self::CHLD | Self::URG | Self::WINCH => Disposition::Ignore,
            Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU => Disposition::Stop,
            Self::CONT => Disposition::Continue,
            _ => Disposition::Terminate,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.index()) {
            Some(name) => f.write_str(name),
            None => write!(f, "SIGRTMIN+{}", self.0.saturating_sub(Self::RTMIN.0)),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
