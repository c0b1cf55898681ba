//! Files: opening, reading, writing, positions, lengths, names.

use libc::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};
use libc::{SEEK_CUR, SEEK_END, SEEK_SET};
use vortex_guest::out::{seen, text, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{Res, fd, file, pipe, say, sys};

crate::tests!("files":
    "read-back" => read_back,
    "open-errors" => open_errors,
    "wrong-way" => wrong_way,
    "bad-addresses" => bad_addresses,
    "append" => append,
    "truncate" => truncate,
    "seek" => seek,
    "hole" => hole,
    "positions" => positions,
    "vectors" => vectors,
    "vectors-at" => vectors_at,
    "times" => times,
    "stat" => stat,
    "unlink-open" => unlink_open,
    "rename" => rename,
    "links" => links,
    "symbolic-links" => symbolic_links,
    "modes" => modes,
    "memory-file" => memory_file,
    "advice" => advice,
    "vectors-with-flags" => vectors_with_flags,
    "sync" => sync,
    "without-a-name" => nameless,
    "without-a-name-errors" => nameless_errors,
);

/// A file to read and write, made anew.
pub fn make(path: &str) -> i32 {
    match file::open(path, O_RDWR | O_CREAT | O_TRUNC) {
        Ok(fd) => fd,
        Err(error) => vortex_guest::out::fail(&format!("cannot make {path}: {error}")),
    }
}

/// What is in a file, as text.
pub fn shown(path: &str) -> Res<String> {
    file::get(path).map(|bytes| text(&bytes))
}

fn read_back() {
    let _temp = Temp::new("files");
    let fd = make("a");
    seen("descriptor", Ok(fd));
    seen("write", fd::write(fd, b"hello, file"));
    seen("write of nothing", fd::write(fd, b""));
    seen("read at the end", fd::read_text(fd, 16));
    seen("back", fd::seek(fd, 0, SEEK_SET));
    seen("read 5", fd::read_text(fd, 5));
    seen("read 64", fd::read_text(fd, 64));
    seen("close", fd::close(fd));
    seen("content", shown("a"));
}

fn open_errors() {
    let _temp = Temp::new("files");
    fd::close(make("a")).ok();
    seen("missing", file::open("none", O_RDONLY));
    seen("empty name", file::open("", O_RDONLY));
    seen("made exclusively", file::open("a", O_WRONLY | O_CREAT | O_EXCL));
    seen("below a file", file::open("a/b", O_RDONLY));
    seen("folder missing", file::open("d/b", O_WRONLY | O_CREAT));
    seen("folder to write", file::open(".", O_WRONLY));
    seen("file as a folder", file::open("a", O_RDONLY | O_DIRECTORY));
    seen("long name", file::open(&"x".repeat(256), O_RDONLY));
    seen("long path", file::open(&"x/".repeat(2100), O_RDONLY));
    worked("circle made", file::symlink("circle", "circle"));
    seen("circle", file::open("circle", O_RDONLY));
    worked("link made", file::symlink("a", "link"));
    seen("link not followed", file::open("link", O_RDONLY | O_NOFOLLOW));
    seen("name nowhere", file::open_nowhere());
}

fn wrong_way() {
    let _temp = Temp::new("files");
    fd::close(make("a")).ok();
    let reader = file::open("a", O_RDONLY).unwrap_or(-1);
    let writer = file::open("a", O_WRONLY).unwrap_or(-1);
    seen("write to one to read", fd::write(reader, b"x"));
    seen("read from one to write", fd::read_text(writer, 1));
    seen("read a folder", file::open(".", O_RDONLY).and_then(|fd| fd::read_text(fd, 1)));
    seen("read from -1", fd::read_text(-1, 1));
    seen("write to 777", fd::write(777, b"x"));
    seen("seek in 777", fd::seek(777, 0, SEEK_SET));
    seen("stat of 777", file::fstat(777).map(|stat| stat.size()));
    seen("close of 777", fd::close(777));
    seen("close", fd::close(reader));
    seen("close again", fd::close(reader));
}

fn bad_addresses() {
    let _temp = Temp::new("files");
    let fd = make("a");
    seen("write from nowhere", fd::write_from_nowhere(fd, 8));
    worked("write", fd::write(fd, b"12345678"));
    worked("back", fd::seek(fd, 0, SEEK_SET));
    seen("read to nowhere", fd::read_to_nowhere(fd, 8));
    seen("position after it", fd::seek(fd, 0, SEEK_CUR));
    seen("read of nothing to nowhere", fd::read_to_nowhere(fd, 0));
    seen("stat to nowhere", file::stat_nowhere("a"));
}

fn append() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"one "));
    let fd = file::open("a", O_RDWR | O_APPEND).unwrap_or(-1);
    seen("position", fd::seek(fd, 0, SEEK_CUR));
    seen("write", fd::write(fd, b"two "));
    seen("back", fd::seek(fd, 0, SEEK_SET));
    seen("write", fd::write(fd, b"three"));
    seen("position", fd::seek(fd, 0, SEEK_CUR));
    seen("content", shown("a"));
}

