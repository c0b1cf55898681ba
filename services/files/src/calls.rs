//! Calls that no other program makes, and such as do all that is asked of them.

use vortex_guest::sys::c;
use vortex_guest::{Res, fd, file, say, sys};

use crate::fail;

/// Mounts an ext2, or says why not.
pub fn mounted(disk: &str, place: &str) {
    let (from, to, kind) = (c(disk), c(place), c("ext2"));
    // SAFETY: the kernel reads the three texts; no further data is given.
    let done = unsafe { sys!(libc::SYS_mount, from.as_ptr(), to.as_ptr(), kind.as_ptr(), 0, 0) };
    match done {
        Ok(_) => say!("files: mounted {disk}"),
        Err(error) => fail(&format!("mount {disk}: {error}")),
    }
}

/// Unmounts what is at this place.
pub fn unmounted(place: &str) {
    let to = c(place);
    // SAFETY: the kernel reads the text.
    match unsafe { sys!(libc::SYS_umount2, to.as_ptr(), 0) } {
        Ok(_) => say!("files: unmounted {place}"),
        Err(error) => fail(&format!("umount {place}: {error}")),
    }
}

/// Writes all of it, from this place of the file on.
pub fn put_at(file: i32, bytes: &[u8], from: usize) -> Res {
    let mut done = 0;
    while done < bytes.len() {
        match fd::pwrite(file, &bytes[done..], (from + done) as i64)? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// Writes all of it at the file's end or position.
pub fn put(file: i32, bytes: &[u8]) -> Res {
    let mut done = 0;
    while done < bytes.len() {
        match fd::write(file, &bytes[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// Reads so many bytes, or up to the file's end.
pub fn get_at(file: i32, from: usize, length: usize) -> Res<Vec<u8>> {
    let (mut all, mut done) = (vec![0; length], 0);
    while done < length {
        match fd::pread(file, &mut all[done..], (from + done) as i64)? {
            0 => break,
            count => done += count,
        }
    }
    all.truncate(done);
    Ok(all)
}

/// Sets when a file was used and changed, not following a link.
pub fn set_time(path: &str, seconds: i64) -> Res {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    let (path, times) = (c(path), [time, time]);
    let (here, flag) = (libc::AT_FDCWD, libc::AT_SYMLINK_NOFOLLOW);
    // SAFETY: the kernel reads the path and the two times.
    unsafe { sys!(libc::SYS_utimensat, here, path.as_ptr(), times.as_ptr(), flag) }
}

/// Makes what is known of a file or directory last.
pub fn sync(path: &str) -> Res {
    let file = file::open(path, libc::O_RDONLY)?;
    let synced = fd::sync(file);
    fd::close(file)?;
    synced
}

/// The names in a directory, in their order, without itself and what is above it.
pub fn names(path: &str) -> Res<Vec<String>> {
    let folder = file::open(path, libc::O_RDONLY | libc::O_DIRECTORY)?;
    let mut all = Vec::new();
    loop {
        let some = file::entries(folder, 4_096)?;
        if some.is_empty() {
            break;
        }
        all.extend(some.into_iter().map(|(name, _)| name));
    }
    fd::close(folder)?;
    all.retain(|name| name != "." && name != "..");
    all.sort();
    Ok(all)
}
