//! Files that become shorter while programs have mapped them for themselves.

use libc::{MAP_PRIVATE, MAP_SHARED};
use vortex_guest::mem::{BOTH, PAGE, READ, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, proc, say, sys};

use super::files::make;
use super::mappings::{map, touched};

crate::tests!("cuts":
    "private" => private,
    "large" => large,
    "emptied" => emptied,
    "versions" => versions,
    "by-another" => by_another,
    "shared-and-private" => both,
    "grown" => grown,
    "buffers" => buffers,
    "moved" => moved,
    "to-the-byte" => to_the_byte,
    "in-memory" => in_memory,
);

const P: i64 = PAGE as i64;

/// A file of so many pages, each full of a letter of its own.
fn with(pages: usize) -> i32 {
    let (fd, bytes) = (make("a"), (0..pages).flat_map(|page| [letter(page); PAGE]));
    let bytes: Vec<u8> = bytes.collect();
    let mut done = 0;
    while let Ok(count @ 1..) = fd::write(fd, &bytes[done..]) {
        done += count;
    }
    say!("{done} bytes");
    fd
}

const fn letter(page: usize) -> u8 {
    b'a' + (page % 26) as u8
}

/// What is cut off is gone, as far as it was written to too. Of the last page what is behind the
/// end becomes zeros, but not in a copy that was made of it.
fn private() {
    let _temp = Temp::new("cuts");
    let fd = with(8);
    let (read, own) = (map(fd, 8, READ, MAP_PRIVATE, 0), map(fd, 8, BOTH, MAP_PRIVATE, 0));
    let end = map(fd, 2, BOTH, MAP_PRIVATE, 6 * P);
    (0..8).for_each(|page| read.touch(page * PAGE));
    [0, 2, 3, 7].iter().for_each(|page| own.put(page * PAGE, b'X'));
    end.put(PAGE, b'Y');
    seen("cut", fd::truncate(fd, 2 * P + 50));
    for page in [0, 1, 2, 3, 4, 7] {
        let (read, own) = (touched(&read, page * PAGE), touched(&own, page * PAGE));
        say!("page {page}: {read}, {own}");
    }
    say!("the end: {} {}", touched(&end, 0), touched(&end, PAGE));
    let (first, last) = (2 * PAGE + 49, 3 * PAGE - 1);
    say!("the last page: {} {}", read.get(first), read.all(first + 1, PAGE - 50, 0));
    say!("a copy of it: {} {} {}", own.get(2 * PAGE), own.get(first + 1), own.get(last));
    seen("grown", fd::truncate(fd, 8 * P));
    for region in [&read, &own] {
        say!("nothing comes back: {}", region.all(3 * PAGE, 5 * PAGE, 0));
    }
    say!("nor at the end: {}", end.all(0, 2 * PAGE, 0));
    say!("the last page: {} {}", read.get(first), read.all(first + 1, PAGE - 50, 0));
    own.put(7 * PAGE, b'Z');
    let mut byte = [1];
    seen("read", fd::pread(fd, &mut byte, 7 * P));
    say!("its own again: {} {} {}", own.get(7 * PAGE), read.get(7 * PAGE), byte[0]);
}

/// However many pages.
fn large() {
    const PAGES: usize = 700;
    const SOME: [usize; 12] = [0, 15, 31, 32, 40, 48, 49, 63, 64, 511, 512, PAGES - 1];
    let _temp = Temp::new("cuts");
    let fd = with(PAGES);
    let (read, own) = (map(fd, PAGES, READ, MAP_PRIVATE, 0), map(fd, PAGES, BOTH, MAP_PRIVATE, 0));
    for page in 0..PAGES {
        read.touch(page * PAGE);
        if page % 3 > 0 {
            own.put(page * PAGE, b'X');
        }
    }
    seen("cut", fd::truncate(fd, 0));
    for page in SOME {
        say!("page {page}: {}, {}", touched(&read, page * PAGE), touched(&own, page * PAGE));
    }
    seen("grown", fd::truncate(fd, PAGES as i64 * P));
    let zeros = |region: &Region| (0..PAGES).all(|page| region.get(page * PAGE) == 0);
    say!("zeros: {} {}", zeros(&read), zeros(&own));
    (0..PAGES).for_each(|page| own.put(page * PAGE, page as u8));
    say!("its own: {}", (0..PAGES).all(|page| own.get(page * PAGE) == page as u8));
    say!("zeros: {}", zeros(&read));
}

