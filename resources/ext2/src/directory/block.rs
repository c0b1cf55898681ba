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
    Ok(survey(bytes, layout, name, usize::MAX)?.0)
}

/// The most bytes that are free in one place of it.
pub(crate) fn room(bytes: &[u8], layout: &Layout) -> Result<usize> {
    let mut most = 0;
    for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
        most = entry?.room().max(most);
    }
    Ok(most)
}

/// Where an entry fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    at: usize,
    /// Bytes that are in use there, and all.
    used: usize,
    length: usize,
    /// The most bytes that are free in another place.
    rest: usize,
}

/// What one look at a block finds: the entry with a name, and the first place where one of so
/// many bytes fits.
pub(crate) fn survey(
    bytes: &[u8],
    layout: &Layout,
    name: &[u8],
    needed: usize,
) -> Result<(Option<Place>, Option<Spot>)> {
    let (mut found, mut before) = (None, None);
    // Of very many names most differ in their last bytes: those that do are not compared.
    let is_it = |other: &[u8]| other.last() == name.last() && other == name;
    let (mut spot, mut rest): (Option<Spot>, usize) = (None, 0);
    for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
        let entry = entry?;
        if found.is_none() && entry.ino.0 != 0 && is_it(entry.name) {
            found = Some(Place { at: entry.at, before, ino: entry.ino });
        }
        before = Some(entry.at);
        if spot.is_none() && entry.room() >= needed {
            spot = Some(Spot { at: entry.at, used: entry.used(), length: entry.length, rest: 0 });
        } else {
            rest = rest.max(entry.room());
        }
    }
    Ok((found, spot.map(|spot| Spot { rest, ..spot })))
}

/// Puts an entry where it fits: its place, and the most room in one place then.
pub(crate) fn insert(
    bytes: &mut [u8],
    layout: &Layout,
    spot: Spot,
    name: &[u8],
    (ino, kind): (Ino, u8),
) -> (usize, usize) {
    let Spot { at, used, length, rest } = spot;
    let kind = if layout.filetype { kind } else { 0 };
    if used > 0 {
        put16(bytes, at.saturating_add(4), u16::try_from(used).unwrap_or(0));
    }
    let (to, all) = (at.saturating_add(used), length.saturating_sub(used));
    put_entry(bytes, to, ino, all, kind, name);
    (to, rest.max(all.saturating_sub(entry_size(name.len()))))
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
