//! The blocks by number, and the line of clean ones.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::buffer::Buffer;
use crate::caller::Payer;
use crate::numbers::Block;
use crate::order::Rounds;
use vortex_abi::Errno;

const NONE: u32 = u32::MAX;
/// Clean blocks that are looked at for one of somebody's; and those, the newest, that are not: an
/// operation that needs some of them at once finds them.
const LOOKS: usize = 32;
const STAY: usize = 64;

/// All blocks of metadata in memory.
pub(crate) struct Cache {
    places: Vec<Option<Buffer>>,
    vacant: Vec<u32>,
    index: HashTable<(Block, u32)>,
    hasher: FixedState,
    oldest: u32,
    newest: u32,
    /// How many are clean.
    clean: usize,
    /// How many of each one's have to stay until they are written.
    unwritten: BTreeMap<Payer, u32>,
    /// Since when they wait to be written.
    pub rounds: Rounds,
}

impl Cache {
    /// With room for so many, which is taken now.
    pub fn new(capacity: u32) -> Result<Self, Errno> {
        let length = capacity as usize;
        let mut places = Vec::new();
        let mut vacant = Vec::new();
        let mut index = HashTable::new();
        places.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
        vacant.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
        index.try_reserve(length, |_| 0).map_err(|_| Errno::ENOMEM)?;
        places.resize_with(length, || None);
        vacant.extend((0..capacity).rev());
        let hasher = FixedState::default();
        let (oldest, newest, unwritten) = (NONE, NONE, BTreeMap::new());
        let (clean, rounds) = (0, Rounds::default());
        Ok(Self { places, vacant, index, hasher, oldest, newest, clean, unwritten, rounds })
    }

    fn find(&self, block: Block) -> Option<u32> {
        let hash = self.hasher.hash_one(block);
        self.index.find(hash, |(there, _)| *there == block).map(|(_, place)| *place)
    }

    fn at(&self, place: u32) -> Option<&Buffer> {
        self.places.get(place as usize)?.as_ref()
    }

    fn at_mut(&mut self, place: u32) -> Option<&mut Buffer> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// The block, if it is here.
    pub fn get(&self, block: Block) -> Option<&Buffer> {
        self.at(self.find(block)?)
    }

    /// The block, if it is here, to be changed; [`Cache::settle`] is to follow.
    pub fn get_mut(&mut self, block: Block) -> Option<&mut Buffer> {
        let place = self.find(block)?;
        self.at_mut(place)
    }

    /// The block, if it is here; it has been used.
    pub fn touch(&mut self, block: Block) -> Option<&Buffer> {
        let place = self.find(block)?;
        if self.newest != place && self.at(place)?.listed {
            self.unlist(place);
            self.list(place);
        }
        self.at(place)
    }

    /// How many more there is room for.
    pub fn room(&self) -> usize {
        self.vacant.len()
    }

    /// How many are free, or may be given up.
    pub fn spare(&self) -> usize {
        self.clean.saturating_add(self.room())
    }

    /// Puts a block that is not here; there is room for it.
    pub fn insert(&mut self, buffer: Buffer) {
        let block = buffer.block;
        let Some(place) = self.vacant.pop() else { return };
        let Some(free) = self.places.get_mut(place as usize) else { return };
        *free = Some(buffer);
        let hasher = self.hasher.clone();
        let hash = hasher.hash_one(block);
        self.index.insert_unique(hash, (block, place), |(block, _)| hasher.hash_one(*block));
        self.settle(block);
    }

    /// Takes a block away.
    pub fn remove(&mut self, block: Block) -> Option<Buffer> {
        let hash = self.hasher.hash_one(block);
        let found = self.index.find_entry(hash, |(there, _)| *there == block).ok()?;
        let ((_, place), _) = found.remove();
        if self.at(place)?.listed {
            self.unlist(place);
        }
        self.vacant.push(place);
        let buffer = self.places.get_mut(place as usize)?.take()?;
        self.count(buffer.counted, None);
        self.rounds.change(buffer.round, None);
        Some(buffer)
    }

