//! A file system that becomes full: who fills it is told, and nothing that was there is lost.

use vortex_guest::{Res, fd, file, say};

use crate::bytes::bytes;
use crate::calls::{get_at, put_at, sync};
use crate::fail;

/// What is there before, and its number.
const KEPT: (&str, u64, usize) = ("kept", 1, 100_000);
/// Bytes that are written at once: of less and less when there is no room.
const PIECES: [usize; 3] = [40_000, 4_096, 512];
/// Files at most.
const MOST: u64 = 2_000;

/// Fills it, to the last block.
pub fn fill(place: &str) {
    let kept = format!("{place}/{}", KEPT.0);
    let made = make(&kept, KEPT.1, &[KEPT.2], 1);
    if !matches!(made, Ok((length, _)) if length == KEPT.2) || sync(&kept).is_err() {
        fail("there is no room from the beginning");
    }
    let (mut files, mut full) = (0, false);
    while !full && files < MOST {
        files += 1;
        let path = format!("{place}/fill-{files}");
        match make(&path, files + 1, &PIECES, 8) {
            Ok((_, over)) => full = over,
            Err(error) if error.0 == libc::ENOSPC => full = true,
            Err(error) => fail(&format!("{path}: {error}")),
        }
        // What was taken stays, whatever came after.
        if let Err(error) = sync(&path)
            && error.0 != libc::ENOENT
        {
            fail(&format!("fsync of {path}: {error}"));
        }
    }
    if !full {
        fail("there is room for ever");
    }
    // A directory needs a block of its own, and there is none.
    match file::mkdir(&format!("{place}/folder"), 0o755) {
        Err(error) if error.0 == libc::ENOSPC => {}
        other => fail(&format!("mkdir where nothing is free: {other:?}")),
    }
    filled(place);
}

/// A file, written in pieces, of each so many at most: its length, and whether there was no more
/// room.
fn make(path: &str, number: u64, pieces: &[usize], times: usize) -> Res<(usize, bool)> {
    let to = file::open(path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)?;
    let (mut length, mut over) = (0, false);
    for piece in pieces {
        over = false;
        for _ in 0..times {
            match put_at(to, &bytes(number, length, *piece), length) {
                Ok(written) => length += written,
                Err(error) if error.0 == libc::ENOSPC => {
                    over = true;
                    // Some of it may have been written before there was no more room.
                    let now = file::fstat(to)?.size() as usize;
                    if now < length || now > length + piece {
                        fail(&format!("{path} has {now} bytes, and had {length}"));
                    }
                    length = now;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if !over {
            break;
        }
    }
    fd::close(to)?;
    Ok((length, over))
}

/// Everything that was written is there.
pub fn filled(place: &str) {
    let whole = |path: &str, number: u64| -> Res<usize> {
        let from = file::open(path, libc::O_RDONLY)?;
        let size = file::fstat(from)?.size() as usize;
        let found = get_at(from, 0, size + 1)?;
        fd::close(from)?;
        if found != bytes(number, 0, size) {
            fail(&format!("{path} has other content"));
        }
        Ok(size)
    };
    match whole(&format!("{place}/{}", KEPT.0), KEPT.1) {
        Ok(length) if length == KEPT.2 => {}
        other => fail(&format!("what was there before: {other:?}")),
    }
    let (mut files, mut all) = (0, 0);
    loop {
        match whole(&format!("{place}/fill-{}", files + 1), files + 2) {
            Ok(length) => all += length,
            Err(error) if error.0 == libc::ENOENT => break,
            Err(error) => fail(&format!("fill-{}: {error}", files + 1)),
        }
        files += 1;
    }
    say!("files: {files} files fill it with {all} bytes, and the one before is whole");
}
