//! Freeing in slices what has been cut off files.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller, Payer};
use crate::numbers::{Block, Ino};
use crate::order::Need;
use crate::stop::{Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

/// What is done in one run: what freeing blocks that are one after the other takes of it, or one
/// of metadata, and how many blocks take one more; and pointers looked at.
const MOST: u32 = 64;
const PIECE: u32 = 4;
const METADATA: u32 = 8;
const EACH: u32 = 8;
const LOOKED_AT: u32 = 512;
/// Blocks that are freed as one, at most.
const TOGETHER: u32 = 256;

/// What a pointer led to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub block: Block,
    /// Blocks of pointers from here to the file's.
    pub level: u8,
    /// Where the pointer was: an index into [`Reap::holders`].
    pub holder: u8,
}

/// Where a slice ended: in a block of pointers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    block: Block,
    level: u8,
    holder: u8,
    index: u32,
}

/// What has been cut off an inode, and how far that is freed.
#[derive(Debug)]
pub(crate) struct Reap {
    pub ino: Ino,
    pub payer: Payer,
    /// The inode goes too.
    pub ends: bool,
    pub directory: bool,
    /// The file's blocks are metadata: entries, or a link's target.
    pub metadata: bool,
    pub items: Vec<Item>,
    /// What must be on the disk before what was there is given out again.
    pub holders: Vec<Need>,
    pub next: usize,
    pub(super) way: Vec<Step>,
}

/// All that waits to be freed.
#[derive(Default)]
pub(crate) struct Reaps {
    list: VecDeque<Reap>,
}

impl Reaps {
    /// Whether something of this inode waits.
    pub fn has(&self, ino: Ino) -> bool {
        self.list.iter().any(|reap| reap.ino == ino)
    }

    /// An inode of which something waits.
    pub fn first(&self) -> Option<Ino> {
        self.list.front().map(|reap| reap.ino)
    }

    /// Adds one.
    pub fn push(&mut self, reap: Reap) {
        self.list.push_back(reap);
    }

    fn find(&self, ino: Ino) -> Option<&Reap> {
        self.list.iter().find(|reap| reap.ino == ino)
    }

    fn find_mut(&mut self, ino: Ino) -> Option<&mut Reap> {
        self.list.iter_mut().find(|reap| reap.ino == ino)
    }

    fn remove(&mut self, ino: Ino) -> Option<Reap> {
        let at = self.list.iter().position(|reap| reap.ino == ino)?;
        self.list.remove(at)
    }
}

/// A slice while it is made.
struct Slice {
    next: usize,
    way: Vec<Step>,
    freed: u32,
    done: u32,
    looked_at: u32,
}

impl<A: Accounts> Ext2<A> {
    /// Frees a slice of what has been cut off an inode. `Again` while there is more.
    pub(super) fn reap(&mut self, caller: &Caller, ino: Ino) -> Result<()> {
        let Some(reap) = self.reaps.find(ino) else { return Ok(()) };
        let payer = reap.payer;
        let caller = Caller { payer, ..*caller };
        let mut slice =
            Slice { next: reap.next, way: reap.way.clone(), freed: 0, done: 0, looked_at: 0 };
        let mut tx = self.begin(&caller);
        let ended = self.reap_slice(&mut tx, ino, &mut slice);
        let done = match ended {
            Ok(done) => done,
            // Damage: what is left is nobody's, and e2fsck gives it back.
            Err(Stop::Error(Errno::EUCLEAN | Errno::EIO)) => {
                self.note_damage();
                return self.end_reap(&caller, ino);
            }
            Err(stop) if slice.freed == 0 => return Err(stop),
            Err(_) => false,
        };
        if slice.freed > 0 {
            self.uncount_blocks(&mut tx, ino, slice.freed)?;
            self.commit(tx)?;
        }
        if let Some(reap) = self.reaps.find_mut(ino) {
            (reap.next, reap.way) = (slice.next, slice.way);
        }
        if done { self.end_reap(&caller, ino) } else { Err(Stop::Again) }
    }

    /// The last step: an inode that ends is given back.
    fn end_reap(&mut self, caller: &Caller, ino: Ino) -> Result<()> {
        let Some(reap) = self.reaps.find(ino) else { return Ok(()) };
        let (ends, directory) = (reap.ends, reap.directory);
        // A ghost has it still, and gives it back when it goes.
        if ends && !self.ghosts.ends_with(ino) {
            let needs = self.needs_of_end(&reap.holders, ino);
            let mut tx = self.begin(caller);
            match self.give_inode(&mut tx, ino, directory, needs) {
                Ok(()) => self.commit(tx)?,
                Err(Stop::Error(_)) => self.note_damage(),
                Err(stop) => return Err(stop),
            }
        }
        self.reaps.remove(ino);
        if self.reaps.has(ino) { Err(Stop::Again) } else { Ok(()) }
    }

    /// What must be on the disk before an inode that ends is given out again: that it has nothing
    /// any more, and that nothing names it.
    pub(super) fn needs_of_end(&self, holders: &[Need], ino: Ino) -> Vec<Need> {
        let mut needs = holders.to_vec();
        if let Some(removals) = self.slots.removals.get(&ino) {
            needs.extend_from_slice(removals);
        }
        needs
    }

