//! What files on a disk cost: an ext2 on `/dev/sda` with a file `file`, which is mounted first.

use vortex_guest::{fd, file, out, sys, sys::c};

use crate::work::Work;

/// Where the disk is.
const PLACE: &str = "/mnt";
const FILE: &str = "/mnt/file";
/// A file that is read in order, so long that the beginning does not count.
const LONG: &str = "/mnt/long";
/// Bytes that are read over and over.
const HOT: usize = 1 << 20;
/// Pages of the file.
const PAGES: u64 = 2_048;
const PAGE: usize = 4_096;

/// All of it.
pub const ALL: &[Work] = &[
    ("read-4k", "4 KiB of a cached file", |count| reads::<4_096>(count)),
    ("read-32k", "32 KiB of a cached file", |count| reads::<32_768>(count)),
    ("read-disk", "4 KiB of a file, from the disk", uncached),
    ("open-close", "open and close of a file", opens),
    ("create", "a file made and removed", creates),
    ("sequential", "a whole file from the disk, in order", sequential),
];

/// Whether it is one of these; if so the disk is mounted then, and what is cached is cached.
pub fn prepare(name: &str) -> bool {
    if !ALL.iter().any(|(other, ..)| *other == name) {
        return false;
    }
    if file::stat(FILE).is_err() {
        mount();
    }
    match name {
        "read-4k" | "read-32k" => {
            let from = opened();
            let mut bytes = vec![0; HOT];
            let mut done = 0;
            while done < HOT {
                done += some(fd::pread(from, &mut bytes[done..], done as i64));
            }
        }
        // The names on the way are known, and the directory is.
        "open-close" => opens(1),
        // It was never read.
        "sequential" => {}
        "create" => creates(4),
        _ => {
            let from = opened();
            // SAFETY: no memory is named.
            let gone = unsafe { sys!(libc::SYS_fadvise64, from, 0, 0, libc::POSIX_FADV_DONTNEED) };
            let _ = fd::close(from);
            if gone.is_err() {
                out::fail("the file does not leave memory");
            }
        }
    }
    true
}

fn mount() {
    let _ = file::mkdir(PLACE, 0o755);
    let (from, to, kind) = (c("/dev/sda"), c(PLACE), c("ext2"));
    // SAFETY: the kernel reads the three texts; no further data is given.
    let done = unsafe { sys!(libc::SYS_mount, from.as_ptr(), to.as_ptr(), kind.as_ptr(), 0, 0) };
    if let Err(error) = done {
        out::fail(&format!("mount: {error}"));
    }
}

fn opened() -> i32 {
    file::open(FILE, libc::O_RDONLY).unwrap_or_else(|error| out::fail(&format!("{FILE}: {error}")))
}

fn some(read: vortex_guest::Res<usize>) -> usize {
    match read {
        Ok(read) if read > 0 => read,
        other => out::fail(&format!("read: {other:?}")),
    }
}

fn reads<const BYTES: usize>(count: u64) {
    let from = opened();
    let mut bytes = vec![0; BYTES];
    for turn in 0..count as usize {
        let at = turn * BYTES % HOT;
        if some(fd::pread(from, &mut bytes, at as i64)) != BYTES {
            out::fail("a read of what is cached was short");
        }
    }
}

/// No page twice, and none that follows another.
fn uncached(count: u64) {
    if count > PAGES / 2 {
        out::fail("the file is too short");
    }
    let from = opened();
    // SAFETY: no memory is named.
    let _ = unsafe { sys!(libc::SYS_fadvise64, from, 0, 0, libc::POSIX_FADV_RANDOM) };
    let mut bytes = [0; PAGE];
    for turn in 0..count {
        // 1,021 is prime to 2,048: every page comes once.
        let page = (turn * 1_021 + 7) % PAGES;
        if some(fd::pread(from, &mut bytes, (page as usize * PAGE) as i64)) != PAGE {
            out::fail("a read was short");
        }
    }
}

fn opens(count: u64) {
    for _ in 0..count {
        let _ = fd::close(opened());
    }
}

fn creates(count: u64) {
    for _ in 0..count {
        let made = file::open("/mnt/new", libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL);
        let gone = made.and_then(fd::close).and_then(|_| file::unlink("/mnt/new"));
        if let Err(error) = gone {
            out::fail(&format!("create: {error}"));
        }
    }
}

/// Once, however often it is asked for.
fn sequential(_: u64) {
    let from = file::open(LONG, libc::O_RDONLY)
        .unwrap_or_else(|error| out::fail(&format!("{LONG}: {error}")));
    let mut bytes = vec![0; 32 << 10];
    let mut at = 0;
    while let Ok(read) = fd::pread(from, &mut bytes, at) {
        if read == 0 {
            return;
        }
        at += read as i64;
    }
    out::fail("the file cannot be read");
}
