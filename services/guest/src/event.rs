//! Sets of descriptors to watch, counters and timers that are descriptors.

use std::time::Duration;

use crate::{Res, sys};

/// Makes a set.
pub fn set(flags: i32) -> Res<i32> {
    // SAFETY: a plain number.
    unsafe { sys!(libc::SYS_epoll_create1, flags) }.map(|fd| fd as i32)
}

/// Changes a set: the descriptor's own number is what it tells.
pub fn control(set: i32, operation: i32, fd: i32, events: u32) -> Res {
    let event = libc::epoll_event { events, u64: fd as u64 };
    // SAFETY: the kernel reads the event.
    unsafe { sys!(libc::SYS_epoll_ctl, set, operation, fd, &raw const event) }
}

/// Adds a descriptor to a set.
pub fn watch(set: i32, fd: i32, events: i32) -> Res {
    control(set, libc::EPOLL_CTL_ADD, fd, events as u32)
}

/// Waits for at most so many events, so many milliseconds: descriptors and events.
pub fn wait(set: i32, most: usize, timeout: i32) -> Res<Vec<(u64, u32)>> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; most];
    // SAFETY: the kernel writes within the slice.
    let count = unsafe { sys!(libc::SYS_epoll_wait, set, events.as_mut_ptr(), most, timeout) }?;
    Ok(events[..count].iter().map(|event| (event.u64, event.events)).collect())
}

/// The same with a mask of signals in force meanwhile.
pub fn wait_masked(set: i32, timeout: i32, mask: u64) -> Res {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: the kernel writes the event and reads the mask.
    unsafe {
        sys!(
            libc::SYS_epoll_pwait,
            set,
            &raw mut event,
            1,
            timeout,
            &raw const mask,
            size_of_val(&mask)
        )
    }
}

/// The same with a time in nanoseconds.
pub fn wait_exactly(set: i32, time: Option<Duration>) -> Res {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    let spec = time.map(crate::time::spec);
    let spec = spec.as_ref().map_or(std::ptr::null(), |spec| spec as *const libc::timespec);
    // SAFETY: the kernel writes the event and reads the time.
    unsafe { sys!(libc::SYS_epoll_pwait2, set, &raw mut event, 1, spec, 0, 8) }
}

/// Makes a counter.
pub fn counter(count: u32, flags: i32) -> Res<i32> {
    // SAFETY: plain numbers.
    unsafe { sys!(libc::SYS_eventfd2, count, flags) }.map(|fd| fd as i32)
}

/// Makes a timer.
pub fn timer(clock: i32, flags: i32) -> Res<i32> {
    // SAFETY: plain numbers.
    unsafe { sys!(libc::SYS_timerfd_create, clock, flags) }.map(|fd| fd as i32)
}

/// Sets a timer: when, and how often. What it was set to.
pub fn set_timer(fd: i32, flags: i32, value: Duration, interval: Duration) -> Res<[Duration; 2]> {
    let new = libc::itimerspec {
        it_interval: crate::time::spec(interval),
        it_value: crate::time::spec(value),
    };
    let mut old = new;
    // SAFETY: the kernel reads one and writes the other.
    unsafe { sys!(libc::SYS_timerfd_settime, fd, flags, &raw const new, &raw mut old) }?;
    Ok([duration(old.it_value), duration(old.it_interval)])
}

/// What a timer is set to.
pub fn timer_setting(fd: i32) -> Res<[Duration; 2]> {
    let zero = crate::time::spec(Duration::ZERO);
    let mut old = libc::itimerspec { it_interval: zero, it_value: zero };
    // SAFETY: the kernel writes it.
    unsafe { sys!(libc::SYS_timerfd_gettime, fd, &raw mut old) }?;
    Ok([duration(old.it_value), duration(old.it_interval)])
}

fn duration(spec: libc::timespec) -> Duration {
    Duration::new(spec.tv_sec as u64, spec.tv_nsec as u32)
}

/// Makes a descriptor of signals, or changes what it takes.
pub fn signals(fd: i32, mask: u64, flags: i32) -> Res<i32> {
    // SAFETY: the kernel reads the mask.
    unsafe { sys!(libc::SYS_signalfd4, fd, &raw const mask, 8, flags) }.map(|fd| fd as i32)
}

/// Reads eight bytes as a number.
pub fn read_number(fd: i32) -> Res<u64> {
    let mut bytes = [0; 8];
    crate::fd::read(fd, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Writes a number as eight bytes.
pub fn write_number(fd: i32, number: u64) -> Res {
    crate::fd::write(fd, &number.to_ne_bytes())
}
