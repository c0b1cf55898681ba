//! Waiting for children.

use libc::{P_ALL, P_PID, WEXITED, WNOHANG, WNOWAIT};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::plain;
use vortex_guest::{Res, fd, proc, say, sig, sys};

crate::tests!("waiting":
    "nobody" => nobody,
    "not-yet" => not_yet,
    "once" => once,
    "any-in-turn" => in_turn,
    "by-group" => by_group,
    "grandchild" => grandchild,
    "zombie" => zombie,
    "ignored-child" => ignored,
    "waitid" => wait_id,
    "waitid-stays" => stays,
    "errors" => errors,
    "usage" => usage,
);

fn told(answer: Res<(i32, i32)>) -> String {
    answer.map_or_else(|error| error.to_string(), |(_, status)| proc::ended(status))
}

fn nobody() {
    say!("any: {}", told(proc::wait_for(-1, 0)));
    say!("any, at once: {}", told(proc::wait_for(-1, WNOHANG)));
    say!("myself: {}", told(proc::wait_for(proc::pid(), 0)));
    say!("the first process: {}", told(proc::wait_for(1, WNOHANG)));
    say!("my group: {}", told(proc::wait_for(0, 0)));
}

fn not_yet() {
    let go = plain();
    let child = proc::child(|| {
        let _ = fd::read_text(go.out, 1);
        4
    });
    seen("running", proc::wait_for(child, WNOHANG).map(|(pid, status)| format!("{pid} {status}")));
    seen("any", proc::wait_for(-1, WNOHANG).map(|(pid, _)| pid));
    worked("go", fd::write(go.into, b"x"));
    say!("ended: {}", told(proc::wait_for(child, 0)));
}

fn once() {
    let child = proc::child(|| 9);
    say!("first: {}", told(proc::wait_for(child, 0)));
    say!("again: {}", told(proc::wait_for(child, 0)));
}

/// Three children that end in a known order, awaited each as it ends.
fn in_turn() {
    let gates = [plain(), plain(), plain()];
    let children = [0, 1, 2].map(|n| {
        proc::child(move || {
            let _ = fd::read_text(gates[n].out, 1);
            n as i32 + 10
        })
    });
    for n in [1, 2, 0] {
        worked("go", fd::write(gates[n].into, b"x"));
        let answer = proc::wait_for(-1, 0);
        let right = answer.is_ok_and(|(pid, _)| pid == children[n]);
        say!("the right one {right}: {}", told(answer));
    }
    say!("none left: {}", told(proc::wait_for(-1, 0)));
}

fn by_group() {
    let go = plain();
    let make = |code| {
        proc::child(move || {
            let _ = fd::read_text(go.out, 1);
            code
        })
    };
    let (here, there) = (make(1), make(2));
    worked("own group", proc::set_group(there, there));
    worked("go", fd::write(go.into, b"xx"));
    say!("of that group: {}", told(proc::wait_for(-there, 0)));
    say!("no more of it: {}", told(proc::wait_for(-there, 0)));
    say!("of my group: {}", told(proc::wait_for(0, 0)));
    say!("by its number: {}", told(proc::wait_for(here, 0)));
}

fn grandchild() {
    let (told_of, go) = (plain(), plain());
    let child = proc::child(|| {
        let grandchild = proc::child(|| {
            let _ = fd::read_text(go.out, 1);
            0
        });
        let _ = fd::write(told_of.into, grandchild.to_string().as_bytes());
        i32::from(proc::wait(grandchild) != "exit 0")
    });
    let number = fd::read_text(told_of.out, 16).unwrap_or_default().parse().unwrap_or(1);
    say!("not mine: {}", told(proc::wait_for(number, WNOHANG)));
    worked("go", fd::write(go.into, b"x"));
    say!("child {}", proc::wait(child));
}

fn zombie() {
    let child = proc::child(|| 0);
    // Until it has ended, and without reaping it.
    worked("ended", proc::wait_id(P_PID, child, WEXITED | WNOWAIT));
    seen("signal to it", sig::kill(child, libc::SIGTERM));
    say!("status: {}", told(proc::wait_for(child, 0)));
    seen("signal to it", sig::kill(child, libc::SIGTERM));
}

/// Whoever ignores SIGCHLD has no zombies: waiting for any waits for all.
fn ignored() {
    worked("ignore", sig::ignore(libc::SIGCHLD));
    proc::child(|| 1);
    proc::child(|| 2);
    say!("any: {}", told(proc::wait_for(-1, 0)));
    worked("default", sig::default(libc::SIGCHLD));
    say!("as before: {}", proc::outcome(|| 3));
}

fn show(what: &str, answer: Res<libc::siginfo_t>, child: i32) {
    match answer {
        Ok(info) => {
            // SAFETY: the structure is that of a child, or all zero.
            let pid = unsafe { info.si_pid() };
            // SAFETY: as above.
            let status = unsafe { info.si_status() };
            let code = sig::code_name(info.si_signo, info.si_code);
            let signal = sig::name(info.si_signo);
            say!("{what}: {signal} {code} status {status} the child {}", pid == child);
        }
        Err(error) => say!("{what}: {error}"),
    }
}

fn wait_id() {
    let child = proc::child(|| 300);
    show("exit", proc::wait_id(P_PID, child, WEXITED), child);
    let child = proc::child(|| sig::raise(libc::SIGKILL).map_or(1, |_| 0));
    show("kill", proc::wait_id(P_ALL, 0, WEXITED), child);
    show("nobody", proc::wait_id(P_ALL, 0, WEXITED), child);
    let go = plain();
    let child = proc::child(|| fd::read_text(go.out, 1).map_or(1, |_| 0));
    let answer = proc::wait_id(P_PID, child, WEXITED | WNOHANG);
    seen("not yet", answer.map(|info| info.si_signo));
    worked("go", fd::write(go.into, b"x"));
    say!("child {}", proc::wait(child));
}

fn stays() {
    let child = proc::child(|| 6);
    show("look", proc::wait_id(P_PID, child, WEXITED | WNOWAIT), child);
    show("look again", proc::wait_id(P_PID, child, WEXITED | WNOWAIT), child);
    show("take", proc::wait_id(P_PID, child, WEXITED), child);
    show("gone", proc::wait_id(P_PID, child, WEXITED), child);
}

fn errors() {
    say!("wrong options: {}", told(proc::wait_for(-1, 0x4000)));
    seen("waitid without a state", proc::wait_id(P_ALL, 0, WNOHANG).map(|_| "ok"));
    seen("waitid of a wrong kind", proc::wait_id(99, 0, WEXITED).map(|_| "ok"));
    let child = proc::child(|| 8);
    // SAFETY: there is no memory for the status at that address.
    let answer = unsafe { sys!(libc::SYS_wait4, child, sys::NOWHERE, 0, 0) };
    seen("status nowhere", answer);
    say!("reaped all the same: {}", told(proc::wait_for(child, 0)));
}

fn usage() {
    let child = proc::child(|| {
        let mut n = 0_u64;
        while vortex_guest::time::clock(libc::CLOCK_PROCESS_CPUTIME_ID)
            .is_ok_and(|time| time < std::time::Duration::from_millis(30))
        {
            n = std::hint::black_box(n + 1);
        }
        0
    });
    let mut status = 0;
    // SAFETY: all zero is a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes both.
    let answer = unsafe { sys!(libc::SYS_wait4, child, &raw mut status, 0, &raw mut usage) };
    say!("the child {}: {}", answer == Ok(child as usize), proc::ended(status));
    let time = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    say!("it used time {}", time(usage.ru_utime) + time(usage.ru_stime) > 0);
}
