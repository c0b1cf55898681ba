//! Why a signal was sent: `siginfo_t`, 128 bytes, of sigaction(2).
//!
//! ```text
//!   0 si_signo   4 si_errno   8 si_code   12 padding   16 by the kind of cause
//! ```

use vortex_abi::Errno;
use vortex_abi::linux::general as linux;
use vortex_machine::FaultKind;

use super::frame::bytes::{read_half, read_word, write_half, write_word};
use super::signal::Signal;
use crate::process::Pid;

/// Why a signal was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Which.
    pub signal: Signal,
    /// `si_errno`: almost always zero.
    pub errno: i32,
    /// `si_code`.
    pub code: i32,
    /// What else is known, by the kind of cause.
    pub detail: Detail,
}

/// What is known of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Who sent it.
    Sender {
        /// The process.
        pid: Pid,
        /// Its user.
        uid: u32,
    },
    /// Who sent it, with what.
    Queued {
        /// The process.
        pid: Pid,
        /// Its user.
        uid: u32,
        /// `si_value`.
        value: u64,
    },
    /// A timer has expired.
    Timer {
        /// Which.
        timer: i32,
        /// How often more since it was last told.
        overrun: i32,
        /// `si_value`.
        value: u64,
    },
    /// A child's state has changed.
    Child {
        /// The child.
        pid: Pid,
        /// Its user.
        uid: u32,
        /// Its exit status, or the signal.
        status: i32,
        /// Its time in user mode, in clock ticks.
        user: i64,
        /// Its time in the kernel, in clock ticks.
        system: i64,
    },
    /// A thread has faulted.
    Fault {
        /// Where, in memory or at which instruction.
        address: u64,
    },
    /// A system call that the process may not make.
    Call {
        /// The instruction after it.
        address: u64,
        /// Its number.
        number: i32,
        /// `AUDIT_ARCH_…`.
        architecture: u32,
    },
}

/// How a child's state has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has exited with this status.
    Exited(u8),
    /// A signal has ended it.
    Killed(Signal),
    /// A signal has ended it, and it was dumped.
    Dumped(Signal),
    /// A signal has stopped it.
    Stopped(Signal),
    /// It goes on.
    Continued,
}

/// Why a thread has faulted: its signal and `si_code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(Signal, i32);

const KERNEL: i32 = linux::SI_KERNEL as i32;

#[allow(missing_docs, reason = "sigaction(2) documents them")]
impl Cause {
    pub const SEGV_MAPERR: Self = Self(Signal::SEGV, linux::SEGV_MAPERR as i32);
    pub const SEGV_ACCERR: Self = Self(Signal::SEGV, linux::SEGV_ACCERR as i32);
    pub const BUS_ADRALN: Self = Self(Signal::BUS, linux::BUS_ADRALN as i32);
    pub const BUS_ADRERR: Self = Self(Signal::BUS, linux::BUS_ADRERR as i32);
    pub const ILL_ILLOPN: Self = Self(Signal::ILL, linux::ILL_ILLOPN as i32);
    pub const FPE_INTDIV: Self = Self(Signal::FPE, linux::FPE_INTDIV as i32);
    pub const FPE_FLTDIV: Self = Self(Signal::FPE, linux::FPE_FLTDIV as i32);
    pub const FPE_FLTOVF: Self = Self(Signal::FPE, linux::FPE_FLTOVF as i32);
    pub const FPE_FLTUND: Self = Self(Signal::FPE, linux::FPE_FLTUND as i32);
    pub const FPE_FLTRES: Self = Self(Signal::FPE, linux::FPE_FLTRES as i32);
    pub const FPE_FLTINV: Self = Self(Signal::FPE, linux::FPE_FLTINV as i32);
    pub const TRAP_BRKPT: Self = Self(Signal::TRAP, linux::TRAP_BRKPT as i32);
    pub const TRAP_TRACE: Self = Self(Signal::TRAP, linux::TRAP_TRACE as i32);
    /// A breakpoint instruction: of it Linux says only that the kernel has sent the signal.
    pub const BREAKPOINT: Self = Self(Signal::TRAP, KERNEL);
    /// A general protection fault: of it no address is known.
    pub const PROTECTION: Self = Self(Signal::SEGV, KERNEL);
    /// A stack segment fault.
    pub const STACK: Self = Self(Signal::BUS, KERNEL);
}

