//! Signals that are read.

use libc::{EPOLLET, EPOLLIN, SIGCHLD, SIGRTMIN, SIGUSR1, SIGUSR2};
use vortex_guest::event::{set, signals, wait, watch};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{entry, poll};
use vortex_guest::{Res, fd, proc, say, sig, time};

crate::tests!("signalfd":
    "read" => read,
    "several" => several,
    "children" => children,
    "waits" => waits,
    "watched" => watched,
    "masks" => masks,
    "wrong" => wrong,
    "who-reads" => who,
    "handler-first" => handler,
);

const SIZE: usize = 128;
/// A descriptor of these signals, which are blocked.
fn one(wanted: &[i32], flags: i32) -> i32 {
    sig::block(wanted);
    signals(-1, sig::set(wanted), flags)
        .unwrap_or_else(|error| vortex_guest::out::fail(&format!("no descriptor: {error}")))
}

/// Reads at most so many: each's number, code, whether it is its own, and its value.
fn some(fd: i32, most: usize) -> Res<String> {
    let mut bytes = vec![0; SIZE * most];
    let count = fd::read(fd, &mut bytes)? / SIZE;
    let word = |place: usize, at: usize| {
        let at = place * SIZE + at;
        bytes[at..at + 4].try_into().map_or(0, i32::from_le_bytes)
    };
    let told = (0..count).map(|place| {
        let own = word(place, 12) == proc::pid();
        let (status, value) = (word(place, 40), word(place, 44));
        format!("{} {} {own} {status} {value}", sig::name(word(place, 0)), word(place, 8))
    });
    Ok(format!("{:?}", told.collect::<Vec<_>>()))
}

fn read() {
    let own = one(&[SIGUSR1], libc::SFD_NONBLOCK);
    seen("none", some(own, 1));
    worked("kill", sig::kill(proc::pid(), SIGUSR1));
    seen("one", some(own, 4));
    seen("none", some(own, 1));
    worked("to the thread", sig::raise(SIGUSR1));
    seen("one", some(own, 4));
    say!("pending: {}", sig::names(sig::pending()));
    worked("queue", sig::queue(proc::pid(), SIGUSR1, 77));
    seen("one", some(own, 1));
}

fn several() {
    let own = one(&[SIGUSR1, SIGUSR2, SIGRTMIN()], libc::SFD_NONBLOCK);
    for value in 1..4 {
        worked("queue", sig::queue(proc::pid(), SIGRTMIN(), value));
    }
    worked("kill", sig::kill(proc::pid(), SIGUSR2));
    worked("kill", sig::kill(proc::pid(), SIGUSR1));
    worked("kill", sig::kill(proc::pid(), SIGUSR1));
    seen("two", some(own, 2));
    seen("the rest", some(own, 8));
    seen("none", some(own, 8));
}

fn children() {
    let own = one(&[SIGCHLD], 0);
    let child = proc::child(|| 7);
    seen("ended", some(own, 1));
    say!("{}", proc::wait(child));
}

fn waits() {
    let own = one(&[SIGUSR1], 0);
    let parent = proc::pid();
    let child = proc::child(|| {
        time::pause(time::SOON);
        i32::from(sig::kill(parent, SIGUSR1).is_err())
    });
    seen("read", some(own, 1));
    say!("{}", proc::wait(child));
    let child = proc::child(|| {
        time::pause(time::SOON);
        i32::from(sig::kill(parent, SIGUSR1).is_err())
    });
    let mut entries = [entry(own, libc::POLLIN)];
    seen("wait", poll(&mut entries, -1));
    seen("read", some(own, 1));
    say!("{}", proc::wait(child));
}

fn watched() {
    let own = one(&[SIGUSR1], libc::SFD_NONBLOCK);
    let Ok(sets) = set(0) else { return say!("no set") };
    worked("watch", watch(sets, own, EPOLLIN | EPOLLET));
    let ready = || wait(sets, 4, 0).map(|events| events.len());
    seen("none", ready());
    worked("kill", sig::kill(proc::pid(), SIGUSR1));
    seen("one", wait(sets, 4, -1).map(|events| events.len()));
    seen("told", ready());
    seen("read", some(own, 4));
    let parent = proc::pid();
    let child = proc::child(|| {
        time::pause(time::SOON);
        i32::from(sig::kill(parent, SIGUSR1).is_err())
    });
    seen("wait", wait(sets, 4, -1).map(|events| events.len()));
    say!("{}", proc::wait(child));
}

fn masks() {
    let own = one(&[SIGUSR1, SIGUSR2], libc::SFD_NONBLOCK);
    seen("only one", signals(own, sig::set(&[SIGUSR2]), 0).map(|it| it == own));
    worked("kill", sig::kill(proc::pid(), SIGUSR1));
    seen("not this", some(own, 1));
    seen("both", signals(own, sig::set(&[SIGUSR1, SIGUSR2]), 0).map(|it| it == own));
    seen("this", some(own, 1));
    seen("what cannot be", signals(own, sig::set(&[libc::SIGKILL]), 0).map(|it| it == own));
}

fn wrong() {
    worked("flags", signals(-1, 0, 1));
    worked("no such", signals(1, 0, 0));
    worked("nothing", signals(4711, 0, 0));
    let own = one(&[SIGUSR1], libc::SFD_CLOEXEC);
    seen("closed on exec", fd::fcntl(own, libc::F_GETFD, 0));
    seen("too small", fd::read(own, &mut [0; 127]));
    seen("write", fd::write(own, &[0; 128]));
}

fn who() {
    // The child's own signals are what it reads, by the descriptor that it has of its parent.
    let own = one(&[SIGUSR1], libc::SFD_NONBLOCK);
    worked("kill", sig::kill(proc::pid(), SIGUSR1));
    let child = proc::child(|| {
        seen("not the parent's", some(own, 1));
        let _ = sig::kill(proc::pid(), SIGUSR1);
        seen("its own", some(own, 1));
        0
    });
    say!("{}", proc::wait(child));
    seen("still there", some(own, 1));
}

fn handler() {
    let Ok(own) = signals(-1, sig::set(&[SIGUSR1]), libc::SFD_NONBLOCK) else {
        return say!("no descriptor");
    };
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    worked("kill", sig::kill(proc::pid(), SIGUSR1));
    say!("noted: {}", sig::noted());
    seen("none is left", some(own, 1));
}
