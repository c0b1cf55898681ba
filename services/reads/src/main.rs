//! Reads a file on a disk, again and again (§4.3): `reads FILE /dev/sda /mnt` mounts the
//! disk, unless another has, and on `--threads N` opens the file, reads `--bytes B` of it by
//! asynchronous I/O, waits, looks at all of it `--looks L` times, and closes it, for
//! `--seconds S`.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use vortex_aio::Operation;
use vortex_guest::sys::c;
use vortex_guest::{Errno, Res, args::Args, fd, file, out, proc, say, sys, time};

const USAGE: &str = "usage: reads FILE [DISK PLACE] [--threads N] [--bytes B] [--looks L] \
                     [--seconds S]";
/// Reads between two readings of the clock, which takes a system call.
const READS: u64 = 64;

static STOP: AtomicBool = AtomicBool::new(false);
static DONE: AtomicU64 = AtomicU64::new(0);

/// Mounts a disk, if nobody has.
fn mount(disk: &str, place: &str) -> Res {
    // It may be there.
    let _ = file::mkdir(place, 0o755);
    let (from, to, kind) = (c(disk), c(place), c("ext2"));
    // SAFETY: the kernel reads the three texts; no further data is given.
    let done = unsafe { sys!(libc::SYS_mount, from.as_ptr(), to.as_ptr(), kind.as_ptr(), 0, 0) };
    if done == Err(Errno(libc::EBUSY)) { Ok(0) } else { done }
}

/// One round; whether all was read.
fn round(path: &str, operation: &mut Operation, (bytes, looks): (usize, u64)) -> Res<bool> {
    let fd = file::open(path, libc::O_RDONLY)?;
    operation.set_descriptor(fd);
    let count = operation.begin().and_then(|()| operation.take());
    for _ in 0..looks {
        let words = black_box(operation.bytes()).iter();
        black_box(words.fold(0, |all: u64, byte| all.wrapping_add(u64::from(*byte))));
    }
    fd::close(fd)?;
    Ok(count? == bytes)
}

fn work(path: &str, (bytes, looks): (usize, u64), end: Option<Duration>) {
    let mut operation = Operation::reads(-1, bytes, 0);
    let mut rounds = 0;
    while !STOP.load(Relaxed) {
        match round(path, &mut operation, (bytes, looks)) {
            Ok(true) => rounds += 1,
            Ok(false) => out::fail(&format!("reads: {path} is shorter than {bytes} bytes")),
            Err(error) => out::fail(&format!("reads: {path}: {error}")),
        }
        if rounds % READS == 0 && end.is_some_and(|end| time::now() >= end) {
            STOP.store(true, Relaxed);
        }
    }
    DONE.fetch_add(rounds, Relaxed);
}

fn main() {
    let mut args = Args::new(USAGE);
    let threads = args.number("--threads").unwrap_or(1);
    let bytes = args.number("--bytes").unwrap_or(32_768) as usize;
    let looks = args.number("--looks").unwrap_or(0);
    let seconds = args.number("--seconds");
    let path = args.word().unwrap_or_else(|| args.wrong("no file is named"));
    let (disk, place) = (args.word(), args.word());
    args.end();
    if let (Some(disk), Some(place)) = (disk, place)
        && let Err(error) = mount(&disk, &place)
    {
        out::fail(&format!("reads: mount {disk}: {error}"));
    }
    let end = seconds.map(|seconds| time::now() + Duration::from_secs(seconds));
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(|| work(&path, (bytes, looks), end))));
        work(&path, (bytes, looks), end);
    });
    say!("reads: {path}: {} times {bytes} bytes", DONE.load(Relaxed));
    proc::exit(0)
}
