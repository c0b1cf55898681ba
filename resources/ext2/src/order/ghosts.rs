//! Names that have gone for those who ask, and are still on the disk.
//!
//! A rename over another file takes the last name of that file, and removes the old name of
//! the one that is moved. Neither order of two blocks would do: an inode in use that nothing
//! names is what `e2fsck -p` gives up at, and a name of an inode that is not in use is one that
//! it clears, here the new name of the file that was moved. So where both entries are in one
//! block they change places at once: the old name becomes the replaced file's. That one is
//! written without links when the block is on the disk, as if its name had been removed; and
//! its name, a ghost, goes when that is there ([`crate::Ext2::lay`]).

use alloc::collections::BTreeMap;

use crate::caller::Payer;
use crate::numbers::{Block, FileBlock, Ino};

/// Ghosts at a time; who makes more waits for the disk.
const MOST: usize = 64;

/// A name that has gone. The inode has no other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ghost {
    /// The directory that it is in, and its block.
    pub dir: Ino,
    pub index: FileBlock,
    pub block: Block,
    /// The operation that left the inode without links.
    pub version: u64,
    /// Who pays for what is still to be done.
    pub payer: Payer,
    /// The inode is to be given back then.
    pub ends: bool,
}

/// All of them, by their inodes.
#[derive(Default)]
pub(crate) struct Ghosts(BTreeMap<Ino, Ghost>);

impl Ghosts {
    /// Whether entries that name this inode are ghosts.
    pub fn has(&self, ino: Ino) -> bool {
        !self.0.is_empty() && self.0.contains_key(&ino)
    }

    pub fn get(&self, ino: Ino) -> Option<Ghost> {
        self.0.get(&ino).copied()
    }

    pub fn add(&mut self, ino: Ino, ghost: Ghost) {
        self.0.insert(ino, ghost);
    }

    pub fn remove(&mut self, ino: Ino) {
        self.0.remove(&ino);
    }

    /// Its inode has no more use: it is given back with it. False where there is none.
    pub fn ends_with(&mut self, ino: Ino) -> bool {
        let ghost = self.0.get_mut(&ino);
        ghost.map(|ghost| ghost.ends = true).is_some()
    }

    /// Whether there are as many as may be.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those in a directory, or all.
    pub fn of(&self, dir: Option<Ino>) -> impl Iterator<Item = (Ino, Ghost)> {
        let all = self.0.iter().map(|(ino, ghost)| (*ino, *ghost));
        all.filter(move |(_, ghost)| dir.is_none_or(|dir| dir == ghost.dir))
    }
}
