//! Signals with several threads, and with a child.

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};

use libc::{SIGTERM, SIGUSR1, SIGUSR2};
use vortex_guest::out::{seen, worked};
use vortex_guest::sig::{self, NOTE};
use vortex_guest::{proc, say};

pub fn fork_inherits() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR2]);
    worked("raise", sig::raise(SIGUSR2));
    say!(
        "child {}",
        proc::outcome(|| {
            say!("blocked {}", sig::names(sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0)));
            say!("pending {}", sig::names(sig::pending()));
            worked("raise", sig::raise(SIGUSR1));
            say!("noted {}", sig::noted());
            0
        })
    );
    say!("here pending {}", sig::names(sig::pending()));
    say!("here noted {}", sig::noted());
}

/// Runs a thread that tells its number and waits until it may end.
fn with_thread(masked: &'static [i32], work: impl FnOnce(i32)) {
    static NUMBER: AtomicI32 = AtomicI32::new(0);
    static END: AtomicU32 = AtomicU32::new(0);
    NUMBER.store(0, SeqCst);
    END.store(0, SeqCst);
    let thread = std::thread::spawn(move || {
        sig::block(masked);
        NUMBER.store(proc::tid(), SeqCst);
        proc::until(|| END.load(SeqCst) == 1);
    });
    proc::until(|| NUMBER.load(SeqCst) != 0);
    work(NUMBER.load(SeqCst));
    END.store(1, SeqCst);
    drop(thread.join());
}

pub fn to_thread() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    with_thread(&[], |other| {
        worked("send", sig::thread_kill(proc::pid(), other, SIGUSR1));
        proc::until(|| sig::noted() == 1);
        say!("taken by it {}", sig::noted_at(0).thread.load(SeqCst) == other);
        worked("send here", sig::thread_kill(proc::pid(), proc::tid(), SIGUSR1));
        say!("taken here {}", sig::noted_at(1).thread.load(SeqCst) == proc::tid());
    });
}

pub fn to_any_thread() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    with_thread(&[], |other| {
        sig::block(&[SIGUSR1]);
        worked("send to the process", sig::raise(SIGUSR1));
        proc::until(|| sig::noted() == 1);
        say!("taken by who does not block {}", sig::noted_at(0).thread.load(SeqCst) == other);
        worked("send to this thread", sig::thread_kill(proc::pid(), proc::tid(), SIGUSR1));
        say!("pending {}, noted {}", sig::names(sig::pending()), sig::noted());
        sig::unblock(&[SIGUSR1]);
        say!("noted {}", sig::noted());
    });
}

pub fn thread_masks() {
    with_thread(&[SIGUSR2], |other| {
        worked("send to a thread", sig::thread_kill(proc::pid(), other, SIGUSR2));
        say!("not pending here {}", sig::names(sig::pending()));
        seen("blocked here", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    });
    sig::block(&[SIGTERM]);
    let other = std::thread::spawn(|| sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0));
    say!("inherited {}", sig::names(other.join().unwrap_or(0)));
}
