//! Files of a disk as memory: shared and private mappings beside read(2), write(2) and
//! truncate(2), what is beyond the end, fork, and what lasts.

use std::time::Duration;

use libc::{MAP_PRIVATE, MAP_SHARED, MS_ASYNC, MS_SYNC, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC};
use vortex_aio::is_vortex;
use vortex_guest::mem::{BOTH, PAGE, READ, Region};
use vortex_guest::random::Random;
use vortex_guest::{Res, fd, file, proc, say, sys, time};

use crate::calls::{get_at, put_at, set_time};
use crate::fail;

/// Pages of the larger files.
const MANY: usize = 300;
/// Those of the largest.
const LARGE: usize = 4_000;
/// Operations at random.
const STEPS: usize = 600;

fn must<T>(what: &str, answer: Res<T>) -> T {
    answer.unwrap_or_else(|error| fail(&format!("map: {what}: {error}")))
}

fn is(what: &str, holds: bool) {
    if !holds {
        fail(&format!("map: {what}"));
    }
}

fn open(path: &str) -> i32 {
    must("open", file::open_mode(path, O_RDWR | O_CREAT | O_TRUNC, 0o644))
}

fn map(fd: i32, pages: usize, protection: i32, flags: i32, from: usize) -> Region {
    must("map", Region::map(pages * PAGE, protection, flags, fd, from as i64))
}

/// All of it.
pub fn all(place: &str) {
    let path = |name: &str| format!("{place}/{name}");
    together(&path("together"));
    beyond(&path("beyond"));
    cut(&path("cut"));
    cut_many(&path("many"));
    forked(&path("forked"));
    private(&path("private"));
    rights(&path("rights"));
    nameless(&path("nameless"));
    holes(&path("holes"));
    sparse_again(&path("again"));
    random(&path("random"));
    large(&path("large"));
    wanted(&path("wanted"));
    unwanted(&path("unwanted"));
    run(&path("program"));
}

/// Which pages of a mapping are in memory.
fn resident(region: &Region) -> Vec<bool> {
    let mut pages = vec![0_u8; region.length() / PAGE];
    // SAFETY: the kernel writes a byte for each page of the region.
    let told =
        unsafe { sys!(libc::SYS_mincore, region.start(), region.length(), pages.as_mut_ptr()) };
    must("mincore", told);
    pages.iter().map(|page| page & 1 == 1).collect()
}

/// How many are.
fn there(region: &Region) -> usize {
    resident(region).iter().filter(|there| **there).count()
}

/// Pages come before they are touched, where that is asked for.
fn wanted(path: &str) {
    const PAGES: usize = 100;
    let fd = open(path);
    let bytes: Vec<u8> = (0..PAGES * PAGE).map(|at| (at / PAGE) as u8).collect();
    must("write", put_at(fd, &bytes, 0));
    let forget = || {
        must("sync", fd::sync(fd));
        // SAFETY: it is given no memory.
        let _ = unsafe { sys!(libc::SYS_fadvise64, fd, 0, 0, libc::POSIX_FADV_DONTNEED) };
    };
    forget();
    let region = map(fd, PAGES, READ, MAP_SHARED, 0);
    is("nothing is in memory any more", there(&region) == 0);
    must("WILLNEED", region.advise(0, PAGES * PAGE, libc::MADV_WILLNEED));
    let end = time::now() + Duration::from_secs(20);
    while there(&region) < PAGES && time::now() < end {
        time::pause(Duration::from_millis(5));
    }
    is("what will be needed has come", there(&region) == PAGES);
    must("unmap", region.unmap(0, PAGES * PAGE));
    forget();
    let region = map(fd, PAGES, READ, MAP_SHARED | libc::MAP_POPULATE, 0);
    is("what is wanted at once is there", there(&region) == PAGES);
    is("it is the file's", (0..PAGES).all(|page| region.get(page * PAGE) == page as u8));
    must("unmap", region.unmap(0, PAGES * PAGE));
    must("close", fd::close(fd));
}

