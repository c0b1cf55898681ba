//! What only Vortex's own calls do: on Linux a test prints what is promised.

use std::time::Duration;

use vortex_aio::{Operation, begin_all, is_vortex};
use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{Errno, Res, fd, mem, proc, say, sys};

use super::{byte, filled, good, told};

const READ: i64 = 22020;
const ERROR: i64 = 22023;
const RETURN: i64 = 22024;
const SUSPEND: i64 = 22025;
const CANCEL: i64 = 22026;
const LIST: i64 = 22027;

/// Prints what is observed; where there is nothing to be observed, what is promised.
fn observe(there: bool, promised: &[&str], run: impl FnOnce()) {
    if there {
        run();
    } else {
        promised.iter().for_each(|line| say!("{line}"));
    }
}

/// Eventfds: musl reads them as files, and fails.
pub fn events() {
    let promised =
        ["begin: ok", "not yet: EAGAIN", "written 8", "read: 8", "7", "too short: EINVAL"];
    observe(is_vortex(), &promised, || {
        // SAFETY: no memory is named.
        let event = unsafe { sys!(libc::SYS_eventfd2, 0, 0) }.map_or(-1, |fd| fd as i32);
        let mut read = Operation::reads(event, 8, 0);
        worked("begin", read.begin());
        seen("not yet", read.wait(Some(Duration::from_millis(5))).map(|()| 0));
        // Those on one descriptor come one after the other: so through another.
        let other = fd::dup(event).map_or(-1, |fd| fd as i32);
        say!("written {}", told(Operation::writes(other, &7u64.to_le_bytes(), 0)));
        seen("read", read.take());
        say!("{}", read.bytes()[0]);
        say!("too short: {}", told(Operation::reads(event, 4, 0)));
    });
}

fn raw(number: i64, arguments: &[usize]) -> Res {
    // SAFETY: the kernel writes to control blocks of ours at most, or to nothing.
    unsafe { sys::call(number, arguments) }
}

/// Arguments that are none.
pub fn bad() {
    let promised = [
        "no block: EFAULT",
        "the kernel's block: EFAULT",
        "a block that may not be written to: EFAULT",
        "no such event: EINVAL",
        "no such signal: EINVAL",
        "of no block: EINVAL",
        "result of no block: EINVAL",
        "no list: EFAULT",
        "too long a list: EINVAL",
        "unknown: 0",
        "no time: EFAULT",
        "a wrong time: EINVAL",
        "a list of bad blocks: EFAULT",
        "no such way: EINVAL",
        "too many: EINVAL",
        "another's descriptor: EINVAL",
        "twice: EINVAL",
    ];
    observe(is_vortex(), &promised, || {
        seen("no block", raw(READ, &[sys::NOWHERE]));
        seen("the kernel's block", raw(READ, &[usize::MAX - 4095]));
        let region = mem::Region::anonymous(mem::PAGE, libc::PROT_READ);
        seen("a block that may not be written to", raw(READ, &[region.start()]));
        let mut block = vortex_aio::block(0);
        block.aio_sigevent.sigev_notify = 77;
        seen("no such event", raw(READ, &[&raw mut block as usize]));
        block.aio_sigevent.sigev_notify = libc::SIGEV_SIGNAL;
        block.aio_sigevent.sigev_signo = 99;
        seen("no such signal", raw(READ, &[&raw mut block as usize]));
        seen("of no block", raw(ERROR, &[&raw mut block as usize]));
        seen("result of no block", raw(RETURN, &[&raw mut block as usize]));
        seen("no list", raw(SUSPEND, &[sys::NOWHERE, 1, 0]));
        let list = vec![0_usize; 2_000];
        seen("too long a list", raw(SUSPEND, &[list.as_ptr() as usize, 2_000, 0]));
        let unknown = [&raw mut block as usize];
        seen("unknown", raw(SUSPEND, &[unknown.as_ptr() as usize, 1, 0]));
        seen("no time", raw(SUSPEND, &[list.as_ptr() as usize, 1, sys::NOWHERE]));
        let time = [0_i64, 2_000_000_000];
        seen("a wrong time", raw(SUSPEND, &[list.as_ptr() as usize, 1, time.as_ptr() as usize]));
        let nowhere = [sys::NOWHERE];
        seen("a list of bad blocks", raw(LIST, &[0, nowhere.as_ptr() as usize, 1, 0]));
        seen("no such way", raw(LIST, &[7, list.as_ptr() as usize, 1, 0]));
        seen("too many", raw(LIST, &[0, list.as_ptr() as usize, 1_025, 0]));
        let pipe = vortex_guest::pipe::plain();
        let mut read = Operation::reads(pipe.out, 10, 0);
        let begun = read.begin();
        let of = [pipe.into as usize, read.address() as usize];
        seen("another's descriptor", begun.and_then(|()| raw(CANCEL, &of)));
        seen("twice", read.begin().map(|()| 0));
        let _ = fd::write(pipe.into, b"0123456789");
        proc::until(|| read.has_ended());
    });
}

