//! What a handler is told of the signal.

use std::sync::atomic::Ordering::SeqCst;

use libc::{SIGCHLD, SIGKILL, SIGSTOP, SIGUSR1};
use vortex_guest::out::worked;
use vortex_guest::sig::{self, NOTE, REAL_TIME};
use vortex_guest::{proc, say};

fn told(n: usize) {
    let note = sig::noted_at(n);
    let (signal, code) = (note.signal.load(SeqCst), note.code.load(SeqCst));
    say!("{} {}", sig::name(signal), sig::code_name(signal, code));
}

pub fn sender() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    worked("by kill", sig::raise(SIGUSR1));
    worked("by tgkill", sig::thread_kill(proc::pid(), proc::tid(), SIGUSR1));
    let me = proc::pid();
    let child = proc::child(|| sig::kill(me, SIGUSR1).map_or(1, |_| 0));
    say!("child {}", proc::wait(child));
    proc::until(|| sig::noted() == 3);
    (0..3).for_each(told);
    let from = |n: usize| sig::noted_at(n).sender.load(SeqCst);
    say!("{} {} {}", from(0) == me, from(1) == me, from(2) == child);
}

pub fn value() {
    worked("handle", sig::handle(REAL_TIME, NOTE, 0, &[]));
    worked("queue", sig::queue(proc::pid(), REAL_TIME, -77));
    told(0);
    say!("value {}", sig::noted_at(0).value.load(SeqCst));
    say!("from here {}", sig::noted_at(0).sender.load(SeqCst) == proc::pid());
}

pub fn child_ended() {
    worked("handle", sig::handle(SIGCHLD, NOTE, 0, &[]));
    let mut children = Vec::new();
    for (n, work) in [|| 42, || sig::raise(SIGKILL).map_or(1, |_| 0)].into_iter().enumerate() {
        children.push(proc::child(work));
        proc::until(|| sig::noted() == n + 1);
        told(n);
        let note = sig::noted_at(n);
        let right = note.sender.load(SeqCst) == children[n];
        say!("the child {right}, status {}", note.value.load(SeqCst));
    }
    children.into_iter().for_each(|child| say!("child {}", proc::wait(child)));
}

/// Tells a stop and a continuation too, unless SA_NOCLDSTOP.
pub fn child_stop() {
    for flags in [0, libc::SA_NOCLDSTOP] {
        say!(
            "child {}",
            proc::outcome(|| {
                worked("handle", sig::handle(SIGCHLD, NOTE, flags, &[]));
                let child = proc::child(|| {
                    loop {
                        proc::give_way();
                    }
                });
                for (n, signal) in [SIGSTOP, libc::SIGCONT, SIGKILL].into_iter().enumerate() {
                    worked("send", sig::kill(child, signal));
                    let options = libc::WUNTRACED | libc::WCONTINUED;
                    say!(
                        "{}",
                        loop {
                            match proc::wait_for(child, options) {
                                Err(error) if error.0 == libc::EINTR => {}
                                Err(error) => break error.to_string(),
                                Ok((_, status)) => break proc::ended(status),
                            }
                        }
                    );
                    // Each is told before the next: signals of one kind would be one.
                    let all = if flags == 0 { n + 1 } else { n / 2 };
                    proc::until(|| sig::noted() >= all);
                }
                (0..sig::noted()).for_each(told);
                0
            })
        );
    }
}
