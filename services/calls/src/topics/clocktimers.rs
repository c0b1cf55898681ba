//! The timers of `timer_create`.

use std::time::Duration;

use libc::{CLOCK_MONOTONIC, CLOCK_REALTIME, SIGALRM, SIGRTMIN, SIGUSR1};
use vortex_guest::out::{seen, worked};
use vortex_guest::{Res, proc, say, sig, sys, time};

crate::tests!("clocktimers":
    "once" => once,
    "interval" => interval,
    "absolute" => absolute,
    "without-an-event" => without,
    "only-asked" => only_asked,
    "to-a-thread" => to_a_thread,
    "overruns" => overruns,
    "several" => several,
    "not-inherited" => not_inherited,
    "deleted" => deleted,
    "errors" => errors,
);

const SIGNAL: i32 = 0;
const NONE: i32 = 1;
const THREAD: i32 = 4;

/// A `struct sigevent`.
fn event(kind: i32, signal: i32, value: i32, tid: i32) -> [i32; 16] {
    let mut event = [0; 16];
    event[..5].copy_from_slice(&[value, 0, signal, kind, tid]);
    event
}

fn create(clock: i32, event: Option<[i32; 16]>) -> Res<i32> {
    let mut id = -1;
    let event = event.as_ref().map_or(std::ptr::null(), |event| event.as_ptr());
    // SAFETY: the kernel reads the event and writes the number.
    unsafe { sys!(libc::SYS_timer_create, clock, event, &raw mut id) }.map(|_| id)
}

fn set(id: i32, flags: i32, first: Duration, then: Duration) -> Res<(bool, bool)> {
    let words = |time: Duration| [time.as_secs() as i64, i64::from(time.subsec_nanos())];
    let new = [words(then), words(first)];
    let mut old = [[0_i64; 2]; 2];
    // SAFETY: the kernel reads one structure of four words and writes the other.
    unsafe { sys!(libc::SYS_timer_settime, id, flags, new.as_ptr(), old.as_mut_ptr()) }?;
    Ok((old[1] != [0, 0], old[0] != [0, 0]))
}

fn left(id: i32) -> Res<(Duration, Duration)> {
    let mut old = [[0_i64; 2]; 2];
    // SAFETY: the kernel writes a structure of four words.
    unsafe { sys!(libc::SYS_timer_gettime, id, old.as_mut_ptr()) }?;
    let time = |words: [i64; 2]| Duration::new(words[0] as u64, words[1] as u32);
    Ok((time(old[1]), time(old[0])))
}

fn overrun(id: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_timer_getoverrun, id) }
}

fn delete(id: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_timer_delete, id) }
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn made(event: Option<[i32; 16]>) -> i32 {
    create(CLOCK_MONOTONIC, event).unwrap_or(-1)
}

fn once() {
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, libc::SA_SIGINFO, &[]));
    let id = made(Some(event(SIGNAL, SIGUSR1, 7, 0)));
    let begin = time::now();
    seen("set", set(id, 0, ms(10), ms(0)).map(|old| format!("{old:?}")));
    proc::until(|| sig::noted() == 1);
    say!("not before {}", time::now() - begin >= ms(10));
    say!("{}", sig::noted_names());
    seen("left", left(id).map(|left| format!("{left:?}")));
    seen("overrun", overrun(id));
}

fn interval() {
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    let id = made(Some(event(SIGNAL, SIGUSR1, 7, 0)));
    let begin = time::now();
    worked("set", set(id, 0, ms(2), ms(2)));
    proc::until(|| sig::noted() >= 4);
    say!("not too soon {}", time::now() - begin >= ms(8));
    seen("off", set(id, 0, ms(0), ms(0)).map(|(left, then)| format!("{left} {then}")));
    seen("left", left(id).map(|left| format!("{left:?}")));
}

fn absolute() {
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    let id = made(Some(event(SIGNAL, SIGUSR1, 7, 0)));
    let then = time::now() + ms(10);
    worked("set", set(id, libc::TIMER_ABSTIME, then, ms(0)));
    proc::until(|| sig::noted() == 1);
    say!("not before {}", time::now() >= then);
    worked("in the past", set(id, libc::TIMER_ABSTIME, Duration::from_nanos(1), ms(0)));
    proc::until(|| sig::noted() == 2);
}

