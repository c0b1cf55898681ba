//! Memory at the edges of a program: what is left of it when it ends, and what it is begun with.

use std::time::Duration;

use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::{Errno, fd, file, out, proc, say, sys, time};

/// A file in memory that stays.
const LEFT: &str = "/tmp/hog-left";

/// A file is written to by a mapping, most of it where it had holes, and by calls where its pages
/// have left; it stays when all have ended.
pub fn left(pages: usize) {
    let mark = |page: usize| (page as u64 * 3 + 1) as u8;
    let open = || {
        let fd = file::open_mode(LEFT, libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC, 0o600)?;
        let some = Region::anonymous(pages / 8 * PAGE, BOTH);
        some.write(fd, 0, some.length())?;
        file::truncate(LEFT, (pages * PAGE) as i64)?;
        Ok::<_, Errno>((fd, Region::map(pages * PAGE, BOTH, libc::MAP_SHARED, fd, 0)?))
    };
    let (fd, region) = match open() {
        Ok(opened) => opened,
        Err(error) => out::fail(&format!("no file to leave: {error}")),
    };
    (0..pages).for_each(|page| region.put(page * PAGE, mark(page)));
    let has = |page: usize| region.get(page * PAGE) == mark(page);
    say!("left: by the mapping: {}", (0..pages).all(has));
    let mut bytes = vec![0; PAGE];
    let mut read = |number: usize| {
        let count = fd::pread(fd, &mut bytes, (number * PAGE) as i64);
        count == Ok(PAGE as _) && bytes[0] == mark(number)
    };
    say!("left: by calls: {}", (0..pages).rev().all(&mut read));
    let write = |number: usize| fd::pwrite(fd, &[99], (number * PAGE) as i64) == Ok(1);
    let written = (0..pages).step_by(3).all(write);
    let right = |page: usize| if page.is_multiple_of(3) { 99 } else { mark(page) };
    let seen = (0..pages).all(|page| region.get(page * PAGE) == right(page));
    say!("left: what calls write: {}", written && seen);
    // A cut through a page that may have left; behind it there are zeros then.
    let (cut, size) = (pages / 2 * PAGE + 1, (pages * PAGE) as i64);
    let unmapped = region.unmap(0, region.length()).is_ok();
    let both = file::truncate(LEFT, cut as i64).and_then(|_| file::truncate(LEFT, size));
    let region = match Region::map(pages * PAGE, BOTH, libc::MAP_SHARED, fd, 0) {
        Ok(region) if unmapped => region,
        _ => out::fail("the file cannot be mapped again"),
    };
    let zero = region.get(cut) == 0 && region.get(cut + PAGE) == 0;
    let before = region.get(cut - 1) == right(pages / 2) && region.get(0) == right(0);
    say!("left: behind a cut: {}", both.is_ok() && zero && before);
    (0..pages).for_each(|page| region.put(page * PAGE, mark(page)));
    let unmapped = region.unmap(0, region.length()).is_ok();
    let good = file::get(LEFT).is_ok_and(|bytes| {
        bytes.len() == pages * PAGE && (0..pages).all(|page| bytes[page * PAGE] == mark(page))
    });
    say!("left: {}", unmapped && good);
}

/// Bytes of a string of the environment.
const LENGTH: usize = 3_900;

/// What the string of this number is.
fn string(number: usize) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    format!("S{number}={}", String::from(letter).repeat(LENGTH))
}

/// Becomes another program, and another, each with so many pages of an environment, while a child
/// wants all of the activity's memory: the last finds all of it.
pub fn environment(pages: usize, rounds: u64, busy: i32) {
    let good = (0..pages).all(|number| {
        busy == 0
            || std::env::var(format!("S{number}")).is_ok_and(|value| {
                string(number).split_once('=').is_some_and(|(_, right)| right == value)
            })
    });
    let busy = match busy {
        0 => proc::child(|| {
            let region = Region::anonymous(2 * 512 * PAGE, BOTH);
            loop {
                (0..2 * 512).for_each(|page| region.put(page * PAGE, page as u8));
            }
        }),
        busy => busy,
    };
    if rounds > 0 && good {
        let strings: Vec<String> = (0..pages).map(string).collect();
        let strings: Vec<&str> = strings.iter().map(String::as_str).collect();
        let (pages, rounds, child) =
            (pages.to_string(), (rounds - 1).to_string(), busy.to_string());
        let words =
            ["hog", "environment", "--pages", &pages, "--rounds", &rounds, "--most", &child];
        let error = proc::exec("/bin/hog", &words, &strings);
        say!("environment: no program: {error}");
    }
    time::pause(Duration::from_millis(10));
    // SAFETY: the child is this process's own, and is not waited for by anybody else.
    let _ = unsafe { sys!(libc::SYS_kill, busy, libc::SIGKILL) };
    say!("environment: the child: {}", proc::wait(busy));
    say!("environment: {}", if rounds == 0 && good { "good" } else { "BAD" });
}
