//! Filling the kernel's memory: of each kind of what it keeps so much until it is refused;
//! then all goes back, and again.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::thread::{self, THREAD, Words};
use vortex_guest::{Errno, Res};
use vortex_guest::{fd, file, futex, pipe, proc, say, sig, time};

/// Rounds of each kind.
const ROUNDS: usize = 2;
/// By how much the rounds may differ, of a hundred.
const BOUND: usize = 5;
/// Descriptors that a process may have.
const DESCRIPTORS: u64 = 4096;
/// Locks on one file.
const LOCKS: u64 = 250;

/// Every kind, each in a child; tells of it.
pub fn all(most: u64) {
    let _ = file::mkdir("/tmp/fill", 0o700);
    // What is needed later is there from now on.
    say!("fill: begins");
    told("data", || data(most));
    told("names", || names(most));
    told("pipes", || pipes(most));
    told("locks", || locks(most));
    told("regions", || regions(most));
    told("signals", || signals(most));
    told("threads", || threads(most));
}

/// The rounds of a kind: how it was refused, and whether each has had as much as the first.
fn told(kind: &str, mut once: impl FnMut() -> (usize, Option<Errno>)) {
    let how = proc::outcome(|| {
        let _ = proc::set_limit(libc::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS);
        let rounds: Vec<_> = (0..ROUNDS).map(|_| once()).collect();
        let counts: Vec<usize> = rounds.iter().map(|round| round.0).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        let (least, most) = (least.copied().unwrap_or(0), most.copied().unwrap_or(0));
        let same = (most - least) * 100 <= most * BOUND;
        let again = if same { "as many each time" } else { "NOT AS MANY EACH TIME" };
        let refused = rounds[0].1.map_or("never".into(), |error| error.to_string());
        say!("fill: {kind}: refused: {refused}; {again}");
        say!("fill: {kind}: {counts:?}");
        0
    });
    if how != "exit 0" {
        say!("fill: {kind}: {how}");
    }
}

/// One after the other until one is refused, or there are enough.
fn until(most: u64, mut one: impl FnMut(u64) -> Res<()>) -> (usize, Option<Errno>) {
    for number in 0..most {
        if let Err(error) = one(number) {
            return (number as usize, Some(error));
        }
    }
    (most as usize, None)
}

/// Pages of a file in memory.
fn data(most: u64) -> (usize, Option<Errno>) {
    const PATH: &str = "/tmp/fill/data";
    let Ok(to) = file::open_mode(PATH, libc::O_WRONLY | libc::O_CREAT, 0o600) else {
        return (0, None);
    };
    let done = until(most, |_| fd::write(to, &[7; PAGE]).map(drop));
    let _ = fd::close(to);
    let _ = file::unlink(PATH);
    done
}

/// Empty folders.
fn names(most: u64) -> (usize, Option<Errno>) {
    let path = |number| format!("/tmp/fill/a name that is long enough to be felt {number}");
    let done = until(most, |number| file::mkdir(&path(number), 0o700).map(drop));
    for number in 0..done.0 as u64 {
        let _ = file::rmdir(&path(number));
    }
    done
}

/// Pipes that are full; in pages.
fn pipes(most: u64) -> (usize, Option<Errno>) {
    let mut made = Vec::new();
    let mut pages = 0;
    let mut fill = || -> Res<()> {
        let ends = pipe::pipe(libc::O_NONBLOCK)?;
        let into = ends.into;
        made.push(ends);
        loop {
            match fd::write(into, &[7; PAGE]) {
                Ok(_) => pages += 1,
                Err(error) if error.to_string() == "EAGAIN" => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    let (_, refused) = until(most / 16, |_| fill());
    for ends in made {
        let _ = (fd::close(ends.out), fd::close(ends.into));
    }
    (pages, refused)
}

/// Locks on ranges that do not touch.
fn locks(most: u64) -> (usize, Option<Errno>) {
    let mut files = Vec::new();
    let path = |number: u64| format!("/tmp/fill/lock{}", number / LOCKS);
    let done = until(most, |number| {
        if number.is_multiple_of(LOCKS) {
            files.push(file::open_mode(&path(number), libc::O_RDWR | libc::O_CREAT, 0o600)?);
        }
        let on = *files.last().unwrap_or(&-1);
        fd::lock(on, (number % LOCKS * 2) as i64, 1)
    });
    for (number, on) in files.iter().enumerate() {
        let _ = fd::close(*on);
        let _ = file::unlink(&path(number as u64 * LOCKS));
    }
    done
}

/// Regions: neighbours with other rights are not one.
fn regions(most: u64) -> (usize, Option<Errno>) {
    let length = (2 * most as usize + 1) * PAGE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let Ok(all) = Region::map(length, libc::PROT_NONE, flags, -1, 0) else { return (0, None) };
    let done = until(most, |number| {
        all.protect((2 * number as usize + 1) * PAGE, PAGE, libc::PROT_READ).map(drop)
    });
    let _ = all.unmap(0, length);
    done
}

/// Signals with a value that wait to be taken.
fn signals(most: u64) -> (usize, Option<Errno>) {
    sig::block(&[sig::REAL_TIME]);
    let done = until(most, |value| sig::queue(proc::pid(), sig::REAL_TIME, value as i32).map(drop));
    while sig::take(&[sig::REAL_TIME], 0).is_ok() {}
    done
}

/// Threads that wait, each on a page of its own.
fn threads(most: u64) -> (usize, Option<Errno>) {
    static GATE: AtomicU32 = AtomicU32::new(0);
    static ENDED: AtomicU32 = AtomicU32::new(0);
    extern "C" fn wait(_: usize) {
        while GATE.load(SeqCst) == 0 {
            let _ = futex::wait_private(&GATE, 0, None);
        }
        ENDED.fetch_add(1, SeqCst);
    }
    GATE.store(0, SeqCst);
    ENDED.store(0, SeqCst);
    let stacks = Region::anonymous(most as usize * PAGE, BOTH);
    let done = until(most, |number| {
        let top = (number as usize + 1) * PAGE;
        thread::start_on(&stacks, top, THREAD, Words::default(), wait, 0).map(drop)
    });
    GATE.store(1, SeqCst);
    let _ = futex::wake_private(&GATE, i32::MAX as u32);
    while ENDED.load(SeqCst) < done.0 as u32 {
        time::pause(Duration::from_millis(1));
    }
    // The last of them are still on their way out of the call that ends them.
    time::pause(Duration::from_millis(20));
    let _ = stacks.unmap(0, stacks.length());
    done
}
