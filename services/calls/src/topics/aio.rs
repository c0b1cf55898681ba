//! POSIX asynchronous I/O: on Linux the C library's, on Vortex the kernel's own calls.

mod own;

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use libc::{AIO_ALLDONE, AIO_CANCELED, AIO_NOTCANCELED, c_int, c_void, siginfo_t, sigval};
use vortex_aio::{Operation, begin_all, wait_any};
use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{Errno, Res, fd, file, mem, pipe, proc, say, sig, sys};

crate::tests!("aio":
    "read-back" => read_back,
    "bounds" => bounds,
    "descriptors" => descriptors,
    "bad-buffers" => bad_buffers,
    "many" => many,
    "large" => large,
    "list" => list,
    "list-of-none" => list_of_none,
    "list-fails" => list_fails,
    "signal" => signal,
    "list-signal" => list_signal,
    "thread" => thread,
    "suspend" => suspend,
    "suspend-interrupted" => interrupted,
    "cancel" => cancel,
    "cancel-all" => cancel_all,
    "pipes" => pipes,
    "append" => append,
    "descriptor-goes" => descriptor_goes,
    "buffer-is-there-later" => later,
    "fork" => fork,
    "exit" => exit,
    "exec" => exec,
    "truncated" => truncated,
    "shared" => shared,
    "events" => own::events,
    "bad-arguments" => own::bad,
    "limit" => own::limit,
    "windows" => own::windows,
);

const RW: i32 = libc::O_RDWR | libc::O_CREAT;

/// What byte a test file has at a place.
fn byte(at: usize) -> u8 {
    (at % 253) as u8
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(byte).collect()
}

/// A file with so many bytes, open.
fn filled(path: &str, count: usize) -> i32 {
    // As many writes as it takes.
    say!("put: {}", std::fs::write(path, bytes(count)).is_ok());
    file::open(path, RW).unwrap_or(-1)
}

/// Whether what was read from a place on is what the file has.
fn good(operation: &Operation, at: usize, count: usize) -> bool {
    let read = operation.bytes().iter().take(count).enumerate();
    read.into_iter().all(|(n, b)| *b == byte(at + n))
}

/// The error with which an operation begins or ends, or what it did.
fn told(mut operation: Operation) -> String {
    match operation.begin().and_then(|()| operation.take()) {
        Ok(count) => count.to_string(),
        Err(error) => error.to_string(),
    }
}

fn read_back() {
    let _temp = Temp::new("aio");
    let fd = file::open("f", RW).unwrap_or(-1);
    let mut write = Operation::writes(fd, &bytes(100_000), 0);
    worked("begin", write.begin());
    seen("written", write.take());
    seen("size", file::stat("f").map(|stat| stat.size()));
    let mut sync = Operation::syncs(fd, libc::O_SYNC);
    worked("sync", sync.begin());
    seen("synced", sync.take());
    seen("data alone", Ok::<_, Errno>(told(Operation::syncs(fd, libc::O_DSYNC))));
    seen("another way", Ok::<_, Errno>(told(Operation::syncs(fd, 77))));
    for (at, count) in
        [(0, 1), (0, 4096), (1, 4096), (4095, 2), (8192, 32_768), (777, 32_768), (0, 100_000)]
    {
        let mut read = Operation::reads(fd, count, at as i64);
        worked("begin", read.begin());
        seen("read", read.take());
        say!("{count} from {at}: {}", good(&read, at, count));
    }
    seen("place of the file", fd::seek(fd, 0, libc::SEEK_CUR));
}

fn bounds() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 10_000);
    for (at, count) in [(9_999, 10), (10_000, 10), (20_000, 10), (5_000, 32_768), (0, 0)] {
        let mut read = Operation::reads(fd, count, at);
        worked("begin", read.begin());
        let done = read.take();
        seen("read", done);
        say!("good: {}", good(&read, at as usize, done.unwrap_or(0)));
    }
    say!("before the file: {}", told(Operation::reads(fd, 10, -1)));
    say!("written before it: {}", told(Operation::writes(fd, b"x", -5)));
    say!("written behind it: {}", told(Operation::writes(fd, b"x", 20_000)));
    seen("size", file::stat("f").map(|stat| stat.size()));
    let mut hole = Operation::reads(fd, 20_000, 8_000);
    worked("begin", hole.begin());
    seen("read", hole.take());
    let zeros = hole.bytes()[2_000..12_000].iter().all(|b| *b == 0);
    say!("a hole: {zeros}, then {:?}", hole.bytes()[12_000] as char);
}

