//! Many files read at once, for the experiment `disk` (§4.5): `lay` makes them, so that their
//! blocks lie scattered; `stream` reads them as long as it is told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use vortex_aio::{Operation, wait_any};
use vortex_guest::{fd, file, say, sys, time};

use crate::calls::{mounted, unmounted};
use crate::fail;

/// Bytes read and written at once.
const PIECE: usize = 32 << 10;
/// Streams of a file, each of a part of it.
const STREAMS: usize = 4;
/// Files in a folder.
const FOLDER: u64 = 64;
/// How long a thread waits until it looks at the time.
const LOOK: Duration = Duration::from_millis(500);
/// How long a disk may take to be mounted by another.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is at a place of a file: its number, and the place.
fn word(number: u64, at: usize) -> u64 {
    number << 32 | at as u64
}

fn piece(number: u64, at: usize) -> Vec<u8> {
    (at..at + PIECE).step_by(8).flat_map(|at| word(number, at).to_le_bytes()).collect()
}

fn path(place: &str, number: u64) -> String {
    format!("{place}/{}/{number}", number / FOLDER)
}

/// Makes files of so many bytes: several threads, each of which writes a piece of each of its
/// files in turn.
pub fn lay(disk: &str, place: &str, files: u64, bytes: usize, threads: u64) {
    if let Err(error) = file::mkdir(place, 0o755) {
        fail(&format!("{place}: {error}"));
    }
    mounted(disk, place);
    for folder in 0..files.div_ceil(FOLDER) {
        if let Err(error) = file::mkdir(&format!("{place}/{folder}"), 0o755) {
            fail(&format!("folder {folder}: {error}"));
        }
    }
    let begin = time::now();
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                let numbers = (first..files).step_by(threads as usize);
                let open: Vec<(u64, i32)> = numbers.map(|it| (it, made(place, it))).collect();
                for at in (0..bytes).step_by(PIECE) {
                    for (number, to) in &open {
                        match fd::pwrite(*to, &piece(*number, at), at as i64) {
                            Ok(wrote) if wrote == PIECE => {}
                            other => fail(&format!("file {number} at {at}: {other:?}")),
                        }
                    }
                }
                for (number, to) in open {
                    if let Err(error) = fd::sync(to).and_then(|_| fd::close(to)) {
                        fail(&format!("file {number}: {error}"));
                    }
                }
            });
        }
    });
    let took = time::now() - begin;
    unmounted(place);
    say!("files: {files} files of {bytes} bytes, in {} ms", took.as_millis());
}

fn made(place: &str, number: u64) -> i32 {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
    match file::open(&path(place, number), flags) {
        Ok(to) => to,
        Err(error) => fail(&format!("file {number}: {error}")),
    }
}

/// What is read: files from one number on, all at once, by so many threads.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub first: u64,
    pub files: u64,
    pub threads: u64,
    pub bytes: usize,
    pub seconds: u64,
}

/// Reads files, all at once, each by streams, by asynchronous I/O: opens, reads, closes and evicts
/// each, and begins again, for a time. Whoever is first among several mounts the disk.
pub fn stream(disk: &str, place: &str, wanted: Wanted) {
    if file::mkdir(place, 0o755).is_ok() {
        mounted(disk, place);
    }
    let begin = time::now();
    while file::stat(&path(place, wanted.first)).is_err() {
        if time::now() - begin > PATIENCE {
            fail("nobody has mounted it");
        }
        time::pause(Duration::from_millis(20));
    }
    let end = time::now() + Duration::from_secs(wanted.seconds);
    let told = Told::default();
    thread::scope(|scope| {
        for thread in 0..wanted.threads {
            let told = &told;
            scope.spawn(move || Reader::new(place, wanted, thread, told).run(end));
        }
    });
    let Told { bytes, files, short } = told;
    let (bytes, files, short) = (bytes.into_inner(), files.into_inner(), short.into_inner());
    let seconds = wanted.seconds;
    say!("files: {files} files streamed, {bytes} bytes in {seconds} s, {short} reads were short");
}

/// What all of them did.
#[derive(Default)]
struct Told {
    bytes: AtomicU64,
    files: AtomicU64,
    /// Reads that gave less than was asked for.
    short: AtomicU64,
}

/// A file that is read.
struct Open {
    number: u64,
    fd: i32,
    /// Where each of its streams reads next, and how many are not at their end.
    at: [usize; STREAMS],
    left: usize,
}

/// A thread, with its files.
struct Reader<'a> {
    place: &'a str,
    /// Bytes of a stream.
    part: usize,
    files: Vec<Open>,
    /// Of each file's streams, one after the other.
    operations: Vec<Operation>,
    told: &'a Told,
}

