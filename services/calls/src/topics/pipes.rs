//! Pipes.

use libc::{O_CLOEXEC, O_NONBLOCK};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{Pipe, pipe, plain};
use vortex_guest::{fd, file, proc, say, sig};

crate::tests!("pipes":
    "pass" => pass,
    "end-of-file" => end,
    "no-reader" => no_reader,
    "no-reader-signal" => no_reader_signal,
    "nonblocking" => nonblocking,
    "full" => full,
    "atomic-writes" => atomic,
    "stream" => stream,
    "writer-waits" => writer_waits,
    "make" => make,
    "wrong-way" => wrong_way,
    "ready-bytes" => ready,
    "packets" => packets,
    "packets-set-later" => packets_later,
    "waits-and-goes-on" => goes_on,
    "waits-with-parts" => goes_on_with_parts,
    "waits-and-is-interrupted" => interrupted,
    "reader-leaves-meanwhile" => reader_leaves,
    "buffer-leaves-meanwhile" => buffer_leaves,
);

fn packets() {
    let pipe =
        pipe(libc::O_DIRECT).unwrap_or_else(|error| vortex_guest::out::fail(&format!("{error}")));
    for text in [&b"one"[..], b"two", b"a longer one"] {
        seen("write", fd::write(pipe.into, text));
    }
    seen("read", fd::read_text(pipe.out, 64));
    seen("read", fd::read_text(pipe.out, 64));
    seen("a part of one", fd::read_text(pipe.out, 4));
    worked("write", fd::write(pipe.into, b"next"));
    seen("the rest is gone", fd::read_text(pipe.out, 64));
    seen("larger than a page", fd::write(pipe.into, &[b'x'; 5000]));
    let mut bytes = [0; 8192];
    seen("read", fd::read(pipe.out, &mut bytes));
    seen("read", fd::read(pipe.out, &mut bytes));
    let flags =
        |fd| fd::fcntl(fd, libc::F_GETFL, 0).map(|flags| flags as i32 & libc::O_DIRECT != 0);
    seen("the writer's flag", flags(pipe.into));
}

fn packets_later() {
    let pipe = plain();
    worked("write", fd::write(pipe.into, b"stream "));
    worked("packets", fd::fcntl(pipe.into, libc::F_SETFL, libc::O_DIRECT));
    worked("write", fd::write(pipe.into, b"packet"));
    worked("stream again", fd::fcntl(pipe.into, libc::F_SETFL, 0));
    worked("write", fd::write(pipe.into, b"more"));
    seen("read", fd::read_text(pipe.out, 64));
}

const LARGE: usize = 300_000;

/// What byte is there in a long write.
fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

/// Reads all that comes; how much was as it should be.
fn checked(out: i32) -> (usize, bool) {
    let (mut count, mut good) = (0, true);
    let mut bytes = [0; 7777];
    while let Ok(length @ 1..) = fd::read(out, &mut bytes) {
        good &= bytes[..length].iter().enumerate().all(|(at, b)| *b == byte(count + at));
        count += length;
    }
    (count, good)
}

/// A child that writes much, while this process reads.
fn writes_much(write: impl FnOnce(i32) -> bool) {
    let pipe = plain();
    let child = proc::child(|| {
        let _ = fd::close(pipe.out);
        i32::from(!write(pipe.into))
    });
    worked("close", fd::close(pipe.into));
    say!("{:?}", checked(pipe.out));
    say!("child {}", proc::wait(child));
}

fn goes_on() {
    writes_much(|into| {
        let bytes: Vec<u8> = (0..LARGE).map(byte).collect();
        fd::write(into, &bytes) == Ok(LARGE)
    });
}

fn goes_on_with_parts() {
    writes_much(|into| {
        let bytes: Vec<u8> = (0..LARGE).map(byte).collect();
        let parts: Vec<&[u8]> = bytes.chunks(33_333).collect();
        fd::writev(into, &parts) == Ok(LARGE)
    });
}

/// What was written before the signal came is what the call says.
fn interrupted() {
    let pipe = plain();
    let child = super::restarts::handling(0, || {
        let answer = fd::write(pipe.into, &vec![1; LARGE]);
        seen("written", answer.map(|count| count == 65_536));
        0
    });
    say!("child {}", super::restarts::pester(child, libc::SIGUSR1));
}