fn descriptors() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 100);
    let reads = file::open("f", libc::O_RDONLY).unwrap_or(-1);
    let writes = file::open("f", libc::O_WRONLY).unwrap_or(-1);
    let folder = file::open(".", libc::O_RDONLY).unwrap_or(-1);
    worked("close", fd::close(fd));
    for (name, fd) in [("none", -1), ("closed", fd), ("to read", reads), ("to write", writes)] {
        say!("{name}: read {}", told(Operation::reads(fd, 10, 0)));
        say!("{name}: write {}", told(Operation::writes(fd, b"x", 0)));
    }
    say!("a folder: read {}", told(Operation::reads(folder, 10, 0)));
    let null = file::open("/dev/null", libc::O_RDWR).unwrap_or(-1);
    let zero = file::open("/dev/zero", libc::O_RDWR).unwrap_or(-1);
    say!(
        "null: {} {}",
        told(Operation::reads(null, 9, 0)),
        told(Operation::writes(null, b"xy", 0))
    );
    say!(
        "zero: {} {}",
        told(Operation::reads(zero, 9, 0)),
        told(Operation::writes(zero, b"xy", 0))
    );
    let full = file::open("/dev/full", libc::O_RDWR).unwrap_or(-1);
    say!("full: {}", told(Operation::writes(full, b"xy", 0)));
}

fn bad_buffers() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 70_000);
    let region = mem::Region::anonymous(4 * mem::PAGE, mem::BOTH);
    let alone = mem::Region::anonymous(mem::PAGE, libc::PROT_READ);
    worked("unmap", region.unmap(2 * mem::PAGE, 2 * mem::PAGE));
    let places = [
        ("nowhere", sys::NOWHERE, 100),
        ("the kernel's", usize::MAX - 4095, 100),
        ("a hole", region.start() + 2 * mem::PAGE, 100),
        ("to be read only", alone.start(), 100),
    ];
    for (name, address, count) in places {
        // SAFETY: there is nothing, or what is ours.
        let read = unsafe { Operation::reads(fd, 0, 0).at_address(address, count) };
        say!("{name}: {}", told(read));
    }
    for (name, address, count) in places.into_iter().take(3) {
        // SAFETY: it is written from.
        let write = unsafe { Operation::writes(fd, b"", 0).at_address(address, count) };
        say!("from {name}: {}", told(write));
    }
    seen("size", file::stat("f").map(|stat| stat.size()));
}

fn many() {
    const COUNT: usize = 128;
    const EACH: usize = 5_000;
    let _temp = Temp::new("aio");
    let fd = filled("f", COUNT * EACH);
    let mut all: Vec<_> =
        (0..COUNT).map(|n| Operation::reads(fd, EACH, (n * EACH) as i64)).collect();
    let begun = all.iter_mut().filter_map(|read| read.begin().ok()).count();
    say!("{begun} at once");
    let whole = all.iter_mut().filter_map(|read| read.take().ok()).filter(|n| *n == EACH).count();
    let right = all.iter().enumerate().filter(|(n, read)| good(read, n * EACH, EACH)).count();
    say!("{whole} whole, {right} right");
    let mut all: Vec<_> = (0..COUNT)
        .map(|n| Operation::writes(fd, &[n as u8; 100], (COUNT - 1 - n) as i64 * 100))
        .collect();
    let begun = all.iter_mut().filter_map(|write| write.begin().ok()).count();
    let whole = all.iter_mut().filter_map(|write| write.take().ok()).filter(|n| *n == 100).count();
    let read = file::get("f").unwrap_or_default();
    let right = read.chunks(100).take(COUNT).enumerate();
    let right = right.filter(|(n, c)| c.iter().all(|b| *b as usize == COUNT - 1 - n)).count();
    say!("{begun} written at once, {whole} whole, {right} right");
}

