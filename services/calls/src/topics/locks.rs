//! Locks on files: `flock`, those of `fcntl`, those of open files.

use std::time::Duration;

use libc::{
    F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETLK, F_SETLKW, F_UNLCK, F_WRLCK,
    LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, SIGUSR1,
};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{Pipe, plain};
use vortex_guest::temp::Temp;
use vortex_guest::{Res, fd, file, proc, say, sys, time};

crate::tests!("locks":
    "whole-files" => whole,
    "whole-and-inherited" => inherited_whole,
    "whole-waits" => whole_waits,
    "ranges" => ranges,
    "ranges-found" => found,
    "ranges-wait" => waits,
    "ranges-of-a-closed-file" => closed,
    "ranges-not-inherited" => not_inherited,
    "ranges-from-elsewhere" => elsewhere,
    "deadlock" => deadlock,
    "interrupted" => interrupted,
    "open-files" => open_files,
    "errors" => errors,
);

fn flock(fd: i32, how: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_flock, fd, how) }
}

fn range(kind: i32, start: i64, length: i64) -> libc::flock {
    let whence = libc::SEEK_SET as i16;
    libc::flock { l_type: kind as i16, l_whence: whence, l_start: start, l_len: length, l_pid: 0 }
}

fn lock(fd: i32, request: i32, mut range: libc::flock) -> Res<libc::flock> {
    // SAFETY: the kernel reads or writes the structure.
    unsafe { sys!(libc::SYS_fcntl, fd, request, &raw mut range) }.map(|_| range)
}

fn set(what: &str, fd: i32, kind: i32, start: i64, length: i64) {
    seen(what, lock(fd, F_SETLK, range(kind, start, length)).map(|_| "done"));
}

fn shown(lock: libc::flock, holder: i32) -> String {
    let kind = match i32::from(lock.l_type) {
        F_RDLCK => "read",
        F_WRLCK => "write",
        _ => return "free".into(),
    };
    let by = if lock.l_pid == holder { "holder".into() } else { lock.l_pid.to_string() };
    format!("{kind} {}+{} by {by}", lock.l_start, lock.l_len)
}

/// In a child: what it finds.
fn child_finds(fd: i32, ranges: &[(i32, i64, i64)]) {
    let holder = proc::pid();
    say!(
        "{}",
        proc::outcome(|| {
            for &(kind, start, length) in ranges {
                let found = lock(fd, F_GETLK, range(kind, start, length));
                seen("found", found.map(|lock| shown(lock, holder)));
            }
            0
        })
    );
}

fn opened() -> (i32, i32) {
    let first = super::files::make("a");
    (first, file::open("a", libc::O_RDWR).unwrap_or(-1))
}

fn whole() {
    let _temp = Temp::new("locks");
    let (one, two) = opened();
    seen("one, shared", flock(one, LOCK_SH));
    seen("two, shared", flock(two, LOCK_SH));
    seen("two, alone", flock(two, LOCK_EX | LOCK_NB));
    seen("one lets go", flock(one, LOCK_UN));
    seen("two, alone", flock(two, LOCK_EX | LOCK_NB));
    seen("one, shared", flock(one, LOCK_SH | LOCK_NB));
    seen("two, shared again", flock(two, LOCK_SH));
    seen("one, shared", flock(one, LOCK_SH | LOCK_NB));
    worked("close two", fd::close(two));
    seen("one, alone", flock(one, LOCK_EX | LOCK_NB));
    set("a range beside it", one, F_WRLCK, 0, 0);
}

fn inherited_whole() {
    let _temp = Temp::new("locks");
    let (one, two) = opened();
    seen("alone", flock(one, LOCK_EX));
    say!(
        "{}",
        proc::outcome(|| {
            seen("the child has it too", flock(one, LOCK_EX | LOCK_NB));
            seen("another open does not", flock(two, LOCK_EX | LOCK_NB));
            seen("the child lets go", flock(one, LOCK_UN));
            0
        })
    );
    seen("two gets it", flock(two, LOCK_EX | LOCK_NB));
}