/// Pages leave that are not wanted in memory: those of them that are meant.
fn unwanted(path: &str) {
    const PAGES: usize = 20;
    let fd = open(path);
    let content: Vec<u8> = (0..PAGES * PAGE).map(|at| (at / PAGE) as u8).collect();
    must("write", put_at(fd, &content, 0));
    must("sync", fd::sync(fd));
    let region = map(fd, PAGES, READ, MAP_SHARED, 0);
    let advise = |from: usize, length: usize| {
        let advice = libc::POSIX_FADV_DONTNEED;
        // SAFETY: it is given no memory.
        must("advice", unsafe { sys!(libc::SYS_fadvise64, fd, from, length, advice) });
    };
    let left = |from: usize, to: usize| {
        let kept = resident(&region);
        (0..PAGES).all(|page| kept[page] != (from..to).contains(&page))
    };
    is("all that was written is in memory", left(0, 0));
    advise(3 * PAGE + 1, 7 * PAGE + 4);
    is("whole pages of a part have left", left(4, 10));
    advise(18 * PAGE + 1, 0);
    is("the last page leaves with its end", !resident(&region)[19] && resident(&region)[18]);
    advise(0, 0);
    is("all have left", left(0, PAGES));
    let direct = must("open", file::open(path, libc::O_RDWR | libc::O_DIRECT));
    let memory = Region::anonymous(4 * PAGE, BOTH);
    must("read past the cache", memory.read(direct, 0, 4 * PAGE));
    is("what is read is there", (0..4).all(|page| memory.all(page * PAGE, PAGE, page as u8)));
    memory.fill(b'd');
    must("write past the cache", memory.write(direct, 0, 2 * PAGE));
    is("none of it is in memory", !resident(&region)[..6].contains(&true));
    let read = must("get", get_at(fd, 3 * PAGE, 3 * PAGE));
    is("what was written is there", read[PAGE..].iter().all(|byte| *byte == b'd'));
    is("and what was before it", read[..PAGE].iter().all(|byte| *byte == 3));
    if is_vortex() {
        const EVICT: i64 = 22032;
        // SAFETY: it is given no memory.
        must("evict", unsafe { sys!(EVICT) });
        is("nothing of its activity's is in memory", left(0, PAGES));
    }
    must("unmap", memory.unmap(0, 4 * PAGE));
    must("unmap", region.unmap(0, PAGES * PAGE));
    must("close", fd::close(direct));
    must("close", fd::close(fd));
    say!("files: map unwanted is good");
}

/// Two mappings, a descriptor, and the disk are one.
fn together(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &[b'a'; 3 * PAGE + 100], 0));
    let (one, two) = (map(fd, 4, BOTH, MAP_SHARED, 0), map(fd, 2, READ, MAP_SHARED, PAGE));
    one.put_all(PAGE + 5, b"by memory");
    is("another mapping sees it", two.text(5, 9) == "by memory");
    is("read sees it", must("read", get_at(fd, PAGE + 5, 9)) == b"by memory");
    must("write", put_at(fd, b"by write", 2 * PAGE));
    is("memory sees what is written", one.text(2 * PAGE, 8) == "by write");
    must("sync", one.sync(0, 4 * PAGE, MS_SYNC));
    one.put(0, b'z');
    must("sync later", one.sync(0, PAGE, MS_ASYNC));
    must("fsync", fd::sync(fd));
    one.put_all(3 * PAGE, b"at the end");
    is("behind the end are zeros", one.all(3 * PAGE + 100, PAGE - 100, 0));
    must("set times", set_time(path, 1_000));
    let modified = || must("stat", file::stat(path)).changed();
    is("its time", modified() == 1_000);
    one.put(2 * PAGE + 900, b'!');
    is("a write by memory is one", modified() > 1_000);
    must("set times", set_time(path, 2_000));
    must("sync", one.sync(0, 4 * PAGE, MS_SYNC));
    is("its time again", modified() == 2_000);
    must("unmap", one.unmap(0, 4 * PAGE));
    must("close", fd::close(fd));
    let all = must("get", file::get(path));
    is("its size", all.len() == 3 * PAGE + 100);
    is("all of it", all[0] == b'z' && &all[PAGE + 5..PAGE + 14] == b"by memory");
    is("its end", &all[3 * PAGE..3 * PAGE + 10] == b"at the end");
    say!("files: map together is good");
}