fn large() {
    const SIZE: usize = 6 << 20;
    let _temp = Temp::new("aio");
    let fd = filled("f", SIZE);
    for (at, count) in [(0, SIZE), (1, 1 << 20), (100, 300 << 10), (0, 200 << 10)] {
        let mut read = Operation::reads(fd, count, at as i64);
        worked("begin", read.begin());
        let done = read.take();
        seen("read", done);
        say!("good: {}", good(&read, at, done.unwrap_or(0)));
    }
    let mut write = Operation::writes(fd, &bytes(3 << 20), 1 << 20);
    worked("begin", write.begin());
    seen("written", write.take());
    let all = file::get("f").unwrap_or_default();
    let moved = all[1 << 20..4 << 20].iter().enumerate().all(|(n, b)| *b == byte(n));
    say!("{} bytes, moved: {moved}", all.len());
}

fn list() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 50_000);
    let mut all: Vec<_> = (0..10)
        .map(|n| match n % 2 {
            0 => Operation::reads(fd, 1_000, n * 1_000),
            _ => Operation::writes(fd, &[b'x'; 100], 60_000 + n * 100),
        })
        .collect();
    seen("list", begin_all(libc::LIO_WAIT, &mut all, None).map(|()| 0));
    for (n, one) in all.iter_mut().enumerate() {
        let under_way = one.error() == libc::EINPROGRESS;
        let done = one.take();
        say!("{n}: under way {under_way}, {done:?}, {}", n % 2 == 1 || good(one, n * 1_000, 1_000));
    }
    seen("size", file::stat("f").map(|stat| stat.size()));
}

fn list_of_none() {
    seen("none", begin_all(libc::LIO_WAIT, &mut [], None).map(|()| 0));
    seen("not waited for", begin_all(libc::LIO_NOWAIT, &mut [], None).map(|()| 0));
}

fn list_fails() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 5_000);
    let writes = file::open("f", libc::O_WRONLY).unwrap_or(-1);
    let mut all = vec![
        Operation::reads(fd, 100, 0),
        Operation::reads(writes, 100, 0),
        Operation::reads(fd, 100, 100),
    ];
    seen("list", begin_all(libc::LIO_WAIT, &mut all, None).map(|()| 0));
    for one in &mut all {
        seen("one", one.take());
    }
}

static CAUGHT: AtomicUsize = AtomicUsize::new(0);
static VALUES: AtomicUsize = AtomicUsize::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);

extern "C" fn catches(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel's, for this handler.
    let info = unsafe { &*info };
    CODE.store(info.si_code, SeqCst);
    // SAFETY: a signal with a value has one.
    let value = unsafe { info.si_value() };
    VALUES.fetch_add(value.sival_ptr as usize, SeqCst);
    CAUGHT.fetch_add(1, SeqCst);
}

fn signal() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 50_000);
    worked("handle", sig::handle(sig::REAL_TIME, catches, libc::SA_RESTART, &[]));
    let mut all: Vec<_> = (0..5)
        .map(|n| Operation::reads(fd, 1_000, n * 1_000).with_signal(sig::REAL_TIME, 1 << n))
        .collect();
    let begun = all.iter_mut().filter_map(|read| read.begin().ok()).count();
    proc::until(|| CAUGHT.load(SeqCst) == 5);
    let values = VALUES.load(SeqCst);
    say!("{begun} begun, values {values}, code {}", CODE.load(SeqCst) == libc::SI_ASYNCIO);
    for (n, one) in all.iter_mut().enumerate() {
        say!("error {}, {:?}, {}", one.error(), one.take(), good(one, n * 1_000, 1_000));
    }
}

fn list_signal() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 50_000);
    worked("handle", sig::handle(sig::REAL_TIME, catches, libc::SA_RESTART, &[]));
    let mut all: Vec<_> = (0..8).map(|n| Operation::reads(fd, 1_000, n * 1_000)).collect();
    let begun = begin_all(libc::LIO_NOWAIT, &mut all, Some((sig::REAL_TIME, 42)));
    seen("list", begun.map(|()| 0));
    proc::until(|| CAUGHT.load(SeqCst) == 1);
    say!("value {}", VALUES.load(SeqCst));
    let done = all.iter().filter(|one| one.error() == 0).count();
    let right = all.iter_mut().enumerate();
    let right =
        right.filter_map(|(n, one)| one.take().ok().filter(|_| good(one, n * 1_000, 1_000)));
    say!("{done} have ended, {} right", right.count());
}

