//! Folders: making, listing, being in them.

use libc::{O_CREAT, O_DIRECTORY, O_RDONLY, O_WRONLY};
use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, proc, say};

crate::tests!("folders":
    "make-remove" => make_remove,
    "list" => list,
    "list-many" => list_many,
    "list-errors" => list_errors,
    "current" => current,
    "current-removed" => current_removed,
    "relative" => relative,
);

fn make_remove() {
    let _temp = Temp::new("folders");
    seen("make", file::mkdir("d", 0o755));
    seen("again", file::mkdir("d", 0o755));
    seen("below nothing", file::mkdir("x/y", 0o755));
    worked("file", file::put("d/a", b""));
    seen("below a file", file::mkdir("d/a/b", 0o755));
    seen("remove full", file::rmdir("d"));
    seen("remove a file", file::rmdir("d/a"));
    worked("unlink", file::unlink("d/a"));
    seen("remove", file::rmdir("d"));
    seen("again", file::rmdir("d"));
    seen("remove .", file::rmdir("."));
    worked("made", file::mkdir("e", 0o755));
    let before = file::stat("e").map(|stat| stat.links());
    worked("inner", file::mkdir("e/f", 0o755));
    let after = file::stat("e").map(|stat| stat.links());
    // Some file systems do not count folders' names: one either way.
    say!("names do not shrink: {}", after >= before);
    seen("through ..", file::stat("e/f/../../e").map(|stat| stat.kind()));
}

fn names(fd: i32) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(some) = file::entries(fd, 1024) {
        if some.is_empty() {
            break;
        }
        all.extend(some.into_iter().map(|(name, _)| name));
    }
    all.sort();
    all
}

fn list() {
    let _temp = Temp::new("folders");
    worked("file", file::put("a file", b""));
    worked("folder", file::mkdir("folder", 0o755));
    worked("link", file::symlink("a file", "link"));
    let fd = file::open(".", O_RDONLY | O_DIRECTORY).unwrap_or(-1);
    let mut all = file::entries(fd, 4096).unwrap_or_default();
    all.sort();
    for (name, kind) in all {
        let kind = match kind {
            libc::DT_DIR => "folder",
            libc::DT_REG => "regular",
            libc::DT_LNK => "link",
            _ => "other",
        };
        say!("{name}: {kind}");
    }
    seen("at the end", file::entries(fd, 4096).map(|some| some.len()));
    worked("back", fd::seek(fd, 0, libc::SEEK_SET));
    say!("again {:?}", names(fd));
}

fn list_many() {
    let _temp = Temp::new("folders");
    for n in 0..300 {
        if let Err(error) = file::put(&format!("file-{n:03}"), b"") {
            say!("file {n}: {error}");
        }
    }
    let fd = file::open(".", O_RDONLY | O_DIRECTORY).unwrap_or(-1);
    let all = names(fd);
    say!("{} entries", all.len());
    let mut once = all.clone();
    once.dedup();
    say!("{} of them different", once.len());
    say!("first {:?} last {:?}", all.first(), all.last());
}

fn list_errors() {
    let _temp = Temp::new("folders");
    worked("file", file::put("a", b""));
    let plain = file::open("a", O_RDONLY).unwrap_or(-1);
    let count = |fd, room| file::entries(fd, room).map(|some| some.len());
    seen("a file", count(plain, 4096));
    seen("777", count(777, 4096));
    let fd = file::open(".", O_RDONLY).unwrap_or(-1);
    seen("no room for one", count(fd, 8));
    worked("folder", file::mkdir("d", 0o755));
    let gone = file::open("d", O_RDONLY).unwrap_or(-1);
    worked("removed", file::rmdir("d"));
    seen("removed one", count(gone, 4096));
}

fn current() {
    let temp = Temp::new("folders");
    let here = || file::current(4096).map(|path| temp.hide(&path));
    seen("here", here());
    worked("made", file::mkdir("d", 0o755));
    seen("into d", file::chdir("d"));
    seen("here", here());
    seen("..", file::chdir(".."));
    seen("here", here());
    seen("missing", file::chdir("none"));
    worked("file", file::put("a", b""));
    seen("a file", file::chdir("a"));
    let fd = file::open("d", O_RDONLY).unwrap_or(-1);
    seen("by descriptor", fd::chdir(fd));
    seen("here", here());
    seen("by the descriptor of a pipe", fd::chdir(vortex_guest::pipe::plain().out));
    seen("no room", file::current(2));
    let child = proc::outcome(|| file::chdir("/").map_or(1, |_| 0));
    say!("a child goes elsewhere: {child}");
    seen("here", here());
    worked("root", file::chdir("/"));
    seen("here", file::current(2));
    worked("above the root", file::chdir("/.."));
    seen("here", file::current(2));
}

fn current_removed() {
    let _temp = Temp::new("folders");
    worked("made", file::mkdir("d", 0o755));
    worked("into it", file::chdir("d"));
    seen("removed", file::rmdir("../d"));
    seen("here", file::current(4096));
    seen("make a file", file::open("a", O_WRONLY | O_CREAT));
}

fn relative() {
    let temp = Temp::new("folders");
    worked("made", file::mkdir("d", 0o755));
    let folder = file::open("d", O_RDONLY | O_DIRECTORY).unwrap_or(-1);
    let made = file::open_at(folder, "a", O_WRONLY | O_CREAT, 0o644);
    seen("write below d", made.and_then(|fd| fd::write(fd, b"below")));
    seen("size", file::stat("d/a").map(|stat| stat.size()));
    let root = format!("{}/d/a", temp.path());
    worked("absolute", file::open_at(folder, &root, O_RDONLY, 0));
    worked("absolute, no folder", file::open_at(777, &root, O_RDONLY, 0));
    seen("below 777", file::open_at(777, "a", O_RDONLY, 0));
    let plain = file::open("d/a", O_RDONLY).unwrap_or(-1);
    seen("below a file", file::open_at(plain, "a", O_RDONLY, 0));
    seen("many slashes", file::stat("d////.//a").map(|stat| stat.size()));
    seen("slash after a file", file::stat("d/a/").map(|stat| stat.size()));
}
