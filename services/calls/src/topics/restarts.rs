//! Blocking calls and signals: interrupted, or begun anew.

use std::time::Duration;

use libc::{SA_RESTART, SIGUSR1};
use vortex_guest::mem::{PAGE, Region};
use vortex_guest::out::seen;
use vortex_guest::pipe::plain;
use vortex_guest::{fd, futex, proc, say, sig, time};

crate::tests!("restarts":
    "read-interrupted" => read_interrupted,
    "read-restarted" => read_restarted,
    "write-interrupted" => write_interrupted,
    "wait-interrupted" => wait_interrupted,
    "wait-restarted" => wait_restarted,
    "futex-interrupted" => futex_interrupted,
    "sleep-interrupted" => sleep_interrupted,
    "pause" => pause,
    "ignored-does-not-interrupt" => ignored,
);

/// Sends a signal to a child again and again until it ends: it came late enough once.
/// The child must have a handler by the first: see [`handling`].
pub fn pester(child: i32, signal: i32) -> String {
    loop {
        time::pause(Duration::from_millis(5));
        match proc::wait_for(child, libc::WNOHANG) {
            Ok((0, _)) => {
                let _ = sig::kill(child, signal);
            }
            Ok((_, status)) => return proc::ended(status),
            Err(error) => return error.to_string(),
        }
    }
}

/// A child that handles SIGUSR1 before this returns.
pub fn handling(flags: i32, work: impl FnOnce() -> i32) -> i32 {
    let ready = plain();
    let child = proc::child(|| {
        let _ = sig::handle(SIGUSR1, sig::NOTE, flags, &[]);
        let _ = fd::write(ready.into, b"x");
        work()
    });
    let _ = fd::read_text(ready.out, 1);
    child
}

fn read_interrupted() {
    let pipe = plain();
    let child = handling(0, || {
        seen("read", fd::read_text(pipe.out, 1));
        0
    });
    say!("child {}", pester(child, SIGUSR1));
}

fn read_restarted() {
    let (pipe, shared) = (plain(), Region::shared(PAGE));
    let child = handling(SA_RESTART, || {
        shared.word(0).store(1, std::sync::atomic::Ordering::SeqCst);
        seen("read", fd::read_text(pipe.out, 8));
        say!("handled {}", sig::noted() > 0);
        0
    });
    for _ in 0..5 {
        let _ = sig::kill(child, SIGUSR1);
        time::pause(Duration::from_millis(5));
    }
    let _ = fd::write(pipe.into, b"at last");
    say!("child {}", proc::wait(child));
}

/// A write that had begun says how far it came.
fn write_interrupted() {
    let pipe = plain();
    let child = handling(0, || {
        let bytes = vec![0; 1 << 20];
        let first = fd::write(pipe.into, &bytes);
        say!("a part {}", first.is_ok_and(|some| some > 0 && some < bytes.len()));
        seen("with a full pipe", fd::write(pipe.into, &bytes[..1]));
        0
    });
    say!("child {}", pester(child, SIGUSR1));
}

fn wait_interrupted() {
    let go = plain();
    let child = handling(0, || {
        let grandchild = proc::child(|| {
            let _ = fd::close(go.into);
            let _ = fd::read_text(go.out, 1);
            0
        });
        seen("wait", proc::wait_for(grandchild, 0).map(|_| "ended"));
        let _ = fd::close(go.into);
        0
    });
    let ended = pester(child, SIGUSR1);
    say!("child {ended}");
}

fn wait_restarted() {
    let go = plain();
    let child = handling(SA_RESTART, || {
        let grandchild = proc::child(|| {
            let _ = fd::read_text(go.out, 1);
            4
        });
        seen("wait", proc::wait_for(grandchild, 0).map(|(_, status)| proc::ended(status)));
        0
    });
    for _ in 0..5 {
        let _ = sig::kill(child, SIGUSR1);
        time::pause(Duration::from_millis(5));
    }
    let _ = fd::write(go.into, b"x");
    say!("child {}", proc::wait(child));
}

fn futex_interrupted() {
    let word = Region::shared(PAGE).word(0);
    let child = handling(0, || {
        seen("wait", futex::wait(word, 0, None));
        0
    });
    say!("child {}", pester(child, SIGUSR1));
    // With a time that is up, a wait is never begun anew, whatever the flags.
    let child = handling(SA_RESTART, || {
        seen("wait with a time", futex::wait(word, 0, Some(Duration::from_secs(1000))));
        0
    });
    say!("child {}", pester(child, SIGUSR1));
}

fn sleep_interrupted() {
    let child = handling(SA_RESTART, || {
        let (answer, left) = time::nanosleep(Duration::from_secs(1000));
        seen("sleep", answer);
        say!("some is left {}", left > Duration::from_secs(900));
        say!("not all {}", left < Duration::from_secs(1000));
        0
    });
    say!("child {}", pester(child, SIGUSR1));
}

fn pause() {
    let child = handling(SA_RESTART, || {
        // SAFETY: no memory is named.
        seen("pause", unsafe { vortex_guest::sys!(libc::SYS_pause) });
        0
    });
    say!("child {}", pester(child, SIGUSR1));
}

/// A signal without a handler that does nothing is not noticed by a call.
fn ignored() {
    let (pipe, ready) = (plain(), plain());
    let child = proc::child(|| {
        let _ = sig::ignore(SIGUSR1);
        let _ = fd::write(ready.into, b"x");
        seen("read", fd::read_text(pipe.out, 8));
        0
    });
    let _ = fd::read_text(ready.out, 1);
    for signal in [SIGUSR1, libc::SIGWINCH, libc::SIGURG, libc::SIGCONT] {
        let _ = sig::kill(child, signal);
        time::pause(Duration::from_millis(3));
    }
    let _ = fd::write(pipe.into, b"in peace");
    say!("child {}", proc::wait(child));
}