impl Cause {
    /// Of a page fault that could not be mended `mapped` says whether a region is there.
    #[must_use]
    pub const fn of(kind: FaultKind, mapped: bool) -> Self {
        match kind {
            FaultKind::Page { .. } if mapped => Self::SEGV_ACCERR,
            FaultKind::Page { .. } => Self::SEGV_MAPERR,
            FaultKind::Divide => Self::FPE_INTDIV,
            FaultKind::Debug => Self::TRAP_TRACE,
            FaultKind::Breakpoint => Self::BREAKPOINT,
            FaultKind::InvalidOpcode => Self::ILL_ILLOPN,
            FaultKind::FloatingPoint => Self::FPE_FLTINV,
            FaultKind::Alignment => Self::BUS_ADRALN,
            FaultKind::Stack => Self::STACK,
            FaultKind::Protection => Self::PROTECTION,
        }
    }

    /// Of a floating-point fault the vector state knows more: x87's status and control words,
    /// and MXCSR, each with what was raised and is not masked.
    #[must_use]
    pub fn floating_point(vectors: &[u8]) -> Self {
        let words = read_half(vectors, 0).unwrap_or(0);
        let mxcsr = read_half(vectors, 24).unwrap_or(0);
        let raised = (words >> 16) & !words | mxcsr & !(mxcsr >> 7);
        // Invalid, denormal, division, overflow, underflow, precision: from bit 0.
        match raised {
            _ if raised & 0x01 != 0 => Self::FPE_FLTINV,
            _ if raised & 0x04 != 0 => Self::FPE_FLTDIV,
            _ if raised & 0x08 != 0 => Self::FPE_FLTOVF,
            _ if raised & 0x12 != 0 => Self::FPE_FLTUND,
            _ if raised & 0x20 != 0 => Self::FPE_FLTRES,
            _ => Self::FPE_FLTINV,
        }
    }

    /// Its signal.
    #[must_use]
    pub const fn signal(self) -> Signal {
        self.0
    }
}

impl Info {
    /// An asynchronous operation of a process has ended.
    #[must_use]
    pub const fn of_operation(signal: Signal, pid: Pid, value: u64) -> Self {
        let detail = Detail::Queued { pid, uid: 0, value };
        Self { signal, errno: 0, code: linux::SI_ASYNCIO, detail }
    }

    /// Its length in the memory of a process.
    pub const SIZE: usize = 128;

    const fn plain(signal: Signal, code: i32, detail: Detail) -> Self {
        Self { signal, errno: 0, code, detail }
    }

    /// By kill(2).
    #[must_use]
    pub const fn user(signal: Signal, pid: Pid, uid: u32) -> Self {
        Self::plain(signal, linux::SI_USER as i32, Detail::Sender { pid, uid })
    }

    /// By tkill(2) or tgkill(2).
    #[must_use]
    pub const fn tkill(signal: Signal, pid: Pid, uid: u32) -> Self {
        Self::plain(signal, linux::SI_TKILL, Detail::Sender { pid, uid })
    }

    /// By the kernel.
    #[must_use]
    pub const fn kernel(signal: Signal) -> Self {
        Self::plain(signal, KERNEL, Detail::Sender { pid: Pid(0), uid: 0 })
    }

    /// By sigqueue(3).
    #[must_use]
    pub const fn queued(signal: Signal, pid: Pid, uid: u32, value: u64) -> Self {
        Self::plain(signal, linux::SI_QUEUE, Detail::Queued { pid, uid, value })
    }

