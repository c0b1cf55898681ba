//! Uses memory: `hog swap | shared | churn | free | touch | reread | lay | file | keep | leave |
//! left | environment | forks | crowd`, and for a time
//! `hog steady | thrash | maps | bomb`. What it says does not depend on time, so that it can be
//! judged; on a host without limits it comes to its end too.

mod common;
mod crowd;
mod left;
mod timed;
mod together;
mod unneeded;

use std::io::Write;
use std::time::Duration;

use vortex_guest::args::Args;
use vortex_guest::mem::{ANONYMOUS, BOTH, PAGE, READ, Region};
use vortex_guest::{file, out, proc, say, time};

const USAGE: &str = "\
usage: hog swap [--pages P] [--rounds N]     write P pages, N times, and find them all again
       hog shared [--pages P] [--rounds N]   the same with pages that a child has too, who answers
       hog churn [--pages P] [--rounds N]    map and touch P pages and drop them, N times
       hog free [--pages P]                  give up P pages, and have as many others
       hog touch [--pages P]                 a child touches P pages
       hog reread [--pages P]                a child writes P pages and reads them
       hog lay [--pages P]                   write a file of P pages
       hog file [--pages P] [--rounds N]     wait for that, map it and read it, N times
       hog keep [--pages P]                  map that, when another has, and see whether it stays
       hog leave [--pages P]                 that other, who then writes as many pages of its own:
                                             twice, and leaves the file before only the second time
       hog together [--pages P]              P pages, 2 MiB at once, and each its own way
       hog crowd [--pages P]                 P pages, and then files, pipes and children
       hog seven                             end with seven
       hog left [--pages P]                  map a file of P pages, write them, and leave it
       hog environment [--pages P] [--rounds N]
                                             N programs, one after the other, with so much of it
       hog forks [--most N]                  a child forks until it is refused, or N times
       hog steady [--pages P] [--seconds S] [--threads N] [--after MS]
                                             use P pages, and nothing but them
       hog thrash [--pages P] [--seconds S]  write P pages and find them again
       hog maps [--pages P] [--seconds S]    map and touch P pages and drop them
       hog bomb [--pages P] [--seconds S]    fork children of P pages until it is refused
those for a time rest for --rest MS before they say how it was";

fn main() {
    let mut args = Args::new(USAGE);
    let what = args.word();
    let pages = args.number("--pages").unwrap_or(256) as usize;
    let rounds = args.number("--rounds").unwrap_or(20);
    let most = args.number("--most").unwrap_or(2_000);
    let seconds = args.number("--seconds").unwrap_or(3);
    let threads = args.number("--threads").unwrap_or(1);
    let after = args.number("--after").unwrap_or(0);
    timed::rest(args.number("--rest").unwrap_or(0));
    match what.as_deref() {
        Some("swap") => swap(pages, rounds),
        Some("shared") => shared(pages, rounds),
        Some("seven") => proc::exit(7),
        Some("together") => together::together(pages),
        Some("crowd") => crowd::crowd(pages),
        Some("churn") => churn(pages, rounds),
        Some("free") => unneeded::free(pages),
        Some("touch") => touch(pages),
        Some("reread") => reread(pages),
        Some("lay") => lay(pages),
        Some("file") => mapped(pages, rounds),
        Some("keep") => common::keep(pages),
        Some("leave") => common::leave(pages),
        Some("left") => left::left(pages),
        // The child that it has, from the one before.
        Some("environment") => {
            left::environment(pages, rounds, if most == 2_000 { 0 } else { most as i32 });
        }
        Some("forks") => forks(most),
        Some("steady") => timed::steady(pages, seconds, threads, after),
        Some("thrash") => timed::thrash(pages, seconds),
        Some("maps") => timed::maps(pages, seconds),
        Some("bomb") => timed::bomb(pages, seconds),
        _ => args.wrong("what?"),
    }
    args.end();
    proc::exit(0)
}

