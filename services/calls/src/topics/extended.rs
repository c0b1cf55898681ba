//! Extended attributes: what is answered whatever the file system has of them.

use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{Res, fd, file, sys, sys::c};

crate::tests!("extended":
    "none" => none,
    "wrong" => wrong,
    "of-no-file" => of_no_file,
    "open" => open,
);

/// A file system without any.
const NONE: &str = "/proc/self/status";

fn get(number: i64, path: &str, name: &str) -> Res {
    let (path, name, mut value) = (c(path), c(name), [0_u8; 16]);
    // SAFETY: the kernel reads two strings and writes within the array.
    unsafe { sys!(number, path.as_ptr(), name.as_ptr(), value.as_mut_ptr(), value.len()) }
}

fn set(number: i64, path: &str, name: &str, value: &[u8], flags: i32) -> Res {
    let (path, name) = (c(path), c(name));
    // SAFETY: the kernel reads two strings and the value.
    unsafe { sys!(number, path.as_ptr(), name.as_ptr(), value.as_ptr(), value.len(), flags) }
}

fn remove(number: i64, path: &str, name: &str) -> Res {
    let (path, name) = (c(path), c(name));
    // SAFETY: the kernel reads two strings.
    unsafe { sys!(number, path.as_ptr(), name.as_ptr()) }
}

fn list(number: i64, path: &str) -> Res {
    let (path, mut names) = (c(path), [0_u8; 64]);
    // SAFETY: the kernel reads a string and writes within the array.
    unsafe { sys!(number, path.as_ptr(), names.as_mut_ptr(), names.len()) }
}

fn none() {
    let _temp = Temp::new("extended");
    worked("make", file::put("a", b""));
    seen("list", list(libc::SYS_listxattr, "a"));
    seen("get", get(libc::SYS_getxattr, NONE, "user.a"));
    seen("get a link's", get(libc::SYS_lgetxattr, NONE, "user.a"));
    seen("set", set(libc::SYS_setxattr, NONE, "user.a", b"one", 0));
    seen("remove", remove(libc::SYS_removexattr, NONE, "user.a"));
    seen("list", list(libc::SYS_listxattr, NONE));
    seen("a kind that is none", get(libc::SYS_getxattr, "a", "none.a"));
    seen("set", set(libc::SYS_setxattr, "a", "none.a", b"one", 0));
    seen("remove", remove(libc::SYS_removexattr, "a", "none.a"));
}

fn wrong() {
    let _temp = Temp::new("extended");
    worked("make", file::put("a", b""));
    seen("nothing there", get(libc::SYS_getxattr, "none", "user.a"));
    seen("nothing to list", list(libc::SYS_listxattr, "none"));
    seen("below a file", list(libc::SYS_listxattr, "a/b"));
    seen("set where nothing is", set(libc::SYS_setxattr, "none", "user.a", b"one", 0));
    seen("remove where nothing is", remove(libc::SYS_removexattr, "none", "user.a"));
    let long = format!("user.{}", "a".repeat(251));
    for name in ["", &long] {
        seen("get", get(libc::SYS_getxattr, "a", name));
        seen("set", set(libc::SYS_setxattr, "a", name, b"one", 0));
        seen("remove", remove(libc::SYS_removexattr, "a", name));
    }
    seen("flags", set(libc::SYS_setxattr, "a", "user.a", b"one", 4));
    seen("too much", set(libc::SYS_setxattr, "a", "user.a", &[0; 65_537], 0));
}

/// A link, and a pipe with a name, have none of their owner's.
fn of_no_file() {
    let _temp = Temp::new("extended");
    worked("make", file::symlink("none", "link"));
    let pipe = c("pipe");
    // SAFETY: the kernel reads a string.
    worked("make", unsafe { sys!(libc::SYS_mknod, pipe.as_ptr(), libc::S_IFIFO | 0o600, 0) });
    for (path, calls) in [
        ("link", [libc::SYS_lgetxattr, libc::SYS_lsetxattr, libc::SYS_lremovexattr]),
        ("pipe", [libc::SYS_getxattr, libc::SYS_setxattr, libc::SYS_removexattr]),
    ] {
        let [get_it, set_it, remove_it] = calls;
        seen("get", get(get_it, path, "user.a"));
        seen("set", set(set_it, path, "user.a", b"one", 0));
        seen("remove", remove(remove_it, path, "user.a"));
    }
    seen("list a link's", list(libc::SYS_llistxattr, "link"));
    seen("where it leads", list(libc::SYS_listxattr, "link"));
}

fn open() {
    let _temp = Temp::new("extended");
    worked("make", file::put("a", b""));
    let all = |what: &str, fd: i32| {
        let (kind, mut bytes) = (c("none.a"), [0_u8; 16]);
        let (name, value, room) = (kind.as_ptr(), bytes.as_mut_ptr(), bytes.len());
        // SAFETY: the kernel reads a string and writes within the array.
        let got = unsafe { sys!(libc::SYS_fgetxattr, fd, name, value, room) };
        seen(&format!("get {what}"), got);
        // SAFETY: the kernel reads a string and the array.
        let set = unsafe { sys!(libc::SYS_fsetxattr, fd, name, value, room, 0) };
        seen(&format!("set {what}"), set);
        // SAFETY: the kernel reads a string.
        let removed = unsafe { sys!(libc::SYS_fremovexattr, fd, name) };
        seen(&format!("remove {what}"), removed);
        // SAFETY: the kernel writes within the array.
        let listed = unsafe { sys!(libc::SYS_flistxattr, fd, value, room) };
        seen(&format!("list {what}"), listed);
    };
    let file = file::open("a", libc::O_RDONLY).unwrap_or(-1);
    let path = file::open("a", libc::O_PATH).unwrap_or(-1);
    all("of a file", file);
    all("of a path", path);
    worked("close", fd::close(file));
    worked("close", fd::close(path));
    all("of none", file);
}