impl<'a> Reader<'a> {
    fn new(place: &'a str, wanted: Wanted, thread: u64, told: &'a Told) -> Self {
        let part = wanted.bytes / STREAMS;
        let numbers = (thread..wanted.files).step_by(wanted.threads as usize);
        let files = numbers.map(|number| opened(place, part, wanted.first + number));
        let files: Vec<Open> = files.collect();
        let operations = (0..files.len() * STREAMS).map(|_| Operation::reads(-1, PIECE, 0));
        Self { place, part, operations: operations.collect(), files, told }
    }

    /// Reads until then.
    fn run(mut self, end: Duration) {
        (0..self.operations.len()).for_each(|at| self.begin(at));
        while time::now() < end {
            let mut moved = false;
            for at in 0..self.operations.len() {
                if self.reads(at) && self.operations[at].has_ended() {
                    self.ended(at);
                    moved = true;
                }
            }
            if !moved {
                self.wait();
            }
        }
        // What is under way is not waited for: the process ends.
        std::mem::forget(self.operations);
    }

    /// Whether a stream has a read under way: it is not at its end.
    fn reads(&self, at: usize) -> bool {
        self.files[at / STREAMS].at[at % STREAMS] < self.part * (at % STREAMS + 1)
    }

    /// Waits for any that is under way.
    fn wait(&self) {
        let all = self.operations.iter().enumerate();
        let under_way = all.filter(|(at, _)| self.reads(*at)).map(|(_, operation)| operation);
        if let Err(error) = wait_any(under_way, Some(LOOK))
            && ![libc::EAGAIN, libc::EINTR].contains(&error.0)
        {
            fail(&format!("waiting: {error}"));
        }
    }

    /// A stream's next read, where it has one.
    fn begin(&mut self, at: usize) {
        let (file, operation) = (&self.files[at / STREAMS], &mut self.operations[at]);
        operation.set_descriptor(file.fd);
        operation.set_place(file.at[at % STREAMS] as i64);
        while let Err(error) = operation.begin() {
            // There is room when something has ended.
            if error.0 != libc::EAGAIN {
                fail(&format!("file {}: {error}", file.number));
            }
            time::pause(Duration::from_millis(5));
        }
    }

    fn ended(&mut self, at: usize) {
        let (file, operation) = (&mut self.files[at / STREAMS], &mut self.operations[at]);
        let from = &mut file.at[at % STREAMS];
        match operation.take() {
            Ok(read) if read > 0 => {
                check(operation.bytes(), file.number, *from, read);
                if read < PIECE {
                    self.told.short.fetch_add(1, Ordering::Relaxed);
                }
                *from += read;
                self.told.bytes.fetch_add(read as u64, Ordering::Relaxed);
            }
            other => fail(&format!("file {} at {from}: {other:?}", file.number)),
        }
        if *from < self.part * (at % STREAMS + 1) {
            return self.begin(at);
        }
        file.left -= 1;
        if file.left == 0 {
            closed(file.fd, file.number);
            self.told.files.fetch_add(1, Ordering::Relaxed);
            *file = opened(self.place, self.part, file.number);
            let first = at / STREAMS * STREAMS;
            (first..first + STREAMS).for_each(|at| self.begin(at));
        }
    }
}

fn opened(place: &str, part: usize, number: u64) -> Open {
    match file::open(&path(place, number), libc::O_RDONLY) {
        Ok(fd) => {
            let at = std::array::from_fn(|stream| stream * part);
            Open { number, fd, at, left: STREAMS }
        }
        Err(error) => fail(&format!("file {number}: {error}")),
    }
}

/// The first word and the last of a page: what is read costs, what is looked at too.
fn check(found: &[u8], number: u64, at: usize, read: usize) {
    for place in (0..read).step_by(4096).chain([read.saturating_sub(8)]) {
        let there = found.get(place..place + 8).and_then(|it| it.try_into().ok());
        if there.map(u64::from_le_bytes) != Some(word(number, at + place)) {
            fail(&format!("file {number} has other words at {}", at + place));
        }
    }
}

/// It leaves the cache, whole.
fn closed(open: i32, number: u64) {
    // SAFETY: no memory is named.
    let gone = unsafe { sys!(libc::SYS_fadvise64, open, 0, 0, libc::POSIX_FADV_DONTNEED) };
    if let Err(error) = gone.and_then(|_| fd::close(open)) {
        fail(&format!("file {number}: {error}"));
    }
}
