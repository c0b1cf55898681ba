//! File systems and disks that are broken: what is asked ends, in an answer or in an error.

use std::collections::BTreeMap;

use vortex_guest::{Errno, Res, fd, file, say};

use crate::bytes::bytes;
use crate::calls::{get_at, names, put_at, sync};
use crate::fail;

/// Bytes of a block that is read.
const BLOCK: usize = 1_024;
/// Names that are looked at, at most: a broken directory may lead in a circle.
const MOST: usize = 1_500;
/// Bytes that are read of a file, at most.
const READ: usize = 300_000;

/// Reads a file by blocks, which has the bytes of number 5: says which cannot be read.
pub fn read(path: &str) {
    let from = file::open(path, libc::O_RDONLY);
    let from = from.unwrap_or_else(|error| fail(&format!("{path}: {error}")));
    let size = file::fstat(from).map_or(0, |stat| stat.size() as usize);
    let mut bad = Vec::new();
    for block in 0..size / BLOCK {
        match get_at(from, block * BLOCK, BLOCK) {
            Ok(found) if found == bytes(5, block * BLOCK, BLOCK) => {}
            Ok(_) => fail(&format!("block {block} of {path} has other content")),
            Err(error) if error.0 == libc::EIO => bad.push(block.to_string()),
            Err(error) => fail(&format!("block {block} of {path}: {error}")),
        }
    }
    say!("files: of {} blocks {} cannot be read: {}", size / BLOCK, bad.len(), bad.join(" "));
}

/// How often there was which error.
#[derive(Default)]
struct Errors(BTreeMap<i32, u64>);

impl Errors {
    fn note<T>(&mut self, answer: Res<T>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                *self.0.entry(error.0).or_insert(0) += 1;
                None
            }
        }
    }
}

/// Looks at everything, and changes something everywhere.
pub fn all(place: &str) {
    let (mut errors, mut left, mut seen) = (Errors::default(), vec![place.to_string()], 0);
    while let Some(path) = left.pop() {
        seen += 1;
        if seen > MOST {
            break;
        }
        let Some(stat) = errors.note(file::lstat(&path)) else { continue };
        match stat.kind() {
            "folder" => {
                let found = errors.note(names(&path)).unwrap_or_default();
                if path.len() < 2_000 {
                    left.extend(found.iter().map(|name| format!("{path}/{name}")));
                }
                if seen < 100 {
                    change(&path, &mut errors);
                }
            }
            "link" => drop(errors.note(file::readlink(&path, 4_096))),
            "regular" => touch(&path, &mut errors),
            _ => {}
        }
    }
    let told: Vec<_> =
        errors.0.iter().map(|(error, count)| format!("{count} {}", Errno(*error))).collect();
    say!("files: looked at {seen} names; errors: {}", told.join(", "));
}

fn touch(path: &str, errors: &mut Errors) {
    let Some(file) = errors.note(file::open(path, libc::O_RDWR)) else { return };
    errors.note(get_at(file, 0, READ));
    errors.note(put_at(file, b"changed", 5_000));
    errors.note(fd::close(file));
}

fn change(folder: &str, errors: &mut Errors) {
    let (one, two) = (format!("{folder}/probe-1"), format!("{folder}/probe-2"));
    if let Some(file) = errors.note(file::open(&one, libc::O_RDWR | libc::O_CREAT)) {
        errors.note(put_at(file, &[1; 20_000], 0));
        errors.note(fd::sync(file));
        errors.note(fd::close(file));
    }
    errors.note(file::link(&one, &two));
    errors.note(file::unlink(&one));
    errors.note(file::rename(&two, &one));
    errors.note(file::mkdir(&two, 0o755));
    errors.note(sync(folder));
}