/// What fits into the pipe is what the write says that its reader's leaving ends. The child does
/// not print: whether it or this process goes on first then is nobody's promise.
fn reader_leaves() {
    let pipe = plain();
    let child = proc::child(|| {
        let _ = fd::close(pipe.out);
        let ignored = sig::ignore(libc::SIGPIPE).is_ok();
        let answer = fd::write(pipe.into, &vec![1; LARGE]);
        let some = answer.is_ok_and(|count| (65_536..LARGE).contains(&count));
        i32::from(!(ignored && some))
    });
    proc::until(|| fd::ioctl(pipe.out, libc::FIONREAD as usize) == Ok(65_536));
    let mut some = [0; 100];
    seen("some", fd::read(pipe.out, &mut some));
    worked("close", fd::close(pipe.out));
    say!("child {}", proc::wait(child));
}

/// A write that waits does not hold its buffer: another thread takes it away.
fn buffer_leaves() {
    use vortex_guest::mem::{BOTH, PAGE, Region};
    let pipe = plain();
    let region = Region::anonymous(64 * PAGE, BOTH);
    region.fill(5);
    let (into, start) = (pipe.into, region.start());
    let writer = std::thread::spawn(move || {
        // SAFETY: the kernel reads what is there of a mapping.
        unsafe { vortex_guest::sys!(libc::SYS_write, into, start, 64 * PAGE) }
    });
    proc::until(|| fd::ioctl(pipe.out, libc::FIONREAD as usize) == Ok(65_536));
    worked("unmap all", region.unmap(0, 64 * PAGE));
    let mut bytes = vec![0; 65_536];
    seen("read", fd::read(pipe.out, &mut bytes));
    let written = writer.join().ok().and_then(Result::ok);
    say!("what was there {}", written == Some(65_536));
}

fn pass() {
    let pipe = plain();
    seen("write", fd::write(pipe.into, b"through"));
    seen("write", fd::write(pipe.into, b" the pipe"));
    seen("read 3", fd::read_text(pipe.out, 3));
    seen("read 64", fd::read_text(pipe.out, 64));
    let back = plain();
    let child = proc::child(|| {
        let text = fd::read_text(pipe.out, 64).unwrap_or_default();
        fd::write(back.into, text.to_uppercase().as_bytes()).map_or(1, |_| 0)
    });
    worked("to the child", fd::write(pipe.into, b"ping"));
    seen("from the child", fd::read_text(back.out, 64));
    say!("child {}", proc::wait(child));
}

fn end() {
    let Pipe { out, into } = plain();
    worked("write", fd::write(into, b"last"));
    worked("close", fd::close(into));
    seen("read", fd::read_text(out, 64));
    seen("at the end", fd::read_text(out, 64).map(|text| text.len()));
    seen("again", fd::read_text(out, 64).map(|text| text.len()));
    // A copy of the writing end in a child keeps the pipe open until it ends.
    let Pipe { out, into } = plain();
    let go = plain();
    let child = proc::child(|| {
        let _ = fd::read_text(go.out, 1);
        fd::write(into, b"from the child").map_or(1, |_| 0)
    });
    worked("close here", fd::close(into));
    worked("go", fd::write(go.into, b"x"));
    seen("read", fd::read_text(out, 64));
    seen("end", fd::read_text(out, 64).map(|text| text.len()));
    say!("child {}", proc::wait(child));
}

fn no_reader() {
    let Pipe { out, into } = plain();
    worked("ignore", sig::ignore(libc::SIGPIPE));
    worked("close", fd::close(out));
    seen("write", fd::write(into, b"x"));
    worked("handle", sig::handle(libc::SIGPIPE, sig::NOTE, 0, &[]));
    seen("write", fd::write(into, b"x"));
    say!("noted {}", sig::noted_names());
}

fn no_reader_signal() {
    let Pipe { out, into } = plain();
    worked("close", fd::close(out));
    say!("child {}", proc::outcome(|| fd::write(into, b"x").map_or(1, |_| 0)));
    // Also while a writer waits for room.
    let Pipe { out, into } = plain();
    let told = plain();
    let child = proc::child(|| {
        let _ = fd::close(out);
        let _ = fd::write(told.into, b"x");
        loop {
            let _ = fd::write(into, &[0; 4096]);
        }
    });
    worked("child runs", fd::read_text(told.out, 1));
    worked("close", fd::close(out));
    say!("child {}", proc::wait(child));
}

fn nonblocking() {
    let Pipe { out, into } = pipe(O_NONBLOCK).unwrap_or(plain());
    seen("read from an empty one", fd::read_text(out, 1));
    worked("write", fd::write(into, b"x"));
    seen("read", fd::read_text(out, 8));
    seen("read again", fd::read_text(out, 8));
    worked("close", fd::close(into));
    seen("read without a writer", fd::read_text(out, 8).map(|text| text.len()));
    let Pipe { out, .. } = plain();
    worked("set", fd::fcntl(out, libc::F_SETFL, O_NONBLOCK));
    seen("read", fd::read_text(out, 1));
}

