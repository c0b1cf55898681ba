//! Names in a directory: finding, adding and removing them.

use super::block::{self, Place, Spot};
use super::index::{Note, hash_with};
use crate::Ext2;
use crate::cache::Role;
use crate::caller::Accounts;
use crate::disk::{Entries, Inode, entry_size};
use crate::numbers::{Block, FileBlock, Ino};
use crate::stop::{DAMAGED, Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

/// Bytes of a directory that is looked through without an index.
const SMALL: u64 = 4096;
/// Names that are taken into an index in one run.
const BUILT: usize = 64;
/// Blocks with a name of the same hash that are looked at.
const CANDIDATES: usize = 16;

/// An entry that has been found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub block: Block,
    pub index: FileBlock,
    pub place: Place,
}

impl Found {
    /// What it names.
    pub const fn ino(&self) -> Ino {
        self.place.ino
    }
}

/// A block of a directory where an entry fits, and where in it, if that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub index: FileBlock,
    pub block: Block,
    spot: Option<Spot>,
}

impl<A: Accounts> Ext2<A> {
    /// How many blocks a directory has.
    pub(crate) fn directory_blocks(&self, inode: &Inode) -> u32 {
        let blocks = inode.size >> self.layout.block_bits;
        u32::try_from(blocks).unwrap_or(u32::MAX).min(self.layout.blocks)
    }

    /// The entry with this name.
    pub(crate) fn find(
        &mut self,
        tx: &Tx,
        dir: Ino,
        inode: &Inode,
        name: &[u8],
    ) -> Result<Option<Found>> {
        let (found, _) = self.look(tx, dir, inode, name)?;
        Ok(found.filter(|found| !self.ghosts.has(found.ino())))
    }

    /// That there is no entry with this name, and where one would fit, as far as looking for it
    /// has shown.
    pub(crate) fn find_none(
        &mut self,
        tx: &Tx,
        dir: Ino,
        inode: &Inode,
        name: &[u8],
    ) -> Result<Option<Room>> {
        match self.look(tx, dir, inode, name)? {
            (None, room) => Ok(room),
            (Some(found), _) if self.ghosts.has(found.ino()) => Ok(None),
            _ => Err(Errno::EEXIST.into()),
        }
    }

    /// The entry with this name, though it may be a ghost's; and where one would fit, if that
    /// was seen.
    fn look(
        &mut self,
        tx: &Tx,
        dir: Ino,
        inode: &Inode,
        name: &[u8],
    ) -> Result<(Option<Found>, Option<Room>)> {
        let mut room = None;
        if inode.size <= SMALL {
            for index in 0..self.directory_blocks(inode) {
                let (found, seen) = self.look_in(tx, dir, inode, FileBlock(index), name)?;
                if found.is_some() {
                    return Ok((found, None));
                }
                room = room.or(seen);
            }
            return Ok((None, room));
        }
        self.indexed(dir, inode)?;
        let hash = self.indexes.hash(name);
        let mut candidates = [FileBlock(0); CANDIDATES];
        let mut count = 0_usize;
        if let Some(index) = self.indexes.get(dir) {
            for (place, candidate) in candidates.iter_mut().zip(index.candidates(hash)) {
                *place = candidate;
                count = count.saturating_add(1);
            }
        }
        for candidate in candidates.iter().take(count) {
            let (found, seen) = self.look_in(tx, dir, inode, *candidate, name)?;
            if found.is_some() {
                return Ok((found, None));
            }
            room = room.or(seen);
        }
        Ok((None, room))
    }

    fn look_in(
        &mut self,
        tx: &Tx,
        dir: Ino,
        inode: &Inode,
        index: FileBlock,
        name: &[u8],
    ) -> Result<(Option<Found>, Option<Room>)> {
        let Some(block) = self.block_of(tx, dir, inode, index)? else { return Ok((None, None)) };
        let layout = self.layout;
        let bytes = self.read(tx, block, Role::Entries(dir))?;
        let (place, spot) = block::survey(bytes, &layout, name, entry_size(name.len()))?;
        let found = place.map(|place| Found { block, index, place });
        Ok((found, spot.map(|spot| Room { index, block, spot: Some(spot) })))
    }