/// Behind the last page there is nothing; within it nothing reaches the file.
fn beyond(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &[b'b'; PAGE + 10], 0));
    let region = map(fd, 4, BOTH, MAP_SHARED, 0);
    region.put(PAGE + 2000, 1);
    let ended = |work: &dyn Fn()| {
        proc::outcome(|| {
            work();
            0
        })
    };
    say!("files: map read beyond: {}", ended(&|| region.touch(2 * PAGE)));
    say!("files: map write beyond: {}", ended(&|| region.put(3 * PAGE, 1)));
    must("grow", fd::truncate(fd, 3 * PAGE as i64));
    is("a file that has grown has zeros", region.all(2 * PAGE, PAGE, 0));
    region.put(2 * PAGE, 7);
    is("and is written", must("read", get_at(fd, 2 * PAGE, 1)) == [7]);
    say!("files: map read behind: {}", ended(&|| region.touch(3 * PAGE)));
    must("close", fd::close(fd));
    say!("files: map beyond is good");
}

/// What is cut off is gone for all who show it.
fn cut(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &[b'c'; 8 * PAGE], 0));
    let (one, own) = (map(fd, 8, BOTH, MAP_SHARED, 0), map(fd, 8, BOTH, MAP_PRIVATE, 0));
    one.put(5 * PAGE, b'x');
    own.put(6 * PAGE, b'y');
    is("before", one.get(7 * PAGE) == b'c' && own.get(5 * PAGE) == b'x');
    must("cut", fd::truncate(fd, 2 * PAGE as i64 + 50));
    let ended = |region: &Region, at: usize| {
        proc::outcome(|| {
            region.touch(at);
            0
        })
    };
    for at in [2 * PAGE, 3 * PAGE, 5 * PAGE, 6 * PAGE] {
        let page = at / PAGE;
        say!("files: map cut {page}: {}, private {}", ended(&one, at), ended(&own, at));
    }
    is("its last page ends in zeros", one.all(2 * PAGE + 50, PAGE - 50, 0));
    must("grow", fd::truncate(fd, 8 * PAGE as i64));
    is("nothing comes back", one.all(2 * PAGE + 50, 6 * PAGE - 50, 0));
    is("nor to the own", own.all(5 * PAGE, 2 * PAGE, 0));
    must("close", fd::close(fd));
    say!("files: map cut is good");
}

/// However many pages are cut off: each of them is gone, and comes again as the file's.
fn cut_many(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &vec![b'c'; MANY * PAGE], 0));
    let region = map(fd, MANY, BOTH, MAP_SHARED, 0);
    (0..MANY).for_each(|page| region.put(page * PAGE, b'x'));
    must("cut", fd::truncate(fd, 0));
    for page in [0, 31, 32, 40, 48, 49, 63, 64, MANY - 1] {
        let ended = proc::outcome(|| {
            region.touch(page * PAGE);
            0
        });
        say!("files: map cut all, {page}: {ended}");
    }
    must("grow", fd::truncate(fd, (MANY * PAGE) as i64));
    is("nothing comes back of many", (0..MANY).all(|page| region.get(page * PAGE) == 0));
    (0..MANY).for_each(|page| region.put(page * PAGE, page as u8 | 1));
    for page in 0..MANY {
        is("of many", must("read", get_at(fd, page * PAGE, 1)) == [page as u8 | 1]);
    }
    must("unmap", region.unmap(0, MANY * PAGE));
    must("close", fd::close(fd));
    say!("files: map many is good");
}

/// A child has the same shared memory, and its own copy of what is private.
fn forked(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &[b'f'; 4 * PAGE], 0));
    let (shared, own) = (map(fd, 4, BOTH, MAP_SHARED, 0), map(fd, 4, BOTH, MAP_PRIVATE, 0));
    own.put(0, b'p');
    shared.put(PAGE, b'1');
    let ended = proc::outcome(|| {
        shared.put(PAGE, b'2');
        shared.put(2 * PAGE, b'3');
        own.put(0, b'q');
        if shared.get(0) == b'f' { 0 } else { 1 }
    });
    say!("files: map fork: {ended}");
    is("what it wrote", shared.get(PAGE) == b'2' && shared.get(2 * PAGE) == b'3');
    is("what is own", own.get(0) == b'p' && own.get(PAGE) == b'2');
    is("in the file", must("read", get_at(fd, 2 * PAGE, 1)) == b"3");
    must("close", fd::close(fd));
    say!("files: map forked is good");
}