fn full() {
    let Pipe { out, into } = pipe(O_NONBLOCK).unwrap_or(plain());
    let mut all = 0;
    let error = loop {
        match fd::write(into, &[7; 4096]) {
            Ok(some) => all += some,
            Err(error) => break error,
        }
    };
    say!("at least a page fits: {}; then {error}", all >= 4096);
    // Up to 4096 bytes go as a whole or not at all.
    seen("read 4095", fd::read(out, &mut [0; 4095]));
    seen("4096 do not fit", fd::write(into, &[7; 4096]));
    seen("read 1", fd::read(out, &mut [0; 1]));
    seen("4096 fit", fd::write(into, &[7; 4096]));
    let mut got = 0;
    while let Ok(some) = fd::read(out, &mut [0; 8192]) {
        got += some;
    }
    say!("all of it came: {}", got == all);
}

/// Writes of at most 4096 bytes do not mix with those of others.
fn atomic() {
    let Pipe { out, into } = plain();
    let writer = |byte: u8| {
        proc::child(move || {
            let _ = fd::close(out);
            (!(0..200).all(|_| fd::write(into, &[byte; 1000]) == Ok(1000))).into()
        })
    };
    let children = [writer(b'a'), writer(b'b'), writer(b'c')];
    worked("close", fd::close(into));
    let all = fd::read_all(out).unwrap_or_default();
    say!("bytes {}", all.len());
    let whole = all.chunks(1000).all(|chunk| chunk.iter().all(|byte| *byte == chunk[0]));
    say!("unmixed {whole}");
    for byte in *b"abc" {
        say!("{} {}", byte as char, all.iter().filter(|b| **b == byte).count());
    }
    children.into_iter().for_each(|child| say!("{}", proc::wait(child)));
}

/// A megabyte, more than any pipe holds, arrives whole and in order.
fn stream() {
    let Pipe { out, into } = plain();
    let bytes: Vec<u8> =
        (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let child = proc::child(|| (fd::write(into, &bytes) != Ok(bytes.len())).into());
    worked("close", fd::close(into));
    let all = fd::read_all(out).unwrap_or_default();
    say!("equal {}", all == bytes);
    say!("the one write {}", proc::wait(child));
}

fn writer_waits() {
    let Pipe { out, into } = plain();
    let child = proc::child(|| {
        let _ = fd::close(out);
        (fd::write(into, &vec![1; 200_000]) != Ok(200_000)).into()
    });
    worked("close", fd::close(into));
    seen("not ended", proc::wait_for(child, libc::WNOHANG).map(|(pid, _)| pid));
    let mut all = 0;
    while let Ok(some @ 1..) = fd::read(out, &mut [0; 777]) {
        all += some;
    }
    say!("read {all}");
    say!("child {}", proc::wait(child));
}

fn make() {
    let made = plain();
    say!("numbers {} {}", made.out, made.into);
    seen("flags", fd::fcntl(made.out, libc::F_GETFD, 0));
    let closing = pipe(O_CLOEXEC).unwrap_or(made);
    seen("close-on-exec", fd::fcntl(closing.out, libc::F_GETFD, 0));
    seen("wrong flags", pipe(libc::O_CREAT).map(|pipe| pipe.out));
    seen("kind", file::fstat(made.out).map(|stat| stat.kind()));
    for fd in [made.out, made.into] {
        seen("to read, or write", fd::fcntl(fd, libc::F_GETFL, 0).map(|flags| flags & 3));
    }
}

fn wrong_way() {
    let Pipe { out, into } = plain();
    seen("write to the reading end", fd::write(out, b"x"));
    seen("read from the writing end", fd::read_text(into, 1));
    seen("seek", fd::seek(out, 0, libc::SEEK_SET));
    seen("pread", fd::pread(out, &mut [0], 0));
    seen("pwrite", fd::pwrite(into, b"x", 0));
    seen("length", fd::truncate(into, 0));
    seen("write from nowhere", fd::write_from_nowhere(into, 4));
    worked("write", fd::write(into, b"kept"));
    seen("read to nowhere", fd::read_to_nowhere(out, 4));
    seen("write of nothing", fd::write(into, b""));
}

fn ready() {
    let Pipe { out, into } = plain();
    const FIONREAD: usize = 0x541b;
    seen("empty", fd::ioctl(out, FIONREAD));
    worked("write", fd::write(into, b"12345"));
    worked("write", fd::write(into, b"678"));
    seen("after two writes", fd::ioctl(out, FIONREAD));
    worked("read", fd::read_text(out, 6));
    seen("after a read", fd::ioctl(out, FIONREAD));
}