    /// By a timer of timer_create(2).
    #[must_use]
    pub const fn timer(signal: Signal, timer: i32, overrun: i32, value: u64) -> Self {
        Self::plain(signal, linux::SI_TIMER, Detail::Timer { timer, overrun, value })
    }

    /// To the parent, as `signal`, which is nearly always SIGCHLD: a child's state has
    /// changed. The times are in clock ticks.
    #[must_use]
    pub const fn child(
        signal: Signal,
        pid: Pid,
        uid: u32,
        ended: Ended,
        times: (i64, i64),
    ) -> Self {
        let (code, status) = match ended {
            Ended::Exited(status) => (linux::CLD_EXITED, status as i32),
            Ended::Killed(by) => (linux::CLD_KILLED, by.number()),
            Ended::Dumped(by) => (linux::CLD_DUMPED, by.number()),
            Ended::Stopped(by) => (linux::CLD_STOPPED, by.number()),
            Ended::Continued => (linux::CLD_CONTINUED, Signal::CONT.number()),
        };
        let (user, system) = times;
        Self::plain(signal, code as i32, Detail::Child { pid, uid, status, user, system })
    }

    /// A thread has faulted.
    #[must_use]
    pub const fn fault(cause: Cause, address: u64) -> Self {
        // What Linux does not tell of these.
        let told = cause.1 != KERNEL && !matches!(cause, Cause::BUS_ADRALN);
        let address = if told { address } else { 0 };
        Self::plain(cause.0, cause.1, Detail::Fault { address })
    }

    /// As the memory of a process has it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut half = |at, value: i32| write_half(&mut bytes, at, value as u32);
        half(0, self.signal.number());
        half(4, self.errno);
        half(8, self.code);
        let (low, high) = match self.detail {
            Detail::Sender { pid, uid }
            | Detail::Queued { pid, uid, .. }
            | Detail::Child { pid, uid, .. } => (pid.0, uid as i32),
            Detail::Timer { timer, overrun, .. } => (timer, overrun),
            Detail::Fault { address } | Detail::Call { address, .. } => {
                (address as i32, (address >> 32) as i32)
            }
        };
        half(16, low);
        half(20, high);
        match self.detail {
            Detail::Sender { .. } | Detail::Fault { .. } => {}
            Detail::Queued { value, .. } | Detail::Timer { value, .. } => {
                write_word(&mut bytes, 24, value);
            }
            Detail::Child { status, user, system, .. } => {
                write_half(&mut bytes, 24, status as u32);
                write_word(&mut bytes, 32, user as u64);
                write_word(&mut bytes, 40, system as u64);
            }
            Detail::Call { number, architecture, .. } => {
                write_half(&mut bytes, 24, number as u32);
                write_half(&mut bytes, 28, architecture);
            }
        }
        bytes
    }

    /// What a process gives to rt_sigqueueinfo(2); `own` if it is sent to itself. Others may
    /// not pretend to be the kernel, kill(2) or tgkill(2).
    pub fn from_user(signal: Signal, bytes: &[u8; Self::SIZE], own: bool) -> Result<Self, Errno> {
        let half = |at| read_half(bytes, at).unwrap_or(0) as i32;
        let (errno, code) = (half(4), half(8));
        if !own && (code >= 0 || code == linux::SI_TKILL) {
            return Err(Errno::EPERM);
        }
        let (low, high) = (half(16), half(20));
        let value = read_word(bytes, 24).unwrap_or(0);
        let detail = match code {
            0.. => Detail::Sender { pid: Pid(low), uid: high as u32 },
            linux::SI_TIMER => Detail::Timer { timer: low, overrun: high, value },
            _ => Detail::Queued { pid: Pid(low), uid: high as u32, value },
        };
        Ok(Self { signal, errno, code, detail })
    }
}
