//! Taking blocks and giving them back.

use super::bitmap::{clear, first_free, is_set, set};
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
/// Blocks that were metadata and are being written, which are passed over before another group is
/// tried.
const LOOKED_AT: u32 = 8;
/// What was freed that is looked at before something is taken; and of that, how much that waits.
const RELEASED: usize = 16;
const WAITING: u32 = 2;

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
        self.release_some(tx);
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
        let free = i64::from(self.groups.get(group).ok_or(DAMAGED)?.free_blocks);
        let free = free.saturating_add(tx.delta(group).blocks);
        let held = self.quarantine.block_bits.count(group);
        if held > 0 && free <= i64::from(held) {
            return Ok(Taken::Held);
        }
        let mut at = from;
        for _ in 0..LOOKED_AT {
            let Some(bit) = self.first_free(tx, bitmap, group, at, most)? else {
                let held = self.quarantine.block_bits.count(group) > 0;
                if !held && tx.delta(group).blocks == 0 {
                    self.lied(group, true);
                }
                return Ok(if held { Taken::Held } else { Taken::Full });
            };
            let block = start.after(bit);
            if self.is_passing(block) {
                at = bit.saturating_add(1);
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

    /// Where to take blocks in a group: here if this one is free; else behind, better where
    /// several are wanted a whole byte of them; else before.
    fn first_free(
        &mut self,
        tx: &mut Tx,
        bitmap: Block,
        group: u32,
        at: u32,
        most: u32,
    ) -> Result<Option<u32>> {
        let end = self.layout.group_blocks(group);
        self.read(tx, bitmap, Role::BlockBitmap)?;
        // It was read above: all that is looked at now is in memory.
        let cached = || self.cache.get(bitmap).and_then(|buffer| buffer.bytes.as_deref());
        let bytes = tx.bytes(bitmap, Role::BlockBitmap)?.or_else(cached).ok_or(DAMAGED)?;
        let held = &self.quarantine.block_bits.words(group);
        let here = (at, at.saturating_add(1).min(end));
        if let Some((here, _)) = first_free(bytes, held, here, false) {
            return Ok(Some(here));
        }
        let whole = most > 1 && tx.scraps != Some(group);
        let found = first_free(bytes, held, (at, end), whole)
            .or_else(|| first_free(bytes, held, (0, at), whole));
        if whole && !found.is_some_and(|(_, whole)| whole) {
            // Nor would the next look find one.
            tx.scraps = Some(group);
        }
        Ok(found.map(|(bit, _)| bit))
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
        let first = start.after(bit);
        length = self.data_run(first, length);
        // A block that was metadata may still be on its way.
        let is_known = |index: &u32| self.cache.get(first.after(*index)).is_some();
        length = (1..length).find(is_known).unwrap_or(length);
        let bytes = self.edit(tx, bitmap, Role::BlockBitmap)?;
        for index in 0..length {
            set(bytes, bit.saturating_add(index));
        }
        Ok(length)
    }

    /// Whether a block that was metadata must not be given out yet: it may be being written still.
    fn is_passing(&self, block: Block) -> bool {
        let Some(buffer) = self.cache.get(block) else { return false };
        buffer.gone.is_some_and(|gone| buffer.in_flight || !self.satisfied(gone))
    }

    /// Gives back a block that nothing names once `need` is on the disk.
    pub(crate) fn give_block(&mut self, tx: &mut Tx, block: Block, need: Need) -> Result<()> {
        self.give_blocks(tx, block, 1, need).map(|_| ())
    }

    /// Gives back blocks that are one after the other, and that nothing names once `need` is on
    /// the disk: as many of them as are of one group, at least one. How many.
    pub(crate) fn give_blocks(
        &mut self,
        tx: &mut Tx,
        block: Block,
        count: u32,
        need: Need,
    ) -> Result<u32> {
        let count = self.data_run(block, count);
        let (group, bit) = self.layout.group_of(block);
        let bitmap = self.groups.get(group).ok_or(DAMAGED)?.block_bitmap;
        let bytes = self.read(tx, bitmap, Role::BlockBitmap)?;
        let bits = bit..bit.saturating_add(count);
        let count = bits.take_while(|bit| is_set(bytes, *bit)).count() as u32;
        if count == 0 {
            return Err(DAMAGED);
        }
        let bytes = self.edit(tx, bitmap, Role::BlockBitmap)?;
        (bit..bit.saturating_add(count)).for_each(|bit| clear(bytes, bit));
        let delta = tx.delta(group);
        delta.blocks = delta.blocks.saturating_add(count.into());
        tx.free(block, count, need);
        Ok(count)
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

    /// Before something is taken: what is off the disk by now may be.
    pub(super) fn release_some(&mut self, tx: &mut Tx) {
        if !core::mem::replace(&mut tx.released, true) {
            self.release_held(RELEASED);
        }
    }

    /// Lets out what is off the disk, of so many that were freed; where some of them wait for the
    /// disk, most that came later do too. How many it has looked at.
    pub(crate) fn release_held(&mut self, looks: usize) -> usize {
        let mut waiting = 0_u32;
        for looked in 0..looks {
            if waiting == WAITING {
                return looked;
            }
            let Some(first) = self.quarantine.line.pop_front() else { return looked };
            if self.quarantine.needs(first).all(|need| self.satisfied(need)) {
                if let Some((payer, bytes)) = self.quarantine.let_out(&self.layout, first) {
                    self.accounts.credit(payer, bytes);
                }
                continue;
            }
            // Another one may be free: it goes to the end.
            self.quarantine.line.push_back(first);
            waiting = waiting.saturating_add(1);
        }
        looks
    }
}

/// What a group had.
enum Taken {
    Run(Block, u32),
    /// Only what may still be named on the disk.
    Held,
    Full,
}