fn truncate() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"0123456789"));
    let fd = file::open("a", O_RDWR).unwrap_or(-1);
    seen("shorter", fd::truncate(fd, 4));
    seen("content", shown("a"));
    seen("longer", fd::truncate(fd, 8));
    seen("content", shown("a"));
    seen("by name", file::truncate("a", 2));
    seen("content", shown("a"));
    seen("negative", fd::truncate(fd, -1));
    seen("missing", file::truncate("none", 0));
    let reader = file::open("a", O_RDONLY).unwrap_or(-1);
    seen("one to read", fd::truncate(reader, 0));
    worked("opened anew", file::open("a", O_WRONLY | O_TRUNC));
    seen("size", file::stat("a").map(|stat| stat.size()));
}

fn seek() {
    let _temp = Temp::new("files");
    let fd = make("a");
    worked("write", fd::write(fd, b"0123456789"));
    seen("set 3", fd::seek(fd, 3, SEEK_SET));
    seen("on 2", fd::seek(fd, 2, SEEK_CUR));
    seen("back 1", fd::seek(fd, -1, SEEK_CUR));
    seen("end - 2", fd::seek(fd, -2, SEEK_END));
    seen("read", fd::read_text(fd, 9));
    seen("before the beginning", fd::seek(fd, -1, SEEK_SET));
    seen("unchanged", fd::seek(fd, 0, SEEK_CUR));
    seen("from nowhere", fd::seek(fd, 0, 99));
    seen("far past the end", fd::seek(fd, 1000, SEEK_END));
    seen("read there", fd::read_text(fd, 9));
    seen("size", file::fstat(fd).map(|stat| stat.size()));
}

fn hole() {
    let _temp = Temp::new("files");
    let fd = make("a");
    seen("write at 10000", fd::pwrite(fd, b"x", 10_000));
    seen("size", file::fstat(fd).map(|stat| stat.size()));
    let mut bytes = vec![1; 10_001];
    seen("read all", fd::read(fd, &mut bytes));
    say!("zeros {}", bytes.iter().filter(|byte| **byte == 0).count());
    say!("last {}", bytes[10_000]);
}

fn positions() {
    let _temp = Temp::new("files");
    let fd = make("a");
    worked("write", fd::write(fd, b"0123456789"));
    let mut bytes = [0; 4];
    seen("pread at 6", fd::pread(fd, &mut bytes, 6));
    say!("{}", text(&bytes));
    seen("pread at 8", fd::pread(fd, &mut bytes, 8));
    seen("pread past the end", fd::pread(fd, &mut bytes, 20));
    seen("pread before the beginning", fd::pread(fd, &mut bytes, -1));
    seen("pwrite at 2", fd::pwrite(fd, b"ab", 2));
    seen("position", fd::seek(fd, 0, SEEK_CUR));
    seen("content", shown("a"));
}

fn vectors() {
    let _temp = Temp::new("files");
    let fd = make("a");
    seen("writev", fd::writev(fd, &[b"one", b"", b"two", b"three"]));
    worked("back", fd::seek(fd, 0, SEEK_SET));
    let (mut a, mut b, mut c) = ([b'.'; 4], [b'.'; 4], [b'.'; 8]);
    seen("readv", fd::readv(fd, &mut [&mut a, &mut b, &mut c]));
    say!("{} {} {}", text(&a), text(&b), text(&c));
    seen("no parts", fd::writev(fd, &[]));
    seen("-1 parts", fd::writev_count(fd, -1));
    seen("1025 parts", fd::writev_count(fd, 1025));
    seen("one part nowhere", fd::writev_count(fd, 1));
}

