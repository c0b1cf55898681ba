//! Much at once, and from file to file.

use libc::{O_RDONLY, O_RDWR, SEEK_SET};
use vortex_guest::mem::{BOTH, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, pipe, proc, say, sys};

use super::files::{make, shown};

crate::tests!("copies":
    "sendfile" => sendfile,
    "copy-range" => copy_range,
    "large" => large,
    "whole" => whole,
    "whole-to-a-pipe" => to_a_pipe,
    "up-to-a-limit" => up_to_a_limit,
    "into-what-runs" => into_what_runs,
);

fn sendfile() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"0123456789"));
    let from = file::open("a", O_RDONLY).unwrap_or(-1);
    let to = make("b");
    seen("4 bytes", fd::sendfile(to, from, 4));
    seen("the rest", fd::sendfile(to, from, 100));
    seen("at the end", fd::sendfile(to, from, 100));
    seen("content", shown("b"));
    seen("to one to read", fd::sendfile(from, to, 1));
    seen("from 777", fd::sendfile(to, 777, 1));
    seen("more than there can be", fd::sendfile(to, from, usize::MAX));
    let folder = file::open(".", O_RDONLY).unwrap_or(-1);
    seen("from a folder", fd::sendfile(to, folder, 1));
    let end = file::open("b", O_RDWR | libc::O_APPEND).unwrap_or(-1);
    worked("back", fd::seek(from, 0, SEEK_SET));
    seen("to the end", fd::sendfile(end, from, 4));
    seen("nothing to the end", fd::sendfile(end, from, 0));
    let how = proc::outcome(|| {
        let ends = pipe::plain();
        let _ = fd::close(ends.out);
        i32::from(fd::sendfile(ends.into, from, 4).is_ok())
    });
    say!("to nobody: {how}");
}

/// Who may not make a file longer is told how far a write has come, and nothing more.
fn up_to_a_limit() {
    let _temp = Temp::new("copies");
    let bytes = much();
    for one in [true, false] {
        let to = make("a");
        let how = proc::outcome(|| {
            worked("limit", proc::set_limit(libc::RLIMIT_FSIZE, 2 << 20, 2 << 20));
            let written = match one {
                true => fd::write(to, &bytes),
                false => fd::writev(to, &[&bytes[..1_000_000], &bytes[1_000_000..]]),
            };
            seen("written", written);
            0
        });
        say!("{how}");
    }
}

fn copy_range() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"0123456789"));
    let from = file::open("a", O_RDONLY).unwrap_or(-1);
    let to = make("b");
    let copy = |from: i32, at: *mut i64, to: i32, to_at: *mut i64, count: usize, flags: u32| {
        // SAFETY: the two places are null, or variables of the caller's.
        unsafe { sys!(libc::SYS_copy_file_range, from, at, to, to_at, count, flags) }
    };
    let null = std::ptr::null_mut();
    let (mut at, mut to_at) = (2_i64, 5_i64);
    seen("where they are", copy(from, null, to, null, 4, 0));
    seen("at places", copy(from, &raw mut at, to, &raw mut to_at, 3, 0));
    say!("{at} {to_at}");
    seen("the rest", copy(from, null, to, null, 100, 0));
    seen("at the end", copy(from, null, to, null, 100, 0));
    seen("content", shown("b"));
    seen("flags", copy(from, null, to, null, 1, 1));
    seen("to one to read", copy(to, null, from, null, 1, 0));
    let (mut one, mut other) = (0_i64, 1_i64);
    seen("onto itself", copy(to, &raw mut one, to, &raw mut other, 4, 0));
    if let Ok(pipe) = pipe::pipe(0) {
        seen("to a pipe", copy(from, null, pipe.into, null, 1, 0));
    }
    let folder = file::open(".", O_RDONLY).unwrap_or(-1);
    seen("from a folder", copy(folder, null, to, null, 1, 0));
    seen("from nothing", copy(777, null, to, null, 1, 0));
}

