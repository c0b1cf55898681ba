//! Names that several processes use at once: who comes first has them. What each call may
//! answer is known, what it will is not; at the end all such names are removed.

use vortex_guest::random::Random;
use vortex_guest::{Res, fd, file};

use crate::bytes::bytes;
use crate::calls::{get_at, names, put};
use crate::fail;

/// How many names there are.
const NAMES: usize = 6;
/// What somebody else's being faster leads to.
const MAY: [i32; 6] =
    [libc::ENOENT, libc::EEXIST, libc::EISDIR, libc::ENOTDIR, libc::ENOTEMPTY, libc::EPERM];
/// Bytes that are written at once, which nobody else's come between.
const LENGTH: usize = 3_000;

fn may<T>(what: &str, answer: Res<T>) {
    match answer {
        Err(error) if !MAY.contains(&error.0) => fail(&format!("shared {what}: {error}")),
        _ => {}
    }
}

/// Something with one or two of the names.
pub fn step(place: &str, random: &mut Random) {
    let mut path = || format!("{place}/shared/c{}", random.below(NAMES));
    let (one, other) = (path(), path());
    match random.below(8) {
        0 | 1 => {
            let made = file::open(&one, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL);
            if let Ok(file) = made {
                let number = random.number() % 1_000;
                may("write", put(file, &bytes(number, 0, LENGTH)));
                may("close", fd::close(file));
            }
            may("create", made);
        }
        2 => {
            let opened = file::open(&one, libc::O_RDONLY);
            if let Ok(file) = opened {
                whole(&one, get_at(file, 0, LENGTH + 1));
                may("close", fd::close(file));
            }
            may("open", opened);
        }
        3 => may("rename", file::rename(&one, &other)),
        4 => may("link", file::link(&one, &other)),
        5 => may("unlink", file::unlink(&one)),
        6 => may("mkdir", file::mkdir(&one, 0o755)),
        _ => may("rmdir", file::rmdir(&one)),
    }
}

/// What is read is as far as it goes what one process has written.
fn whole(path: &str, found: Res<Vec<u8>>) {
    let found = match found {
        Ok(found) => found,
        // A folder is opened, not read.
        Err(error) if error.0 == libc::EISDIR => return,
        Err(error) => fail(&format!("shared read: {error}")),
    };
    let mut first = [0; 8];
    match found.get(..8) {
        None => return,
        Some(word) => first.copy_from_slice(word),
    }
    if found != bytes(u64::from_le_bytes(first), 0, found.len()) || found.len() > LENGTH {
        fail(&format!("{path} has what nobody wrote"));
    }
}

/// Removes all such names.
pub fn clean(place: &str) {
    let folder = format!("{place}/shared");
    let all = names(&folder).unwrap_or_else(|error| fail(&format!("{folder}: {error}")));
    for name in all.iter().filter(|name| name.starts_with('c')) {
        let path = format!("{folder}/{name}");
        let gone = file::unlink(&path).or_else(|_| file::rmdir(&path));
        if let Err(error) = gone {
            fail(&format!("{path}: {error}"));
        }
    }
}