    /// Goes on building a directory's index; `Again` until it is complete.
    fn indexed(&mut self, dir: Ino, inode: &Inode) -> Result<()> {
        let blocks = self.directory_blocks(inode);
        let (built, within) =
            self.indexes.get(dir).map_or((0, 0), |index| (index.built, index.within));
        if built >= blocks {
            return Ok(());
        }
        if self.indexes.is_too_large(dir) {
            self.indexes.forget(dir);
            return Err(Errno::ENOMEM.into());
        }
        let tx = self.begin(&crate::Caller::default());
        self.index_block(&tx, dir, inode, FileBlock(built), within)?;
        match self.indexes.get(dir) {
            Some(index) if index.built >= blocks => Ok(()),
            _ => Err(Stop::Again),
        }
    }

    /// Takes entries of a block into the index, from `within` on.
    fn index_block(
        &mut self,
        tx: &Tx,
        dir: Ino,
        inode: &Inode,
        index: FileBlock,
        within: usize,
    ) -> Result<()> {
        let Some(block) = self.block_of(tx, dir, inode, index)? else {
            self.indexes.build(dir, &[], None, 0);
            return Ok(());
        };
        let mut hashes = [0; BUILT];
        let mut count = 0_usize;
        let layout = self.layout;
        let hasher = self.indexes.hasher();
        let bytes = self.read(tx, block, Role::Entries(dir))?;
        let mut rest = None;
        for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
            let entry = entry?;
            if entry.at < within || entry.ino.0 == 0 {
                continue;
            }
            let Some(place) = hashes.get_mut(count) else {
                rest = Some(entry.at);
                break;
            };
            *place = hash_with(&hasher, entry.name);
            count = count.saturating_add(1);
        }
        let room = if rest.is_none() { block::room(bytes, &layout)? } else { 0 };
        self.indexes.build(dir, hashes.get(..count).unwrap_or(&[]), rest, room);
        Ok(())
    }

    /// Adds an entry; there is none with that name, which [`Ext2::find_none`] has said, and
    /// nothing of the directory has changed since. The directory's inode may change. Says in which
    /// block it is.
    pub(crate) fn insert(
        &mut self,
        tx: &mut Tx,
        dir: Ino,
        inode: &mut Inode,
        name: &[u8],
        entry: (Ino, u8),
        room: Option<Room>,
    ) -> Result<Block> {
        match room {
            _ if self.has_ghosts(dir) => self.insert_beside(tx, dir, inode, name, entry, None),
            Some(room) => self.insert_in(tx, dir, name, entry, room, false),
            // All of it was looked through for the name, and is full.
            None if inode.size <= SMALL => {
                let room = self.extend(tx, dir, inode)?;
                self.insert_in(tx, dir, name, entry, room, true)
            }
            None => self.insert_beside(tx, dir, inode, name, entry, None),
        }
    }

    fn has_ghosts(&self, dir: Ino) -> bool {
        self.ghosts.of(Some(dir)).next().is_some()
    }

    /// Adds an entry, in this block if it has room.
    pub(crate) fn insert_beside(
        &mut self,
        tx: &mut Tx,
        dir: Ino,
        inode: &mut Inode,
        name: &[u8],
        entry: (Ino, u8),
        beside: Option<(FileBlock, Block)>,
    ) -> Result<Block> {
        if self.has_ghosts(dir)
            && let (Some(found), _) = self.look(tx, dir, inode, name)?
        {
            // A ghost's, or else it would be an error.
            self.lay(tx, found.ino())?;
        }
        let needed = entry_size(name.len());
        let mut room = None;
        if let Some((index, block)) = beside {
            let spot = self.spot(tx, dir, block, needed)?;
            room = spot.map(|_| Room { index, block, spot });
        }
        if room.is_none() {
            room = self.with_room(tx, dir, inode, needed)?;
        }
        let fresh = room.is_none();
        let room = match room {
            Some(room) => room,
            None => self.extend(tx, dir, inode)?,
        };
        self.insert_in(tx, dir, name, entry, room, fresh)
    }

    /// Where in a block an entry of so many bytes fits.
    fn spot(&mut self, tx: &Tx, dir: Ino, block: Block, needed: usize) -> Result<Option<Spot>> {
        let layout = self.layout;
        let bytes = self.read(tx, block, Role::Entries(dir))?;
        Ok(block::survey(bytes, &layout, &[], needed)?.1)
    }

    fn insert_in(
        &mut self,
        tx: &mut Tx,
        dir: Ino,
        name: &[u8],
        entry: (Ino, u8),
        room: Room,
        fresh: bool,
    ) -> Result<Block> {
        let Room { index, block, spot } = room;
        let layout = self.layout;
        let spot = match spot {
            Some(spot) => spot,
            None => self.spot(tx, dir, block, entry_size(name.len()))?.ok_or(DAMAGED)?,
        };
        let bytes = self.edit(tx, block, Role::Entries(dir))?;
        let (at, room) = block::insert(bytes, &layout, spot, name, entry);
        let came = Some(self.indexes.hash(name));
        tx.notes.push(Note { dir, block: index, came, went: None, at, fresh, room });
        Ok(block)
    }

    /// A block of the directory with so much room in one place.
    fn with_room(
        &mut self,
        tx: &Tx,
        dir: Ino,
        inode: &Inode,
        needed: usize,
    ) -> Result<Option<Room>> {
        if inode.size <= SMALL {
            for index in 0..self.directory_blocks(inode) {
                let index = FileBlock(index);
                let Some(block) = self.block_of(tx, dir, inode, index)? else { continue };
                let spot = self.spot(tx, dir, block, needed)?;
                if spot.is_some() {
                    return Ok(Some(Room { index, block, spot }));
                }
            }
            return Ok(None);
        }
        self.indexed(dir, inode)?;
        let found = self.indexes.get(dir).and_then(|index| index.with_room(needed));
        let Some(index) = found else { return Ok(None) };
        let block = self.block_of(tx, dir, inode, index)?;
        Ok(block.map(|block| Room { index, block, spot: None }))
    }

    /// Adds a block to a directory.
    fn extend(&mut self, tx: &mut Tx, dir: Ino, inode: &mut Inode) -> Result<Room> {
        let index = FileBlock(self.directory_blocks(inode));
        let block = self.make_block(tx, dir, inode, index, Role::Entries(dir))?;
        let size = u64::from(self.layout.block_size);
        inode.size = u64::from(index.0).saturating_add(1).saturating_mul(size);
        // Sizes of directories have 32 bits.
        if inode.size > u64::from(u32::MAX >> 1) {
            return Err(Errno::EFBIG.into());
        }
        block::clear(self.edit(tx, block, Role::Entries(dir))?);
        Ok(Room { index, block, spot: None })
    }

    /// Removes an entry.
    pub(crate) fn remove(
        &mut self,
        tx: &mut Tx,
        dir: Ino,
        found: &Found,
        name: &[u8],
    ) -> Result<()> {
        let layout = self.layout;
        let bytes = self.edit(tx, found.block, Role::Entries(dir))?;
        block::remove(bytes, found.place)?;
        let room = block::room(bytes, &layout)?;
        let went = Some(self.indexes.hash(name));
        let (block, at) = (found.index, found.place.at);
        tx.notes.push(Note { dir, block, came: None, went, at, fresh: false, room });
        Ok(())
    }

    /// Has an entry name another inode.
    pub(crate) fn replace(
        &mut self,
        tx: &mut Tx,
        dir: Ino,
        found: &Found,
        ino: Ino,
        kind: u8,
    ) -> Result<()> {
        let layout = self.layout;
        let bytes = self.edit(tx, found.block, Role::Entries(dir))?;
        block::replace(bytes, &layout, found.place.at, ino, kind);
        Ok(())
    }

    /// Whether a directory has no entries but itself and its parent.
    pub(crate) fn is_empty(&mut self, tx: &Tx, dir: Ino, inode: &Inode) -> Result<bool> {
        let layout = self.layout;
        let blocks = if inode.size <= SMALL {
            self.directory_blocks(inode)
        } else {
            self.indexed(dir, inode)?;
            if self.indexes.get(dir).is_none_or(|index| index.count() > 2) {
                return Ok(false);
            }
            1
        };
        for index in 0..blocks {
            let Some(block) = self.block_of(tx, dir, inode, FileBlock(index))? else { continue };
            let bytes = self.read(tx, block, Role::Entries(dir))?;
            for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
                let entry = entry?;
                if entry.ino.0 != 0 && entry.name != b"." && entry.name != b".." {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
