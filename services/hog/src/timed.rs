//! What goes on for so many seconds: a neighbour that uses its memory, and attackers that use
//! more than they may.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use vortex_guest::mem::{ANONYMOUS, BOTH, PAGE, Region};
use vortex_guest::{proc, say, sig, sys, time};

/// Faults so far: of pages in memory or of none, and of pages that had left it.
pub fn faults() -> (i64, i64) {
    // SAFETY: all zero is a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes it.
    let _ = unsafe { sys!(libc::SYS_getrusage, libc::RUSAGE_SELF, &raw mut usage) };
    (usage.ru_minflt, usage.ru_majflt)
}

/// Lets others say first what they have to.
pub fn rest(milliseconds: u64) {
    REST.store(milliseconds, Relaxed);
}

static REST: AtomicU64 = AtomicU64::new(0);

fn say(text: &str) {
    time::pause(Duration::from_millis(REST.load(Relaxed)));
    say!("{text}");
}

/// Uses the same pages again and again, on several threads: each has its own. All must hold
/// what was written to them.
pub fn steady(pages: usize, seconds: u64, threads: u64, after: u64) {
    static BAD: AtomicBool = AtomicBool::new(false);
    static READY: AtomicU64 = AtomicU64::new(0);
    sig::reset();
    time::pause(Duration::from_millis(after));
    let region = Region::anonymous(pages * PAGE, BOTH);
    // What others do shows in its faults: so each page has one.
    let _ = region.advise(0, pages * PAGE, libc::MADV_NOHUGEPAGE);
    let end = time::now() + Duration::from_secs(seconds);
    let part = pages / threads.max(1) as usize;
    let work = move |first: usize| {
        let (mut round, began) = (0_u8, time::now());
        while time::now() < end {
            let before = round;
            round = round.wrapping_add(1);
            for page in first..first + part {
                if region.get(page * PAGE) != before {
                    BAD.store(true, Relaxed);
                }
                region.put(page * PAGE, round);
            }
            if before == 0 && READY.load(Relaxed) == 0 {
                let took = (time::now() - began).as_millis() as u64;
                READY.fetch_max(took, Relaxed);
            }
        }
    };
    let others: Vec<_> = (1..threads as usize)
        .map(|thread| std::thread::spawn(move || work(thread * part)))
        .collect();
    work(0);
    others.into_iter().for_each(|other| drop(other.join()));
    let (minor, major) = faults();
    let good = if BAD.load(Relaxed) { "BAD" } else { "good" };
    say(&format!("steady: {good}"));
    let ready = READY.load(Relaxed);
    say!("steady: of {pages} pages {minor} minor and {major} major faults, ready in {ready} ms");
}

/// Writes pages and finds them again, until the time is over.
pub fn thrash(pages: usize, seconds: u64) {
    let end = time::now() + Duration::from_secs(seconds);
    let region = Region::anonymous(pages * PAGE, BOTH);
    let mark = |page: usize, round: u64| (page as u64 * 7 + round) as u8;
    let (mut good, mut round) = (true, 0);
    'all: loop {
        for page in 0..pages {
            good &= round == 0 || region.get(page * PAGE) == mark(page, round - 1);
            region.put(page * PAGE, mark(page, round));
            if page % 64 == 0 && time::now() >= end {
                break 'all;
            }
        }
        round += 1;
    }
    let (_, major) = faults();
    say!(
        "thrash: {}, {round} whole rounds, {major} major faults",
        if good { "good" } else { "BAD" }
    );
}

/// Maps, touches and drops, until the time is over.
pub fn maps(pages: usize, seconds: u64) {
    let end = time::now() + Duration::from_secs(seconds);
    let (mut rounds, mut good) = (0, true);
    while time::now() < end {
        let Ok(region) = Region::map(pages * PAGE, BOTH, ANONYMOUS, -1, 0) else { break };
        for page in 0..pages {
            good &= region.get(page * PAGE) == 0;
            region.put(page * PAGE, 1);
        }
        good &= region.unmap(0, region.length()).is_ok();
        rounds += 1;
    }
    let good = if good { "good" } else { "BAD" };
    say(&format!("maps: {good}, {rounds} rounds"));
}

/// A child forks until it is refused, or it ends by it; again and again until the time is
/// over. Each of its children has pages of its own.
pub fn bomb(pages: usize, seconds: u64) {
    let end = time::now() + Duration::from_secs(seconds);
    let (mut refused, mut ended, mut rounds) = (0, 0, 0);
    while time::now() < end {
        rounds += 1;
        let how = proc::outcome(|| {
            let mut children = Vec::new();
            let grow = || {
                let region = Region::anonymous(pages * PAGE, BOTH);
                (0..pages).for_each(|page| region.put(page * PAGE, 1));
                time::pause(Duration::from_secs(60));
                0
            };
            let error = loop {
                match proc::fork(grow) {
                    Ok(child) => children.push(child),
                    Err(error) => break error,
                }
                if time::now() >= end {
                    break vortex_guest::Errno(0);
                }
            };
            for child in &children {
                let _ = sig::kill(*child, libc::SIGKILL);
            }
            while proc::wait_for(-1, 0).is_ok() {}
            i32::from(error.0 == libc::ENOMEM)
        });
        refused += u64::from(how == "exit 1");
        ended += u64::from(how == "killed by SIGKILL");
    }
    say(&format!("bomb: {rounds} rounds, {refused} refused, {ended} ended"));
}
