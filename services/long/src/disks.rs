//! Files on a disk: large ones, many, large folders; all in one process, one after the other, on
//! an ext2 that each case mounts and unmounts: on `/dev/sda`, whose blocks are small, and some once
//! more on `/dev/sdb`, whose blocks are as large as a page.
//!
//! A program spins beside them, of an activity with next to no share, so that the core is never
//! idle: turns end and threads are left as on a busy machine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vortex_aio::{Operation, is_vortex};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::sys::c;
use vortex_guest::{fd, file, proc, say, sys, time};

use crate::pieces::byte;
use crate::{Case, is, must};

const CASES: &[Case] = &[
    ("disk-mount", mount_only),
    ("disk-write", write),
    ("disk-in-order", in_order),
    ("disk-at-once", at_once),
    ("disk-lasting", lasting),
    ("disk-pieces", pieces),
    ("disk-reads", reads),
    ("disk-cut", cut),
    ("disk-sparse", sparse),
    ("disk-map", map),
    ("disk-many", many),
    ("disk-left", left),
    ("disk-links", links),
    ("disk-folder", folder),
    ("disk-unlink", unlink),
];

const OF_PAGES: &[Case] = &[
    ("page-write", write),
    ("page-in-order", in_order),
    ("page-at-once", at_once),
    ("page-lasting", lasting),
    ("page-pieces", pieces),
    ("page-left", left),
];

const PLACE: &str = "/mnt";
/// Is there when all are over, which is looked for between so many turns.
const OVER: &str = "/tmp/disks-over";
const SPINS: u32 = 1_000_000;
/// Bytes of a large file, and of what is written at once.
const LARGE: usize = 24 << 20;
const PIECE: usize = 128 << 10;
/// There are to be very many of what there are many of.
static VERY_MANY: AtomicBool = AtomicBool::new(false);
/// Names of one file.
const LINKS: usize = 25_000;

/// Small files in a folder.
fn small_files() -> usize {
    if VERY_MANY.load(Ordering::Relaxed) { 4_000 } else { 400 }
}

/// Names in the largest folder.
fn names() -> usize {
    if VERY_MANY.load(Ordering::Relaxed) { 100_000 } else { 8_000 }
}

/// All of them, and their disks.
fn cases() -> impl Iterator<Item = (&'static str, &'static Case)> {
    let on = |disk, cases: &'static [Case]| cases.iter().map(move |case| (disk, case));
    on("/dev/sda", CASES).chain(on("/dev/sdb", OF_PAGES))
}

/// Their names, a line each.
pub fn list() {
    cases().for_each(|(_, (name, _))| say!("{name}"));
}

/// All of them, or one.
pub fn all(only: Option<&str>, very_many: bool) {
    VERY_MANY.store(very_many, Ordering::Relaxed);
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    for (disk, (name, case)) in cases().filter(|(_, (name, _))| wanted(name)) {
        match mount(disk).and_then(|()| case()).and_then(|()| unmount()) {
            Ok(()) => say!("{name}: good"),
            Err(why) => say!("{name}: WRONG: {why}"),
        }
    }
    if let Err(error) = file::put(OVER, b"") {
        say!("disks: WRONG: {error}");
    }
}

/// Spins until they are over.
pub fn spin() {
    while file::stat(OVER).is_err() {
        for _ in 0..SPINS {
            std::hint::spin_loop();
        }
    }
}

fn mount(disk: &str) -> Result<(), String> {
    let _ = file::mkdir(PLACE, 0o755);
    let (from, to, kind) = (c(disk), c(PLACE), c("ext2"));
    // SAFETY: the kernel reads the three texts; no further data is given.
    let done = unsafe { sys!(libc::SYS_mount, from.as_ptr(), to.as_ptr(), kind.as_ptr(), 0, 0) };
    must("mount", done).map(|_| ())
}

fn unmount() -> Result<(), String> {
    let to = c(PLACE);
    // SAFETY: the kernel reads the text.
    must("umount", unsafe { sys!(libc::SYS_umount2, to.as_ptr(), 0) }).map(|_| ())
}

fn sync_all() -> Result<(), String> {
    // SAFETY: no memory is named.
    must("sync", unsafe { sys!(libc::SYS_sync) }).map(|_| ())
}

/// What the cache has of a file leaves it.
fn evict(fd: i32) -> Result<(), String> {
    // SAFETY: no memory is named.
    let gone = unsafe { sys!(libc::SYS_fadvise64, fd, 0, 0, libc::POSIX_FADV_DONTNEED) };
    must("evict", gone).map(|_| ())
}

fn path(name: &str) -> String {
    format!("{PLACE}/{name}")
}

/// A large file, that is dirty in the cache.
fn large(name: &str) -> Result<i32, String> {
    let fd = must("make", file::open(&path(name), libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC))?;
    let bytes = vec![7; PIECE];
    for at in (0..LARGE).step_by(PIECE) {
        let mut done = 0;
        while done < PIECE {
            done += must("write", fd::pwrite(fd, &bytes[done..], (at + done) as i64))?;
        }
    }
    Ok(fd)
}