/// Opening to empty it cuts too.
fn emptied() {
    let _temp = Temp::new("cuts");
    let region = map(with(2), 2, BOTH, MAP_PRIVATE, 0);
    region.touch(0);
    region.put(PAGE, b'X');
    worked("opened", file::open("a", libc::O_RDWR | libc::O_TRUNC));
    say!("{} {}", touched(&region, 0), touched(&region, PAGE));
    worked("longer", file::truncate("a", P));
    say!("{} {}", region.all(0, PAGE, 0), touched(&region, PAGE));
}

/// Whoever mapped it, and when.
fn versions() {
    let _temp = Temp::new("cuts");
    let fd = with(8);
    let mut all = vec![map(fd, 8, BOTH, MAP_PRIVATE, 0)];
    worked("write", fd::pwrite(fd, b"X", 0));
    all.push(map(fd, 8, BOTH, MAP_PRIVATE, 0));
    all.iter().for_each(|region| (1..8).for_each(|page| region.touch(page * PAGE)));
    let tell = |all: &[Region], when: &str| {
        for (n, region) in all.iter().enumerate() {
            let pages =
                [1, 2, 3, 5, 6, 7].map(|page| match touched(region, page * PAGE).as_str() {
                    "exit 0" => region.get(page * PAGE).to_string(),
                    other => other.to_owned(),
                });
            say!("{when}, {n}: {}", pages.join(" "));
        }
    };
    for (n, (cut, long)) in [(2, 8), (3, 8), (6, 7), (1, 8)].into_iter().enumerate() {
        worked("cut", fd::truncate(fd, cut * P));
        tell(&all, "cut");
        worked("longer", fd::truncate(fd, long * P));
        tell(&all, "longer");
        // What of it is whose from now on differs.
        all.push(map(fd, 8, BOTH, MAP_PRIVATE, 0));
        if let Some(region) = all.get(n) {
            region.put(6 * PAGE, b'0' + n as u8);
        }
    }
    worked("cut", fd::truncate(fd, P + 1));
    tell(&all, "at last");
}

/// Whose memory it is does not matter to who cuts the file, nor that the descriptor is closed.
fn by_another() {
    let _temp = Temp::new("cuts");
    let fd = with(4);
    let region = map(fd, 4, BOTH, MAP_PRIVATE, 0);
    worked("close", fd::close(fd));
    region.put(3 * PAGE, b'X');
    region.put(0, b'X');
    let cuts = || {
        worked("cut", file::truncate("a", P));
        0
    };
    let outcome = proc::outcome(cuts);
    say!("{outcome}: {} {}", touched(&region, 0), touched(&region, 3 * PAGE));
    worked("unlink", file::unlink("a"));
    say!("{} {}", region.text(0, 2), touched(&region, PAGE));
}

/// Both at once.
fn both() {
    let _temp = Temp::new("cuts");
    let fd = with(6);
    let (shared, own) = (map(fd, 6, BOTH, MAP_SHARED, 0), map(fd, 6, BOTH, MAP_PRIVATE, 0));
    (0..6).for_each(|page| own.touch(page * PAGE));
    shared.put(4 * PAGE, b'S');
    own.put(5 * PAGE, b'X');
    seen("cut", fd::truncate(fd, 3 * P));
    for page in 2..6 {
        say!("page {page}: {}, {}", touched(&shared, page * PAGE), touched(&own, page * PAGE));
    }
    seen("grown", fd::truncate(fd, 6 * P));
    say!("{} {}", shared.all(3 * PAGE, 3 * PAGE, 0), own.all(3 * PAGE, 3 * PAGE, 0));
    own.put(5 * PAGE, b'X');
    seen("grown", fd::truncate(fd, 7 * P));
    say!("it keeps its own: {} {}", own.get(5 * PAGE), shared.get(5 * PAGE));
}

/// What is longer than it was when it was mapped.
fn grown() {
    let _temp = Temp::new("cuts");
    let fd = with(1);
    let region = map(fd, 4, BOTH, MAP_PRIVATE, 0);
    say!("{} {}", region.get(0), touched(&region, PAGE));
    seen("grown", fd::truncate(fd, 2 * P + 1));
    say!("{} {}", region.all(PAGE, 2 * PAGE, 0), touched(&region, 3 * PAGE));
    region.put(PAGE, b'X');
    seen("cut", fd::truncate(fd, 1));
    say!("{} {}", region.get(0), touched(&region, PAGE));
    say!("{}", region.all(1, PAGE - 1, 0));
}

