//! Many processes, long arguments, many timers and signals.

use std::time::Duration;

use vortex_guest::{fd, file, pipe, proc, sig, sys, time};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[
    ("arguments", arguments),
    ("arguments-large", large_arguments),
    ("group", group),
    ("orphans", orphans),
    ("timers", timers),
    ("signals", signals),
];

/// The argument with which this program only ends.
pub const STARTED: &str = "--started";

/// What a program that was started answers: whether it has as many arguments, or as much of
/// them, as it was told.
pub fn started() -> i32 {
    let wanted: usize = std::env::var("LONG").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let found: usize = std::env::args().skip(2).map(|argument| argument.len() + 1).sum();
    i32::from(found != wanted)
}

/// This program's own path.
pub fn own() -> String {
    std::env::args().next().unwrap_or_default()
}

fn start_with(argument: &str, count: usize) -> String {
    let length = (argument.len() + 1) * count;
    proc::outcome(|| {
        let own = own();
        let mut all = vec![own.as_str(), STARTED];
        all.extend(std::iter::repeat_n(argument, count));
        proc::exec(&own, &all, &[&format!("LONG={length}")]).0
    })
}

/// As many arguments as there may be.
fn arguments() -> Result<(), String> {
    is("60,000 of two", start_with("ab", 60_000), "exit 0".into())
}

/// Arguments as long as they may be.
fn large_arguments() -> Result<(), String> {
    let long = "x".repeat((128 << 10) - 1);
    is("14 of 128 KiB", start_with(&long, 14), "exit 0".into())?;
    let much = format!("exit {}", libc::E2BIG);
    is("too many", start_with(&long, 40), much)
}

/// A group of many, stopped, told to go on, made nice and killed.
fn group() -> Result<(), String> {
    const MANY: usize = 400;
    let gate = pipe::plain();
    let mut children = Vec::new();
    for _ in 0..MANY {
        let child = proc::child(|| {
            let _ = fd::close(gate.into);
            let _ = fd::read(gate.out, &mut [0]);
            0
        });
        let group = children.first().copied().unwrap_or(child);
        must("its group", proc::set_group(child, group))?;
        children.push(child);
    }
    let leader = children[0];
    must("list", file::get("/proc/stat"))?;
    let folder = must("open", file::open("/proc", libc::O_RDONLY))?;
    let mut listed = 0;
    loop {
        match must("list", file::entries(folder, 1 << 16))?.len() {
            0 => break,
            more => listed += more,
        }
    }
    is("processes are listed", listed > MANY, true)?;
    // SAFETY: no memory is named.
    let nice = unsafe { sys!(libc::SYS_setpriority, libc::PRIO_PGRP, leader, 3) };
    must("nice", nice)?;
    for signal in [libc::SIGSTOP, libc::SIGCONT, libc::SIGKILL] {
        must("signal", sig::kill(-leader, signal))?;
        time::pause(Duration::from_millis(100));
    }
    for _ in 0..MANY {
        let (_, status) = must("wait", proc::wait_for(-leader, 0))?;
        is("how it ended", proc::ended(status), "killed by SIGKILL".into())?;
    }
    Ok(())
}

/// A process ends that has many children, alive and dead.
fn orphans() -> Result<(), String> {
    const MANY: usize = 400;
    let gate = pipe::plain();
    let how = proc::outcome(|| {
        for n in 0..MANY {
            proc::child(|| {
                let _ = fd::close(gate.into);
                if n % 2 == 0 {
                    let _ = fd::read(gate.out, &mut [0]);
                }
                0
            });
        }
        time::pause(Duration::from_millis(300));
        0
    });
    is("their parent", how, "exit 0".into())?;
    must("close", fd::close(gate.into))?;
    time::pause(Duration::from_millis(300));
    Ok(())
}

/// As many timers as there may be, all due at once.
fn timers() -> Result<(), String> {
    sig::block(&[libc::SIGALRM]);
    let mut made = 0;
    loop {
        let mut timer = 0_i32;
        // SAFETY: the kernel writes the timer's number.
        let created =
            unsafe { sys!(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, 0, &raw mut timer) };
        if created.is_err() {
            break;
        }
        made += 1;
        let times: [i64; 4] = [0, 0, 0, 50_000_000];
        // SAFETY: the kernel reads the times.
        let set = unsafe { sys!(libc::SYS_timer_settime, timer, 0, times.as_ptr(), 0) };
        must("set", set)?;
    }
    is("many", made >= 1_000, true)?;
    time::pause(Duration::from_millis(100));
    Ok(())
}

/// As many signals as may wait, and a stop that undoes none of them.
fn signals() -> Result<(), String> {
    sig::block(&[sig::REAL_TIME]);
    let mut sent = 0_usize;
    while sent < 5_000 && sig::queue(proc::pid(), sig::REAL_TIME, sent as i32).is_ok() {
        sent += 1;
    }
    is("many", sent >= 1_000, true)?;
    must("a continuation", sig::kill(proc::pid(), libc::SIGCONT))?;
    must("ignore", sig::ignore(sig::REAL_TIME).map(|()| 0))?;
    is("none wait", sig::pending(), 0)?;
    Ok(())
}