fn mount_only() -> Result<(), String> {
    Ok(())
}

/// Many dirty pages are synced, leave the cache, and are read again.
fn write() -> Result<(), String> {
    let fd = large("large")?;
    must("fsync", fd::sync(fd))?;
    evict(fd)?;
    let mut bytes = vec![0; 1 << 20];
    let read = must("read", fd::pread(fd, &mut bytes, 0))?;
    is("what is read", bytes[..read].iter().all(|byte| *byte == 7), true)?;
    must("close", fd::close(fd)).map(|_| ())
}

/// A large file leaves the cache, and is read from its beginning to its end.
fn in_order() -> Result<(), String> {
    let fd = large("large")?;
    must("fsync", fd::sync(fd))?;
    for at_once in [64 << 10, 256 << 10, 4 << 10] {
        evict(fd)?;
        must("to the beginning", fd::seek(fd, 0, libc::SEEK_SET))?;
        let (mut bytes, mut done) = (vec![0; at_once], 0);
        while let more @ 1.. = must("read", fd::read(fd, &mut bytes))? {
            is("what is read", bytes[..more].iter().all(|byte| *byte == 7), true)?;
            done += more;
        }
        is("read", done, LARGE)?;
    }
    must("close", fd::close(fd)).map(|_| ())
}

/// Writes of 4 MiB: into a file that grows, over what is there, and over what is not in the cache.
fn at_once() -> Result<(), String> {
    write_at_once("at-once", 0)
}

/// The same, each until all of it is on the disk.
fn lasting() -> Result<(), String> {
    write_at_once("lasting", libc::O_SYNC)
}

fn write_at_once(name: &str, flags: i32) -> Result<(), String> {
    const LENGTH: usize = 4 << 20;
    let fd = must("make", file::open(&path(name), libc::O_RDWR | libc::O_CREAT | flags))?;
    // What the file is to be.
    let mut whole = vec![0; 2 * LENGTH];
    let mut write = |at: usize, writing: usize| {
        let bytes: Vec<u8> = (0..LENGTH).map(|n| byte(n, writing)).collect();
        whole[at..at + LENGTH].copy_from_slice(&bytes);
        let mut done = 0;
        while done < LENGTH {
            done += must("write", fd::pwrite(fd, &bytes[done..], (at + done) as i64))?;
        }
        Ok::<_, String>(())
    };
    write(0, 0)?;
    write(LENGTH, 1)?;
    write(LENGTH / 2, 2)?;
    must("fsync", fd::sync(fd))?;
    evict(fd)?;
    // Not at the beginning of a page.
    write(7, 3)?;
    must("fsync", fd::sync(fd))?;
    evict(fd)?;
    let (mut back, mut done) = (vec![0; 2 * LENGTH], 0);
    while done < back.len() {
        match must("read", fd::pread(fd, &mut back[done..], done as i64))? {
            0 => return Err(format!("the file ends after {done} bytes")),
            more => done += more,
        }
    }
    let other = back.iter().zip(&whole).position(|(read, written)| read != written);
    is("the first byte that is another", other.map_or(-1, |at| at as i64), -1)?;
    must("close", fd::close(fd))?;
    must("unlink", file::unlink(&path(name))).map(|_| ())
}

/// As many pieces as there may be, each in a page of its own, written and read; into pages that
/// were never touched.
fn pieces() -> Result<(), String> {
    let fd = must("make", file::open(&path("pieces"), libc::O_RDWR | libc::O_CREAT))?;
    crate::pieces::in_pieces(fd, || must("fsync", fd::sync(fd)).and_then(|_| evict(fd)))?;
    must("close", fd::close(fd))?;
    must("unlink", file::unlink(&path("pieces"))).map(|_| ())
}

/// Several processes have as many reads of one file on their way as they may.
fn reads() -> Result<(), String> {
    const PROCESSES: usize = 8;
    const EACH: usize = 1_000;
    if !is_vortex() {
        return Ok(());
    }
    let fd = must("open", file::open(&path("large"), libc::O_RDONLY))?;
    evict(fd)?;
    let one = |process| {
        let place = |n: usize| (n * PROCESSES + process) * 2 * PAGE % LARGE;
        let mut all: Vec<_> =
            (0..EACH).map(|n| Operation::reads(fd, PAGE, place(n) as i64)).collect();
        for read in &mut all {
            must("begin", read.begin())?;
        }
        for read in &mut all {
            must("wait", read.wait(None))?;
            is("read", must("take", read.take())?, PAGE)?;
            is("what is read", read.bytes().iter().all(|byte| *byte == 7), true)?;
        }
        Ok::<_, String>(())
    };
    let children: Vec<_> = (0..PROCESSES)
        .map(|process| {
            let code = || match one(process) {
                Ok(()) => 0,
                Err(why) => {
                    say!("a reader: {why}");
                    1
                }
            };
            must("fork", proc::fork(code))
        })
        .collect::<Result<_, _>>()?;
    for child in children {
        is("a reader", proc::wait(child), "exit 0".into())?;
    }
    must("close", fd::close(fd)).map(|_| ())
}