/// Calls do not find it either.
fn buffers() {
    let _temp = Temp::new("cuts");
    let fd = with(4);
    let (read, own) = (map(fd, 4, READ, MAP_PRIVATE, 0), map(fd, 4, BOTH, MAP_PRIVATE, 0));
    own.put(3 * PAGE, b'X');
    own.put(0, b'X');
    let to = make("b");
    seen("cut", fd::truncate(fd, P));
    seen("from there", read.write(to, 3 * PAGE, 10));
    seen("from a copy", own.write(to, 3 * PAGE, 10));
    seen("from before", own.write(to, 0, 10));
    seen("back", fd::seek(fd, 0, libc::SEEK_SET));
    seen("to there", own.read(fd, 3 * PAGE, 10));
    seen("grown", fd::truncate(fd, 4 * P));
    seen("to there", own.read(fd, 3 * PAGE, 10));
    say!("{} {}", own.get(3 * PAGE), read.get(3 * PAGE));
}

/// A region that was moved, one that is a part of another, and one whose rights have changed.
fn moved() {
    let _temp = Temp::new("cuts");
    let fd = with(8);
    let region = map(fd, 8, BOTH, MAP_PRIVATE, 0);
    (0..8).for_each(|page| region.put(page * PAGE, b'X'));
    worked("hole", region.unmap(2 * PAGE, PAGE));
    worked("rights", region.protect(3 * PAGE, PAGE, READ));
    let other = map(fd, 2, BOTH, MAP_PRIVATE, 5 * P);
    other.put(0, b'Y');
    let other = match other.remap(16 * PAGE, libc::MREMAP_MAYMOVE) {
        Ok(other) => other,
        Err(error) => vortex_guest::out::fail(&format!("not moved: {error}")),
    };
    say!("{} {}", other.get(0), touched(&other, 3 * PAGE));
    seen("cut", fd::truncate(fd, P));
    for page in [0, 1, 3, 4, 7] {
        say!("page {page}: {}", touched(&region, page * PAGE));
    }
    say!("{} {}", touched(&other, 0), touched(&other, 4 * PAGE));
    seen("grown", fd::truncate(fd, 8 * P));
    say!("{} {}", region.all(3 * PAGE, 5 * PAGE, 0), other.all(0, 3 * PAGE, 0));
}

/// Where the end lies in the page, also where nobody has touched that before.
fn to_the_byte() {
    let _temp = Temp::new("cuts");
    let fd = with(3);
    let (seen_before, not) = (map(fd, 3, READ, MAP_PRIVATE, 0), map(fd, 3, BOTH, MAP_PRIVATE, 0));
    (0..3).for_each(|page| seen_before.touch(page * PAGE));
    for end in [2 * PAGE + 4095, 2 * PAGE + 1, 2 * PAGE, 2 * PAGE - 1, PAGE + 7, 1, 0] {
        worked("cut", fd::truncate(fd, end as i64));
        let last = end.div_ceil(PAGE) * PAGE;
        for region in [&seen_before, &not] {
            let zeros = region.all(end, last - end, 0);
            let before = end.checked_sub(1).map_or(0, |at| region.get(at));
            let behind = if last < 3 * PAGE { touched(region, last) } else { String::new() };
            say!("{end}: {before} {zeros} {behind}");
        }
    }
}

/// A file without a name.
fn in_memory() {
    // SAFETY: the kernel reads a string.
    let made = unsafe { sys!(libc::SYS_memfd_create, c"cut".as_ptr(), 0) };
    let fd = made.map_or(-1, |fd| fd as i32);
    worked("write", fd::write(fd, &[b'm'; 3 * PAGE]));
    let region = map(fd, 3, BOTH, MAP_PRIVATE, 0);
    region.put(2 * PAGE, b'X');
    region.touch(PAGE);
    seen("cut", fd::truncate(fd, P));
    say!("{} {} {}", region.get(0), touched(&region, PAGE), touched(&region, 2 * PAGE));
    seen("grown", fd::truncate(fd, 3 * P));
    say!("{}", region.all(PAGE, 2 * PAGE, 0));
}