extern "C" fn ends(value: sigval) {
    VALUES.fetch_add(value.sival_ptr as usize, SeqCst);
    CAUGHT.fetch_add(1, SeqCst);
}

fn thread() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 50_000);
    let mut all: Vec<_> =
        (0..4).map(|n| Operation::reads(fd, 1_000, n * 1_000).with_thread(ends, 1 << n)).collect();
    let begun = all.iter_mut().filter_map(|read| read.begin().ok()).count();
    proc::until(|| CAUGHT.load(SeqCst) == 4);
    say!("{begun} begun, values {}", VALUES.load(SeqCst));
    for (n, one) in all.iter_mut().enumerate() {
        say!("{:?}, {}", one.take(), good(one, n * 1_000, 1_000));
    }
}

fn suspend() {
    let pipe = pipe::plain();
    let mut read = Operation::reads(pipe.out, 100, 0);
    worked("begin", read.begin());
    say!("under way: {}", read.error() == libc::EINPROGRESS);
    seen("at once", read.wait(Some(Duration::ZERO)).map(|()| 0));
    seen("a moment", read.wait(Some(Duration::from_millis(20))).map(|()| 0));
    worked("write", fd::write(pipe.into, b"hello"));
    seen("for ever", read.wait(None).map(|()| 0));
    seen("again", read.wait(Some(Duration::ZERO)).map(|()| 0));
    say!("error {}", read.error());
    seen("read", read.take());
    say!("{}", vortex_guest::out::text(&read.bytes()[..5]));
    let other = pipe::plain();
    let mut both = vec![Operation::reads(pipe.out, 10, 0), Operation::reads(other.out, 10, 0)];
    both.iter_mut().for_each(|one| worked("begin", one.begin()));
    seen("neither", wait_any(&both, Some(Duration::from_millis(5))).map(|()| 0));
    worked("write", fd::write(other.into, b"second"));
    seen("one", wait_any(&both, None).map(|()| 0));
    say!("first under way {}", both[0].error() == libc::EINPROGRESS);
    seen("second", both[1].take());
    worked("write", fd::write(pipe.into, b"first"));
    seen("first", both[0].take());
}

extern "C" fn only_comes(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    CAUGHT.fetch_add(1, SeqCst);
}

fn interrupted() {
    let pipe = pipe::plain();
    worked("handle", sig::handle(libc::SIGALRM, only_comes, 0, &[]));
    let mut read = Operation::reads(pipe.out, 10, 0);
    worked("begin", read.begin());
    let parent = proc::pid();
    let child = proc::child(|| {
        vortex_guest::time::pause(Duration::from_millis(50));
        i32::from(sig::kill(parent, libc::SIGALRM).is_err())
    });
    seen("suspend", read.wait(None).map(|()| 0));
    say!("child {}", proc::wait(child));
    say!("came {}, under way {}", CAUGHT.load(SeqCst), read.error() == libc::EINPROGRESS);
    worked("write", fd::write(pipe.into, b"there"));
    seen("read", read.take());
}

fn cancelled(answer: Res<c_int>) -> Res<&'static str> {
    answer.map(|answer| match answer {
        AIO_CANCELED => "cancelled",
        AIO_NOTCANCELED => "not cancelled",
        AIO_ALLDONE => "all done",
        _ => "?",
    })
}

