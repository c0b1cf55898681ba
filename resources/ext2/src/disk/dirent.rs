//! The entries of a directory's block: a chain that fills it.

use super::bytes::{get16, get32, put, put16, put32};
use crate::numbers::Ino;
use crate::stop::{DAMAGED, Result};

/// An entry; without an inode it is room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub at: usize,
    pub ino: Ino,
    /// Bytes to the next one.
    pub length: usize,
    /// What it is, where entries say so.
    pub kind: u8,
    pub name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes that it needs.
    pub const fn used(&self) -> usize {
        if self.ino.0 == 0 { 0 } else { entry_size(self.name.len()) }
    }

    /// Bytes that are free in it.
    pub const fn room(&self) -> usize {
        self.length.saturating_sub(self.used())
    }

    /// Where the next one is.
    pub const fn end(&self) -> usize {
        self.at.saturating_add(self.length)
    }
}

/// Bytes of an entry with a name of this length.
pub(crate) const fn entry_size(name: usize) -> usize {
    name.saturating_add(11) & !3
}

/// The entries of a block, in order; the first that is wrong ends it with an error.
pub(crate) struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
    filetype: bool,
    most: u32,
}

impl<'a> Entries<'a> {
    /// Of this block, in a file system of so many inodes.
    pub const fn new(bytes: &'a [u8], filetype: bool, most: u32) -> Self {
        Self { bytes, at: 0, filetype, most }
    }

    fn entry(&self) -> Option<Entry<'a>> {
        let rest = self.bytes.get(self.at..)?;
        let header = rest.first_chunk::<8>()?;
        let length = usize::from(get16(header, 4));
        let [.., low, high] = *header;
        let (size, kind) = if self.filetype {
            (usize::from(low), high)
        } else {
            (usize::from(u16::from_le_bytes([low, high])), 0)
        };
        let ino = Ino(get32(header, 0));
        let fits = length >= entry_size(size) && length % 4 == 0 && length <= rest.len();
        if !fits || length < 8 || ino.0 > self.most || size > 255 || (ino.0 != 0 && size == 0) {
            return None;
        }
        let name = rest.get(8..)?.get(..size)?;
        Some(Entry { at: self.at, ino, length, kind, name })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        match self.entry() {
            Some(entry) => {
                self.at = entry.end();
                Some(Ok(entry))
            }
            None => {
                self.at = usize::MAX;
                Some(Err(DAMAGED))
            }
        }
    }
}

/// Puts an entry.
pub(crate) fn put_entry(
    bytes: &mut [u8],
    at: usize,
    ino: Ino,
    length: usize,
    kind: u8,
    name: &[u8],
) {
    let past = |by: usize| at.saturating_add(by);
    put32(bytes, at, ino.0);
    put16(bytes, past(4), u16::try_from(length).unwrap_or(0));
    put(bytes, past(6), &[u8::try_from(name.len()).unwrap_or(0), kind]);
    put(bytes, past(8), name);
}
