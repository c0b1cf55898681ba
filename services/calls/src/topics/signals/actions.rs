//! What becomes of a signal: the default actions, and actions that are set.

use libc::{SA_NODEFER, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2};
use vortex_guest::out::{seen, worked};
use vortex_guest::sig::{self, NOTE, REAL_TIME};
use vortex_guest::{proc, say, sys};

pub fn default_actions() {
    let standard = (1..=31).filter(|n| ![SIGSTOP, 20, 21, 22].contains(n));
    for signal in standard.chain([REAL_TIME]) {
        let ended = proc::outcome(|| sig::raise(signal).map_or(1, |_| 0));
        say!("{}: {ended}", sig::name(signal));
    }
}

pub fn send_errors() {
    seen("to nobody", sig::kill(1 << 22, SIGUSR1));
    seen("no such signal", sig::raise(65));
    seen("negative", sig::raise(-1));
    seen("nothing to myself", sig::raise(0));
    seen("nothing to nobody", sig::kill(1 << 22, 0));
    seen("to a thread of another", sig::thread_kill(1 << 22, proc::tid(), 0));
    seen("to no thread", sig::thread_kill(proc::pid(), 1 << 22, 0));
    seen("to thread 0", sig::thread_kill(proc::pid(), 0, 0));
    seen("to this thread", sig::thread_kill(proc::pid(), proc::tid(), 0));
    seen("to an empty group", sig::kill(-(1 << 22), SIGUSR1));
}

pub fn action_errors() {
    for signal in [SIGKILL, SIGSTOP, 0, 65, -1] {
        seen(&format!("ignore {signal}"), sig::ignore(signal).map(|()| "ok"));
    }
    // SAFETY: nothing is changed; there is no memory at that address.
    let answer = unsafe { sys!(libc::SYS_rt_sigaction, SIGKILL, 0, 0, 8) };
    seen("ask about SIGKILL", answer);
    // SAFETY: as above.
    seen("wrong size", unsafe { sys!(libc::SYS_rt_sigaction, SIGUSR1, 0, 0, 4) });
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_rt_sigaction, SIGUSR1, sys::NOWHERE, 0, 8) };
    seen("action nowhere", answer);
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_rt_sigprocmask, 0, sys::NOWHERE, 0, 8) };
    seen("mask nowhere", answer);
}

pub fn action_told() {
    let flags = SA_NODEFER | libc::SA_RESTART;
    worked("set", sig::handle(SIGUSR1, NOTE, flags, &[SIGUSR2, SIGTERM]));
    match sig::action(SIGUSR1, libc::SIG_IGN, 0, &[]) {
        Ok(old) => {
            say!("the handler {}", old.sa_sigaction == NOTE as usize);
            say!("the flags {}", old.sa_flags & 0x7bff_ffff == flags | libc::SA_SIGINFO);
            // SAFETY: the set is ours.
            let has = |signal| unsafe { libc::sigismember(&raw const old.sa_mask, signal) };
            say!("the mask {} {} {}", has(SIGUSR2), has(SIGTERM), has(SIGUSR1));
        }
        Err(error) => say!("{error}"),
    }
    let old = sig::action(SIGUSR1, libc::SIG_DFL, 0, &[]);
    seen("then ignored", old.map(|old| old.sa_sigaction == libc::SIG_IGN));
}

/// What is ignored is dropped even while it is pending.
pub fn ignored() {
    worked("ignore", sig::ignore(SIGUSR1));
    worked("raise", sig::raise(SIGUSR1));
    worked("default", sig::default(SIGUSR1));
    sig::block(&[SIGUSR1]);
    worked("raise", sig::raise(SIGUSR1));
    say!("pending {}", sig::names(sig::pending()));
    worked("ignore", sig::ignore(SIGUSR1));
    say!("pending {}", sig::names(sig::pending()));
    worked("default", sig::default(SIGUSR1));
    sig::unblock(&[SIGUSR1]);
    say!("still here");
}
