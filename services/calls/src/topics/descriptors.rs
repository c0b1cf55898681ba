//! Descriptors: which number, what they share.

use libc::{F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL, O_APPEND, O_RDONLY};
use libc::{O_CLOEXEC, SEEK_CUR, SEEK_SET};
use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, proc, say};

use super::files::make;

crate::tests!("descriptors":
    "lowest-number" => lowest,
    "dup-shares-position" => shares_position,
    "opened-twice" => opened_twice,
    "dup2" => dup2,
    "dup3" => dup3,
    "dup-from" => dup_from,
    "flags" => flags,
    "status-flags" => status_flags,
    "fork-shares" => fork_shares,
    "fork-closes" => fork_closes,
    "errors" => errors,
);

fn lowest() {
    let _temp = Temp::new("descriptors");
    say!("{} {} {}", make("a"), make("b"), make("c"));
    worked("close 4", fd::close(4));
    say!("next {}", make("d"));
    worked("close 3", fd::close(3));
    worked("close 5", fd::close(5));
    seen("dup of 4", fd::dup(4));
    seen("dup of 4", fd::dup(4));
    seen("dup of 4", fd::dup(4));
    worked("close 0", fd::close(0));
    say!("next {}", make("e"));
}

fn shares_position() {
    let _temp = Temp::new("descriptors");
    let fd = make("a");
    worked("write", fd::write(fd, b"0123456789"));
    let other = fd::dup(fd).unwrap_or(0) as i32;
    seen("seek", fd::seek(fd, 4, SEEK_SET));
    seen("the other's position", fd::seek(other, 0, SEEK_CUR));
    seen("read by the other", fd::read_text(other, 3));
    seen("position", fd::seek(fd, 0, SEEK_CUR));
    worked("close the first", fd::close(fd));
    seen("read by the other", fd::read_text(other, 3));
}

fn opened_twice() {
    let _temp = Temp::new("descriptors");
    let fd = make("a");
    worked("write", fd::write(fd, b"0123456789"));
    let other = file::open("a", O_RDONLY).unwrap_or(-1);
    seen("position of its own", fd::seek(other, 0, SEEK_CUR));
    seen("read", fd::read_text(other, 3));
    seen("position of the first", fd::seek(fd, 0, SEEK_CUR));
}

fn dup2() {
    let _temp = Temp::new("descriptors");
    let (a, b) = (make("a"), make("b"));
    seen("to a free one", fd::dup2(a, 20));
    seen("to one in use", fd::dup2(a, b));
    seen("write by it", fd::write(b, b"went to a"));
    seen("size of a", file::stat("a").map(|stat| stat.size()));
    seen("size of b", file::stat("b").map(|stat| stat.size()));
    seen("to itself", fd::dup2(a, a));
    seen("from a closed one to itself", fd::dup2(777, 777));
    seen("from a closed one", fd::dup2(777, b));
    seen("b is still open", fd::write(b, b"!"));
    seen("to -1", fd::dup2(a, -1));
    seen("beyond the limit", fd::dup2(a, 1 << 30));
}

fn dup3() {
    let _temp = Temp::new("descriptors");
    let a = make("a");
    seen("with close-on-exec", fd::dup3(a, 20, O_CLOEXEC));
    seen("flags of it", fd::fcntl(20, F_GETFD, 0));
    seen("without", fd::dup3(a, 21, 0));
    seen("flags of it", fd::fcntl(21, F_GETFD, 0));
    seen("to itself", fd::dup3(a, a, 0));
    seen("with a wrong flag", fd::dup3(a, 22, O_APPEND));
}

fn dup_from() {
    let _temp = Temp::new("descriptors");
    let a = make("a");
    seen("from 10", fd::fcntl(a, F_DUPFD, 10));
    seen("from 10", fd::fcntl(a, F_DUPFD, 10));
    seen("from 0", fd::fcntl(a, F_DUPFD, 0));
    seen("with close-on-exec", fd::fcntl(a, F_DUPFD_CLOEXEC, 10));
    seen("its flags", fd::fcntl(12, F_GETFD, 0));
    seen("from -1", fd::fcntl(a, F_DUPFD, -1));
    seen("from beyond the limit", fd::fcntl(a, F_DUPFD, 1 << 30));
}

fn flags() {
    let _temp = Temp::new("descriptors");
    let a = make("a");
    seen("flags", fd::fcntl(a, F_GETFD, 0));
    seen("set", fd::fcntl(a, F_SETFD, 1));
    seen("flags", fd::fcntl(a, F_GETFD, 0));
    let copy = fd::dup(a).unwrap_or(0) as i32;
    seen("flags of a copy", fd::fcntl(copy, F_GETFD, 0));
    let fd = file::open("a", O_RDONLY | O_CLOEXEC).unwrap_or(-1);
    seen("flags of one opened with it", fd::fcntl(fd, F_GETFD, 0));
}

fn status_flags() {
    let _temp = Temp::new("descriptors");
    let a = make("a");
    // 0o100000 is O_LARGEFILE, which the kernel may show and 64-bit programs do not set.
    let show = |fd| fd::fcntl(fd, F_GETFL, 0).map(|flags| format!("{:o}", flags & !0o100_000));
    seen("of one to read and write", show(a));
    seen("set append", fd::fcntl(a, F_SETFL, O_APPEND));
    seen("after", show(a));
    let copy = fd::dup(a).unwrap_or(0) as i32;
    seen("of a copy", show(copy));
    seen("set none by the copy", fd::fcntl(copy, F_SETFL, 0));
    seen("after", show(a));
    seen("set 'to write' changes nothing", fd::fcntl(a, F_SETFL, libc::O_WRONLY));
    seen("after", show(a));
}

fn fork_shares() {
    let _temp = Temp::new("descriptors");
    let fd = make("a");
    worked("write", fd::write(fd, b"parent "));
    say!("child: {}", proc::outcome(|| fd::write(fd, b"child ").map_or(1, |_| 0)));
    seen("position", fd::seek(fd, 0, SEEK_CUR));
    worked("write", fd::write(fd, b"parent"));
    seen("content", file::get("a").map(|bytes| vortex_guest::out::text(&bytes)));
}

fn fork_closes() {
    let _temp = Temp::new("descriptors");
    let fd = make("a");
    say!("child closes: {}", proc::outcome(|| fd::close(fd).map_or(1, |_| 0)));
    seen("still open here", fd::write(fd, b"x"));
    say!("child opens: {}", proc::outcome(|| make("b")));
    seen("not open here", fd::write(fd + 1, b"x"));
}

fn errors() {
    seen("dup", fd::dup(777));
    seen("fcntl of 777", fd::fcntl(777, F_GETFD, 0));
    seen("fcntl of an unknown command", fd::fcntl(1, 9999, 0));
    seen("terminal's size of a pipe", fd::ioctl(vortex_guest::pipe::plain().out, 0x5413));
    seen("ioctl of 777", fd::ioctl(777, 0x5413));
}