fn cancel() {
    let pipe = pipe::plain();
    let mut read = Operation::reads(pipe.out, 10, 0);
    worked("begin", read.begin());
    seen("cancel", cancelled(read.cancel()));
    // The C library's own on Linux says so a little later.
    for _ in 0..1_000 {
        if read.error() == libc::EINPROGRESS {
            vortex_guest::time::pause(std::time::Duration::from_millis(1));
        }
    }
    say!("error {}", Errno(read.error()));
    seen("take", read.take());
    worked("write", fd::write(pipe.into, b"kept"));
    seen("nobody has read it", fd::read_text(pipe.out, 10));
    let _temp = Temp::new("aio");
    let fd = filled("f", 100);
    let mut done = Operation::reads(fd, 100, 0);
    worked("begin", done.begin());
    worked("wait", done.wait(None));
    seen("what has ended", cancelled(done.cancel()));
    seen("take", done.take());
    // SAFETY: no block is given.
    let of = |fd| unsafe { vortex_aio::cancel(fd, std::ptr::null_mut()) };
    seen("a descriptor without any", cancelled(of(fd)));
    seen("none", cancelled(of(-1)));
}

fn cancel_all() {
    let (pipe, other) = (pipe::plain(), pipe::plain());
    let mut all: Vec<_> = (0..6).map(|_| Operation::reads(pipe.out, 10, 0)).collect();
    all.push(Operation::reads(other.out, 10, 0));
    let begun = all.iter_mut().filter_map(|read| read.begin().ok()).count();
    say!("{begun} begun");
    // SAFETY: no block is given.
    seen("all", cancelled(unsafe { vortex_aio::cancel(pipe.out, std::ptr::null_mut()) }));
    say!("the other under way {}", all[6].error() == libc::EINPROGRESS);
    worked("write", fd::write(other.into, b"other"));
    seen("other", all[6].take());
    all[..6].iter_mut().for_each(|one| seen("one", one.take()));
}

fn pipes() {
    let pipe = pipe::plain();
    let mut all: Vec<_> = (0..4).map(|_| Operation::reads(pipe.out, 3, 0)).collect();
    for read in &mut all {
        worked("begin", read.begin());
    }
    worked("write", fd::write(pipe.into, b"aaabbbcc"));
    for _ in 0..3 {
        worked("one has ended", wait_any(&all, None));
    }
    proc::until(|| all.iter().filter(|read| read.error() == 0).count() == 3);
    worked("write", fd::write(pipe.into, b"ddd"));
    let mut texts: Vec<String> = Vec::new();
    for read in &mut all {
        let count = read.take().unwrap_or(0);
        texts.push(vortex_guest::out::text(&read.bytes()[..count]));
    }
    texts.sort();
    say!("{texts:?}");
    let mut write = Operation::writes(pipe.into, &bytes(200_000), 0);
    worked("begin", write.begin());
    let (mut count, mut right, mut piece) = (0, true, [0; 3_000]);
    while count < 200_000
        && let Ok(length @ 1..) = fd::read(pipe.out, &mut piece)
    {
        right &= piece[..length].iter().enumerate().all(|(n, b)| *b == byte(count + n));
        count += length;
    }
    say!("{count} through a pipe, {right}");
    seen("written", write.take());
    let mut end = Operation::reads(pipe.out, 3, 0);
    worked("begin", end.begin());
    worked("close", fd::close(pipe.into));
    seen("its end", end.take());
}

fn append() {
    let _temp = Temp::new("aio");
    let fd = file::open("f", RW | libc::O_APPEND).unwrap_or(-1);
    let mut all: Vec<_> = (0..26).map(|n| Operation::writes(fd, &[b'a' + n; 3], 0)).collect();
    for write in &mut all {
        if let Err(error) = write.begin() {
            say!("begin: {error}");
        }
    }
    let whole = all.iter_mut().filter_map(|write| write.take().ok()).filter(|n| *n == 3).count();
    say!("{whole} whole");
    let text = file::get("f").unwrap_or_default();
    let mut parts: Vec<&[u8]> = text.chunks(3).collect();
    let together = parts.iter().all(|part| part.iter().all(|b| *b == part[0]));
    parts.sort();
    say!("{} bytes, each together {together}, {}", text.len(), parts.len());
}

fn descriptor_goes() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 100_000);
    let mut read = Operation::reads(fd, 50_000, 10);
    worked("begin", read.begin());
    worked("wait", read.wait(None));
    worked("close", fd::close(fd));
    worked("unlink", file::unlink("f"));
    let done = read.take();
    seen("read", done);
    say!("{}", good(&read, 10, done.unwrap_or(0)));
}