    /// The last block in memory, wherever that is.
    pub fn last(&mut self) -> Option<Block> {
        while let Some(place) = self.places.last() {
            match place {
                Some(buffer) => return Some(buffer.block),
                None => drop(self.places.pop()),
            }
        }
        None
    }

    /// The clean block that was used longest ago.
    pub fn oldest(&self) -> Option<Block> {
        Some(self.at(self.oldest)?.block)
    }

    /// Of the clean blocks that were used longest ago the first that this one pays for. Others'
    /// before it are as if they were used now: they are not looked at again and again.
    pub fn oldest_of(&mut self, payer: Payer) -> Option<Block> {
        for _ in 0..LOOKS.min(self.clean.saturating_sub(STAY)) {
            let place = self.oldest;
            let buffer = self.at(place)?;
            if buffer.payer == payer {
                return Some(buffer.block);
            }
            self.unlist(place);
            self.list(place);
        }
        None
    }

    /// How many blocks of this one's have to stay until they are written.
    pub fn unwritten(&self, payer: Payer) -> u32 {
        self.unwritten.get(&payer).copied().unwrap_or(0)
    }

    /// A block is not on this one's count any more, but on that one's.
    fn count(&mut self, before: Option<Payer>, now: Option<Payer>) {
        if let Some(payer) = now {
            let count = self.unwritten.entry(payer).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(payer) = before
            && let Some(count) = self.unwritten.get_mut(&payer)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.unwritten.remove(&payer);
            }
        }
    }

    /// A block is on the disk as it was in this round.
    pub fn wrote(&mut self, block: Block, round: u64) {
        if let Some(buffer) = self.get_mut(block)
            && let Some(before) = buffer.round.filter(|before| *before < round)
        {
            buffer.round = Some(round);
            self.rounds.change(Some(before), Some(round));
        }
    }

    /// All that there are.
    #[cfg(test)]
    pub fn all(&self) -> impl Iterator<Item = &Buffer> {
        self.places.iter().flatten()
    }

    /// Puts a block into the line of clean ones, or takes it out, as it is now; and on the count
    /// of whoever pays for it, while it is not written.
    pub fn settle(&mut self, block: Block) {
        let Some(place) = self.find(block) else { return };
        let this = self.rounds.now();
        let Some(buffer) = self.at_mut(place) else { return };
        let now = buffer.counts();
        let before = core::mem::replace(&mut buffer.counted, now);
        let waited = buffer.round;
        let round = buffer.is_changed().then(|| waited.unwrap_or(this));
        buffer.round = round;
        if before != now {
            self.count(before, now);
        }
        self.rounds.change(waited, round);
        let Some(buffer) = self.at(place) else { return };
        let belongs = buffer.is_clean() && !buffer.role.stays();
        match (belongs, buffer.listed) {
            (true, false) => self.list(place),
            (false, true) => self.unlist(place),
            _ => {}
        }
    }

    fn list(&mut self, place: u32) {
        let newest = self.newest;
        self.clean = self.clean.saturating_add(1);
        if let Some(buffer) = self.at_mut(place) {
            (buffer.before, buffer.after, buffer.listed) = (newest, NONE, true);
        }
        match self.at_mut(newest) {
            Some(buffer) => buffer.after = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    fn unlist(&mut self, place: u32) {
        self.clean = self.clean.saturating_sub(1);
        let Some(buffer) = self.at_mut(place) else { return };
        let (before, after) = (buffer.before, buffer.after);
        buffer.listed = false;
        match self.at_mut(before) {
            Some(buffer) => buffer.after = after,
            None => self.oldest = after,
        }
        match self.at_mut(after) {
            Some(buffer) => buffer.before = before,
            None => self.newest = before,
        }
    }
}