fn vectors_at() {
    let _temp = Temp::new("files");
    let fd = make("a");
    worked("write", fd::write(fd, b"0123456789"));
    let (mut one, mut two) = ([0_u8; 2], [0_u8; 4]);
    let part = |bytes: &mut [u8]| libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let parts = [part(&mut one), part(&mut two)];
    // SAFETY: the kernel reads the array and writes within the two buffers.
    seen("read", unsafe { sys!(libc::SYS_preadv, fd, parts.as_ptr(), 2, 3, 0) });
    say!("{} {}", text(&one), text(&two));
    // SAFETY: the kernel reads the array and the two buffers.
    seen("write", unsafe { sys!(libc::SYS_pwritev, fd, parts.as_ptr(), 2, 8, 0) });
    // SAFETY: it is refused.
    seen("before the file", unsafe { sys!(libc::SYS_preadv, fd, parts.as_ptr(), 2, -1_i64, 0) });
    seen("position", fd::seek(fd, 0, SEEK_CUR));
    seen("content", shown("a"));
}

fn times() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b""));
    let path = file::path("a");
    let told = || {
        let seconds = std::fs::metadata("a").and_then(|about| about.modified());
        let seconds = seconds.map(|at| at.duration_since(std::time::UNIX_EPOCH));
        say!("{:?}", seconds.map(|at| at.unwrap_or_default()).ok());
    };
    // SAFETY: the kernel reads the path and the two times.
    seen("utime", unsafe { sys!(libc::SYS_utime, path.as_ptr(), [5_i64, 7].as_ptr()) });
    told();
    let micros = [1_i64, 2, 3, 4];
    // SAFETY: the kernel reads the path and the four numbers.
    seen("utimes", unsafe { sys!(libc::SYS_utimes, path.as_ptr(), micros.as_ptr()) });
    told();
    let micros = [1_i64, 2, 3, 1_000_000];
    // SAFETY: as above.
    seen("no time", unsafe { sys!(libc::SYS_utimes, path.as_ptr(), micros.as_ptr()) });
}

fn stat() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"12345"));
    let show = |what: &str, stat: Res<file::Stat>| match stat {
        Ok(stat) => say!("{what}: {} {:o} size {}", stat.kind(), stat.mode(), stat.size()),
        Err(error) => say!("{what}: {error}"),
    };
    show("file", file::stat("a"));
    say!("folder: {}", file::stat(".").map_or("none", |stat| stat.kind()));
    worked("link", file::symlink("a", "link"));
    show("link followed", file::stat("link"));
    say!("link itself: {}", file::lstat("link").map_or("none", |stat| stat.kind()));
    show("missing", file::stat("none"));
    show("below a file", file::stat("a/b"));
    let fd = file::open("a", O_RDONLY).unwrap_or(-1);
    show("by descriptor", file::fstat(fd));
    let same = file::fstat(fd).map(|s| s.inode()) == file::stat("a").map(|s| s.inode());
    say!("the same file: {same}");
}

fn unlink_open() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"still here"));
    let fd = file::open("a", O_RDWR).unwrap_or(-1);
    seen("unlink", file::unlink("a"));
    seen("open", file::open("a", O_RDONLY));
    seen("names", file::fstat(fd).map(|stat| stat.links()));
    seen("read", fd::read_text(fd, 64));
    seen("write", fd::write(fd, b"!"));
    seen("unlink again", file::unlink("a"));
    worked("folder", file::mkdir("d", 0o755));
    seen("unlink a folder", file::unlink("d"));
}

fn rename() {
    let _temp = Temp::new("files");
    worked("a", file::put("a", b"from a"));
    worked("b", file::put("b", b"from b"));
    worked("d", file::mkdir("d", 0o755));
    worked("e", file::mkdir("e", 0o755));
    seen("over another", file::rename("a", "b"));
    seen("content", shown("b"));
    seen("old name", shown("a"));
    seen("to itself", file::rename("b", "b"));
    seen("into a folder", file::rename("b", "d/c"));
    seen("missing", file::rename("a", "z"));
    seen("file over folder", file::rename("d/c", "e"));
    seen("folder over file", file::rename("e", "d/c"));
    seen("folder over empty folder", file::rename("d", "e"));
    seen("content", shown("e/c"));
    worked("f", file::mkdir("f", 0o755));
    seen("folder over full folder", file::rename("f", "e"));
    seen("folder into itself", file::rename("e", "e/x"));
}