fn later() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 200_000);
    // Nobody has touched it: its pages are made as they are written to.
    let region = mem::Region::anonymous(64 * mem::PAGE, mem::BOTH);
    // SAFETY: the region is ours.
    let mut read = unsafe { Operation::reads(fd, 0, 5).at_address(region.start(), 190_000) };
    worked("begin", read.begin());
    seen("read", read.take());
    let right = (0..190_000).all(|n| region.get(n) == byte(5 + n));
    say!("{right}");
}

fn fork() {
    let _temp = Temp::new("aio");
    let pipe = pipe::plain();
    let fd = filled("f", 60_000);
    let mut read = Operation::reads(pipe.out, 5, 0);
    worked("begin", read.begin());
    let child = proc::outcome(|| {
        let mut own = Operation::reads(fd, 40_000, 0);
        worked("child begins", own.begin());
        seen("child has read", own.take());
        say!("{}", good(&own, 0, 40_000));
        0
    });
    say!("child {child}, under way {}", read.error() == libc::EINPROGRESS);
    worked("write", fd::write(pipe.into, b"after"));
    seen("read", read.take());
    say!("{}", vortex_guest::out::text(read.bytes()));
}

/// Begins much that does not end, and some that does.
fn begin_much(fd: i32, out: i32) -> Vec<Operation> {
    let mut all: Vec<_> = (0..10).map(|_| Operation::reads(out, 5, 0)).collect();
    all.extend((0..20).map(|n| Operation::reads(fd, 32_768, n * 1_000)));
    all.extend((0..20).map(|n| Operation::writes(fd, &[b'x'; 3_000], n * 1_000)));
    all.iter_mut().for_each(|one| _ = one.begin());
    all
}

fn exit() {
    let _temp = Temp::new("aio");
    let pipe = pipe::plain();
    let fd = filled("f", 60_000);
    for round in 0..5 {
        let child = proc::outcome(|| {
            std::mem::forget(begin_much(fd, pipe.out));
            7
        });
        say!("{round}: {child}");
    }
    let killed = proc::child(|| {
        std::mem::forget(begin_much(fd, pipe.out));
        loop {
            let _ = sig::suspend(&[]);
        }
    });
    worked("kill", sig::kill(killed, libc::SIGKILL));
    say!("killed: {}", proc::wait(killed));
    worked("write", fd::write(pipe.into, b"still"));
    seen("nobody reads it", fd::read_text(pipe.out, 10));
}

fn exec() {
    let _temp = Temp::new("aio");
    let pipe = pipe::plain();
    let fd = filled("f", 60_000);
    let child = proc::outcome(|| {
        std::mem::forget(begin_much(fd, pipe.out));
        say!("{}", proc::exec("/proc/self/exe", &["calls", "aio-bounds"], &[]));
        1
    });
    say!("child {child}");
    worked("write", fd::write(pipe.into, b"still"));
    seen("nobody reads it", fd::read_text(pipe.out, 10));
}

fn truncated() {
    let _temp = Temp::new("aio");
    let fd = filled("f", 60_000);
    let mut read = Operation::reads(fd, 50_000, 0);
    worked("begin", read.begin());
    // It has ended, and was not looked at: on Vortex it is not copied yet.
    proc::until(|| read.has_ended());
    worked("truncate", fd::truncate(fd, 0));
    seen("read", read.take());
    say!("{}", good(&read, 0, 50_000));
    say!("now {}", told(Operation::reads(fd, 100, 0)));
}

fn shared() {
    const COUNT: usize = 4;
    let _temp = Temp::new("aio");
    let _ = filled("f", 300_000);
    let work = || {
        let mut right = 0;
        for round in 0..50 {
            let fd = file::open("f", libc::O_RDONLY).unwrap_or(-1);
            let at = round * 5_000;
            let mut read = Operation::reads(fd, 32_768, at as i64);
            let begun = read.begin();
            let done = begun.and_then(|()| read.take());
            right += usize::from(done == Ok(32_768) && good(&read, at, 32_768));
            let _ = fd::close(fd);
        }
        i32::from(right != 50)
    };
    let children: Vec<i32> = (0..COUNT).map(|_| proc::child(work)).collect();
    children.into_iter().for_each(|child| say!("{}", proc::wait(child)));
}
