//! What a directory has, a piece at a time.

use alloc::vec::Vec;

use crate::Ext2;
use crate::cache::Role;
use crate::caller::Accounts;
use crate::disk::{Entries, mode};
use crate::numbers::{FileBlock, Ino};
use crate::ops::Kind;
use crate::stop::Result;
use vortex_abi::Errno;

/// Entries of one answer, at most.
const ENTRIES: usize = 64;

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it names.
    pub ino: Ino,
    /// What that is, where entries say so.
    pub kind: Option<Kind>,
    /// From where to go on after this one. It stays valid: entries keep their places.
    pub next: u64,
    /// Its name.
    pub name: Vec<u8>,
}

/// A piece of a directory.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Entries; there may be none though there are more.
    pub entries: Vec<Listed>,
    /// From where to go on.
    pub next: u64,
    /// There are no more.
    pub end: bool,
}

impl<A: Accounts> Ext2<A> {
    /// Entries of a directory from `cookie` on: 0, [`Listed::next`] or [`Listing::next`]. At
    /// most `most`, of one block.
    ///
    /// # Errors
    /// `ENOTDIR`, and those of the disk.
    pub fn list(&mut self, dir: Ino, cookie: u64, most: usize) -> Result<Listing> {
        let tx = self.begin(&crate::Caller::default());
        let inode = self.live(&tx, dir)?;
        if !inode.is(mode::DIRECTORY) {
            return Err(Errno::ENOTDIR.into());
        }
        let layout = self.layout;
        let most = most.clamp(1, ENTRIES);
        let number = cookie >> layout.block_bits;
        let start = number << layout.block_bits;
        let blocks = u64::from(self.directory_blocks(&inode));
        let ghosts: Vec<Ino> = self.ghosts.of(Some(dir)).map(|(ino, _)| ino).collect();
        let mut listing = Listing { next: cookie, ..Listing::default() };
        let Some(index) = u32::try_from(number).ok().filter(|_| number < blocks) else {
            listing.end = true;
            return Ok(listing);
        };
        if let Some(block) = self.block_of(&tx, dir, &inode, FileBlock(index))? {
            let from = cookie.saturating_sub(start) as usize;
            let bytes = self.read(&tx, block, Role::Entries(dir))?;
            for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
                let entry = entry?;
                if entry.at < from || entry.ino.0 == 0 || ghosts.contains(&entry.ino) {
                    continue;
                }
                if listing.entries.len() >= most {
                    return Ok(listing);
                }
                let mut name = Vec::new();
                name.try_reserve_exact(entry.name.len()).map_err(|_| Errno::ENOMEM)?;
                name.extend_from_slice(entry.name);
                listing.entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                listing.next = start.saturating_add(entry.end() as u64);
                let kind = Kind::of_entry(entry.kind);
                listing.entries.push(Listed { ino: entry.ino, kind, next: listing.next, name });
            }
        }
        listing.next = start.saturating_add(u64::from(layout.block_size));
        listing.end = number.saturating_add(1) >= blocks;
        Ok(listing)
    }
}
