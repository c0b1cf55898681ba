//! Alarms and interval timers.

use std::time::Duration;

use libc::{ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL, SIGALRM, SIGPROF, SIGVTALRM};
use vortex_guest::out::{seen, worked};
use vortex_guest::{Res, proc, say, sig, sys, time};

crate::tests!("timers":
    "alarm" => alarm,
    "alarm-kills" => alarm_kills,
    "alarm-remaining" => remaining,
    "once" => once,
    "interval" => interval,
    "virtual" => virtual_time,
    "virtual-interval" => virtual_interval,
    "profiling" => profiling,
    "profiling-kills" => profiling_kills,
    "not-inherited" => not_inherited,
    "errors" => errors,
);

fn set_alarm(seconds: u32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_alarm, seconds) }
}

fn set(which: i32, first: i64, then: i64) -> Res {
    let time = |us: i64| libc::timeval { tv_sec: us / 1_000_000, tv_usec: us % 1_000_000 };
    let value = libc::itimerval { it_interval: time(then), it_value: time(first) };
    // SAFETY: the kernel reads the structure.
    unsafe { sys!(libc::SYS_setitimer, which, &raw const value, 0) }
}

fn left(which: i32) -> Res<(i64, i64)> {
    let none = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut value = libc::itimerval { it_interval: none, it_value: none };
    // SAFETY: the kernel writes the structure.
    unsafe { sys!(libc::SYS_getitimer, which, &raw mut value) }?;
    let us = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    Ok((us(value.it_value), us(value.it_interval)))
}

fn alarm() {
    worked("handle", sig::handle(SIGALRM, sig::NOTE, 0, &[]));
    let begin = time::now();
    seen("alarm", set_alarm(1));
    sig::block(&[SIGALRM]);
    seen("suspend", sig::suspend(&[]));
    say!("noted {}", sig::noted_names());
    say!("not before {}", time::now() - begin >= Duration::from_millis(990));
}

fn alarm_kills() {
    say!(
        "{}",
        proc::outcome(|| {
            let _ = set(ITIMER_REAL, 10_000, 0);
            loop {
                time::pause(Duration::from_secs(1));
            }
        })
    );
}

fn remaining() {
    seen("none before", set_alarm(1000));
    seen("some left", set_alarm(2000).map(|left| left > 900 && left <= 1000));
    seen("some left", set_alarm(0).map(|left| left > 1900 && left <= 2000));
    seen("none", set_alarm(0));
}

fn once() {
    worked("handle", sig::handle(SIGALRM, sig::NOTE, 0, &[]));
    worked("set", set(ITIMER_REAL, 5000, 0));
    proc::until(|| sig::noted() == 1);
    seen("then", left(ITIMER_REAL).map(|left| format!("{left:?}")));
    worked("far", set(ITIMER_REAL, 1_000_000_000, 7000));
    let some = left(ITIMER_REAL).map(|(left, then)| (left > 900_000_000, then >= 7000));
    seen("left", some.map(|some| format!("{some:?}")));
    worked("off", set(ITIMER_REAL, 0, 7000));
    seen("left", left(ITIMER_REAL).map(|(left, _)| left));
}

fn interval() {
    worked("handle", sig::handle(SIGALRM, sig::NOTE, 0, &[]));
    let begin = time::now();
    worked("set", set(ITIMER_REAL, 2000, 2000));
    proc::until(|| sig::noted() >= 5);
    say!("not too soon {}", time::now() - begin >= Duration::from_millis(9));
    worked("off", set(ITIMER_REAL, 0, 0));
}

fn virtual_time() {
    worked("handle", sig::handle(SIGVTALRM, sig::NOTE, 0, &[]));
    worked("set", set(ITIMER_VIRTUAL, 20_000, 0));
    time::pause(Duration::from_millis(30));
    say!("not while asleep {}", sig::noted() == 0);
    while sig::noted() == 0 {
        std::hint::spin_loop();
    }
    say!("noted {}", sig::noted_names());
}

fn spin_until(noted: usize) {
    while sig::noted() < noted {
        std::hint::spin_loop();
    }
}

fn virtual_interval() {
    worked("handle", sig::handle(SIGVTALRM, sig::NOTE, 0, &[]));
    worked("set", set(ITIMER_VIRTUAL, 10_000, 10_000));
    spin_until(3);
    worked("off", set(ITIMER_VIRTUAL, 0, 0));
    seen("left", left(ITIMER_VIRTUAL).map(|left| format!("{left:?}")));
    worked("far", set(ITIMER_VIRTUAL, 1_000_000_000, 2_000_000));
    let far = |(left, then): (i64, i64)| left > 900_000_000 && then == 2_000_000;
    seen("left", left(ITIMER_VIRTUAL).map(far));
    seen("the other", left(ITIMER_PROF).map(|left| format!("{left:?}")));
}

fn profiling() {
    worked("handle", sig::handle(SIGPROF, sig::NOTE, 0, &[]));
    worked("set", set(ITIMER_PROF, 20_000, 0));
    time::pause(Duration::from_millis(30));
    say!("not while asleep {}", sig::noted() == 0);
    spin_until(1);
    say!("noted {}", sig::noted_names());
}

fn profiling_kills() {
    say!(
        "{}",
        proc::outcome(|| {
            let _ = set(ITIMER_PROF, 10_000, 0);
            loop {
                std::hint::spin_loop();
            }
        })
    );
}

fn not_inherited() {
    worked("set", set(ITIMER_REAL, 1_000_000_000, 0));
    say!(
        "child {}",
        proc::outcome(|| {
            seen("left", left(ITIMER_REAL).map(|(left, _)| left));
            0
        })
    );
}

fn errors() {
    seen("no such timer", set(9, 1, 0));
    seen("wrong time", {
        let value = [0_i64, 0, 0, 1_000_000];
        // SAFETY: the kernel reads the structure of four words.
        unsafe { sys!(libc::SYS_setitimer, ITIMER_REAL, value.as_ptr(), 0) }
    });
    // SAFETY: there is no memory at that address.
    seen("nowhere", unsafe { sys!(libc::SYS_setitimer, ITIMER_REAL, sys::NOWHERE, 0) });
    seen("ask about none", left(9).map(|left| left.0));
}