fn links() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"shared"));
    seen("link", file::link("a", "b"));
    seen("names", file::stat("a").map(|stat| stat.links()));
    worked("write by one", file::put("b", b"changed"));
    seen("read by the other", shown("a"));
    seen("over another", file::link("a", "b"));
    seen("missing", file::link("none", "c"));
    seen("of a folder", file::link(".", "c"));
    worked("unlink", file::unlink("a"));
    seen("names", file::stat("b").map(|stat| stat.links()));
}

fn symbolic_links() {
    let _temp = Temp::new("files");
    worked("made", file::put("a", b"target"));
    seen("symlink", file::symlink("a", "link"));
    seen("read through", shown("link"));
    seen("readlink", file::readlink("link", 64));
    seen("size", file::lstat("link").map(|stat| stat.size()));
    worked("long", file::symlink("0123456789", "long"));
    seen("cut", file::readlink("long", 4));
    seen("no room", file::readlink("long", 0));
    seen("of a file", file::readlink("a", 64));
    seen("missing", file::readlink("none", 64));
    seen("dangling", shown("long"));
    seen("made through it", file::put("long", b"new").map(|()| "ok"));
    seen("content", shown("0123456789"));
    seen("over another", file::symlink("x", "a"));
}

fn modes() {
    let _temp = Temp::new("files");
    let mode = |path| file::stat(path).map(|stat| format!("{:o}", stat.mode()));
    seen("umask before", file::umask(0o027).map(|mask| format!("{mask:o}")));
    worked("made with 666", file::open_mode("a", O_WRONLY | O_CREAT, 0o666));
    seen("mode", mode("a"));
    worked("folder with 777", file::mkdir("d", 0o777));
    seen("mode", mode("d"));
    seen("umask", file::umask(0o022).map(|mask| format!("{mask:o}")));
    seen("chmod", file::chmod("a", 0o4711));
    seen("mode", mode("a"));
    seen("chmod missing", file::chmod("none", 0o600));
    seen("access: there", file::access("a", libc::F_OK));
    seen("access: execute", file::access("a", libc::X_OK));
    worked("chmod", file::chmod("a", 0o600));
    seen("access: execute", file::access("a", libc::X_OK));
    seen("access: missing", file::access("none", libc::F_OK));
    seen("access: no such right", file::access("a", 99));
}

fn memory_file() {
    let create = |name: &std::ffi::CStr, flags: u32| {
        // SAFETY: the kernel reads a string.
        unsafe { sys!(libc::SYS_memfd_create, name.as_ptr(), flags) }
    };
    let file = create(c"some", libc::MFD_CLOEXEC).map_or(-1, |file| file as i32);
    seen("written", fd::write(file, b"hello"));
    seen("close on exec", fd::fcntl(file, libc::F_GETFD, 0));
    seen("flags", fd::fcntl(file, libc::F_GETFL, 0));
    if let Ok(about) = file::fstat(file) {
        say!("{} {:o} {} {}", about.kind(), about.mode() & 0o777, about.size(), about.links());
    }
    let mut bytes = [0; 8];
    seen("read", fd::pread(file, &mut bytes, 1));
    say!("{}", text(&bytes));
    for length in [249, 250] {
        let name = std::ffi::CString::new(vec![b'x'; length]).unwrap_or_default();
        say!("{length} letters: {:?}", create(&name, 0).map(|_| ()));
    }
    seen("no such flag", create(c"x", 1 << 20));
    // SAFETY: there is no memory at that address.
    seen("nowhere", unsafe { sys!(libc::SYS_memfd_create, sys::NOWHERE, 0) });
}

fn advice() {
    let _temp = Temp::new("files");
    let file = make("a");
    let advise = |fd: i32, length: isize, advice: i32| {
        // SAFETY: no memory is named.
        unsafe { sys!(libc::SYS_fadvise64, fd, 0, length, advice) }
    };
    for advice in -1..=6 {
        seen("file", advise(file, 0, advice));
    }
    seen("less than none", advise(file, -1, 0));
    seen("nothing open", advise(777, 0, 0));
    if let Ok(pipe) = pipe::pipe(0) {
        seen("pipe", advise(pipe.out, 0, 0));
    }
    // SAFETY: no memory is named.
    seen("sync", unsafe { sys!(libc::SYS_sync) });
    // SAFETY: as above.
    seen("syncfs", unsafe { sys!(libc::SYS_syncfs, file) });
    // SAFETY: as above.
    seen("syncfs of nothing", unsafe { sys!(libc::SYS_syncfs, 777) });
}