    fn uncount_blocks(&mut self, tx: &mut Tx, ino: Ino, freed: u32) -> Result<()> {
        if self.reaps.find(ino).is_some_and(|reap| reap.ends) {
            return Ok(());
        }
        let mut inode = self.get_inode(tx, ino)?;
        let sectors = freed.saturating_mul(self.layout.block_size / 512);
        inode.sectors = inode.sectors.saturating_sub(sectors);
        self.put_inode(tx, ino, &inode)
    }

    /// Frees some; whether that was all.
    fn reap_slice(&mut self, tx: &mut Tx, ino: Ino, slice: &mut Slice) -> Result<bool> {
        while slice.done < MOST && slice.looked_at < LOOKED_AT {
            match slice.way.last().copied() {
                Some(step) => self.reap_step(tx, ino, slice, step)?,
                None => {
                    let reap = self.reaps.find(ino);
                    let rest = reap.and_then(|reap| reap.items.get(slice.next..)).unwrap_or(&[]);
                    let Some(first) = rest.first().copied() else { return Ok(true) };
                    let follow = |(offset, item): &(u32, &Item)| {
                        let Item { block, level, holder } = **item;
                        let there = (first.block.after(*offset), first.level, first.holder);
                        (block, level, holder) == there
                    };
                    let rest = (0..TOGETHER).zip(rest);
                    let count = rest.take_while(follow).count() as u32;
                    let done = self.reap_item(tx, ino, slice, first, count)?;
                    slice.next = slice.next.saturating_add(done as usize);
                }
            }
        }
        Ok(false)
    }

    /// What a pointer led to, or so many that are one after the other. How many it has done with.
    fn reap_item(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        slice: &mut Slice,
        item: Item,
        count: u32,
    ) -> Result<u32> {
        if item.level == 0 {
            let metadata = self.reaps.find(ino).is_some_and(|reap| reap.metadata);
            return self.reap_blocks(tx, ino, slice, item, count, metadata);
        }
        self.data_block(item.block.0)?;
        let Item { block, level, holder } = item;
        slice.way.push(Step { block, level, holder, index: 0 });
        Ok(1)
    }

    /// Goes on in a block of pointers.
    fn reap_step(&mut self, tx: &mut Tx, ino: Ino, slice: &mut Slice, step: Step) -> Result<()> {
        let left = LOOKED_AT.saturating_sub(slice.looked_at).max(1) as usize;
        let bytes = self.read(tx, step.block, Role::Pointers(ino))?;
        let (pointers, _) = bytes.as_chunks::<4>();
        let rest = pointers.get(step.index as usize..).unwrap_or(&[]);
        let mut rest = rest.iter().map(|pointer| u32::from_le_bytes(*pointer)).enumerate();
        let Step { block, level, holder, index } = step;
        let Some((holes, pointer)) = rest.by_ref().take(left).find(|(_, pointer)| *pointer != 0)
        else {
            let holes = left.min(pointers.len().saturating_sub(index as usize)) as u32;
            slice.looked_at = slice.looked_at.saturating_add(holes);
            let index = index.saturating_add(holes);
            if (index as usize) < pointers.len() {
                set_index(slice, index);
            } else {
                self.reap_blocks(tx, ino, slice, Item { block, level, holder }, 1, true)?;
                slice.way.pop();
            }
            return Ok(());
        };
        let first = Block(pointer);
        let follows = |(offset, (_, next)): &(u32, (usize, u32))| first.after(*offset).0 == *next;
        let more = (1..TOGETHER).zip(rest).take_while(follows).count();
        let looked = holes.saturating_add(more).saturating_add(1) as u32;
        slice.looked_at = slice.looked_at.saturating_add(looked);
        let index = index.saturating_add(holes as u32);
        let level = level.saturating_sub(1);
        let item = Item { block: first, level, holder };
        if level == 0 {
            let done = self.reap_item(tx, ino, slice, item, (more as u32).saturating_add(1))?;
            set_index(slice, index.saturating_add(done));
        } else {
            set_index(slice, index.saturating_add(1));
            self.reap_item(tx, ino, slice, item, 1)?;
        }
        Ok(())
    }

    fn reap_blocks(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        slice: &mut Slice,
        item: Item,
        count: u32,
        metadata: bool,
    ) -> Result<u32> {
        let reap = self.reaps.find(ino);
        let need = reap.and_then(|reap| reap.holders.get(usize::from(item.holder)).copied());
        let need = need.unwrap_or(Need::slot(ino, tx.version));
        let count = if metadata { 1 } else { count };
        let count = self.give_blocks(tx, item.block, count, need)?;
        if metadata {
            tx.drop_block(item.block, need);
        }
        slice.freed = slice.freed.saturating_add(count);
        let takes = if metadata { METADATA } else { PIECE.saturating_add(count / EACH) };
        slice.done = slice.done.saturating_add(takes);
        Ok(count)
    }
}

fn set_index(slice: &mut Slice, index: u32) {
    if let Some(step) = slice.way.last_mut() {
        step.index = index;
    }
}
