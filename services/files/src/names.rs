//! Many names: more than who asks for them has room to know.

use vortex_guest::{Res, fd, file, say};

use crate::calls::{mounted, put_at, unmounted};
use crate::fail;

/// Makes so many files and folders on a disk, looks all of them up, and takes them away; one file
/// is open all the time. Nobody has what is made written: who has made too much that is not is to
/// wait for that.
pub fn all(disk: &str, place: &str, count: u64) {
    if let Err(error) = file::mkdir(place, 0o755) {
        fail(&format!("{place}: {error}"));
    }
    mounted(disk, place);
    let open =
        made(&format!("{place}/open")).unwrap_or_else(|error| fail(&format!("open: {error}")));
    let each = |what: &str, does: &dyn Fn(u64) -> Res<()>| {
        for number in 0..count {
            if let Err(error) = does(number) {
                fail(&format!("names: {what} {number}: {error}"));
            }
        }
    };
    let name = |number: u64| format!("{place}/a-name-that-is-not-short-{number}");
    each("made", &|number| match number % 64 {
        0 => file::mkdir(&name(number), 0o755).map(|_| ()),
        _ => {
            let open = made(&name(number))?;
            // Of some there are pages, too.
            let written = if number % 4 == 1 { put_at(open, b"short", 0) } else { Ok(0) };
            fd::close(open).and(written).map(|_| ())
        }
    });
    for round in 0..2 {
        each("looked up", &|number| file::stat(&name(number)).map(|_| ()));
        if file::fstat(open).is_err() {
            fail(&format!("names: what is open is gone, in round {round}"));
        }
    }
    each("taken away", &|number| match number % 64 {
        0 => file::rmdir(&name(number)).map(|_| ()),
        _ => file::unlink(&name(number)).map(|_| ()),
    });
    if fd::close(open).is_err() {
        fail("names: what is open cannot be closed");
    }
    unmounted(place);
    say!("files: names: {count} made, looked up and taken away, none refused");
}

fn made(path: &str) -> Res<i32> {
    file::open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)
}
