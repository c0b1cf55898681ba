//! One block of a directory.

use crate::disk::{Entries, Layout, entry_size, get16, put_entry, put16, put32};
use crate::numbers::Ino;
use crate::stop::{DAMAGED, Result};

/// An entry's place in a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub at: usize,
    /// The one before it, which takes its room when it goes.
    pub before: Option<usize>,
    pub ino: Ino,
}

/// The entry with this name.
pub(crate) fn find(bytes: &[u8], layout: &Layout, name: &[u8]) -> Result<Option<Place>> {
    let mut before = None;
    for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
        let entry = entry?;
        if entry.ino.0 != 0 && entry.name == name {
            return Ok(Some(Place { at: entry.at, before, ino: entry.ino }));
        }
        before = Some(entry.at);
    }
    Ok(None)
}

/// The most bytes that are free in one place of it.
pub(crate) fn room(bytes: &[u8], layout: &Layout) -> Result<usize> {
    let mut most = 0;
    for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
        most = entry?.room().max(most);
    }
    Ok(most)
}

/// Puts an entry into the first place that has room; where, if there was one.
pub(crate) fn insert(
    bytes: &mut [u8],
    layout: &Layout,
    name: &[u8],
    ino: Ino,
    kind: u8,
) -> Result<Option<usize>> {
    let needed = entry_size(name.len());
    let mut place = None;
    for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
        let entry = entry?;
        if entry.room() >= needed {
            place = Some((entry.at, entry.used(), entry.length));
            break;
        }
    }
    let Some((at, used, length)) = place else { return Ok(None) };
    let kind = if layout.filetype { kind } else { 0 };
    if used > 0 {
        put16(bytes, at.saturating_add(4), u16::try_from(used).unwrap_or(0));
    }
    let to = at.saturating_add(used);
    put_entry(bytes, to, ino, length.saturating_sub(used), kind, name);
    Ok(Some(to))
}

/// Takes an entry out: the one before it gets its room.
pub(crate) fn remove(bytes: &mut [u8], place: Place) -> Result<()> {
    match place.before {
        Some(before) if before < place.at => {
            let length = usize::from(get16(bytes, before.saturating_add(4)));
            let more = usize::from(get16(bytes, place.at.saturating_add(4)));
            let sum = u16::try_from(length.saturating_add(more)).map_err(|_| DAMAGED)?;
            put16(bytes, before.saturating_add(4), sum);
        }
        _ => put32(bytes, place.at, 0),
    }
    Ok(())
}

/// Has an entry name another inode.
pub(crate) fn replace(bytes: &mut [u8], layout: &Layout, at: usize, ino: Ino, kind: u8) {
    put32(bytes, at, ino.0);
    if layout.filetype
        && let Some(byte) = bytes.get_mut(at.saturating_add(7))
    {
        *byte = kind;
    }
}

/// Makes a block of one free entry.
pub(crate) fn clear(bytes: &mut [u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(0);
    put16(bytes, 4, length);
}