/// What a private mapping writes is its own; what it has not written is the file's.
fn private(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &[b'o'; 3 * PAGE + 7], 0));
    let region = map(fd, 4, BOTH, MAP_PRIVATE, 0);
    region.put_all(PAGE, b"mine");
    must("sync", region.sync(0, 4 * PAGE, MS_SYNC));
    is("is not the file's", must("read", get_at(fd, PAGE, 4)) == b"oooo");
    must("write", put_at(fd, b"theirs", PAGE));
    is("stays", region.text(PAGE, 4) == "mine");
    must("close", fd::close(fd));
    say!("files: map private is good");
}

fn rights(path: &str) {
    must("make", file::put(path, b"read me"));
    let fd = must("open", file::open(path, O_RDONLY));
    let told = |what: &str, answer: Res<Region>| match answer {
        Ok(_) => say!("files: map {what}: done"),
        Err(error) => say!("files: map {what}: {error}"),
    };
    told("to write", Region::map(PAGE, BOTH, MAP_SHARED, fd, 0));
    let region = map(fd, 1, READ, MAP_SHARED, 0);
    match region.protect(0, PAGE, BOTH) {
        Ok(_) => fail("map: made writable"),
        Err(error) => say!("files: map made writable: {error}"),
    }
    is("is read", region.text(0, 7) == "read me");
    must("close", fd::close(fd));
    let fd = must("open", file::open(path, O_RDWR));
    let region = map(fd, 1, READ, MAP_SHARED, 0);
    is("is read", region.text(0, 7) == "read me");
    must("protect", region.protect(0, PAGE, BOTH));
    region.put_all(0, b"written");
    is("is written", must("read", get_at(fd, 0, 7)) == b"written");
    must("close", fd::close(fd));
    say!("files: map rights is good");
}

/// A file without a name lives as long as it is mapped.
fn nameless(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &[b'n'; MANY * PAGE], 0));
    must("fsync", fd::sync(fd));
    let region = map(fd, MANY, BOTH, MAP_SHARED, 0);
    region.put(0, b'N');
    must("close", fd::close(fd));
    must("unlink", file::unlink(path));
    let sum: usize = (0..MANY).map(|page| usize::from(region.get(page * PAGE + 9))).sum();
    is("all is there", sum == MANY * usize::from(b'n') && region.get(0) == b'N');
    must("sync", region.sync(0, MANY * PAGE, MS_SYNC));
    must("unmap", region.unmap(0, MANY * PAGE));
    say!("files: map nameless is good");
}

/// Where nothing was written there are zeros, and places on the disk when something is.
fn holes(path: &str) {
    let fd = open(path);
    must("grow", fd::truncate(fd, 64 * PAGE as i64));
    let region = map(fd, 64, BOTH, MAP_SHARED, 0);
    is("zeros", region.all(9 * PAGE, PAGE, 0));
    for page in (0..64).step_by(7) {
        region.put(page * PAGE + page, page as u8 + 1);
    }
    must("unmap", region.unmap(0, 64 * PAGE));
    must("fsync", fd::sync(fd));
    for page in 0..64_usize {
        let byte = if page % 7 == 0 { page as u8 + 1 } else { 0 };
        is("what is in a hole", must("read", get_at(fd, page * PAGE + page, 1)) == [byte]);
    }
    must("close", fd::close(fd));
    say!("files: map holes is good");
}

/// A process that writes and ends without a word loses nothing.
fn sparse_again(path: &str) {
    let fd = open(path);
    must("write", put_at(fd, &[b'.'; 20 * PAGE], 0));
    let ended = proc::outcome(|| {
        let region = map(fd, 20, BOTH, MAP_SHARED, 0);
        (0..20).for_each(|page| region.put(page * PAGE, b'0' + page as u8));
        0
    });
    say!("files: map ended: {ended}");
    must("fsync", fd::sync(fd));
    for page in 0..20_usize {
        let there = must("read", get_at(fd, page * PAGE, 2));
        is("what it wrote", there == [b'0' + page as u8, b'.']);
    }
    must("close", fd::close(fd));
    say!("files: map again is good");
}