/// Maps and drops: what was dropped is no longer on the bill.
fn churn(pages: usize, rounds: u64) {
    let mut good = 0;
    for _ in 0..rounds {
        let Ok(region) = Region::map(pages * PAGE, BOTH, ANONYMOUS, -1, 0) else { break };
        let zero = (0..pages).all(|page| region.get(page * PAGE) == 0);
        (0..pages).for_each(|page| region.put(page * PAGE, 1));
        good += u64::from(zero && region.unmap(0, region.length()).is_ok());
    }
    say!("churn: {good} rounds of {rounds}");
}

/// Writes pages again and again, each with what belongs there; a child sees them too.
fn swap(pages: usize, rounds: u64) {
    let region = Region::anonymous(pages * PAGE, BOTH);
    let mark = |page: usize, round: u64| (page as u64 * 7 + round) as u8;
    let good = |round: u64| (0..pages).all(|page| region.get(page * PAGE) == mark(page, round));
    let mut found = 0;
    for round in 0..rounds {
        (0..pages).for_each(|page| region.put(page * PAGE, mark(page, round)));
        found += u64::from(good(round));
    }
    say!("swap: {found} rounds of {rounds}");
    let last = rounds.saturating_sub(1);
    // There is more than may be in memory: a child has it too, and another is made of it.
    say!("swap: a child of it all: {}", proc::outcome(|| i32::from(!good(last))));
    let other = proc::outcome(|| {
        let _error = proc::exec("/bin/hog", &["hog", "seven"], &[]);
        1
    });
    say!("swap: another program: {other}");
    let has = |region: Region, count: usize| {
        (0..count).all(|page| region.get(page * PAGE) == mark(page, last))
    };
    let (region, whole) = moved(region, pages, |region| has(region, pages));
    say!("swap: moved whole: {whole}");
    let kept = pages / 12;
    let dropped = region.advise(kept * PAGE, (pages - kept) * PAGE, libc::MADV_DONTNEED);
    let zero = (kept..pages).step_by(16).all(|page| region.get(page * PAGE) == 0);
    say!("swap: dropped: {}", dropped.is_ok() && zero);
    let good = |region: Region| has(region, kept);
    let how = proc::outcome(|| {
        let seen = good(region);
        (0..kept).for_each(|page| region.put(page * PAGE, 99));
        i32::from(!seen)
    });
    say!("swap: the child: {how}");
    let moved = region.remap(2 * region.length(), libc::MREMAP_MAYMOVE);
    say!("swap: moved: {}", moved.is_ok_and(good));
    unneeded::advised(pages / 8);
}

/// Moves a region of which so many pages are used, and all memory with them, a few times: of what
/// has left nothing need come back for that. Where it is then, and whether each page is there.
fn moved(mut region: Region, pages: usize, good: impl Fn(Region) -> bool) -> (Region, bool) {
    let mut whole = true;
    for _ in 0..4 {
        whole &= good(region);
        region = match region.remap(2 * region.length(), libc::MREMAP_MAYMOVE) {
            Ok(moved) => moved,
            Err(error) => out::fail(&format!("swap: not moved: {error}")),
        };
    }
    let whole = whole && good(region) && region.get(pages * PAGE) == 0;
    (region, whole)
}

/// Writes pages that a child has too, which finds them and writes the next round's; so they go
/// and come for both.
fn shared(pages: usize, rounds: u64) {
    let region = Region::shared(pages * PAGE);
    let mark = |page: usize, round: u64| (page as u64 * 5 + round) as u8;
    let put = |round: u64| (0..pages).for_each(|page| region.put(page * PAGE, mark(page, round)));
    let has = |round: u64| (0..pages).all(|page| region.get(page * PAGE) == mark(page, round));
    let mut found = 0;
    for round in 0..rounds {
        put(2 * round);
        let how = proc::outcome(|| {
            let seen = has(2 * round);
            put(2 * round + 1);
            i32::from(!seen)
        });
        found += u64::from(how == "exit 0" && has(2 * round + 1));
    }
    say!("shared: {found} rounds of {rounds}");
}

