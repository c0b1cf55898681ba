//! Taking inodes and giving them back.

use alloc::vec::Vec;

use super::bitmap::{clear, first_free, is_set, set};
use crate::Ext2;
use crate::cache::Role;
use crate::caller::Accounts;
use crate::numbers::Ino;
use crate::order::Need;
use crate::stop::{DAMAGED, Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

const GROUPS: u32 = 4;
/// Groups that are weighed for a directory.
const WEIGHED: u32 = 32;

impl<A: Accounts> Ext2<A> {
    /// Takes an inode: near its directory, but directories beneath the root are spread.
    pub(crate) fn take_inode(&mut self, tx: &mut Tx, parent: Ino, directory: bool) -> Result<Ino> {
        let home = if directory {
            self.group_for_directory(parent)
        } else {
            self.layout.inode_group(parent).0
        };
        let mut group = home;
        let mut held = false;
        for _ in 0..GROUPS {
            let Some(next) = self.groups.with_inodes(group) else { break };
            group = next;
            match self.take_inode_in(tx, group)? {
                Ok(ino) => {
                    let delta = tx.delta(group);
                    delta.inodes = delta.inodes.saturating_sub(1);
                    if directory {
                        delta.directories = delta.directories.saturating_add(1);
                    }
                    return Ok(ino);
                }
                Err(waits) => held |= waits,
            }
            group = group.saturating_add(1);
            if group >= self.layout.groups {
                group = 0;
            }
        }
        if held {
            self.writer.want_flush();
            return Err(Stop::Flush);
        }
        // What waits to be given back may do.
        self.lay_all(None)?;
        match self.groups.with_inodes(0) {
            Some(_) => Err(Stop::Again),
            None => Err(Errno::ENOSPC.into()),
        }
    }

    /// An inode of this group; else whether some are free and wait.
    fn take_inode_in(
        &mut self,
        tx: &mut Tx,
        group: u32,
    ) -> Result<core::result::Result<Ino, bool>> {
        let bitmap = self.groups.get(group).ok_or(DAMAGED)?.inode_bitmap;
        let layout = self.layout;
        self.read(tx, bitmap, Role::InodeBitmap)?;
        self.release_some(tx);
        let base = group.saturating_mul(layout.inodes_per_group);
        let from = layout.first_ino.0.saturating_sub(1).saturating_sub(base);
        // It was read above.
        let cached = || self.cache.get(bitmap).and_then(|buffer| buffer.bytes.as_deref());
        let bytes = tx.bytes(bitmap, Role::InodeBitmap)?.or_else(cached).ok_or(DAMAGED)?;
        let held = &self.quarantine.inode_bits.words(group);
        let Some((bit, _)) = first_free(bytes, held, (from, layout.inodes_per_group), false) else {
            let held = self.quarantine.inode_bits.count(group) > 0;
            if !held {
                self.lied(group, false);
            }
            return Ok(Err(held));
        };
        set(self.edit(tx, bitmap, Role::InodeBitmap)?, bit);
        Ok(Ok(Ino(base.saturating_add(bit).saturating_add(1))))
    }

    /// Where a directory goes: with its parent while there is room, spread beneath the root.
    fn group_for_directory(&mut self, parent: Ino) -> u32 {
        let groups = self.layout.groups.max(1);
        let share = |sum: u64| sum.checked_div(u64::from(groups)).unwrap_or(0);
        let inodes = share(self.groups.free_inodes);
        let blocks = share(self.groups.free_blocks);
        let home = self.layout.inode_group(parent).0;
        if parent != Ino::ROOT
            && let Some(group) = self.groups.get(home)
            && u64::from(group.free_inodes) >= inodes / 4
            && u64::from(group.free_blocks) >= blocks / 4
            && group.free_inodes > 0
        {
            return home;
        }
        let mut number = if parent == Ino::ROOT { self.groups.next } else { home };
        for _ in 0..WEIGHED.min(groups) {
            number = number.checked_rem(groups).unwrap_or(0);
            if let Some(group) = self.groups.get(number)
                && u64::from(group.free_inodes) >= inodes
                && u64::from(group.free_blocks) >= blocks
                && group.free_inodes > 0
            {
                break;
            }
            number = number.saturating_add(1);
        }
        let number = number.checked_rem(groups).unwrap_or(0);
        if parent == Ino::ROOT {
            self.groups.next = number.saturating_add(1);
        }
        number
    }

    /// Gives back an inode that nothing names once `needs` are on the disk.
    pub(crate) fn give_inode(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        directory: bool,
        needs: Vec<Need>,
    ) -> Result<()> {
        let (group, bit) = self.layout.inode_group(ino);
        let bitmap = self.groups.get(group).ok_or(DAMAGED)?.inode_bitmap;
        if !is_set(self.read(tx, bitmap, Role::InodeBitmap)?, bit) {
            return Err(DAMAGED);
        }
        clear(self.edit(tx, bitmap, Role::InodeBitmap)?, bit);
        let delta = tx.delta(group);
        delta.inodes = delta.inodes.saturating_add(1);
        if directory {
            delta.directories = delta.directories.saturating_sub(1);
        }
        tx.freed_inodes.push((ino, needs));
        Ok(())
    }
}