/// A file is written and read in all ways at once, and known byte by byte.
fn random(path: &str) {
    let fd = open(path);
    let mut size = MANY * PAGE / 2;
    let mut known = vec![0_u8; MANY * PAGE];
    must("grow", fd::truncate(fd, size as i64));
    let regions =
        [map(fd, MANY, BOTH, MAP_SHARED, 0), map(fd, MANY - 20, BOTH, MAP_SHARED, 20 * PAGE)];
    let mut random = Random::new(7);
    for step in 0..STEPS {
        let at = random.below(size.max(1));
        let length = random.below(6_000).min(size.saturating_sub(at));
        let byte = random.below(250) as u8 + 1;
        match random.below(12) {
            0..=3 => {
                must("write", put_at(fd, &vec![byte; length], at));
                known[at..at + length].fill(byte);
            }
            4..=6 => {
                let second = at >= 20 * PAGE && step % 2 == 0;
                let from = if second { at - 20 * PAGE } else { at };
                let bytes = vec![byte; length];
                regions[usize::from(second)].put_all(from, &bytes);
                known[at..at + length].fill(byte);
            }
            7 => is("read", must("read", get_at(fd, at, length)) == known[at..at + length]),
            8 => {
                let there: Vec<u8> = (at..at + length).map(|at| regions[0].get(at)).collect();
                is("memory", there == known[at..at + length]);
            }
            9 => is("fsync", must("fsync", fd::sync(fd)) == 0),
            10 => {
                must("msync", regions[0].sync(0, MANY * PAGE, MS_SYNC));
            }
            _ => {
                size = random.below(MANY * PAGE);
                known[size..].fill(0);
                must("truncate", fd::truncate(fd, size as i64));
            }
        }
    }
    is("at the end", must("read", get_at(fd, 0, MANY * PAGE)) == known[..size]);
    must("close", fd::close(fd));
    is("by another", must("get", file::get(path)) == known[..size]);
    say!("files: map random is good");
}

/// More than little memory has room for, by two processes.
fn large(path: &str) {
    let fd = open(path);
    must("grow", fd::truncate(fd, (LARGE * PAGE) as i64));
    let region = map(fd, LARGE, BOTH, MAP_SHARED, 0);
    let byte = |page: usize| (page * 7 % 251) as u8;
    (0..LARGE).for_each(|page| region.put(page * PAGE + page % PAGE, byte(page)));
    let ended = proc::outcome(|| {
        let good = (0..LARGE).all(|page| region.get(page * PAGE + page % PAGE) == byte(page));
        (0..LARGE).step_by(3).for_each(|page| region.put(page * PAGE + 17, b'3'));
        if good { 0 } else { 1 }
    });
    say!("files: map large: {ended}");
    for page in 0..LARGE {
        let there = must("read", get_at(fd, page * PAGE, PAGE));
        let third = page.is_multiple_of(3);
        is(
            "a page",
            there[page % PAGE] == if page % PAGE == 17 && third { b'3' } else { byte(page) },
        );
        is("a third", page % PAGE == 17 || there[17] == if third { b'3' } else { 0 });
    }
    must("close", fd::close(fd));
    must("unlink", file::unlink(path));
    must("unmap", region.unmap(0, LARGE * PAGE));
    say!("files: map large is good");
}

/// A program that is on the disk is run, also when its name is gone.
fn run(path: &str) {
    let program = must("this program", file::get("/proc/self/exe"));
    must("copy", file::put(path, &program));
    must("chmod", file::chmod(path, 0o755));
    for turn in 0..3 {
        let ended = proc::outcome(|| {
            proc::exec(path, &["files"], &[]);
            9
        });
        say!("files: map run {turn}: {ended}");
    }
    must("unlink", file::unlink(path));
    say!("files: map run is good");
}
