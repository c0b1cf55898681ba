//! Timers that are read.

use std::time::Duration;

use libc::{CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, EPOLLET, EPOLLIN, TFD_TIMER_ABSTIME};
use vortex_guest::event::{read_number, set, set_timer, timer, timer_setting, wait, watch};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{entry, poll};
use vortex_guest::{Res, fd, proc, say, time};

crate::tests!("timerfd":
    "once" => once,
    "interval" => interval,
    "absolute" => absolute,
    "settings" => settings,
    "wrong" => wrong,
    "nonblocking" => nonblocking,
    "watched" => watched,
    "set-again" => again,
    "past" => past,
);

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(1000);

/// A timer, where one cannot be missing.
fn one(clock: i32, flags: i32) -> i32 {
    timer(clock, flags)
        .unwrap_or_else(|error| vortex_guest::out::fail(&format!("no timer: {error}")))
}

fn once() {
    for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME] {
        let own = one(clock, 0);
        let before = time::now();
        worked("set", set_timer(own, 0, SHORT, Duration::ZERO));
        seen("read", read_number(own));
        say!("long enough: {}", time::now() - before >= SHORT);
        let mut entries = [entry(own, libc::POLLIN)];
        seen("no more", poll(&mut entries, 30));
    }
}

fn interval() {
    let own = one(CLOCK_MONOTONIC, 0);
    worked("set", set_timer(own, 0, SHORT, Duration::from_millis(5)));
    seen("first", read_number(own).map(|times| times >= 1));
    time::pause(Duration::from_millis(52));
    seen("then", read_number(own).map(|times| times >= 10));
    seen("on", read_number(own).map(|times| times >= 1));
    worked("stop", set_timer(own, 0, Duration::ZERO, Duration::ZERO));
    let mut entries = [entry(own, libc::POLLIN)];
    seen("no more", poll(&mut entries, 20));
}

fn absolute() {
    for clock in [CLOCK_REALTIME, CLOCK_MONOTONIC] {
        let own = one(clock, 0);
        let Ok(now) = time::clock(clock) else { return say!("no clock") };
        worked("set", set_timer(own, TFD_TIMER_ABSTIME, now + SHORT, Duration::ZERO));
        seen("read", read_number(own));
        say!("late enough: {}", time::clock(clock).is_ok_and(|then| then >= now + SHORT));
    }
}

fn settings() {
    let own = one(CLOCK_MONOTONIC, 0);
    let told = |setting: Res<[Duration; 2]>| {
        setting.map(|[left, interval]| {
            let left = left > Duration::from_secs(990) && left <= LONG;
            format!("{left} {interval:?}")
        })
    };
    let none = Duration::ZERO;
    seen("not set", timer_setting(own).map(|setting| format!("{setting:?}")));
    seen("set", set_timer(own, 0, LONG, Duration::from_secs(3)).map(|old| format!("{old:?}")));
    seen("is set", told(timer_setting(own)));
    seen("set again", told(set_timer(own, 0, none, Duration::from_secs(7))));
    seen("stopped", timer_setting(own).map(|setting| format!("{setting:?}")));
    worked("short", set_timer(own, 0, Duration::from_millis(1), none));
    time::pause(SHORT);
    seen("over", timer_setting(own).map(|setting| format!("{setting:?}")));
    seen("read", read_number(own));
}

fn wrong() {
    worked("no clock", timer(99, 0));
    worked("the process's", timer(libc::CLOCK_PROCESS_CPUTIME_ID, 0));
    worked("flags", timer(CLOCK_MONOTONIC, 1));
    let own = one(CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK);
    seen("closed on exec", fd::fcntl(own, libc::F_GETFD, 0));
    seen("flags of it", fd::fcntl(own, libc::F_GETFL, 0));
    worked("wrong flags", set_timer(own, 8, LONG, LONG));
    worked("no timer", set_timer(1, 0, LONG, LONG));
    seen("too small", fd::read(own, &mut [0; 7]));
    seen("write", fd::write(own, &[0; 8]));
    seen("seek", fd::pread(own, &mut [0; 8], 0));
}

fn nonblocking() {
    let own = one(CLOCK_MONOTONIC, libc::TFD_NONBLOCK);
    seen("not set", read_number(own));
    worked("set", set_timer(own, 0, LONG, Duration::ZERO));
    seen("not yet", read_number(own));
    worked("set", set_timer(own, 0, Duration::from_millis(1), Duration::ZERO));
    let mut entries = [entry(own, libc::POLLIN)];
    seen("wait", poll(&mut entries, -1));
    seen("read", read_number(own));
    seen("read again", read_number(own));
}

fn watched() {
    let (own, Ok(sets)) = (one(CLOCK_MONOTONIC, libc::TFD_NONBLOCK), set(0)) else {
        return say!("no set");
    };
    worked("watch", watch(sets, own, EPOLLIN | EPOLLET));
    worked("set", set_timer(own, 0, SHORT, Duration::from_millis(5)));
    seen("wait", wait(sets, 8, -1).map(|events| events.len()));
    seen("read", read_number(own).map(|times| times >= 1));
    seen("wait", wait(sets, 8, -1).map(|events| events.len()));
    seen("not read, not told", wait(sets, 8, 20).map(|events| events.len()));
}

fn again() {
    let own = one(CLOCK_MONOTONIC, 0);
    for millis in [900_000, 800_000, 700_000, 1_000_000, 5] {
        worked("set", set_timer(own, 0, Duration::from_millis(millis), Duration::ZERO));
    }
    seen("the last counts", read_number(own));
    worked("soon", set_timer(own, 0, Duration::from_millis(5), Duration::ZERO));
    worked("late", set_timer(own, 0, Duration::from_millis(60), Duration::ZERO));
    let before = time::now();
    seen("read", read_number(own));
    say!("late: {}", time::now() - before >= Duration::from_millis(50));
    let child = proc::child(|| i32::from(read_number(own) != Ok(1)));
    worked("for the child", set_timer(own, 0, SHORT, Duration::ZERO));
    say!("{}", proc::wait(child));
}

fn past() {
    let own = one(CLOCK_REALTIME, 0);
    let second = Duration::from_secs(1);
    worked("long ago", set_timer(own, TFD_TIMER_ABSTIME, second, Duration::ZERO));
    seen("read", read_number(own));
    worked("and often", set_timer(own, TFD_TIMER_ABSTIME, second, second));
    seen("read", read_number(own).map(|times| times > 1_000_000));
}
