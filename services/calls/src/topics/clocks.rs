//! Clocks and sleeping: that they go on, and never less than asked for.

use std::time::Duration;

use libc::{CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME_ID};
use vortex_guest::out::{seen, worked};
use vortex_guest::{say, sys, time};

crate::tests!("clocks":
    "monotonic" => monotonic,
    "all" => all,
    "processor-time" => processor_time,
    "sleep" => sleep,
    "sleep-until" => sleep_until,
    "errors" => errors,
    "same-time" => same_time,
    "between-threads" => between_threads,
);

fn monotonic() {
    let times: Vec<_> = (0..10_000).map(|_| time::now()).collect();
    say!("never back {}", times.is_sorted());
    say!("forth {}", times.last() > times.first());
}

fn all() {
    for (name, clock) in [
        ("realtime", CLOCK_REALTIME),
        ("monotonic", CLOCK_MONOTONIC),
        ("monotonic raw", libc::CLOCK_MONOTONIC_RAW),
        ("realtime coarse", libc::CLOCK_REALTIME_COARSE),
        ("monotonic coarse", libc::CLOCK_MONOTONIC_COARSE),
        ("boot time", libc::CLOCK_BOOTTIME),
    ] {
        let first = time::clock(clock);
        let second = time::clock(clock);
        say!("{name}: goes on {}", first.is_ok() && second >= first);
        let step = time::resolution(clock).unwrap_or_default();
        say!("{name}: a step {}", step > Duration::ZERO && step <= Duration::from_millis(20));
    }
}

fn processor_time() {
    let begin = time::clock(CLOCK_THREAD_CPUTIME_ID).unwrap_or_default();
    let used = || time::clock(CLOCK_THREAD_CPUTIME_ID).unwrap_or_default() - begin;
    while used() < Duration::from_millis(5) {}
    say!("working takes it {}", used() >= Duration::from_millis(5));
    let thread = used();
    let process = time::clock(CLOCK_PROCESS_CPUTIME_ID).unwrap_or_default();
    say!("the process's is no less {}", process >= thread);
    let before = used();
    time::pause(Duration::from_millis(200));
    say!("sleeping does not {}", used() - before < Duration::from_millis(150));
}

fn sleep() {
    for milliseconds in [0, 1, 10] {
        let (begin, wanted) = (time::now(), Duration::from_millis(milliseconds));
        seen("sleep", time::nanosleep(wanted).0);
        say!("so long {}", time::now() - begin >= wanted);
    }
}

fn sleep_until() {
    let end = time::now() + Duration::from_millis(10);
    let until = |end| time::clock_nanosleep(CLOCK_MONOTONIC, libc::TIMER_ABSTIME, time::spec(end));
    seen("until", until(end));
    say!("not before {}", time::now() >= end);
    seen("until before", until(end));
    seen("for", time::clock_nanosleep(CLOCK_REALTIME, 0, time::spec(Duration::from_millis(1))));
}

fn errors() {
    seen("no such clock", time::clock(999).map(|time| time.as_secs()));
    seen("its step", time::resolution(999).map(|time| time.as_secs()));
    let wrong = [(0, 1_000_000_000), (0, -1), (-1, 0)];
    for (tv_sec, tv_nsec) in wrong {
        seen("wrong time", time::nanosleep_raw(libc::timespec { tv_sec, tv_nsec }).0);
    }
    let spec = time::spec(Duration::ZERO);
    seen("sleep on no clock", time::clock_nanosleep(999, 0, spec));
    // SAFETY: there is no memory at that address.
    seen("time nowhere", unsafe { sys!(libc::SYS_nanosleep, sys::NOWHERE, 0) });
    // SAFETY: as above.
    seen("clock nowhere", unsafe { sys!(libc::SYS_clock_gettime, 0, sys::NOWHERE) });
}

fn same_time() {
    let first = time::clock(CLOCK_REALTIME).unwrap_or_default();
    let mut day = [0_i64; 2];
    // SAFETY: the kernel writes two words.
    worked("gettimeofday", unsafe { sys!(libc::SYS_gettimeofday, day.as_mut_ptr(), 0) });
    let day = Duration::new(day[0] as u64, day[1] as u32 * 1000);
    say!("the same day {}", day.abs_diff(first) < Duration::from_secs(3600));
    // SAFETY: no memory is named.
    let seconds = unsafe { sys!(libc::SYS_time, 0) }.unwrap_or(0) as u64;
    say!("the same time {}", seconds.abs_diff(first.as_secs()) < 3600);
    say!("after 2020 {}", first.as_secs() > 1_577_836_800);
}

/// What one thread reads after another has read is never earlier.
fn between_threads() {
    let last = std::sync::Mutex::new(Duration::ZERO);
    let back = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let mut last = last.lock().unwrap_or_else(|poison| poison.into_inner());
                    let now = time::now();
                    if now < *last {
                        back.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                    *last = now;
                }
            });
        }
    });
    say!("back {}", back.into_inner());
}
