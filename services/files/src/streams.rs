//! Many files read at once, for the experiment `disk` (§4.5): `lay` makes them, so that their
//! blocks lie scattered; `stream` reads them as long as it is told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use vortex_guest::{fd, file, say, sys, time};

use crate::calls::{mounted, unmounted};
use crate::fail;

/// Bytes read and written at once.
const PIECE: usize = 32 << 10;
/// Streams of a file, each of a part of it.
const STREAMS: usize = 4;
/// Files in a folder.
const FOLDER: u64 = 64;
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

/// What is read: files from one number on, so many of them at once.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub first: u64,
    pub files: u64,
    pub together: u64,
    pub bytes: usize,
    pub seconds: u64,
}

/// Reads files, so many at once, each by streams: opens, reads, closes and evicts them, one
/// after the other, for a time. Whoever is first among several mounts the disk.
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
        for group in 0..wanted.together {
            let gate = Arc::new(Barrier::new(STREAMS));
            let shared = Arc::new(AtomicU64::new(0));
            for stream in 0..STREAMS {
                let (gate, shared, told) = (gate.clone(), shared.clone(), &told);
                scope.spawn(move || {
                    let reader = Reader { place, wanted, group, stream, end, told };
                    reader.run(&gate, &shared);
                });
            }
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

/// One stream of one file after the other.
struct Reader<'a> {
    place: &'a str,
    wanted: Wanted,
    group: u64,
    stream: usize,
    end: Duration,
    told: &'a Told,
}

/// That there is no further file.
const OVER: u64 = u64::MAX;

impl Reader<'_> {
    fn run(&self, gate: &Barrier, shared: &AtomicU64) {
        let part = self.wanted.bytes / STREAMS;
        let (first, count) = (self.wanted.first, self.wanted.files);
        for turn in 0.. {
            let number = first + (self.group + turn * self.wanted.together) % count;
            if self.stream == 0 {
                let over = time::now() >= self.end;
                let open = if over { OVER } else { self.opened(number) };
                shared.store(open, Ordering::SeqCst);
            }
            gate.wait();
            let open = shared.load(Ordering::SeqCst);
            if open == OVER {
                return;
            }
            let from = self.stream * part;
            for at in (from..from + part).step_by(PIECE) {
                if time::now() >= self.end {
                    break;
                }
                self.read(open as i32, number, at);
                self.told.bytes.fetch_add(PIECE as u64, Ordering::Relaxed);
            }
            gate.wait();
            if self.stream == 0 {
                self.closed(open as i32, number);
                self.told.files.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn opened(&self, number: u64) -> u64 {
        match file::open(&path(self.place, number), libc::O_RDONLY) {
            Ok(open) => open as u64,
            Err(error) => fail(&format!("file {number}: {error}")),
        }
    }

    fn read(&self, open: i32, number: u64, at: usize) {
        let mut found = [0; PIECE];
        let (mut done, mut turns) = (0, 0);
        while let Some(rest) = found.get_mut(done..).filter(|rest| !rest.is_empty()) {
            turns += 1;
            match fd::pread(open, rest, (at + done) as i64) {
                Ok(read) if read > 0 => done += read,
                other => fail(&format!("file {number} at {at}, {done} bytes read: {other:?}")),
            }
        }
        if turns > 1 {
            self.told.short.fetch_add(1, Ordering::Relaxed);
        }
        // The first word and the last of a page: what is read costs, what is looked at too.
        for place in (0..PIECE).step_by(4096).chain([PIECE - 8]) {
            let there = found.get(place..place + 8).and_then(|it| it.try_into().ok());
            if there.map(u64::from_le_bytes) != Some(word(number, at + place)) {
                fail(&format!("file {number} has other words at {}", at + place));
            }
        }
    }

    /// It leaves the cache, whole.
    fn closed(&self, open: i32, number: u64) {
        // SAFETY: no memory is named.
        let gone = unsafe { sys!(libc::SYS_fadvise64, open, 0, 0, libc::POSIX_FADV_DONTNEED) };
        if let Err(error) = gone.and_then(|_| fd::close(open)) {
            fail(&format!("file {number}: {error}"));
        }
    }
}