fn vectors_with_flags() {
    let _temp = Temp::new("files");
    let file = make("a");
    let (one, two) = (*b"0123", *b"456789");
    let from = [(one.as_ptr(), one.len()), (two.as_ptr(), two.len())];
    let mut bytes = [0_u8; 8];
    let into = [(bytes.as_mut_ptr(), bytes.len())];
    let call = |number, vector: *const u8, count: usize, at: isize, flags: u32| {
        // SAFETY: the vectors name what is read or written, for as long as this runs.
        unsafe { sys!(number, file, vector, count, at, 0, flags) }
    };
    let (write, read) = (libc::SYS_pwritev2, libc::SYS_preadv2);
    let (from, into) = (from.as_ptr().cast(), into.as_ptr().cast());
    seen("where it is", call(write, from, 2, -1, 0));
    seen("at a place", call(write, from, 1, 8, libc::RWF_SYNC as u32));
    seen("read", call(read, into, 1, 3, libc::RWF_HIPRI as u32));
    say!("{}", text(&bytes));
    seen("at its end", call(read, into, 1, -1, 0));
    say!("{}", text(&bytes));
    seen("before its begin", call(read, into, 1, -2, 0));
    seen("no such flag", call(read, into, 1, 0, 1 << 20));
}

fn sync() {
    let _temp = Temp::new("files");
    let fd = make("a");
    worked("write", fd::write(fd, b"x"));
    seen("fsync", fd::sync(fd));
    seen("fsync of a pipe", fd::sync(vortex_guest::pipe::plain().out));
    seen("fsync of 777", fd::sync(777));
}

/// A megabyte in odd pieces, and its sum.
fn nameless() {
    let _temp = Temp::new("files");
    let fd = file::open_mode(".", libc::O_TMPFILE | libc::O_RDWR, 0o640).unwrap_or(-1);
    seen("write", fd::write(fd, b"nobody's"));
    seen("read", fd::seek(fd, 0, libc::SEEK_SET).and_then(|_| fd::read_text(fd, 64)));
    let stat = file::fstat(fd);
    seen("links", stat.map(|stat| stat.links()));
    seen("mode", file::fstat(fd).map(|stat| format!("{:o}", stat.mode() & 0o7777)));
    seen(
        "no name",
        std::fs::read_dir(".").map(|all| all.count()).map_err(|_| vortex_guest::errno::Errno(0)),
    );
    let from = format!("/proc/self/fd/{fd}");
    let named = |from: &str, to: &str, flags: i32| {
        let (from, to) = (sys::c(from), sys::c(to));
        let here = libc::AT_FDCWD;
        // SAFETY: the kernel reads two strings.
        unsafe { sys!(libc::SYS_linkat, here, from.as_ptr(), here, to.as_ptr(), flags) }
    };
    seen("given a name", named(&from, "a", libc::AT_SYMLINK_FOLLOW));
    seen("links", file::stat("a").map(|stat| stat.links()));
    seen("contents", file::get("a").map(|bytes| bytes.len()));
    let once = libc::O_TMPFILE | libc::O_RDWR | libc::O_EXCL;
    let fd = file::open_mode(".", once, 0o600).unwrap_or(-1);
    let from = format!("/proc/self/fd/{fd}");
    seen("for good", named(&from, "b", libc::AT_SYMLINK_FOLLOW));
    worked("close", fd::close(fd));
}

fn nameless_errors() {
    let _temp = Temp::new("files");
    worked("make", file::put("a", b""));
    let open = |path: &str, flags: i32| file::open_mode(path, flags, 0o600).map(|_| "open");
    seen("only to read", open(".", libc::O_TMPFILE | libc::O_RDONLY));
    seen("in a file", open("a", libc::O_TMPFILE | libc::O_RDWR));
    seen("nowhere", open("none", libc::O_TMPFILE | libc::O_RDWR));
}