/// A large file is cut, clean and dirty.
fn cut() -> Result<(), String> {
    let fd = must("open", file::open(&path("large"), libc::O_RDWR))?;
    must("cut", fd::truncate(fd, 5))?;
    must("close", fd::close(fd))?;
    let fd = large("dirty")?;
    must("cut", fd::truncate(fd, 5_000))?;
    must("grow", fd::truncate(fd, 1 << 30))?;
    must("cut", fd::truncate(fd, 0))?;
    must("close", fd::close(fd)).map(|_| ())
}

/// A file of holes, with pages far apart: each hangs on blocks of its own.
fn sparse() -> Result<(), String> {
    let fd = must("make", file::open(&path("sparse"), libc::O_RDWR | libc::O_CREAT))?;
    for at in (0..1_usize << 30).step_by(4 << 20) {
        must("write", fd::pwrite(fd, b"here", at as i64))?;
    }
    must("fsync", fd::sync(fd))?;
    must("cut", fd::truncate(fd, 0))?;
    must("fsync", fd::sync(fd))?;
    must("close", fd::close(fd)).map(|_| ())
}

/// A file that is mapped and written to is synced, and cut while it is shown.
fn map() -> Result<(), String> {
    let fd = must("make", file::open(&path("mapped"), libc::O_RDWR | libc::O_CREAT))?;
    must("grow", fd::truncate(fd, LARGE as i64))?;
    let region = must("map", Region::map(LARGE, BOTH, libc::MAP_SHARED, fd, 0))?;
    (0..LARGE).step_by(PAGE).for_each(|at| region.put(at, 1));
    must("msync", region.sync(0, LARGE, libc::MS_SYNC))?;
    (0..LARGE).step_by(PAGE).for_each(|at| region.put(at, 2));
    must("cut", fd::truncate(fd, 10))?;
    must("unmap", region.unmap(0, LARGE))?;
    must("close", fd::close(fd)).map(|_| ())
}

/// Many files, all of them dirty.
fn many() -> Result<(), String> {
    must("mkdir", file::mkdir(&path("many"), 0o755))?;
    let name = |n: usize| path(&format!("many/a-name-that-is-not-short-{n}"));
    for n in 0..small_files() {
        must("make", file::put(&name(n), b"dirty"))?;
    }
    sync_all()?;
    for n in 0..small_files() {
        must("unlink", file::unlink(&name(n)))?;
    }
    must("rmdir", file::rmdir(&path("many")))?;
    sync_all()
}

/// Many files are left as they are, dirty, until they are written without anybody's asking.
fn left() -> Result<(), String> {
    const AGE: Duration = Duration::from_secs(7);
    must("mkdir", file::mkdir(&path("left"), 0o755))?;
    let name = |n: usize| path(&format!("left/a-name-that-is-not-short-{n}"));
    for n in 0..small_files() {
        must("make", file::put(&name(n), b"dirty"))?;
    }
    let end = time::now() + AGE;
    // Who sleeps leaves the time to who spins, whose turns take longer.
    while time::now() < end {
        (0..SPINS).for_each(|turn| _ = std::hint::black_box(turn));
    }
    for n in 0..small_files() {
        must("unlink", file::unlink(&name(n)))?;
    }
    must("rmdir", file::rmdir(&path("left"))).map(|_| ())
}

fn name(n: usize) -> String {
    path(&format!("names/a-name-that-is-not-short-{n}"))
}

/// A folder with very many names, of few files.
fn links() -> Result<(), String> {
    must("mkdir", file::mkdir(&path("names"), 0o755))?;
    for n in 0..names() {
        let first = n / LINKS * LINKS;
        if n == first {
            must("make", file::put(&name(n), b""))?;
        } else {
            must("link", file::link(&name(first), &name(n)))?;
        }
    }
    Ok(())
}

/// It is listed with much room, and changed: by names that are there, and that are not.
fn folder() -> Result<(), String> {
    must("stat", file::stat(&name(names() - 1)))?;
    is("none", file::stat(&name(names())).err().map_or(0, |error| error.0), libc::ENOENT)?;
    let fd = must("open", file::open(&path("names"), libc::O_RDONLY))?;
    let mut listed = 0;
    loop {
        match must("list", file::entries(fd, 1 << 20))?.len() {
            0 => break,
            more => listed += more,
        }
    }
    is("listed", listed, names() + 2)?;
    must("close", fd::close(fd))?;
    must("rename", file::rename(&name(1), &name(names())))?;
    must("unlink", file::unlink(&name(names())))?;
    let full = file::rmdir(&path("names")).err().map_or(0, |error| error.0);
    is("full", full, libc::ENOTEMPTY)
}

/// What is large is removed: open, closed, and dirty.
fn unlink() -> Result<(), String> {
    let fd = large("open")?;
    must("fsync", fd::sync(fd))?;
    must("unlink", file::unlink(&path("open")))?;
    must("close", fd::close(fd))?;
    must("close", fd::close(large("dirty")?))?;
    must("unlink", file::unlink(&path("dirty"))).map(|_| ())
}
