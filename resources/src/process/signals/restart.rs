//! What becomes of a system call that a signal has interrupted: signal(7), "Interruption of
//! system calls and library functions by signal handlers".

use vortex_abi::Errno;
use vortex_machine::Registers;

use super::action::Action;

/// How a call takes it to be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// It is repeated, whatever happens (Linux's `ERESTARTNOINTR`).
    Always,
    /// It is repeated, unless a handler without `SA_RESTART` runs (`ERESTARTSYS`): reads,
    /// writes, waits.
    Restart,
    /// It goes on with what is left of its time, unless a handler runs
    /// (`ERESTART_RESTARTBLOCK`): sleeps.
    RestartUnlessHandler,
    /// It is repeated, unless a handler runs (`ERESTARTNOHAND`): pause, sigsuspend, poll.
    NoHandler,
    /// It is never repeated.
    Eintr,
}

/// What becomes of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It is made once more.
    Repeat,
    /// restart_syscall(2) is made instead: what is left of it is known to the kernel.
    Rest,
    /// It returns `EINTR`.
    Fail,
}

/// Says what becomes of an interrupted call; `handler` is the action whose handler runs, if
/// one does.
#[must_use]
pub const fn resumed(interrupted: Interrupted, handler: Option<&Action>) -> Resumed {
    match (interrupted, handler) {
        (Interrupted::Eintr, _) => Resumed::Fail,
        (Interrupted::RestartUnlessHandler, None) => Resumed::Rest,
        (Interrupted::Always | Interrupted::Restart | Interrupted::NoHandler, None) => {
            Resumed::Repeat
        }
        (Interrupted::Always, Some(_)) => Resumed::Repeat,
        (Interrupted::Restart, Some(action)) if action.has(Action::RESTART) => Resumed::Repeat,
        (_, Some(_)) => Resumed::Fail,
    }
}

/// The registers with which the thread goes on, or its handler's frame is built: `number` is
/// of the call that it has made.
#[must_use]
pub const fn resume(registers: Registers, number: u64, resumed: Resumed) -> Registers {
    const SYSCALL: u64 = 2;
    const RESTART_SYSCALL: u64 = 219;
    let again = registers.rip.wrapping_sub(SYSCALL);
    match resumed {
        Resumed::Repeat => Registers { rax: number, rip: again, ..registers },
        Resumed::Rest => Registers { rax: RESTART_SYSCALL, rip: again, ..registers },
        Resumed::Fail => Registers { rax: Errno::EINTR.as_result(), ..registers },
    }
}
