//! Indexes of large directories: in which blocks names with a hash are, and which blocks have
//! room. They are built in slices, kept up with every change, and bounded together; what is
//! not used gives way, in slices too.
//!
//! An index covers the directory's blocks below `built`. It says where a name may be, never
//! that it is there.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::numbers::{FileBlock, Ino};

/// Names dropped in one run.
const DROPPED: usize = 32;
/// Directories with an index, at most.
const INDEXES: usize = 256;

/// A name's hash.
pub(crate) fn hash_with(hasher: &FixedState, name: &[u8]) -> u32 {
    hasher.hash_one(name) as u32
}

/// A change of a directory's block, for its index.
pub(crate) struct Note {
    pub dir: Ino,
    pub block: FileBlock,
    /// The hash of a name that has come, and of one that has gone.
    pub came: Option<u32>,
    pub went: Option<u32>,
    /// Where in the block.
    pub at: usize,
    /// The block has just been made.
    pub fresh: bool,
    /// The most room in one place of the block now.
    pub room: usize,
}

/// An index.
#[derive(Default)]
pub(crate) struct Index {
    /// Blocks that have been read.
    pub built: u32,
    /// Of the next one the entries before this.
    pub within: usize,
    names: BTreeSet<(u32, FileBlock)>,
    /// How many names share an entry of `names` beyond the first.
    twice: BTreeMap<(u32, FileBlock), u32>,
    rooms: Vec<u16>,
    by_room: BTreeSet<(u16, FileBlock)>,
    used: u64,
}

impl Index {
    /// The blocks where a name with this hash may be.
    pub fn candidates(&self, hash: u32) -> impl Iterator<Item = FileBlock> {
        let range = (hash, FileBlock(0))..=(hash, FileBlock(u32::MAX));
        self.names.range(range).map(|(_, block)| *block)
    }

    /// A block with so much room in one place: one with little more.
    pub fn with_room(&self, needed: usize) -> Option<FileBlock> {
        let needed = u16::try_from(needed).ok()?;
        self.by_room.range((needed, FileBlock(0))..).next().map(|(_, block)| *block)
    }

    fn put(&mut self, hash: u32, block: FileBlock) {
        if !self.names.insert((hash, block)) {
            let count = self.twice.entry((hash, block)).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn take(&mut self, hash: u32, block: FileBlock) {
        match self.twice.get_mut(&(hash, block)) {
            Some(1) => drop(self.twice.remove(&(hash, block))),
            Some(count) => *count = count.saturating_sub(1),
            None => drop(self.names.remove(&(hash, block))),
        }
    }

    fn set_room(&mut self, block: FileBlock, room: usize) {
        let room = u16::try_from(room).unwrap_or(u16::MAX);
        let index = block.0 as usize;
        if index == self.rooms.len() {
            self.rooms.push(0);
        }
        let Some(there) = self.rooms.get_mut(index) else { return };
        self.by_room.remove(&(*there, block));
        *there = room;
        if room > 0 {
            self.by_room.insert((room, block));
        }
    }

    /// The next block has been read.
    fn built(&mut self, room: usize) {
        self.set_room(FileBlock(self.built), room);
        self.built = self.built.saturating_add(1);
        self.within = 0;
    }

    /// How many names there are.
    pub fn count(&self) -> usize {
        let more = self.twice.values().fold(0_u32, |sum, count| sum.saturating_add(*count));
        self.names.len().saturating_add(more as usize)
    }

    fn size(&self) -> usize {
        self.names.len()
    }
}

/// All indexes.
pub(crate) struct Indexes {
    hasher: FixedState,
    most: usize,
    clock: u64,
    by_dir: BTreeMap<Ino, Index>,
    /// Those that are being dropped.
    dropped: VecDeque<Index>,
    /// Names in all of them.
    names: usize,
}

impl Indexes {
    /// For so many names together.
    pub fn new(seed: u64, most: u32) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            most: most as usize,
            clock: 0,
            by_dir: BTreeMap::new(),
            dropped: VecDeque::new(),
            names: 0,
        }
    }

