//! Sub-activities: Vortex's own calls. Linux has none of them, so there a test prints what is
//! promised; on Vortex it prints what it has observed.

mod bills;
mod members;

use std::time::Duration;

use vortex_abi::performance::{self, Sample};
use vortex_guest::activity::{Limits, bind, close, create};
use vortex_guest::out::worked;
use vortex_guest::{Errno, proc, say, sys, time};

crate::tests!("subactivities":
    "errors" => errors,
    "names" => names,
    "many" => many,
    "bill" => bills::bill,
    "shares" => bills::shares,
    "others-thread" => bills::others_thread,
    "inherited" => members::inherited,
    "ended" => members::ended,
    "signals" => members::signals,
    "memory" => members::memory,
);

fn is_vortex() -> bool {
    // SAFETY: all zero is a value of it.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the structure.
    let told = unsafe { sys!(libc::SYS_uname, &raw mut name) };
    let release: Vec<u8> = name.release.iter().map(|letter| *letter as u8).collect();
    told.is_ok() && release.windows(6).any(|word| word == b"vortex")
}

/// Prints what is observed; where there are no such calls, what is promised.
fn observe(promised: &[&str], run: impl FnOnce()) {
    if is_vortex() {
        run();
    } else {
        promised.iter().for_each(|line| say!("{line}"));
    }
}

/// A handle of a new one; the test ends where there is none.
fn made(share: u32) -> u64 {
    match create(share, Limits::default()) {
        Ok(handle) => handle,
        Err(error) => vortex_guest::out::fail(&format!("no sub-activity: {error}")),
    }
}

/// The caller's performance data.
fn sample() -> Sample {
    let mut buffer = vec![1_u8; 256 << 10];
    // SAFETY: the kernel writes within the buffer.
    let length = unsafe { sys!(i64::from(performance::NUMBER), buffer.as_mut_ptr(), buffer.len()) };
    let bytes = length.ok().and_then(|length| buffer.get(..length)).unwrap_or_default();
    performance::decode(bytes).unwrap_or_default()
}

/// Cycles of a sub-activity on each core.
fn cycles(sample: &Sample, handle: u64) -> Vec<u64> {
    let of = |core: &performance::Core| {
        let used = core.used.iter().find(|(activity, _)| *activity == handle as u32);
        used.map_or(0, |(_, cycles)| *cycles)
    };
    sample.cores.iter().map(of).collect()
}

fn total(sample: &Sample, handle: u64) -> u64 {
    cycles(sample, handle).iter().sum()
}

fn spin(span: Duration) {
    let end = time::now() + span;
    while time::now() < end {
        std::hint::spin_loop();
    }
}

const MOMENT: Duration = Duration::from_millis(200);

fn errors() {
    let promised = [
        "no share: EINVAL",
        "all: EINVAL",
        "more than all: EINVAL",
        "most: ok",
        "the rest and more: EINVAL",
        "too few requests: EAGAIN",
        "nobody's handle: EBADF",
        "close nobody's: EBADF",
        "nobody's thread: ESRCH",
        "another process's thread: ESRCH",
        "bind: ok",
        "bind again: ok",
        "close while bound: EBUSY",
        "a child's: EPERM",
        "a child's close: EPERM",
        "a child's own: EPERM",
        "away: ok",
        "away again: ok",
        "close: ok",
        "close again: EBADF",
        "bind to what is closed: EBADF",
    ];
    observe(&promised, || {
        worked("no share", create(0, Limits::default()));
        worked("all", create(1000, Limits::default()));
        worked("more than all", create(u32::MAX, Limits::default()));
        let most = made(990);
        say!("most: ok");
        worked("the rest and more", create(10, Limits::default()));
        worked("too few requests", create(1, Limits { requests: 1, ..Limits::default() }));
        worked("nobody's handle", bind(most + (7 << 32), 0));
        worked("close nobody's", close(most + (7 << 32)));
        worked("nobody's thread", bind(most, 4_000_000));
        worked("another process's thread", bind(most, 1));
        worked("bind", bind(most, 0));
        worked("bind again", bind(most, 0));
        worked("close while bound", close(most));
        let child = proc::child(|| {
            worked("a child's", bind(most, 0));
            worked("a child's close", close(most));
            worked("a child's own", create(1, Limits::default()));
            0
        });
        let _ = proc::wait(child);
        worked("away", bind(0, 0));
        worked("away again", bind(0, proc::tid()));
        worked("close", close(most));
        worked("close again", close(most));
        worked("bind to what is closed", bind(most, 0));
    });
}

fn names() {
    observe(&["named beside its whole: true", "one more: true", "gone: true"], || {
        let (one, other) = (made(100), made(100));
        let told = sample();
        let name = |handle: u64| told.name(handle as u32).unwrap_or_default().to_string();
        let whole = told
            .names
            .iter()
            .find(|(number, _)| told.cores[0].used.iter().any(|(of, _)| of == number));
        let whole = whole.map(|(_, name)| name.clone()).unwrap_or_default();
        let number = |name: &str| name.strip_prefix(&format!("{whole}/"))?.parse::<u32>().ok();
        let (first, second) = (number(&name(one)), number(&name(other)));
        say!("named beside its whole: {}", first.is_some());
        say!("one more: {}", second.is_some() && second == first.map(|first| first + 1));
        let (one_name, _) = (close(one).map(|_| name(one)), close(other));
        let gone = || {
            let told = sample();
            told.name(one as u32).is_none_or(|now| Ok(now.to_string()) != one_name)
        };
        proc::until(gone);
        say!("gone: true");
    });
}

/// Whether all of the share is there again, before long.
fn whole_again() -> bool {
    let mut again = false;
    proc::until(|| match create(990, Limits::default()) {
        Ok(handle) => {
            again = close(handle).is_ok();
            true
        }
        Err(_) => false,
    });
    again
}

fn many() {
    observe(
        &["at a time: 15", "then: EAGAIN", "one after the other: true", "whole again: true"],
        || {
            let mut all = Vec::new();
            let refused = loop {
                match create(10, Limits::default()) {
                    Ok(handle) => all.push(handle),
                    Err(error) => break error,
                }
            };
            say!("at a time: {}", all.len());
            say!("then: {refused}");
            for handle in all {
                let _ = close(handle);
            }
            let mut good = true;
            for _ in 0..100 {
                let mut handle = Err(Errno(libc::EAGAIN));
                proc::until(|| {
                    handle = create(900, Limits::default());
                    handle.is_ok()
                });
                good &= handle.is_ok_and(|handle| {
                    bind(handle, 0).is_ok() && bind(0, 0).is_ok() && close(handle).is_ok()
                });
            }
            say!("one after the other: {good}");
            say!("whole again: {}", whole_again());
        },
    );
}