fn whole_waits() {
    let _temp = Temp::new("locks");
    let (one, two) = opened();
    seen("one, alone", flock(one, LOCK_EX));
    let Pipe { out, into } = plain();
    let child = proc::child(|| {
        let _ = fd::close(one);
        let answer = flock(two, LOCK_EX);
        let _ = fd::write(into, b"child has it");
        i32::from(answer.is_err())
    });
    time::pause(Duration::from_millis(20));
    worked("write", fd::write(into, b"first "));
    seen("let go", flock(one, LOCK_UN));
    say!("child {}", proc::wait(child));
    seen("read", fd::read_text(out, 64));
}

fn ranges() {
    let _temp = Temp::new("locks");
    let (one, _) = opened();
    set("read 0+10", one, F_RDLCK, 0, 10);
    set("write 4+2", one, F_WRLCK, 4, 2);
    set("write 100 to the end", one, F_WRLCK, 100, 0);
    say!(
        "{}",
        proc::outcome(|| {
            set("read 0+4", one, F_RDLCK, 0, 4);
            set("write 0+4", one, F_WRLCK, 0, 4);
            set("read 4+1", one, F_RDLCK, 4, 1);
            set("write 10+90", one, F_WRLCK, 10, 90);
            set("write far away", one, F_WRLCK, 1 << 40, 1);
            0
        })
    );
    set("the child's is gone", one, F_WRLCK, 10, 90);
    set("let go 0+6", one, F_UNLCK, 0, 6);
    child_finds(one, &[(F_WRLCK, 0, 0), (F_WRLCK, 0, 6), (F_RDLCK, 6, 4)]);
}

fn found() {
    let _temp = Temp::new("locks");
    let (one, _) = opened();
    set("read 5+5", one, F_RDLCK, 5, 5);
    set("read 10+5", one, F_RDLCK, 10, 5);
    set("write 20 to the end", one, F_WRLCK, 20, 0);
    let all = [(F_WRLCK, 0, 0), (F_WRLCK, 0, 5), (F_WRLCK, 14, 1), (F_RDLCK, 5, 10)];
    child_finds(one, &all);
    child_finds(one, &[(F_RDLCK, 0, 0), (F_WRLCK, 15, 5), (F_WRLCK, 16, 50)]);
    seen("one's own", lock(one, F_GETLK, range(F_WRLCK, 0, 0)).map(|lock| shown(lock, 0)));
}

fn waits() {
    let _temp = Temp::new("locks");
    let (one, _) = opened();
    set("write all", one, F_WRLCK, 0, 0);
    let Pipe { out, into } = plain();
    let child = proc::child(|| {
        let answer = lock(one, F_SETLKW, range(F_WRLCK, 3, 1));
        let _ = fd::write(into, b"child has it");
        i32::from(answer.is_err())
    });
    time::pause(Duration::from_millis(20));
    worked("write", fd::write(into, b"first "));
    set("let go 3+1", one, F_UNLCK, 3, 1);
    say!("child {}", proc::wait(child));
    seen("read", fd::read_text(out, 64));
}

/// Any descriptor of the file that its owner closes lets the locks go.
fn closed() {
    let _temp = Temp::new("locks");
    let (one, two) = opened();
    set("write all", one, F_WRLCK, 0, 0);
    child_finds(one, &[(F_WRLCK, 0, 0)]);
    worked("close the other", fd::close(two));
    child_finds(one, &[(F_WRLCK, 0, 0)]);
}

fn not_inherited() {
    let _temp = Temp::new("locks");
    let (one, _) = opened();
    set("write 0+1", one, F_WRLCK, 0, 1);
    say!(
        "{}",
        proc::outcome(|| {
            set("the child", one, F_WRLCK, 0, 1);
            set("lets go what is not its own", one, F_UNLCK, 0, 0);
            0
        })
    );
    child_finds(one, &[(F_WRLCK, 0, 1)]);
}

