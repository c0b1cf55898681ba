//! Signals: sending, blocking, handling.

mod actions;
mod handlers;
mod stacks;
mod threads;
mod told;

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use libc::{SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2, c_int, c_void, siginfo_t};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::plain;
use vortex_guest::sig::{self, NOTE, REAL_TIME};
use vortex_guest::{fd, proc, say};

crate::tests!("signals":
    "handled-at-once" => at_once,
    "block" => block,
    "coalesce" => coalesce,
    "real-time-queue" => real_time,
    "lowest-first" => lowest_first,
    "suspend" => suspend,
    "take" => take,
    "reset-handler" => handlers::reset_handler,
    "defer" => handlers::defer,
    "no-defer" => handlers::no_defer,
    "mask-of-handler" => handlers::mask_of_handler,
    "sender" => told::sender,
    "value" => told::value,
    "child-ended" => told::child_ended,
    "child-stop" => told::child_stop,
    "own-stack" => stacks::own_stack,
    "stack-errors" => stacks::stack_errors,
    "default-actions" => actions::default_actions,
    "send-errors" => actions::send_errors,
    "action-errors" => actions::action_errors,
    "action-told" => actions::action_told,
    "ignored-is-dropped" => actions::ignored,
    "fork-inherits" => threads::fork_inherits,
    "to-thread" => threads::to_thread,
    "to-any-thread" => threads::to_any_thread,
    "thread-masks" => threads::thread_masks,
    "kill-blocked" => kill_blocked,
    "storm" => storm,
    "mask-changed-in-handler" => handlers::mask_changed,
    "context" => handlers::context,
);

fn at_once() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    for n in 1..=3 {
        worked("raise", sig::raise(SIGUSR1));
        say!("noted {} after {n}", sig::noted());
    }
}

fn block() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR1]);
    worked("raise", sig::raise(SIGUSR1));
    say!("noted {}, pending {}", sig::noted(), sig::names(sig::pending()));
    sig::unblock(&[SIGUSR1]);
    say!("noted {}, pending {}", sig::noted(), sig::names(sig::pending()));
    let before = sig::mask(libc::SIG_SETMASK, &[SIGUSR1, SIGUSR2]);
    seen("before", before.map(sig::names));
    let before = sig::mask(libc::SIG_UNBLOCK, &[SIGUSR1]);
    seen("then", before.map(sig::names));
    seen("last", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    let before = sig::mask(libc::SIG_BLOCK, &[SIGKILL, SIGSTOP]);
    seen("block what cannot be", before.map(sig::names));
    seen("it is not", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    seen("no such way", sig::mask(99, &[]).map(sig::names));
}

fn coalesce() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR1]);
    (0..5).for_each(|_| worked("raise", sig::raise(SIGUSR1)));
    sig::unblock(&[SIGUSR1]);
    say!("noted {}", sig::noted());
}

fn real_time() {
    worked("handle", sig::handle(REAL_TIME, NOTE, 0, &[]));
    sig::block(&[REAL_TIME]);
    for value in [7, 3, 5] {
        worked("queue", sig::queue(proc::pid(), REAL_TIME, value));
    }
    sig::unblock(&[REAL_TIME]);
    say!("noted {}", sig::noted());
    (0..3).for_each(|n| say!("value {}", sig::noted_at(n).value.load(SeqCst)));
}

fn lowest_first() {
    for signal in [SIGUSR1, SIGUSR2, REAL_TIME, REAL_TIME + 1, REAL_TIME + 2] {
        // Each blocks all others, so that they come one after the other.
        let all: Vec<_> = (1..=64).collect();
        worked("handle", sig::handle(signal, NOTE, 0, &all));
        sig::block(&[signal]);
    }
    for signal in [REAL_TIME + 2, SIGUSR2, REAL_TIME, SIGUSR1, REAL_TIME + 1] {
        worked("raise", sig::raise(signal));
    }
    let _ = sig::mask(libc::SIG_SETMASK, &[]);
    say!("{}", sig::noted_names());
}

fn suspend() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR1, SIGUSR2]);
    worked("raise", sig::raise(SIGUSR1));
    seen("suspend", sig::suspend(&[]));
    say!("noted {}", sig::noted());
    seen("mask after it", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    let me = proc::pid();
    let child = proc::child(|| sig::kill(me, SIGUSR1).map_or(1, |_| 0));
    seen("suspend", sig::suspend(&[]));
    say!("noted {}", sig::noted());
    say!("child {}", proc::wait(child));
}

fn take() {
    sig::block(&[SIGUSR1, SIGUSR2, REAL_TIME]);
    seen("none", sig::take(&[SIGUSR1], 0));
    seen("none for a moment", sig::take(&[SIGUSR1], 5));
    worked("raise", sig::raise(SIGUSR2));
    worked("raise", sig::raise(SIGUSR1));
    seen("one of both", sig::take(&[SIGUSR1, SIGUSR2], 0));
    seen("the other", sig::take(&[SIGUSR1, SIGUSR2], 0));
    seen("none", sig::take(&[SIGUSR1, SIGUSR2], 0));
    let me = proc::pid();
    let child = proc::child(|| sig::kill(me, REAL_TIME).map_or(1, |_| 0));
    seen("from the child", sig::take(&[REAL_TIME], 30_000));
    say!("child {}", proc::wait(child));
}

fn kill_blocked() {
    let all: Vec<_> = (1..=64).collect();
    say!(
        "{}",
        proc::outcome(|| {
            sig::block(&all);
            sig::raise(SIGTERM).and_then(|_| sig::raise(SIGKILL)).map_or(1, |_| 0)
        })
    );
}

static STORM: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    STORM.fetch_add(1, SeqCst);
}

/// Many queued signals of a child arrive each, and the sum at work stays right.
fn storm() {
    worked("handle", sig::handle(REAL_TIME, count, 0, &[]));
    let (me, go) = (proc::pid(), plain());
    let child = proc::child(|| {
        let _ = fd::read_text(go.out, 1);
        let sent = (0..500).filter(|n| {
            proc::until(|| sig::queue(me, REAL_TIME, *n).is_ok());
            true
        });
        i32::from(sent.count() != 500)
    });
    worked("go", fd::write(go.into, b"x"));
    let mut sum = 0_u64;
    proc::until(|| {
        sum = (0..1000).sum();
        STORM.load(SeqCst) == 500
    });
    say!("handled {}, sum {sum}", STORM.load(SeqCst));
    say!("child {}", proc::wait(child));
}
