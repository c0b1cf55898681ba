//! How a machine ended, and what that means for who started it.

use std::fmt;
use std::process::ExitStatus;

use super::console::Quit;

/// What the kernel writes where it faulted.
const FAULT: u8 = 0x7f;

/// It.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It powered itself off, or ended with status 0.
    Good,
    /// It ended with this status.
    Status(u8),
    /// The kernel faulted and said where.
    Fault,
    /// QEMU itself gave up; it has said why.
    Qemu(ExitStatus),
    /// It was stopped from here.
    Stopped(Quit),
}

impl Ending {
    /// From how QEMU ended by itself. A write of v to the debug port ends it with 2v+1, so
    /// that 1 is a good end where the kernel was told to end in this way, and QEMU's own
    /// failure where it was not.
    pub fn of(status: ExitStatus, with_status: bool) -> Self {
        match status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(0) => Self::Good,
            Some(1) if with_status => Self::Good,
            Some(code) if code > 1 && code % 2 == 1 => match code / 2 {
                FAULT => Self::Fault,
                status => Self::Status(status),
            },
            _ => Self::Qemu(status),
        }
    }

    /// With what this command ends.
    pub const fn code(self) -> u8 {
        match self {
            Self::Good | Self::Stopped(Quit::Keys) => 0,
            Self::Stopped(Quit::Signal(number)) => 128 + number,
            // As timeout(1) has it.
            Self::Stopped(Quit::Time) => 124,
            _ => 1,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("the machine has ended"),
            Self::Status(status) => write!(f, "the kernel ended with status {status}"),
            Self::Fault => f.write_str("the kernel faulted"),
            Self::Qemu(status) => write!(f, "QEMU failed ({status})"),
            Self::Stopped(Quit::Keys) => f.write_str("stopped"),
            Self::Stopped(Quit::Signal(number)) => write!(f, "stopped by signal {number}"),
            Self::Stopped(Quit::Time) => f.write_str("stopped: its time is over"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn each_status_has_its_meaning() {
        let of = |code: i32, with_status| Ending::of(ExitStatus::from_raw(code << 8), with_status);
        assert_eq!(of(0, false), Ending::Good);
        assert_eq!(of(1, true), Ending::Good);
        assert!(matches!(of(1, false), Ending::Qemu(_)));
        assert_eq!(of(7, true), Ending::Status(3));
        assert_eq!(of(255, false), Ending::Fault);
        let aborted = Ending::of(ExitStatus::from_raw(6), true);
        assert!(matches!(aborted, Ending::Qemu(_)));
        assert_eq!(Ending::Stopped(Quit::Signal(15)).code(), 143);
    }
}
