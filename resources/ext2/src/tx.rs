//! A transaction: private copies of the blocks that an operation changes, put in place at its
//! end, all or nothing.

mod circle;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::Ext2;
use crate::cache::{Buffer, Role, copy_of};
use crate::caller::{Accounts, Caller, Payer};
use crate::directory::Note;
use crate::disk::Inode;
use crate::file::Reap;
use crate::numbers::{Block, Ino};
use crate::order::{Ghost, Need, Old, PRICE, Target, add, merge};
use crate::space::Delta;
use crate::stop::{DAMAGED, Result, Stop};
use vortex_abi::Errno;

/// Needs of a block that are found to be there whenever it gets another.
const FOUND: usize = 4;

/// A changed block.
struct Change {
    block: Block,
    role: Role,
    bytes: Box<[u8]>,
    /// What must be on the disk before it.
    needs: Vec<Need>,
    /// It has just been given out.
    fresh: bool,
    anchor: Option<Need>,
}

/// A changed inode.
struct Place {
    ino: Ino,
    /// As it was before.
    old: Box<[u8]>,
    needs: Vec<Need>,
    /// It was unused, and is made in this directory.
    newborn: Option<Ino>,
}

/// What an operation changes.
pub(crate) struct Tx {
    pub caller: Caller,
    /// The number that the operation gets if it comes to its end.
    pub version: u64,
    /// Its needs may close a circle.
    pub check: bool,
    /// Files beyond 2 GiB come to be.
    pub large_file: bool,
    /// What is free by now has been let out for it.
    pub released: bool,
    /// A group in which no whole byte of blocks is free.
    pub scraps: Option<u32>,
    changes: Vec<Change>,
    places: Vec<Place>,
    deltas: Vec<Delta>,
    freed: Vec<(Block, u32, Need, Option<Need>)>,
    pub freed_inodes: Vec<(Ino, Vec<Need>)>,
    /// Blocks of metadata that are freed, and what takes their place in the order.
    pub gone: Vec<(Block, Need)>,
    /// Where entries of inodes have been added, and removed.
    pub entries: Vec<(Ino, Need)>,
    pub removals: Vec<(Ino, Need)>,
    /// Names that go for those who ask, and those that are gone from the disk too.
    pub ghosts: Vec<(Ino, Ghost)>,
    pub laid: Vec<Ino>,
    /// What is to be freed in slices.
    pub reaps: Vec<Reap>,
    /// What changes in the indexes of directories.
    pub notes: Vec<Note>,
}

impl Tx {
    fn position(&self, block: Block) -> Option<usize> {
        self.changes.iter().position(|change| change.block == block)
    }

    /// The bytes of a block that has been changed.
    pub fn bytes(&self, block: Block, role: Role) -> Result<Option<&[u8]>> {
        match self.changes.iter().find(|change| change.block == block) {
            Some(change) if change.role == role => Ok(Some(&change.bytes)),
            Some(_) => Err(DAMAGED),
            None => Ok(None),
        }
    }

    /// What changes of a group's counts.
    pub fn delta(&mut self, group: u32) -> &mut Delta {
        let index = match self.deltas.iter().position(|delta| delta.group == group) {
            Some(index) => index,
            None => {
                self.deltas.push(Delta { group, ..Delta::default() });
                self.deltas.len().saturating_sub(1)
            }
        };
        // The place was found or made above.
        #[expect(clippy::indexing_slicing, reason = "found above")]
        &mut self.deltas[index]
    }

    /// What changes of the number of free blocks.
    pub fn free_blocks(&self) -> i64 {
        self.deltas.iter().fold(0, |sum, delta| sum.saturating_add(delta.blocks))
    }

    /// Blocks are free once `need` is on the disk.
    pub fn free(&mut self, block: Block, count: u32, need: Need) {
        if let Some((start, length, same, None)) = self.freed.last_mut()
            && *same == need
            && start.after(*length) == block
        {
            *length = length.saturating_add(count);
            return;
        }
        self.freed.push((block, count, need, None));
    }

    /// A block of metadata is free once `need` is on the disk.
    pub fn drop_block(&mut self, block: Block, need: Need) {
        self.changes.retain(|change| change.block != block);
        self.gone.push((block, need));
    }

    /// A changed block must not be written before this is on the disk.
    pub fn need(&mut self, block: Block, need: Need) {
        if let Some(change) = self.changes.iter_mut().find(|change| change.block == block) {
            add(&mut change.needs, need);
        }
    }

