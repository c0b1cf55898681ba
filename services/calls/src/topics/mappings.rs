//! Files in memory.

use libc::{MAP_PRIVATE, MAP_SHARED, O_RDONLY};
use vortex_guest::mem::{self, BOTH, PAGE, READ, Region};
use vortex_guest::out::{seen, text, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, proc, say};

use super::files::make;

crate::tests!("mappings":
    "private" => private,
    "shared" => shared,
    "shared-by-fork" => by_fork,
    "offset" => offset,
    "closed-file" => closed,
    "rights" => rights,
    "write-seen" => write_seen,
    "sync" => sync,
    "cut" => cut,
    "cut-large" => cut_large,
    "emptied" => emptied,
    "cut-by-another" => cut_by_another,
);

fn with(bytes: &[u8]) -> i32 {
    let fd = make("a");
    worked("write", fd::write(fd, bytes));
    fd
}

pub(super) fn map(fd: i32, pages: usize, protection: i32, flags: i32, offset: i64) -> Region {
    Region::map(pages * PAGE, protection, flags, fd, offset)
        .unwrap_or_else(|error| vortex_guest::out::fail(&format!("not mapped: {error}")))
}

fn content() {
    seen("content", file::get("a").map(|bytes| text(&bytes)));
}

fn private() {
    let _temp = Temp::new("mappings");
    let region = map(with(b"in the file"), 1, BOTH, MAP_PRIVATE, 0);
    say!("{}", region.text(0, 12));
    region.put_all(0, b"IN");
    say!("{}", region.text(0, 11));
    content();
}

fn shared() {
    let _temp = Temp::new("mappings");
    let fd = with(b"in the file");
    let (one, two) = (map(fd, 1, BOTH, MAP_SHARED, 0), map(fd, 1, READ, MAP_SHARED, 0));
    one.put_all(0, b"IN");
    say!("{}", two.text(0, 11));
    one.put(100, 1);
    content();
    seen("size", file::stat("a").map(|stat| stat.size()));
}

fn by_fork() {
    let _temp = Temp::new("mappings");
    let fd = with(b"parent parent");
    let (shared, own) = (map(fd, 1, BOTH, MAP_SHARED, 0), map(fd, 1, BOTH, MAP_PRIVATE, 0));
    own.put(0, b'x');
    say!(
        "{}",
        proc::outcome(|| {
            shared.put_all(7, b"child ");
            own.put_all(0, b"y");
            0
        })
    );
    say!("{} {}", shared.text(0, 13), own.text(0, 1));
    content();
}

fn offset() {
    let _temp = Temp::new("mappings");
    let bytes: Vec<u8> = (0..3).flat_map(|n| [b'a' + n; PAGE]).collect();
    let fd = with(&bytes);
    let region = map(fd, 2, READ, MAP_PRIVATE, PAGE as i64);
    say!("{} {}", region.text(PAGE - 2, 4), region.get(0));
    seen("odd", mem::refused(PAGE, READ, MAP_PRIVATE, fd, 100));
}

fn closed() {
    let _temp = Temp::new("mappings");
    let fd = with(b"stays");
    let region = map(fd, 1, READ, MAP_PRIVATE, 0);
    worked("close", fd::close(fd));
    worked("unlink", file::unlink("a"));
    say!("{}", region.text(0, 5));
}

fn rights() {
    let _temp = Temp::new("mappings");
    worked("made", file::put("a", b"x"));
    let reader = file::open("a", O_RDONLY).unwrap_or(-1);
    let writer = file::open("a", libc::O_WRONLY).unwrap_or(-1);
    seen("shared, to write", mem::refused(PAGE, BOTH, MAP_SHARED, reader, 0));
    seen("private, to write", mem::refused(PAGE, BOTH, MAP_PRIVATE, reader, 0));
    seen("of one to write", mem::refused(PAGE, READ, MAP_SHARED, writer, 0));
    let region = map(reader, 1, READ, MAP_SHARED, 0);
    seen("made writable", region.protect(0, PAGE, BOTH));
    let folder = file::open(".", O_RDONLY).unwrap_or(-1);
    seen("a folder", mem::refused(PAGE, READ, MAP_PRIVATE, folder, 0));
}

fn write_seen() {
    let _temp = Temp::new("mappings");
    let fd = with(b"before");
    let region = map(fd, 1, READ, MAP_SHARED, 0);
    say!("{}", region.text(0, 6));
    worked("write", fd::pwrite(fd, b"after ", 0));
    say!("{}", region.text(0, 6));
}

