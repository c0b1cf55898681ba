//! `select` and `pselect6`.

use std::time::Duration;

use libc::SIGUSR1;
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{Pipe, plain};
use vortex_guest::{Res, errno, fd, proc, say, sig, time};

crate::tests!("selects":
    "ready" => ready,
    "all-three" => all_three,
    "high-descriptors" => high,
    "hang-up" => hang_up,
    "waits" => waits,
    "timeout" => timeout,
    "time-left" => time_left,
    "interrupted" => interrupted,
    "mask" => mask,
    "errors" => errors,
);

type Set = [u64; 16];

fn set(descriptors: &[i32]) -> Set {
    let mut set = [0; 16];
    for &fd in descriptors {
        set[fd as usize / 64] |= 1 << (fd % 64);
    }
    set
}

fn members(set: &Set) -> Vec<usize> {
    (0..1024).filter(|n| set[n / 64] >> (n % 64) & 1 != 0).collect()
}

/// A time in its two words, which the kernel writes back; no time where it is negative.
fn select(count: i32, sets: [Option<&mut Set>; 3], time: &mut [i64; 2]) -> Res {
    let [r, w, x] = sets.map(|set| set.map_or(std::ptr::null_mut(), |set| set.as_mut_ptr()));
    let limit = if time[0] < 0 { std::ptr::null_mut() } else { time.as_mut_ptr() };
    // SAFETY: the kernel reads and writes the sets and the time, all large enough.
    unsafe { vortex_guest::sys!(libc::SYS_select, count, r, w, x, limit) }
}

const EVER: [i64; 2] = [-1, 0];

/// As above with nanoseconds and blocked signals.
fn pselect(count: i32, read: &mut Set, nanos: Option<i64>, blocked: u64) -> Res {
    let mut time = [0, nanos.unwrap_or(0)];
    let limit = nanos.map_or(std::ptr::null_mut(), |_| time.as_mut_ptr());
    let mask = [(&raw const blocked) as usize, 8];
    // SAFETY: as above; the mask is a pointer and a size.
    unsafe {
        vortex_guest::sys!(libc::SYS_pselect6, count, read.as_mut_ptr(), 0, 0, limit, mask.as_ptr())
    }
}

fn readable(what: &str, out: i32, time: &mut [i64; 2]) {
    let mut read = set(&[out]);
    let answer = select(out + 1, [Some(&mut read), None, None], time);
    seen(what, answer.map(|ready| format!("{ready} {:?}", members(&read))));
}

fn ready() {
    let Pipe { out, into } = plain();
    readable("empty", out, &mut [0, 0]);
    worked("write", fd::write(into, b"x"));
    readable("with a byte", out, &mut [0, 0]);
    readable("for ever", out, &mut EVER.clone());
    let mut write = set(&[into]);
    let answer = select(into + 1, [None, Some(&mut write), None], &mut [0, 0]);
    seen("to write", answer.map(|ready| format!("{ready} {:?}", members(&write))));
    let mut read = set(&[out]);
    let answer = select(out, [Some(&mut read), None, None], &mut [0, 0]);
    seen("not among those meant", answer);
}

fn all_three() {
    let (one, two) = (plain(), plain());
    worked("write", fd::write(one.into, b"x"));
    let mut read = set(&[one.out, two.out]);
    let mut write = set(&[one.into, two.into]);
    let mut fail = set(&[one.out, two.out]);
    let sets = [Some(&mut read), Some(&mut write), Some(&mut fail)];
    seen("ready", select(two.into + 1, sets, &mut [0, 0]));
    say!("{:?} {:?} {:?}", members(&read), members(&write), members(&fail));
}

fn high() {
    let Pipe { out, into } = plain();
    worked("far up", fd::dup2(out, 1000));
    worked("write", fd::write(into, b"x"));
    readable("ready", 1000, &mut [0, 0]);
}

fn hang_up() {
    let Pipe { out, into } = plain();
    worked("close the writer", fd::close(into));
    readable("at the end", out, &mut [0, 0]);
    let Pipe { out, into } = plain();
    worked("close the reader", fd::close(out));
    let mut write = set(&[into]);
    let mut fail = set(&[into]);
    let answer = select(into + 1, [None, Some(&mut write), Some(&mut fail)], &mut [0, 0]);
    seen("nobody reads", answer);
    say!("{:?} {:?}", members(&write), members(&fail));
}

fn waits() {
    let Pipe { out, into } = plain();
    let child = proc::child(|| {
        time::pause(Duration::from_millis(20));
        fd::write(into, b"late").map_or(1, |_| 0)
    });
    readable("until the child writes", out, &mut EVER.clone());
    seen("read", fd::read_text(out, 8));
    say!("child {}", proc::wait(child));
}

fn timeout() {
    let out = plain().out;
    let begin = time::now();
    readable("20 ms", out, &mut [0, 20_000]);
    say!("it took so long: {}", time::now() - begin >= Duration::from_millis(20));
    let begin = time::now();
    seen("as a sleep", select(0, [None, None, None], &mut [0, 5_000]));
    say!("it took so long: {}", time::now() - begin >= Duration::from_millis(5));
    let mut read = set(&[out]);
    seen("pselect6", pselect(out + 1, &mut read, Some(5_000_000), 0));
    say!("{:?}", members(&read));
}

fn time_left() {
    let Pipe { out, into } = plain();
    let mut time = [0, 3_000];
    readable("over", out, &mut time);
    say!("left {time:?}");
    worked("write", fd::write(into, b"x"));
    let mut time = [100, 5];
    readable("at once", out, &mut time);
    let left = time[0] * 1_000_000 + time[1];
    say!("some was taken off at most {}", left > 90_000_000 && left <= 100_000_005);
}

fn interrupted() {
    let out = plain().out;
    let child = super::restarts::handling(libc::SA_RESTART, || {
        readable("select", out, &mut EVER.clone());
        0
    });
    say!("child {}", super::restarts::pester(child, SIGUSR1));
}

fn mask() {
    let out = plain().out;
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    sig::block(&[SIGUSR1]);
    worked("raise", sig::raise(SIGUSR1));
    let mut read = set(&[out]);
    let blocked = sig::set(&[SIGUSR1]);
    seen("with it blocked", pselect(out + 1, &mut read, Some(1_000_000), blocked));
    say!("noted {}", sig::noted());
    let mut read = set(&[out]);
    seen("with it let through", pselect(out + 1, &mut read, None, 0));
    say!("noted {}", sig::noted());
    say!("blocked after it {}", sig::names(sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0)));
}

fn errors() {
    let out = plain().out;
    let mut read = set(&[out]);
    seen("a negative count", select(-1, [Some(&mut read), None, None], &mut [0, 0]));
    seen("a negative time", {
        let mut time = [0, -1];
        select(0, [None, None, None], &mut time)
    });
    readable("closed", 50, &mut [0, 0]);
    let closed = errno::Errno(libc::EBADF);
    let mut read = set(&[60]);
    let answer = select(61, [Some(&mut read), None, None], &mut EVER.clone());
    say!("closed, for ever {}", answer.is_err_and(|error| error.0 == closed.0));
    // SAFETY: there is no memory at that address.
    seen("sets nowhere", unsafe {
        vortex_guest::sys!(libc::SYS_select, 1, vortex_guest::sys::NOWHERE, 0, 0, 0)
    });
    // SAFETY: as above.
    seen("a time nowhere", unsafe {
        vortex_guest::sys!(libc::SYS_select, 0, 0, 0, 0, vortex_guest::sys::NOWHERE)
    });
}