/// As many as there may be, and one more.
pub fn limit() {
    const MOST: usize = 1_024;
    observe(is_vortex(), &["1024 begun", "then EAGAIN", "1024 ended", "again: ok"], || {
        let pipe = vortex_guest::pipe::plain();
        let mut all: Vec<_> = (0..MOST).map(|_| Operation::reads(pipe.out, 1, 0)).collect();
        let begun = all.iter_mut().filter_map(|read| read.begin().ok()).count();
        say!("{begun} begun");
        let mut more = Operation::reads(pipe.out, 1, 0);
        match more.begin() {
            Ok(()) => say!("then one more"),
            Err(error) => say!("then {error}"),
        }
        let _ = fd::write(pipe.into, &[b'x'; MOST]);
        let ended = all.iter_mut().filter_map(|read| read.take().ok()).filter(|n| *n == 1).count();
        say!("{ended} ended");
        worked("again", more.begin());
        let _ = fd::write(pipe.into, b"x");
        let _ = more.take();
        let _ = begin_all(libc::LIO_WAIT, &mut [], None);
    });
}

/// Where what an operation has read can be seen.
fn window(operation: &Operation) -> usize {
    const WINDOW: usize = 136;
    // SAFETY: within the control block.
    unsafe { operation.address().cast::<u8>().wrapping_add(WINDOW).cast::<usize>().read_volatile() }
}

/// A window: what can be seen, what can be done with it, and that it goes. Of files on disks
/// alone; elsewhere what is promised is printed.
pub fn windows() {
    const COUNT: usize = 32_768;
    let _temp = Temp::new("aio");
    let fd = filled("f", 100_000);
    let mut read = Operation::reads(fd, COUNT, 777);
    worked("begin", read.begin());
    proc::until(|| read.has_ended());
    let place = if is_vortex() { window(&read) } else { 0 };
    let promised = [
        "seen: true",
        "written to: killed by SIGSEGV",
        "made writable: EACCES",
        "advised: EINVAL",
        "moved: EFAULT",
        "read into: EFAULT",
        "a child: killed by SIGSEGV",
        "written from: 100",
        "changed since: true",
        "copied: 32768 true",
        "gone: killed by SIGSEGV",
        "without: 32768 true",
    ];
    observe(place != 0, &promised, || {
        let page = place & !(mem::PAGE - 1);
        let sees = (0..COUNT).all(|n| mem::load(place + n) == byte(777 + n));
        say!("seen: {sees}");
        let writes = proc::outcome(|| {
            // The child has no window: only a thread of this process could.
            mem::touch(place);
            0
        });
        say!("written to: {writes}");
        let protect = [page, mem::PAGE, (libc::PROT_READ | libc::PROT_WRITE) as usize];
        seen("made writable", raw(libc::SYS_mprotect, &protect));
        let advise = [page, mem::PAGE, libc::MADV_DOFORK as usize];
        seen("advised", raw(libc::SYS_madvise, &advise));
        let moved = [page, mem::PAGE, mem::PAGE, (libc::MREMAP_MAYMOVE | 4) as usize];
        seen(
            "moved",
            raw(libc::SYS_mremap, &moved).map_err(|error| match error {
                Errno(libc::EINVAL) => Errno(libc::EFAULT),
                other => other,
            }),
        );
        seen("read into", raw(libc::SYS_pread64, &[fd as usize, place, 100, 0]));
        let looks = proc::outcome(|| i32::from(mem::load(place)));
        say!("a child: {looks}");
        let out = vortex_guest::pipe::plain();
        seen("written from", raw(libc::SYS_write, &[out.into as usize, place, 100]));
        // The window shows the file.
        let _ = fd::pwrite(fd, &[byte(777); 1], 777);
        let _ = fd::pwrite(fd, &[byte(1)], 2_000);
        say!("changed since: {}", mem::load(place + 2_000 - 777) == byte(1));
        let _ = fd::pwrite(fd, &[byte(2_000)], 2_000);
        let count = read.take().unwrap_or(0);
        say!("copied: {count} {}", good(&read, 777, count));
        let gone = proc::outcome(|| i32::from(mem::load(place)));
        say!("gone: {gone}");
        // All places for windows are taken away: then it is copied.
        let area = area(page);
        let _ = raw(libc::SYS_munmap, &[area.0, area.1]);
        let mut other = Operation::reads(fd, COUNT, 777);
        let done = other.begin().and_then(|()| other.take()).unwrap_or(0);
        say!("without: {done} {}", good(&other, 777, done));
    });
}

/// Where windows lie, as `/proc/self/maps` has it.
fn area(page: usize) -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let ranges = maps.lines().filter(|line| line.ends_with("[aio]")).filter_map(|line| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        Some((start, usize::from_str_radix(end, 16).ok()? - start))
    });
    ranges
        .into_iter()
        .find(|(start, length)| (*start..start + length).contains(&page))
        .unwrap_or((0, 0))
}
