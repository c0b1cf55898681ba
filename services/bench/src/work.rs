//! What is measured.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use vortex_guest::mem::{BOTH, PAGE, READ, Region};
use vortex_guest::{Res, fd, file, futex, out, pipe, proc};

/// Name, what it does each time, and the doing of it so many times.
pub type Work = (&'static str, &'static str, fn(u64));

/// All of it.
pub const ALL: &[Work] = &[
    ("getppid", "the call getppid", |count| (0..count).for_each(|_| drop_it(proc::parent()))),
    ("gettid", "the call gettid", |count| (0..count).for_each(|_| drop_it(proc::tid()))),
    ("null-write", "a byte to /dev/null", null_write),
    ("yield", "two threads that yield to each other: there and back", yields),
    ("switch", "two threads in turn by futex: there and back", switches),
    ("fork", "fork, exit, wait", |count| (0..count).for_each(|_| reap(proc::child(|| 0)))),
    ("exec", "fork, exec of this program, exit, wait", execs),
    ("pipe", "a byte to another process and back", pipes),
    ("wake", "a futex wake and the run of whom it woke", switches),
    ("fault", "the first touch of a page", faults),
    ("file-fault", "the first touch of 16 pages of a file here, which are in memory", file_faults),
    (
        "file-write",
        "the first write to a page of a file here that is mapped to be shared",
        file_writes,
    ),
    ("copy", "a write to a page that a fork shares; a fork for each 1,024", copies),
    ("map", "1 MiB mapped, touched and unmapped", maps),
    ("touch", "64 MiB mapped, touched and unmapped", touches),
    ("fork-large", "fork, exit, wait, with 64 MiB touched", |count| {
        (0..count).for_each(|_| reap(proc::child(|| 0)));
    }),
    ("exec-dynamic", "fork, exec of /usr/bin/true, exit, wait", |count| {
        (0..count).for_each(|_| reap(proc::child(true_program)));
    }),
];

/// The file of those that need one, its pages, and how many one touch shows.
const FILE: &str = "bench-file";
const PAGES: usize = 1024;
const SHOWN: usize = 16;
/// Pages that one fork shares.
const SHARED: usize = 1024;

/// What must be there before the time begins.
pub fn prepare(name: &str) {
    let pages = match name {
        "file-fault" | "file-write" => {
            if let Err(error) = make_file() {
                out::fail(&format!("{FILE}: {error}"));
            }
            return;
        }
        "copy" => SHARED,
        "fork-large" => (64 << 20) / PAGE,
        _ => return,
    };
    let region = Region::anonymous(pages * PAGE, BOTH);
    let _ = region.advise(0, pages * PAGE, libc::MADV_NOHUGEPAGE);
    (0..pages).for_each(|page| region.put(page * PAGE, 1));
    READY.get_or_init(|| region);
}

static READY: OnceLock<Region> = OnceLock::new();

fn true_program() -> i32 {
    let _ = proc::exec("/usr/bin/true", &["true"], &[]);
    1
}

fn copies(count: u64) {
    let Some(region) = READY.get() else { out::fail("nothing was prepared") };
    let mut left = count as usize;
    while left > 0 {
        let pages = left.min(SHARED);
        let gate = pipe::plain();
        let child = proc::child(|| {
            let _ = fd::close(gate.into);
            let _ = fd::read(gate.out, &mut [0]);
            0
        });
        (0..pages).for_each(|page| region.put(page * PAGE, 2));
        let _ = fd::close(gate.into);
        let _ = fd::close(gate.out);
        reap(child);
        left -= pages;
    }
}

fn maps(count: u64) {
    const LENGTH: usize = 1 << 20;
    for _ in 0..count {
        let region = Region::anonymous(LENGTH, BOTH);
        (0..LENGTH).step_by(PAGE).for_each(|at| region.put(at, 1));
        let _ = region.unmap(0, LENGTH);
    }
}

fn touches(count: u64) {
    const LENGTH: usize = 64 << 20;
    for _ in 0..count {
        let region = Region::anonymous(LENGTH, BOTH);
        let _ = region.advise(0, LENGTH, libc::MADV_HUGEPAGE);
        (0..LENGTH).step_by(PAGE).for_each(|at| region.put(at, 1));
        let _ = region.unmap(0, LENGTH);
    }
}