    /// A changed inode must not be written before this is on the disk.
    pub fn need_of_inode(&mut self, ino: Ino, need: Need) {
        if let Some(place) = self.places.iter_mut().find(|place| place.ino == ino) {
            add(&mut place.needs, need);
        }
    }

    /// An inode is unused on the disk, and made in this directory.
    pub fn is_newborn(&mut self, ino: Ino, parent: Ino) {
        if let Some(place) = self.places.iter_mut().find(|place| place.ino == ino) {
            place.newborn = Some(parent);
        }
    }

    /// Whether it is one of those.
    pub fn has_newborn(&self, ino: Ino) -> bool {
        self.places.iter().any(|place| place.ino == ino && place.newborn.is_some())
    }

    /// Where the pointer to a block that has just been made is.
    pub fn set_anchor(&mut self, block: Block, anchor: Need) {
        if let Some(change) = self.changes.iter_mut().find(|change| change.block == block) {
            change.anchor = Some(anchor);
        }
    }

    fn anchor(&self, block: Block) -> Option<Need> {
        self.changes.iter().find(|change| change.block == block)?.anchor
    }

    fn needs_of(&self, target: Target) -> &[Need] {
        match target {
            Target::Block(block) => {
                let change = self.changes.iter().find(|change| change.block == block);
                change.map_or(&[], |change| &change.needs)
            }
            Target::Slot(ino) => {
                let place = self.places.iter().find(|place| place.ino == ino);
                place.map_or(&[], |place| &place.needs)
            }
        }
    }
}

impl<A: Accounts> Ext2<A> {
    /// Begins one.
    pub(crate) fn begin(&self, caller: &Caller) -> Tx {
        Tx {
            caller: *caller,
            version: self.clock.saturating_add(1),
            check: false,
            large_file: false,
            released: false,
            scraps: None,
            changes: Vec::new(),
            places: Vec::new(),
            deltas: Vec::new(),
            freed: Vec::new(),
            freed_inodes: Vec::new(),
            gone: Vec::new(),
            entries: Vec::new(),
            removals: Vec::new(),
            ghosts: Vec::new(),
            laid: Vec::new(),
            reaps: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A block's bytes, to be changed.
    pub(crate) fn edit<'a>(
        &mut self,
        tx: &'a mut Tx,
        block: Block,
        role: Role,
    ) -> Result<&'a mut [u8]> {
        let index = match tx.position(block) {
            Some(index) => index,
            None => {
                let bytes = copy_of(self.cached(block, role)?)?;
                tx.changes.push(Change {
                    block,
                    role,
                    bytes,
                    needs: Vec::new(),
                    fresh: false,
                    anchor: None,
                });
                tx.changes.len().saturating_sub(1)
            }
        };
        let change = tx.changes.get_mut(index).ok_or(DAMAGED)?;
        if change.role != role { Err(DAMAGED) } else { Ok(&mut change.bytes) }
    }

