//! Entries from a directory of the host.
//!
//! Everything is root's: whoever has unpacked something without root's rights has become its
//! owner, and that is not what the image is to say. Modes, times and links are kept.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::entries::{Entries, Entry, Kind, Place, time};
use super::error::VolumeError;

/// Reads all below a directory.
///
/// # Errors
/// [`VolumeError::Source`], [`VolumeError::Kind`].
pub fn read(folder: &Path) -> Result<Entries, VolumeError> {
    let mut entries = Entries::new();
    let whole = fs::canonicalize(folder).map_err(|error| unreadable(folder, error))?;
    let about = fs::metadata(&whole).map_err(|error| unreadable(folder, error))?;
    let mut seen = HashMap::new();
    // Not by calls within calls: a directory may be as deep as it likes.
    let mut left = vec![(Place::new(), whole, about)];
    while let Some((place, path, about)) = left.pop() {
        if about.is_dir() {
            for (name, path, about) in children(&path)? {
                let place = place.iter().cloned().chain([name]).collect();
                left.push((place, path, about));
            }
        }
        let kind = kind(&place, &path, &about, &mut seen)?;
        let (mode, time) = ((about.mode() & 0o7777) as u16, time(about.mtime()));
        entries.put(place, Entry { kind, mode, user: 0, group: 0, time })?;
    }
    entries.settle()?;
    Ok(entries)
}

type Child = (Vec<u8>, PathBuf, Metadata);

/// What is in a directory, the last name first: so the first is taken first.
fn children(folder: &Path) -> Result<Vec<Child>, VolumeError> {
    let mut list = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        let about = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, error))?;
        let name = path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
        list.push((name, path, about));
    }
    list.sort_by(|a, b| b.0.cmp(&a.0));
    Ok(list)
}

fn kind(
    place: &Place,
    path: &Path,
    about: &Metadata,
    seen: &mut HashMap<(u64, u64), Place>,
) -> Result<Kind, VolumeError> {
    let kind = about.file_type();
    if kind.is_dir() {
        return Ok(Kind::Directory);
    }
    if about.nlink() > 1 {
        let first = seen.entry((about.dev(), about.ino())).or_insert_with(|| place.clone());
        if first != place {
            return Ok(Kind::Same(first.clone()));
        }
    }
    let device = (rustix::fs::major(about.rdev()), rustix::fs::minor(about.rdev()));
    if kind.is_file() {
        // What cannot be read is told here, by its name.
        fs::File::open(path).map_err(|error| unreadable(path, error))?;
        Ok(Kind::File(path.to_path_buf(), about.len()))
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(|error| unreadable(path, error))?;
        Ok(Kind::Symlink(target.into_os_string().into_vec()))
    } else if kind.is_char_device() {
        Ok(Kind::Character(device.0, device.1))
    } else if kind.is_block_device() {
        Ok(Kind::Block(device.0, device.1))
    } else if kind.is_fifo() {
        Ok(Kind::Pipe)
    } else {
        Err(VolumeError::Kind(path.display().to_string()))
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> VolumeError {
    VolumeError::Source(path.to_path_buf(), error)
}