/// A child touches all of it; the parent goes on, whatever becomes of the child.
fn touch(pages: usize) {
    let how = proc::outcome(|| {
        let region = Region::anonymous(pages * PAGE, BOTH);
        (0..pages).for_each(|page| region.put(page * PAGE, 1));
        0
    });
    say!("touch: the child: {how}");
    let region = Region::anonymous(PAGE, BOTH);
    region.put(0, 7);
    say!("touch: the parent has memory: {}", region.get(0) == 7);
}

/// A child writes pages and reads them again; the parent goes on, and so does another child,
/// whatever becomes of the first.
fn reread(pages: usize) {
    let child = |pages: usize| {
        proc::outcome(|| {
            let region = Region::anonymous(pages * PAGE, BOTH);
            (0..pages).for_each(|page| region.put(page * PAGE, page as u8));
            // What cannot be read ahead is nobody's affair until it is touched.
            let wanted = region.advise(0, region.length(), libc::MADV_WILLNEED).is_ok();
            i32::from(!wanted || !(0..pages).all(|page| region.get(page * PAGE) == page as u8))
        })
    };
    say!("reread: the child: {}", child(pages));
    say!("reread: a small child: {}", child(pages / 16));
}

/// The file that one activity has, and others map.
const PATH: &str = "/tmp/hog-file";

/// What is in a page of it.
const fn file_mark(page: usize) -> u8 {
    (page * 7 + page / 256) as u8
}

/// Writes the file.
fn lay(pages: usize) {
    let write = || {
        let mut file = std::fs::File::create(PATH)?;
        (0..pages).try_for_each(|page| file.write_all(&[file_mark(page); PAGE]))
    };
    if let Err(error) = write() {
        out::fail(&format!("no file: {error}"));
    }
}

/// The file's pages are read again and again where it is mapped, by a child too; then their
/// memory is wanted for something else.
fn mapped(pages: usize, rounds: u64) {
    let mark = file_mark;
    let whole = (pages * PAGE) as i64;
    while file::stat(PATH).map_or(true, |stat| stat.size() < whole) {
        time::pause(Duration::from_millis(20));
    }
    let map = || {
        let fd = file::open(PATH, libc::O_RDONLY)?;
        Region::map(pages * PAGE, READ, libc::MAP_PRIVATE, fd, 0)
    };
    let region = match map() {
        Ok(region) => region,
        Err(error) => out::fail(&format!("no mapping: {error}")),
    };
    let good = || (0..pages).all(|page| region.get(page * PAGE + page % PAGE) == mark(page));
    // While there is memory for a child: its pages of the file go when the parent's come.
    let child = proc::outcome(|| i32::from(!good()));
    let found = (0..rounds).filter(|_| good()).count();
    say!("file: {found} rounds of {rounds}");
    say!("file: the child: {child}");
    // The mapping stays.
    let own = Region::anonymous(pages / 3 * PAGE, BOTH);
    (0..pages / 3).for_each(|page| own.put(page * PAGE, mark(page)));
    let kept = (0..pages / 3).all(|page| own.get(page * PAGE) == mark(page));
    say!("file: then pages of its own: {}", kept && good());
}

/// A child forks until it is refused, and its children end by themselves. It may itself be
/// the one that ends for lack of memory; the parent goes on.
fn forks(most: u64) {
    let how = proc::outcome(|| {
        let mut made = 0;
        let refused = loop {
            if made == most {
                break None;
            }
            let child = proc::fork(|| {
                time::pause(Duration::from_secs(4));
                0
            });
            match child {
                Ok(_) => made += 1,
                Err(error) => break Some(error),
            }
        };
        say!("forks: refused: {}", refused.map_or("never".into(), |error| error.to_string()));
        while proc::wait_for(-1, 0).is_ok() {}
        0
    });
    say!("forks: the child: {how}");
    // What its children had is back when they have ended.
    time::pause(Duration::from_secs(5));
    let how = proc::outcome(|| 3);
    say!("forks: then another child: {how}");
}