    /// What makes hashes of names.
    pub fn hasher(&self) -> FixedState {
        self.hasher.clone()
    }

    /// A name's hash.
    pub fn hash(&self, name: &[u8]) -> u32 {
        hash_with(&self.hasher, name)
    }

    /// A directory's index.
    pub fn get(&mut self, dir: Ino) -> Option<&Index> {
        self.clock = self.clock.saturating_add(1);
        let index = self.by_dir.get_mut(&dir)?;
        index.used = self.clock;
        Some(index)
    }

    /// Takes names of the next block into a directory's index, which is made if there is none.
    /// `within` is how far that goes, or None at the block's end, with its room.
    pub fn build(&mut self, dir: Ino, hashes: &[u32], within: Option<usize>, room: usize) {
        self.clock = self.clock.saturating_add(1);
        let index = self.by_dir.entry(dir).or_default();
        let before = index.size();
        index.used = self.clock;
        for hash in hashes {
            index.put(*hash, FileBlock(index.built));
        }
        match within {
            Some(within) => index.within = within,
            None => index.built(room),
        }
        let more = index.size().saturating_sub(before);
        self.names = self.names.saturating_add(more);
        self.shrink(Some(dir));
    }

    /// Keeps an index up.
    pub fn note(&mut self, note: Note) {
        let Some(index) = self.by_dir.get_mut(&note.dir) else { return };
        let before = index.size();
        let next = note.block.0 == index.built;
        if note.block.0 < index.built || (next && (note.fresh || note.at < index.within)) {
            if let Some(hash) = note.went {
                index.take(hash, note.block);
            }
            if let Some(hash) = note.came {
                index.put(hash, note.block);
            }
            if note.block.0 < index.built {
                index.set_room(note.block, note.room);
            } else if note.fresh {
                index.built(note.room);
            }
        }
        let after = index.size();
        self.names = self.names.saturating_add(after).saturating_sub(before);
        self.shrink(Some(note.dir));
    }

    /// Drops a directory's index.
    pub fn forget(&mut self, dir: Ino) {
        if let Some(index) = self.by_dir.remove(&dir) {
            self.dropped.push_back(index);
        }
        self.shrink(None);
    }

    /// Whether this index alone is more than there may be.
    pub fn is_too_large(&self, dir: Ino) -> bool {
        self.by_dir.get(&dir).is_some_and(|index| index.size() > self.most)
    }

    /// Frees a slice of what has been dropped, and drops what was used longest ago while there
    /// are too many names.
    fn shrink(&mut self, keep: Option<Ino>) {
        let many = self.names > self.most || self.by_dir.len() > INDEXES;
        if many && self.dropped.is_empty() {
            let others = self.by_dir.iter().filter(|(dir, _)| Some(**dir) != keep);
            let oldest = others.min_by_key(|(_, index)| index.used).map(|(dir, _)| *dir);
            if let Some(index) = oldest.and_then(|dir| self.by_dir.remove(&dir)) {
                self.dropped.push_back(index);
            }
        }
        self.free_some();
    }

    /// Frees a slice of what has been dropped.
    fn free_some(&mut self) {
        let Some(index) = self.dropped.front_mut() else { return };
        for _ in 0..DROPPED {
            if index.names.pop_first().is_none() {
                break;
            }
            self.names = self.names.saturating_sub(1);
        }
        for _ in 0..DROPPED {
            if index.by_room.pop_first().is_none() {
                break;
            }
        }
        if index.names.is_empty() && index.by_room.is_empty() {
            self.dropped.pop_front();
        }
    }

    /// All of them go, a slice at a time. Whether there are more.
    pub fn dissolve(&mut self) -> bool {
        if self.dropped.is_empty()
            && let Some((_, index)) = self.by_dir.pop_first()
        {
            self.dropped.push_back(index);
        }
        self.free_some();
        !self.dropped.is_empty() || !self.by_dir.is_empty()
    }
}