fn drop_it(value: i32) {
    std::hint::black_box(value);
}

fn reap(pid: i32) {
    if proc::wait(pid) != "exit 0" {
        out::fail("the child did not end well");
    }
}

fn null_write(count: u64) {
    let null = file::open("/dev/null", libc::O_WRONLY).unwrap_or(-1);
    for _ in 0..count {
        let _ = fd::write(null, b"x");
    }
}

fn yields(count: u64) {
    let other = std::thread::spawn(move || (0..count).for_each(|_| proc::give_way()));
    (0..count).for_each(|_| proc::give_way());
    drop(other.join());
}

/// Waits for the other's turn to end, works it, and hands over.
fn turns(word: &AtomicU32, own: u32, count: u64) {
    for _ in 0..count {
        while word.load(SeqCst) != own {
            let _ = futex::wait_private(word, 1 - own, None);
        }
        word.store(1 - own, SeqCst);
        let _ = futex::wake_private(word, 1);
    }
}

fn switches(count: u64) {
    static WORD: AtomicU32 = AtomicU32::new(0);
    let other = std::thread::spawn(move || turns(&WORD, 1, count));
    turns(&WORD, 0, count);
    drop(other.join());
}

fn execs(count: u64) {
    for _ in 0..count {
        reap(proc::child(|| {
            let _ = proc::exec("/proc/self/exe", &["bench", "--noop"], &[]);
            1
        }));
    }
}

fn pipes(count: u64) {
    let (there, back) = (pipe::plain(), pipe::plain());
    let child = proc::child(|| {
        for _ in 0..count {
            let _ = fd::read(there.out, &mut [0]);
            let _ = fd::write(back.into, b"x");
        }
        0
    });
    for _ in 0..count {
        let _ = fd::write(there.into, b"x");
        let _ = fd::read(back.out, &mut [0]);
    }
    reap(child);
}

fn make_file() -> Res<()> {
    let fd = file::open(FILE, libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC)?;
    for page in 0..PAGES {
        let _ = fd::pwrite(fd, &[1; PAGE], (page * PAGE) as i64)?;
    }
    let _ = fd::sync(fd)?;
    let _ = fd::close(fd)?;
    with_file(READ, libc::MAP_PRIVATE, |region| {
        (0..PAGES).for_each(|page| region.touch(page * PAGE));
    });
    Ok(())
}

/// Maps the file, and touches some pages of it.
fn with_file(protection: i32, flags: i32, touch: impl Fn(&Region)) {
    let mapped = file::open(FILE, libc::O_RDWR)
        .and_then(|fd| Ok((fd, Region::map(PAGES * PAGE, protection, flags, fd, 0)?)));
    let Ok((fd, region)) = mapped else { out::fail("the file cannot be mapped") };
    touch(&region);
    let _ = region.unmap(0, PAGES * PAGE);
    let _ = fd::close(fd);
}

fn file_faults(count: u64) {
    let mut left = count as usize;
    while left > 0 {
        let touches = left.min(PAGES / SHOWN);
        with_file(READ, libc::MAP_PRIVATE, |region| {
            (0..touches).for_each(|block| region.touch(block * SHOWN * PAGE));
        });
        left -= touches;
    }
}

fn file_writes(count: u64) {
    let mut left = count as usize;
    while left > 0 {
        let pages = left.min(PAGES);
        with_file(BOTH, libc::MAP_SHARED, |region| {
            (0..pages).for_each(|page| region.put(page * PAGE, 1));
        });
        left -= pages;
    }
}

fn faults(count: u64) {
    // In pieces, so that any count fits into little memory.
    let mut left = count as usize;
    while left > 0 {
        let pages = left.min(1024);
        let region = Region::anonymous(pages * PAGE, BOTH);
        let _ = region.advise(0, pages * PAGE, libc::MADV_NOHUGEPAGE);
        (0..pages).for_each(|page| region.put(page * PAGE, 1));
        let _ = region.unmap(0, pages * PAGE);
        left -= pages;
    }
}