fn elsewhere() {
    let _temp = Temp::new("locks");
    let (one, _) = opened();
    worked("write", fd::write(one, &[0; 100]));
    let from = |whence: i32, start, length| libc::flock {
        l_whence: whence as i16,
        ..range(F_WRLCK, start, length)
    };
    seen("from the end", lock(one, F_SETLK, from(libc::SEEK_END, -10, 5)).map(|_| "done"));
    worked("seek", fd::seek(one, 50, libc::SEEK_SET));
    seen("backwards", lock(one, F_SETLK, from(libc::SEEK_CUR, 0, -5)).map(|_| "done"));
    child_finds(one, &[(F_RDLCK, 0, 0), (F_RDLCK, 50, 0)]);
    seen("before the beginning", lock(one, F_SETLK, from(libc::SEEK_SET, 2, -5)).map(|_| "done"));
    seen("no such place", lock(one, F_SETLK, from(7, 0, 1)).map(|_| "done"));
}

fn deadlock() {
    let _temp = Temp::new("locks");
    let (one, _) = opened();
    let Pipe { out, into } = plain();
    set("write 0+1", one, F_WRLCK, 0, 1);
    let child = proc::child(|| {
        let own = lock(one, F_SETLK, range(F_WRLCK, 1, 1));
        let _ = fd::write(into, b"x");
        let other = lock(one, F_SETLKW, range(F_WRLCK, 0, 1));
        i32::from(own.is_err() || other.is_err())
    });
    worked("the child has its own", fd::read_text(out, 1));
    time::pause(Duration::from_millis(30));
    seen("the other's", lock(one, F_SETLKW, range(F_WRLCK, 1, 1)).map(|_| "done"));
    set("let go", one, F_UNLCK, 0, 1);
    say!("child {}", proc::wait(child));
}

fn interrupted() {
    let _temp = Temp::new("locks");
    let (one, _) = opened();
    set("write all", one, F_WRLCK, 0, 0);
    let child = super::restarts::handling(0, || {
        seen("wait", lock(one, F_SETLKW, range(F_WRLCK, 0, 1)).map(|_| "done"));
        0
    });
    say!("child {}", super::restarts::pester(child, SIGUSR1));
}

fn open_files() {
    let _temp = Temp::new("locks");
    let (one, two) = opened();
    let set = |what: &str, fd, kind, start, length| {
        seen(what, lock(fd, F_OFD_SETLK, range(kind, start, length)).map(|_| "done"));
    };
    set("one, write 0+5", one, F_WRLCK, 0, 5);
    set("two, read 0+1", two, F_RDLCK, 0, 1);
    let find = |fd, request| lock(fd, request, range(F_RDLCK, 0, 0)).map(|lock| shown(lock, 0));
    seen("two finds", find(two, F_OFD_GETLK));
    seen("the process finds", find(two, F_GETLK));
    seen("one finds", find(one, F_OFD_GETLK));
    say!(
        "{}",
        proc::outcome(|| {
            set("the child has it too", one, F_WRLCK, 0, 5);
            0
        })
    );
    set("one lets go", one, F_UNLCK, 0, 0);
    seen("two waits not", lock(two, F_OFD_SETLKW, range(F_WRLCK, 0, 0)).map(|_| "done"));
    set("one, read", one, F_RDLCK, 9, 1);
    worked("close two", fd::close(two));
    set("one, read", one, F_RDLCK, 9, 1);
    let wrong = libc::flock { l_pid: 1, ..range(F_RDLCK, 0, 1) };
    seen("with a process", lock(one, F_OFD_SETLK, wrong).map(|_| "done"));
}

fn errors() {
    let _temp = Temp::new("locks");
    let _ = super::files::make("a");
    let reads = file::open("a", libc::O_RDONLY).unwrap_or(-1);
    let writes = file::open("a", libc::O_WRONLY).unwrap_or(-1);
    set("to write what is read", reads, F_WRLCK, 0, 1);
    set("to read what is written", writes, F_RDLCK, 0, 1);
    set("no such kind", reads, 9, 0, 1);
    set("closed", 77, F_RDLCK, 0, 1);
    seen("flock of a closed file", flock(77, LOCK_SH));
    seen("no such flock", flock(reads, 0));
    seen("flock of what is read", flock(reads, LOCK_EX));
    let path = file::open("a", libc::O_PATH).unwrap_or(-1);
    seen("flock of a path", flock(path, LOCK_EX));
    // SAFETY: there is no memory at that address.
    seen("nowhere", unsafe { sys!(libc::SYS_fcntl, reads, F_SETLK, sys::NOWHERE) });
}
