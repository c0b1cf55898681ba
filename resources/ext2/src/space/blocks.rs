//! Taking blocks and giving them back.

use super::bitmap::{clear, first_clear, first_clear_byte, is_set, set};
use super::quarantine::Freed;
use crate::Ext2;
use crate::cache::Role;
use crate::caller::Accounts;
use crate::numbers::Block;
use crate::order::Need;
use crate::stop::{DAMAGED, Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

/// Groups looked through for a block in one run.
const GROUPS: u32 = 4;
/// Runs that are free and wait, which are passed over before another group is tried.
const LOOKED_AT: u32 = 12;
/// What was freed that is looked at before something is taken.
pub(super) const RELEASED: u32 = 16;

impl<A: Accounts> Ext2<A> {
    /// Blocks that the caller may take.
    pub(crate) fn available(&self, tx: &Tx) -> u64 {
        let free = self.groups.free_blocks.saturating_add_signed(tx.free_blocks());
        let layout = &self.layout;
        let caller = &tx.caller;
        let may = caller.uid == 0
            || caller.uid == u32::from(layout.reserved_uid)
            || (caller.gid != 0 && caller.gid == u32::from(layout.reserved_gid));
        if may { free } else { free.saturating_sub(layout.reserved.into()) }
    }

    /// Takes up to `most` blocks, one after the other, from `goal` on or as near as may be.
    pub(crate) fn take_blocks(
        &mut self,
        tx: &mut Tx,
        goal: Block,
        most: u32,
    ) -> Result<(Block, u32)> {
        let available = self.available(tx);
        if available == 0 {
            return Err(Errno::ENOSPC.into());
        }
        let most = most.min(u32::try_from(available).unwrap_or(u32::MAX)).max(1);
        let goal = if self.is_data(goal) { goal } else { self.layout.first_data.after(1) };
        let (first, at) = self.layout.group_of(goal);
        let (mut group, mut from) = (first, at);
        let mut held = false;
        for _ in 0..GROUPS {
            let Some(next) = self.groups.with_blocks(group) else { break };
            if next != group {
                from = 0;
            }
            group = next;
            match self.take_in_group(tx, group, from, most)? {
                Taken::Run(start, length) => return Ok((start, length)),
                Taken::Held => held = true,
                Taken::Full => {}
            }
            from = 0;
            group = group.saturating_add(1);
            if group >= self.layout.groups {
                group = 0;
            }
        }
        if held {
            self.writer.want_flush();
            return Err(Stop::Flush);
        }
        // Counts that lied have been put right: there may be others.
        match self.groups.with_blocks(0) {
            Some(_) if tx.free_blocks() == 0 => Err(Stop::Again),
            Some(_) => Err(DAMAGED),
            None => Err(Errno::ENOSPC.into()),
        }
    }

    fn take_in_group(&mut self, tx: &mut Tx, group: u32, from: u32, most: u32) -> Result<Taken> {
        let bitmap = self.groups.get(group).ok_or(DAMAGED)?.block_bitmap;
        let end = self.layout.group_blocks(group);
        let start = self.layout.group_start(group);
        self.read(tx, bitmap, Role::BlockBitmap)?;
        self.release_held(RELEASED);
        let mut held = false;
        let mut at = from;
        let mut wrapped = from == 0;
        let mut near = from != 0;
        // Whether there may be a whole byte of them from here on.
        let mut whole = most > 1;
        for _ in 0..LOOKED_AT {
            let bytes = self.read(tx, bitmap, Role::BlockBitmap)?;
            let found = if near && !is_set(bytes, at) {
                Some(at)
            } else {
                let byte = if whole { first_clear_byte(bytes, at, end) } else { None };
                whole = byte.is_some();
                byte.or_else(|| first_clear(bytes, at, end))
            };
            near = false;
            let Some(bit) = found.filter(|bit| *bit < end) else {
                if wrapped {
                    if !held && tx.delta(group).blocks == 0 {
                        self.lied(group, true);
                    }
                    return Ok(if held { Taken::Held } else { Taken::Full });
                }
                (wrapped, at, whole) = (true, 0, most > 1);
                continue;
            };
            let block = start.after(bit);
            if let Some(past) = self.past_held(block) {
                held = true;
                at = past.0.saturating_sub(start.0);
                continue;
            }
            let most = self.quarantine.clear_run(block, most);
            let length = self.mark(tx, bitmap, bit, end, start, most)?;
            if length == 0 {
                return Err(DAMAGED);
            }
            tx.delta(group).blocks = tx.delta(group).blocks.saturating_sub(length.into());
            return Ok(Taken::Run(block, length));
        }
        Ok(Taken::Held)
    }

    /// Sets clear bits from `bit` on; how many. None of them may be where metadata are.
    fn mark(
        &mut self,
        tx: &mut Tx,
        bitmap: Block,
        bit: u32,
        end: u32,
        start: Block,
        most: u32,
    ) -> Result<u32> {
        let mut length = 0_u32;
        let bytes = self.read(tx, bitmap, Role::BlockBitmap)?;
        while length < most && bit.saturating_add(length) < end {
            if is_set(bytes, bit.saturating_add(length)) {
                break;
            }
            length = length.saturating_add(1);
        }
        for index in 0..length {
            let block = start.after(bit.saturating_add(index));
            if !self.is_data(block) || (index > 0 && self.cache.get(block).is_some()) {
                length = index;
                break;
            }
        }
        let bytes = self.edit(tx, bitmap, Role::BlockBitmap)?;
        for index in 0..length {
            set(bytes, bit.saturating_add(index));
        }
        Ok(length)
    }

    /// If a block must not be given out yet: the first one that may be.
    fn past_held(&mut self, block: Block) -> Option<Block> {
        if let Some(past) = self.quarantine.past(block) {
            return Some(past);
        }
        let gone = self.cache.get(block)?.gone?;
        let free = self.satisfied(gone) && !self.cache.get(block)?.in_flight;
        (!free).then(|| block.after(1))
    }

    /// Gives back a block that nothing names once `need` is on the disk.
    pub(crate) fn give_block(&mut self, tx: &mut Tx, block: Block, need: Need) -> Result<()> {
        if !self.is_data(block) {
            return Err(DAMAGED);
        }
        let (group, bit) = self.layout.group_of(block);
        let bitmap = self.groups.get(group).ok_or(DAMAGED)?.block_bitmap;
        if !is_set(self.read(tx, bitmap, Role::BlockBitmap)?, bit) {
            return Err(DAMAGED);
        }
        clear(self.edit(tx, bitmap, Role::BlockBitmap)?, bit);
        tx.delta(group).blocks = tx.delta(group).blocks.saturating_add(1);
        tx.free(block, need);
        Ok(())
    }

    /// A group's count says that something is free, and nothing is: the count is put right.
    pub(crate) fn lied(&mut self, group: u32, blocks: bool) {
        let Some(now) = self.groups.get(group).copied() else { return };
        let delta = if blocks {
            super::Delta {
                group,
                blocks: i64::from(now.free_blocks).saturating_neg(),
                ..Default::default()
            }
        } else {
            super::Delta {
                group,
                inodes: i64::from(now.free_inodes).saturating_neg(),
                ..Default::default()
            }
        };
        self.apply_delta(delta);
        self.note_damage();
    }

    /// Lets out what is off the disk, of so many that were freed.
    pub(crate) fn release_held(&mut self, looks: u32) {
        for _ in 0..looks {
            let Some(first) = self.quarantine.line.front().copied() else { return };
            let free = match first {
                Freed::Blocks(start) => self.quarantine.blocks.get(&start).is_none_or(|held| {
                    held.needs.iter().flatten().all(|need| self.satisfied(*need))
                }),
                Freed::Inode(ino) => self
                    .quarantine
                    .inodes
                    .get(&ino)
                    .is_none_or(|needs| needs.iter().all(|need| self.satisfied(*need))),
            };
            if free {
                self.let_out(first);
                self.quarantine.line.pop_front();
            } else if let Some(first) = self.quarantine.line.pop_front() {
                // Another one may be free: it goes to the end.
                self.quarantine.line.push_back(first);
            }
        }
    }

    fn let_out(&mut self, freed: Freed) {
        match freed {
            Freed::Blocks(start) => drop(self.quarantine.blocks.remove(&start)),
            Freed::Inode(ino) => drop(self.quarantine.inodes.remove(&ino)),
        }
    }
}

/// What a group had.
enum Taken {
    Run(Block, u32),
    /// Only what may still be named on the disk.
    Held,
    Full,
}