fn without() {
    worked("handle", sig::handle(SIGALRM, sig::NOTE, 0, &[]));
    let id = create(CLOCK_REALTIME, None);
    seen("number", id);
    worked("set", set(id.unwrap_or(-1), 0, ms(1), ms(0)));
    proc::until(|| sig::noted() == 1);
    say!("{}", sig::noted_names());
}

fn only_asked() {
    let id = made(Some(event(NONE, 0, 0, 0)));
    worked("set", set(id, 0, ms(100_000), ms(0)));
    let soon = |(left, _): (Duration, Duration)| left > ms(0) && left <= ms(100_000);
    seen("left", left(id).map(soon));
    worked("set", set(id, 0, ms(5), ms(0)));
    time::pause(ms(10));
    seen("left", left(id).map(|left| format!("{left:?}")));
    worked("set", set(id, 0, ms(5), ms(4)));
    time::pause(ms(20));
    let within =
        |(left, then): (Duration, Duration)| left > ms(0) && left <= ms(4) && then == ms(4);
    seen("within an interval", left(id).map(within));
}

fn to_a_thread() {
    worked("handle", sig::handle(SIGRTMIN(), sig::NOTE, 0, &[]));
    let id = made(Some(event(THREAD, SIGRTMIN(), 7, proc::tid())));
    worked("set", set(id, 0, ms(1), ms(0)));
    proc::until(|| sig::noted() == 1);
    seen("no such thread", create(CLOCK_MONOTONIC, Some(event(THREAD, SIGUSR1, 0, 1 << 22))));
}

fn overruns() {
    sig::block(&[SIGRTMIN()]);
    let id = made(Some(event(SIGNAL, SIGRTMIN(), 7, 0)));
    worked("set", set(id, 0, ms(1), ms(1)));
    time::pause(ms(30));
    say!("pending {}", sig::names(sig::pending()));
    seen("taken", sig::take(&[SIGRTMIN()], 0));
    seen("counted", overrun(id).map(|more| more > 0));
}

fn several() {
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    let ids: Vec<_> = (0..3).map(|_| made(Some(event(SIGNAL, SIGUSR1, 0, 0)))).collect();
    say!("{ids:?}");
    for id in &ids {
        worked("set", set(*id, 0, Duration::from_secs(1000), ms(0)));
    }
    let far = |(left, _): (Duration, Duration)| left > Duration::from_secs(900);
    ids.iter().for_each(|id| seen("left", left(*id).map(far)));
}

fn not_inherited() {
    let id = made(Some(event(SIGNAL, SIGUSR1, 0, 0)));
    say!(
        "{}",
        proc::outcome(|| {
            seen("left", left(id).map(|left| format!("{left:?}")));
            0
        })
    );
}

fn deleted() {
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    let id = made(Some(event(SIGNAL, SIGUSR1, 0, 0)));
    worked("set", set(id, 0, ms(5), ms(0)));
    seen("delete", delete(id));
    seen("again", delete(id));
    seen("set", set(id, 0, ms(1), ms(0)).map(|_| "done"));
    time::pause(ms(10));
    say!("noted {}", sig::noted());
}

fn errors() {
    seen("no such clock", create(999, None));
    seen("no such signal", create(CLOCK_MONOTONIC, Some(event(SIGNAL, 99, 0, 0))));
    seen("no such kind", create(CLOCK_MONOTONIC, Some(event(9, SIGUSR1, 0, 0))));
    seen("no such timer", left(99).map(|left| left.0.as_secs()));
    seen("overrun of none", overrun(99));
    let id = made(None);
    // SAFETY: the kernel reads a structure of four words.
    seen("wrong time", unsafe {
        sys!(libc::SYS_timer_settime, id, 0, [0_i64, 0, 0, 1_000_000_000].as_ptr(), 0)
    });
    // SAFETY: there is no memory at that address.
    seen("nowhere", unsafe { sys!(libc::SYS_timer_settime, id, 0, sys::NOWHERE, 0) });
}
