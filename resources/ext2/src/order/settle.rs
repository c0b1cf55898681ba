//! What a flush has made to last is taken note of, and what waited for it goes on: some in a run.

use super::needs::Target;
use super::slots::PRICE;
use super::writer::{Issued, IssuedSlot};
use crate::Ext2;
use crate::cache::Role;
use crate::caller::Accounts;
use crate::numbers::{Block, Ino};

/// What is done in one run, and what a write that has ended takes of that; an inode in it, a
/// block that waited, and what was freed and is looked at, take one.
const MOST: usize = 24;
const WRITE: usize = 5;
/// Places of entries that are forgotten, which take one.
const FORGOTTEN: usize = 4;
/// What was freed that is looked at for each write that has ended.
const RELEASED: usize = 8;

impl<A: Accounts> Ext2<A> {
    /// Something is there: what is parked at it goes back into the line.
    pub(crate) fn unpark(&mut self, target: Target) {
        if self.parked_at(target, Block(0)).is_some() {
            self.writer.reached.push_back((target, Block(0)));
        }
    }

    /// The first block from `from` on that is parked there.
    fn parked_at(&self, target: Target, from: Block) -> Option<Block> {
        let (there, block) = self.writer.parked.range((target, from)..).next().copied()?;
        (there == target).then_some(block)
    }

    /// Takes note of what is on the disk now, some of it. Whether there was anything.
    pub(crate) fn settle(&mut self) -> bool {
        let mut left = MOST;
        while left > 0 {
            if let Some((target, from)) = self.writer.reached.pop_front() {
                left = left.saturating_sub(1);
                // What is parked there from now on is not meant: it waits for something later.
                if let Some(block) = self.parked_at(target, from) {
                    self.writer.parked.remove(&(target, block));
                    self.queue(block);
                    self.writer.reached.push_front((target, block.after(1)));
                }
                continue;
            }
            if self.writer.covered == 0 {
                break;
            }
            self.writer.covered = self.writer.covered.saturating_sub(1);
            let Some(mut done) = self.writer.done.pop_front() else { break };
            // A large block has more inodes than are looked at in one run.
            if done.slots.len() > left {
                self.settle_slots(done.slots.get(..left).unwrap_or_default(), done.round);
                drop(done.slots.drain(..left));
                self.writer.done.push_front(done);
                self.writer.covered = self.writer.covered.saturating_add(1);
                return true;
            }
            left = left.saturating_sub(WRITE.saturating_add(done.slots.len()));
            left = left.saturating_sub(self.settle_one(&done));
        }
        left < MOST
    }

    /// What is kept of an inode goes: it is on the disk, or nothing is any more.
    pub(crate) fn forget_slot(&mut self, ino: Ino) {
        let Some(slot) = self.slots.forget(ino) else { return };
        self.accounts.credit(slot.payer, PRICE);
        if let Some(old) = slot.old {
            self.accounts.credit(old.payer, old.bytes.len());
        }
    }

    /// Whether an inode is written as it was, for what it needs is not there. What is there it
    /// does not need any more: so its needs are not more than where its entries are.
    pub(crate) fn is_held(&mut self, ino: Ino) -> bool {
        let slot = self.slots.map.get_mut(&ino).filter(|slot| slot.old.is_some());
        let Some(slot) = slot else { return false };
        let mut needs = core::mem::take(&mut slot.needs);
        needs.retain(|need| !self.satisfied(*need));
        let is_held = !needs.is_empty();
        if let Some(slot) = self.slots.map.get_mut(&ino) {
            slot.needs = needs;
        }
        is_held
    }

    /// Of one write. What was let go of beside it.
    fn settle_one(&mut self, done: &Issued) -> usize {
        self.settle_slots(&done.slots, done.round);
        let pending = match self.inodes_of(done.block) {
            Some((first, count)) => self.slots.among(first, count).next().is_some(),
            None => false,
        };
        if let Some(buffer) = self.cache.get_mut(done.block) {
            buffer.stable = buffer.stable.max(done.version);
            if buffer.role == Role::Inodes {
                buffer.pending = pending;
            }
            let owner = buffer.role.owner().filter(|_| buffer.stable == buffer.version);
            if let Some(owner) = owner {
                self.writer.private.remove(&(owner, done.block));
            }
            self.cache.wrote(done.block, done.round);
            self.cache.settle(done.block);
        }
        self.unpark(Target::Block(done.block));
        let forgotten = self.forget_entries() / FORGOTTEN;
        forgotten.saturating_add(self.release_held(RELEASED))
    }

    /// Of the inodes in it.
    fn settle_slots(&mut self, slots: &[IssuedSlot], round: u64) {
        for IssuedSlot { ino, version, whole } in slots {
            if *whole {
                self.slots.wrote(*ino, round);
            }
            let Some(slot) = self.slots.map.get_mut(ino) else { continue };
            slot.stable = slot.stable.max(*version);
            if slot.newborn && !slot.unused {
                slot.newborn = false;
                self.slots.born.remove(&(slot.parent, *ino));
            }
            if slot.stable == slot.version {
                self.forget_slot(*ino);
            }
            self.unpark(Target::Slot(*ino));
        }
    }
}