fn large() {
    let _temp = Temp::new("files");
    let fd = make("a");
    let piece: Vec<u8> = (0..9973_u32).map(|n| (n * 7) as u8).collect();
    let written = (0..105).map(|_| fd::write(fd, &piece).unwrap_or(0)).sum::<usize>();
    say!("written {written}");
    worked("back", fd::seek(fd, 0, SEEK_SET));
    let all = fd::read_all(fd).unwrap_or_default();
    say!("read {}", all.len());
    say!("equal {}", all.chunks(9973).all(|chunk| chunk == piece));
    // In one call, too, all that is asked for; behind it, what there is.
    let mut much = vec![0; 500_000];
    seen("much at once", fd::pread(fd, &mut much, 100_000));
    say!("equal {}", much == all.get(100_000..600_000).unwrap_or_default());
    seen("to the end", fd::pread(fd, &mut much, 900_000));
    seen("seek", fd::seek(fd, 300_001, SEEK_SET));
    seen("from there", fd::read(fd, &mut much));
    seen("the place", fd::seek(fd, 0, libc::SEEK_CUR));
    let (one, other) = much.split_at_mut(200_000);
    seen("into two", fd::readv(fd, &mut [one, other]));
}

/// More than any kernel moves in one go: three mebibytes and some.
const MUCH: usize = (3 << 20) + 777;

fn much() -> Vec<u8> {
    (0..MUCH).map(|n| (n / 251 + n * 3) as u8).collect()
}

/// One call moves all.
fn whole() {
    let _temp = Temp::new("copies");
    let bytes = much();
    let a = make("a");
    seen("write", fd::write(a, &bytes));
    say!("equal {}", file::get("a") == Ok(bytes.clone()));
    seen("pwrite", fd::pwrite(a, &bytes, 100));
    seen("size", file::stat("a").map(|stat| stat.size()));
    say!(
        "equal {}",
        file::get("a").is_ok_and(|all| all[100..] == bytes && all[..100] == bytes[..100])
    );
    let b = make("b");
    let (one, rest) = bytes.split_at(1_000_001);
    let (two, three) = rest.split_at(1_500_000);
    seen("writev", fd::writev(b, &[one, two, three]));
    say!("equal {}", file::get("b") == Ok(bytes.clone()));
    let c = make("c");
    worked("back", fd::seek(b, 0, SEEK_SET));
    seen("sendfile", fd::sendfile(c, b, MUCH + 5));
    seen("where", fd::seek(b, 0, libc::SEEK_CUR));
    say!("equal {}", file::get("c") == Ok(bytes.clone()));
    let d = make("d");
    let mut at = 5_000_i64;
    // SAFETY: the place is a variable of this function's.
    let copied = unsafe {
        sys!(libc::SYS_copy_file_range, b, &raw mut at, d, std::ptr::null_mut::<i64>(), MUCH, 0)
    };
    seen("copy", copied);
    say!("{at}");
    say!("equal {}", file::get("d").is_ok_and(|all| all == bytes[5_000..]));
    let mut into = vec![0; MUCH];
    seen("pread", fd::pread(b, &mut into, 0));
    say!("equal {}", into == bytes);
}

/// What does not fit waits for whoever takes it.
fn to_a_pipe() {
    let _temp = Temp::new("copies");
    let bytes = much();
    worked("made", file::put("a", &bytes));
    let from = file::open("a", O_RDONLY).unwrap_or(-1);
    let ends = pipe::plain();
    let child = proc::child(|| {
        let _ = fd::close(ends.into);
        i32::from(fd::read_all(ends.out).is_ok_and(|all| all.len() != 2 * MUCH))
    });
    // A pipe takes as much at once as it has room for, or all.
    let sent = std::iter::from_fn(|| fd::sendfile(ends.into, from, MUCH).ok().filter(|&n| n > 0));
    say!("sendfile: {}", sent.sum::<usize>());
    seen("write", fd::write(ends.into, &bytes));
    let _ = fd::close(ends.into);
    say!("{}", proc::wait(child));
}

/// A program that was written by a mapping can be run when that is gone.
fn into_what_runs() {
    let _temp = Temp::new("copies");
    let good = file::get(super::exec::ME).unwrap_or_default();
    let to = file::open_mode("a", O_RDWR | libc::O_CREAT, 0o755).unwrap_or(-1);
    worked("length", fd::truncate(to, good.len() as i64));
    let Ok(region) = Region::map(good.len(), BOTH, libc::MAP_SHARED, to, 0) else {
        return say!("it cannot be mapped");
    };
    region.put_all(0, &good);
    worked("close", fd::close(to));
    super::exec::run("./a", &["a", "--as", "exit", "5"], &[]);
    worked("unmap", region.unmap(0, region.length()));
    super::exec::run("./a", &["a", "--as", "exit", "5"], &[]);
}
