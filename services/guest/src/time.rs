//! Clocks and sleeping.

use std::time::Duration;

use crate::{Res, sys};

/// As the kernel has it.
pub fn spec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) }
}

fn duration(spec: libc::timespec) -> Duration {
    Duration::new(spec.tv_sec as u64, spec.tv_nsec as u32)
}

/// What a clock shows.
pub fn clock(clock: i32) -> Res<Duration> {
    let mut now = spec(Duration::ZERO);
    // SAFETY: the kernel writes the structure.
    unsafe { sys!(libc::SYS_clock_gettime, clock, &raw mut now) }?;
    Ok(duration(now))
}

/// The finest step of a clock.
pub fn resolution(clock: i32) -> Res<Duration> {
    let mut step = spec(Duration::ZERO);
    // SAFETY: the kernel writes the structure.
    unsafe { sys!(libc::SYS_clock_getres, clock, &raw mut step) }?;
    Ok(duration(step))
}

/// The clock that never steps back.
pub fn now() -> Duration {
    clock(libc::CLOCK_MONOTONIC).unwrap_or_default()
}

/// Sleeps; an interrupted sleep gives what was left of it.
pub fn nanosleep(time: Duration) -> (Res, Duration) {
    nanosleep_raw(spec(time))
}

/// Sleeps as long as a structure says, which may be a wrong one.
pub fn nanosleep_raw(time: libc::timespec) -> (Res, Duration) {
    let mut left = spec(Duration::ZERO);
    // SAFETY: the kernel reads the one and writes the other structure.
    let answer = unsafe { sys!(libc::SYS_nanosleep, &raw const time, &raw mut left) };
    (answer, duration(left))
}

/// Sleeps on a clock; with `TIMER_ABSTIME` until a time.
pub fn clock_nanosleep(clock: i32, flags: i32, time: libc::timespec) -> Res {
    // SAFETY: the kernel reads the structure.
    unsafe { sys!(libc::SYS_clock_nanosleep, clock, flags, &raw const time, 0) }
}

/// Long enough that another has begun to wait, where nothing says that it has.
pub const SOON: Duration = Duration::from_millis(30);

/// Sleeps for a moment, whatever interrupts it.
pub fn pause(time: Duration) {
    let _ = nanosleep(time);
}

/// The time-stamp counter.
pub fn cycles() -> u64 {
    // SAFETY: every x86-64 has it; it has no effect.
    unsafe { std::arch::x86_64::_rdtsc() }
}
