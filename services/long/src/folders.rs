//! Large folders, long paths, mazes of links.

use vortex_guest::{fd, file, proc};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[("folder", folder), ("paths", paths), ("deep", deep)];

/// A folder with 5,000 names, listed with much room, and removed.
fn folder() -> Result<(), String> {
    const NAMES: usize = 5_000;
    must("mkdir", file::mkdir("/tmp/folder", 0o755))?;
    let name = |n: usize| format!("/tmp/folder/a-name-that-is-not-short-{n}");
    for n in 0..NAMES {
        must("make", file::put(&name(n), b""))?;
    }
    let fd = must("open", file::open("/tmp/folder", libc::O_RDONLY))?;
    let mut listed = 0;
    loop {
        match must("list", file::entries(fd, 1 << 20))?.len() {
            0 => break,
            more => listed += more,
        }
    }
    is("listed", listed, NAMES + 2)?;
    must("rename", file::rename(&name(0), &name(NAMES)))?;
    must("close", fd::close(fd))?;
    for n in 1..=NAMES {
        must("unlink", file::unlink(&name(n)))?;
    }
    must("rmdir", file::rmdir("/tmp/folder"))?;
    Ok(())
}

/// Paths of as many components as there may be, in links too.
fn paths() -> Result<(), String> {
    must("mkdir", file::mkdir("/tmp/paths", 0o755))?;
    must("mkdir", file::mkdir("/tmp/paths/a", 0o755))?;
    let long = |end: &str| {
        let mut text = String::from("/tmp/paths");
        while text.len() + 6 + end.len() < 4096 {
            text += "/a/..";
        }
        text + end
    };
    must("stat", file::stat(&long("")))?;
    must("slashes", file::stat(&format!("/{}tmp", "/".repeat(4000))))?;
    // Each link leads by way of the one before it.
    must("link", file::symlink(&long("/a"), "/tmp/paths/0"))?;
    for n in 1..12 {
        let end = format!("/{}", n - 1);
        must("link", file::symlink(&long(&end), &format!("/tmp/paths/{n}")))?;
    }
    must("one link", file::stat("/tmp/paths/0"))?;
    let maze = file::stat("/tmp/paths/11").err().map_or(0, |error| error.0);
    // Linux walks it to its end; here the components of all links together are bounded.
    is("a maze", [0, libc::ELOOP].contains(&maze), true)?;
    for n in 0..12 {
        must("unlink", file::unlink(&format!("/tmp/paths/{n}")))?;
    }
    must("rmdir", file::rmdir("/tmp/paths/a"))?;
    must("rmdir", file::rmdir("/tmp/paths"))?;
    Ok(())
}

/// Folders in folders: the path from the innermost, and the end of all with the last who is
/// there.
fn deep() -> Result<(), String> {
    const DEPTH: usize = 1_500;
    must("mkdir", file::mkdir("/tmp/deep", 0o755))?;
    must("chdir", file::chdir("/tmp/deep"))?;
    for _ in 0..DEPTH {
        must("mkdir", file::mkdir("d", 0o755))?;
        must("chdir", file::chdir("d"))?;
    }
    is("the path", must("getcwd", file::current(8192))?.len(), 9 + 2 * DEPTH)?;
    is("a child", proc::outcome(|| i32::from(file::stat("../..").is_err())), "exit 0".into())?;
    for _ in 0..DEPTH {
        must("up", file::chdir(".."))?;
        must("down", file::stat("d"))?;
    }
    // From the inside out, while a child is in the innermost.
    let innermost = "d/".repeat(DEPTH);
    let inside = must("open", file::open(&innermost, libc::O_RDONLY))?;
    for depth in (0..DEPTH).rev() {
        must("rmdir", file::rmdir(&format!("{}d", "d/".repeat(depth))))?;
    }
    must("close", fd::close(inside))?;
    must("away", file::chdir("/"))?;
    must("rmdir", file::rmdir("/tmp/deep"))?;
    Ok(())
}