fn sync() {
    let _temp = Temp::new("mappings");
    let region = map(with(b"abc"), 1, BOTH, MAP_SHARED, 0);
    region.put(0, b'A');
    seen("sync", region.sync(0, PAGE, libc::MS_SYNC));
    seen("sometime", region.sync(0, PAGE, libc::MS_ASYNC));
    seen("both", region.sync(0, PAGE, libc::MS_SYNC | libc::MS_ASYNC));
    worked("unmap", region.unmap(0, PAGE));
    seen("unmapped", region.sync(0, PAGE, libc::MS_SYNC));
}

/// What becomes of a child that touches this place.
pub(super) fn touched(region: &Region, at: usize) -> String {
    let touch = || {
        region.touch(at);
        0
    };
    proc::outcome(touch).to_string()
}

/// What is cut off a file is gone for who shows it, and for a child that had it too.
fn cut() {
    let _temp = Temp::new("mappings");
    let fd = with(&[b'c'; 8 * PAGE]);
    let (all, end) =
        (map(fd, 8, BOTH, MAP_SHARED, 0), map(fd, 2, BOTH, MAP_SHARED, 6 * PAGE as i64));
    (0..8).for_each(|page| all.put(page * PAGE, b'x'));
    end.put(PAGE, b'y');
    seen("cut", fd::truncate(fd, 2 * PAGE as i64 + 50));
    for page in [1, 2, 3, 7] {
        say!("page {page}: {}", touched(&all, page * PAGE));
    }
    say!("the end: {}", touched(&end, PAGE));
    say!("its last page ends in zeros: {}", all.all(2 * PAGE + 50, PAGE - 50, 0));
    seen("grown", fd::truncate(fd, 8 * PAGE as i64));
    say!("nothing comes back: {}", all.all(3 * PAGE, 5 * PAGE, 0));
    end.put(PAGE, b'z');
    say!("one memory again: {} {}", all.text(7 * PAGE, 1), end.text(PAGE, 1));
    seen("in the file", fd::pread(fd, &mut [0; 1], 7 * PAGE as i64));
}

/// However many pages are cut off: each of them is gone, and comes again as the file's.
fn cut_large() {
    const PAGES: usize = 200;
    const SOME: [usize; 12] = [0, 15, 31, 32, 40, 48, 49, 63, 64, 100, 150, PAGES - 1];
    let _temp = Temp::new("mappings");
    let fd = with(&vec![b'c'; PAGES * PAGE]);
    let all = map(fd, PAGES, BOTH, MAP_SHARED, 0);
    (0..PAGES).for_each(|page| all.put(page * PAGE, b'x'));
    seen("cut", fd::truncate(fd, 0));
    SOME.iter().for_each(|page| say!("page {page}: {}", touched(&all, page * PAGE)));
    seen("grown", fd::truncate(fd, (PAGES * PAGE) as i64));
    say!("zeros: {}", (0..PAGES).all(|page| all.get(page * PAGE) == 0));
    (0..PAGES).for_each(|page| all.put(page * PAGE, page as u8));
    let mut byte = [0; 1];
    let mut reads = |page: usize| {
        fd::pread(fd, &mut byte, (page * PAGE) as i64) == Ok(1) && byte[0] == page as u8
    };
    say!("in the file: {}", (0..PAGES).filter(|&page| reads(page)).count());
}

/// Opening to empty it cuts too.
fn emptied() {
    let _temp = Temp::new("mappings");
    let fd = with(&[b'c'; 2 * PAGE]);
    let region = map(fd, 2, BOTH, MAP_SHARED, 0);
    region.put(PAGE, b'x');
    region.put(0, b'x');
    worked("opened", file::open("a", libc::O_RDWR | libc::O_TRUNC));
    say!("{} {}", touched(&region, 0), touched(&region, PAGE));
    worked("write", fd::pwrite(fd, b"new", 0));
    say!("{} {}", region.text(0, 4), touched(&region, PAGE));
}

/// Whose memory it is does not matter to who cuts the file.
fn cut_by_another() {
    let _temp = Temp::new("mappings");
    let fd = with(&[b'c'; 4 * PAGE]);
    let region = map(fd, 4, BOTH, MAP_SHARED, 0);
    region.put(3 * PAGE, b'x');
    let cuts = || {
        worked("cut", fd::truncate(fd, PAGE as i64));
        0
    };
    say!("{}: {} {}", proc::outcome(cuts), touched(&region, 0), touched(&region, 3 * PAGE));
}