    /// A block that has just been given out, full of zeroes.
    pub(crate) fn make<'a>(
        &mut self,
        tx: &'a mut Tx,
        block: Block,
        role: Role,
    ) -> Result<&'a mut [u8]> {
        if tx.position(block).is_some() {
            return Err(DAMAGED);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.layout.size()).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(self.layout.size(), 0);
        let bytes = bytes.into_boxed_slice();
        tx.changes.push(Change {
            block,
            role,
            bytes,
            needs: Vec::new(),
            fresh: true,
            anchor: None,
        });
        let change = tx.changes.last_mut().ok_or(DAMAGED)?;
        Ok(&mut change.bytes)
    }

    /// An inode, as this transaction sees it.
    pub(crate) fn get_inode(&mut self, tx: &Tx, ino: Ino) -> Result<Inode> {
        let (block, at) = self.place_of(ino)?;
        let bytes = self.read(tx, block, Role::Inodes)?;
        Ok(Inode::read(bytes.get(at..).unwrap_or(&[])))
    }

    /// An inode's bytes, to be changed.
    pub(crate) fn edit_inode<'a>(&mut self, tx: &'a mut Tx, ino: Ino) -> Result<&'a mut [u8]> {
        let (block, at) = self.place_of(ino)?;
        let end = at.saturating_add(self.layout.inode_size as usize);
        if !tx.places.iter().any(|place| place.ino == ino) {
            let bytes = self.read(tx, block, Role::Inodes)?;
            let old = copy_of(bytes.get(at..end).ok_or(DAMAGED)?)?;
            tx.places.push(Place { ino, old, needs: Vec::new(), newborn: None });
        }
        self.edit(tx, block, Role::Inodes)?.get_mut(at..end).ok_or(DAMAGED)
    }

    /// Puts an inode.
    pub(crate) fn put_inode(&mut self, tx: &mut Tx, ino: Ino, inode: &Inode) -> Result<()> {
        inode.write(self.edit_inode(tx, ino)?);
        Ok(())
    }

    /// What must be on the disk so that a block of a file or directory can be found: where the
    /// pointers to it are, as far as they are not there yet.
    pub(crate) fn reach(&self, tx: &Tx, block: Block, needs: &mut Vec<Need>) {
        let mut block = block;
        for _ in 0..5 {
            let anchor = tx.anchor(block).or_else(|| self.cache.get(block)?.anchor);
            let Some(anchor) = anchor else { return };
            add(needs, anchor);
            match anchor.on {
                Target::Block(next) => block = next,
                Target::Slot(_) => return,
            }
        }
    }

    /// Puts all of it in place, or nothing.
    pub(crate) fn commit(&mut self, mut tx: Tx) -> Result<()> {
        if tx.check && self.closes_circle(&tx) {
            self.hurry_all(&tx);
            return Err(Stop::Flush);
        }
        self.room_for_entries(&tx)?;
        let room = tx.freed.len().saturating_add(tx.freed_inodes.len());
        if room > 0 && !self.quarantine.has_room(room) {
            self.release_held(room);
            self.writer.want_flush();
            return Err(Stop::Flush);
        }
        let fresh = tx.changes.iter().filter(|change| change.fresh).count();
        if fresh > 0 {
            self.make_room_for(&tx, fresh)?;
        }
        let payer = tx.caller.payer;
        let made = fresh.saturating_mul(self.layout.size());
        let kept = tx.places.iter().map(|place| place.old.len()).fold(0, usize::saturating_add);
        let new = |place: &&Place| !self.slots.map.contains_key(&place.ino);
        let slots = tx.places.iter().filter(new).count().saturating_mul(PRICE);
        let held = tx.freed.iter().map(|(_, length, ..)| crate::space::price(*length));
        let inodes = tx.freed_inodes.len().saturating_mul(crate::space::price(1));
        let bytes = held.chain([made, kept, slots, inodes]).fold(0, usize::saturating_add);
        self.accounts.charge(payer, bytes)?;
        // Nothing fails from here on.
        self.clock = tx.version;
        self.put_places(&mut tx);
        for change in core::mem::take(&mut tx.changes) {
            self.put_change(change, tx.version, payer);
        }
        for (block, need) in core::mem::take(&mut tx.gone) {
            self.put_gone(block, need);
        }
        for delta in core::mem::take(&mut tx.deltas) {
            self.apply_delta(delta);
        }
        for (start, length, need, other) in core::mem::take(&mut tx.freed) {
            let needs = [Some(need), other];
            self.quarantine.hold(&self.layout, (start, length), needs, payer);
        }
        for (ino, needs) in core::mem::take(&mut tx.freed_inodes) {
            self.quarantine.hold_inode(&self.layout, ino, needs, payer);
        }
        self.note_entries(&mut tx);
        tx.laid.iter().for_each(|ino| self.ghosts.remove(*ino));
        for (ino, ghost) in core::mem::take(&mut tx.ghosts) {
            self.ghosts.add(ino, ghost);
        }
        for reap in core::mem::take(&mut tx.reaps) {
            self.reaps.push(reap);
        }
        for note in core::mem::take(&mut tx.notes) {
            self.indexes.note(note);
        }
        if tx.large_file {
            self.note_large_file();
        }
        Ok(())
    }

    /// Room for new blocks, which is not that of the blocks that change.
    fn make_room_for(&mut self, tx: &Tx, fresh: usize) -> Result<()> {
        if self.cache.spare() < fresh.saturating_add(tx.changes.len()) {
            self.writer.want_flush();
            return Err(Stop::Flush);
        }
        for change in &tx.changes {
            self.cache.touch(change.block);
        }
        self.make_room(fresh)
    }

    fn put_places(&mut self, tx: &mut Tx) {
        let payer = tx.caller.payer;
        for place in core::mem::take(&mut tx.places) {
            let Ok((block, _)) = self.place_of(place.ino) else { continue };
            let held = self.is_held(place.ino);
            if let Some(parent) = place.newborn {
                self.slots.born.insert((parent, place.ino));
            }
            let slot = self.slots.changed(place.ino, tx.version, payer);
            let before = if slot.version == 0 { slot.stable } else { slot.version };
            slot.version = tx.version;
            if let Some(parent) = place.newborn {
                (slot.unused, slot.newborn, slot.parent) = (true, true, parent);
            }
            let size = place.old.len();
            // What is unused on the disk stays so until all of it may be there: entries that
            // it had before may be gone.
            if held || (slot.unused && slot.old.is_some()) {
                merge(&mut slot.needs, &place.needs);
                self.accounts.credit(payer, size);
            } else {
                let old = if place.needs.is_empty() {
                    self.accounts.credit(payer, size);
                    None
                } else {
                    Some(Old { bytes: place.old, payer, version: before })
                };
                slot.needs = place.needs;
                if let Some(old) = core::mem::replace(&mut slot.old, old) {
                    self.accounts.credit(old.payer, old.bytes.len());
                }
            }
            if let Some(buffer) = self.cache.get_mut(block) {
                buffer.pending = true;
            }
        }
    }

    fn put_change(&mut self, change: Change, version: u64, payer: Payer) {
        let Change { block, role, bytes, needs, fresh, anchor } = change;
        if fresh {
            self.give_up_own(payer);
            self.forget(block);
            self.is_made(block);
            let mut buffer = Buffer::new(block, role, bytes, payer);
            let before = version.saturating_sub(1);
            (buffer.version, buffer.issued, buffer.stable) = (version, before, before);
            (buffer.needs, buffer.anchor) = (needs, anchor);
            // There is room: it was made before anything was changed.
            self.cache.insert(buffer);
            if let Some(anchor) = anchor {
                self.park(block, anchor);
            }
        } else if let Some(buffer) = self.cache.get_mut(block) {
            buffer.bytes = Some(bytes);
            buffer.version = version;
            let mut all = core::mem::take(&mut buffer.needs);
            self.drop_first(&mut all, &needs);
            merge(&mut all, &needs);
            let Some(buffer) = self.cache.get_mut(block) else { return };
            buffer.needs = all;
            // Whoever changed it last pays for its memory and for writing it.
            let (before, size) = (buffer.payer, self.layout.size());
            if before != payer && self.accounts.charge(payer, size).is_ok() {
                buffer.payer = payer;
                self.accounts.credit(before, size);
            }
        }
        if let Some(owner) = role.owner() {
            self.writer.private.insert((owner, block));
        }
        self.cache.settle(block);
        self.queue(block);
    }

    /// Before a block gets more to wait for: of what came first it forgets what is there.
    fn drop_first(&self, needs: &mut Vec<Need>, more: &[Need]) {
        for _ in 0..FOUND {
            match needs.first().copied() {
                Some(need) if !more.is_empty() && self.satisfied(need) => needs.swap_remove(0),
                _ => return,
            };
        }
    }

    fn put_gone(&mut self, block: Block, need: Need) {
        self.let_go(block, need);
        let Some(buffer) = self.cache.get_mut(block) else { return };
        if let Some(owner) = buffer.role.owner() {
            self.writer.private.remove(&(owner, block));
        }
        if buffer.is_clean() {
            self.forget(block);
            return;
        }
        buffer.gone = Some(need);
        buffer.needs = Vec::new();
        buffer.anchor = None;
        if let Some(bytes) = buffer.bytes.take() {
            let payer = buffer.payer;
            self.accounts.credit(payer, bytes.len());
        }
        self.cache.settle(block);
        self.queue(block);
        self.unpark(Target::Block(block));
    }

    /// What had the pointer to a block that is freed does not wait for that block any more.
    fn let_go(&mut self, block: Block, need: Need) {
        let Some(owner) = self.cache.get(block).and_then(|buffer| buffer.role.owner()) else {
            return;
        };
        let others = |need: &Need| need.on != Target::Block(block);
        if let Some(slot) = self.slots.map.get_mut(&owner) {
            slot.needs.retain(others);
        }
        if let Target::Block(holder) = need.on
            && let Some(buffer) = self.cache.get_mut(holder)
        {
            buffer.needs.retain(others);
        }
    }
}
