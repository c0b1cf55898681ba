//! Adding and removing names.
//!
//! The last name of an inode goes from the disk after the inode has been written without
//! links; any other, after the names that have come since are there.

use super::create::LINK_MAX;
use crate::Ext2;
use crate::caller::{Accounts, Caller};
use crate::directory::Found;
use crate::disk::{Inode, flags, mode};
use crate::numbers::{Block, Ino};
use crate::ops::Kind;
use crate::order::{Need, Target};
use crate::stop::{DAMAGED, Result, Stop};
use crate::tx::Tx;
use alloc::vec::Vec;
use vortex_abi::Errno;

/// What a directory that is removed inherits of what its blocks wait for, at most; and what is
/// looked at for that.
const INHERITED: usize = 24;
const LOOKED_AT: usize = 64;

impl<A: Accounts> Ext2<A> {
    /// Gives an inode another name, or one that was made without its first.
    ///
    /// # Errors
    /// `EEXIST`, `EPERM` for directories and what is immutable, `EMLINK`, `ENOENT` for an inode
    /// whose last name has gone, `ENOSPC`.
    pub fn link(&mut self, caller: &Caller, ino: Ino, dir: Ino, name: &[u8]) -> Result<()> {
        self.writable()?;
        Self::check_name(name)?;
        let mut tx = self.begin(caller);
        let mut parent = self.directory(&tx, dir)?;
        self.changeable(&parent)?;
        let first = self.nameless.contains(&ino);
        let inode = if first { self.used(&tx, ino)? } else { self.live(&tx, ino)? };
        if inode.is(mode::DIRECTORY) || inode.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
            return Err(Errno::EPERM.into());
        }
        if inode.links >= LINK_MAX {
            return Err(Errno::EMLINK.into());
        }
        let room = self.find_none(&tx, dir, &parent, name)?;
        self.unindex(caller, dir, &parent)?;
        let kind = Kind::of_mode(inode.mode).ok_or(DAMAGED)?;
        let block = self.insert(&mut tx, dir, &mut parent, name, (ino, kind.in_entry()), room)?;
        (parent.modified, parent.changed) = (caller.now, caller.now);
        self.put_inode(&mut tx, dir, &parent)?;
        // The directory may be in the same block as the inode, but never is it the inode.
        let mut inode = inode;
        inode.links = inode.links.saturating_add(1);
        inode.changed = caller.now;
        self.put_inode(&mut tx, ino, &inode)?;
        if first {
            // On the disk it has no links until its entry can be found there, as a new one has.
            tx.is_newborn(ino, dir);
        }
        self.order_added(&mut tx, ino, dir, block);
        self.commit(tx)?;
        self.nameless.remove(&ino);
        Ok(())
    }

    /// Removes a name of what is no directory. The inode that it named; without any name it
    /// stays until [`Ext2::release`].
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, `EPERM` for what is immutable or can only grow.
    pub fn unlink(&mut self, caller: &Caller, dir: Ino, name: &[u8]) -> Result<Ino> {
        self.writable()?;
        Self::check_name(name)?;
        let mut tx = self.begin(caller);
        let mut parent = self.directory(&tx, dir)?;
        let (found, inode) = self.removable(&tx, dir, &parent, name)?;
        if inode.is(mode::DIRECTORY) {
            return Err(Errno::EISDIR.into());
        }
        self.unindex(caller, dir, &parent)?;
        let ino = found.ino();
        self.remove(&mut tx, dir, &found, name)?;
        (parent.modified, parent.changed) = (caller.now, caller.now);
        self.put_inode(&mut tx, dir, &parent)?;
        self.drop_name(&mut tx, ino, inode, found.block)?;
        self.commit(tx)?;
        Ok(ino)
    }

    /// Removes an empty directory. It stays, without a name and without entries, until
    /// [`Ext2::release`].
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ENOTEMPTY`, `EPERM`; `EBUSY` for the root.
    pub fn rmdir(&mut self, caller: &Caller, dir: Ino, name: &[u8]) -> Result<Ino> {
        self.writable()?;
        Self::check_name(name)?;
        let mut tx = self.begin(caller);
        let mut parent = self.directory(&tx, dir)?;
        let (found, inode) = self.removable(&tx, dir, &parent, name)?;
        if !inode.is(mode::DIRECTORY) {
            return Err(Errno::ENOTDIR.into());
        }
        let ino = found.ino();
        if ino == Ino::ROOT || ino == dir {
            return Err(Errno::EBUSY.into());
        }
        self.lay_all(Some(ino))?;
        if !self.is_empty(&tx, ino, &inode)? {
            return Err(Errno::ENOTEMPTY.into());
        }
        self.unindex(caller, dir, &parent)?;
        self.remove(&mut tx, dir, &found, name)?;
        (parent.modified, parent.changed) = (caller.now, caller.now);
        parent.links = parent.links.saturating_sub(1).max(1);
        self.put_inode(&mut tx, dir, &parent)?;
        self.drop_directory(&mut tx, ino, inode, found.block)?;
        self.commit(tx)?;
        Ok(ino)
    }

    /// An entry that may be removed, and the inode that it names.
    pub(crate) fn removable(
        &mut self,
        tx: &Tx,
        dir: Ino,
        parent: &Inode,
        name: &[u8],
    ) -> Result<(Found, Inode)> {
        if parent.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
            return Err(Errno::EPERM.into());
        }
        let found = self.find(tx, dir, parent, name)?.ok_or(Errno::ENOENT)?;
        let inode = match self.used(tx, found.ino()) {
            Err(Stop::Error(Errno::ENOENT)) => return Err(DAMAGED),
            other => other?,
        };
        if inode.links == 0 {
            return Err(DAMAGED);
        }
        if inode.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
            return Err(Errno::EPERM.into());
        }
        Ok((found, inode))
    }

    /// An entry for an inode has been added in this block.
    pub(crate) fn order_added(&mut self, tx: &mut Tx, ino: Ino, dir: Ino, block: Block) {
        let mut needs = Vec::new();
        needs.push(Need::block(block, tx.version));
        self.reach(tx, block, &mut needs);
        self.reach_directory(dir, &mut needs);
        let newborn = tx.has_newborn(ino) || self.slots.is_unused_on_disk(ino);
        for need in needs {
            if newborn {
                // What the entry's block waits for may be this very inode.
                tx.check = true;
                tx.need_of_inode(ino, need);
            }
            tx.entries.push((ino, need));
        }
    }

    /// One name less: the entry was in this block.
    pub(crate) fn drop_name(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        mut inode: Inode,
        block: Block,
    ) -> Result<()> {
        inode.links = inode.links.saturating_sub(1);
        inode.changed = tx.caller.now;
        self.put_inode(tx, ino, &inode)?;
        tx.removals.push((ino, Need::block(block, tx.version)));
        if self.slots.is_unused_on_disk(ino) {
            return Ok(());
        }
        if inode.links == 0 {
            self.order_last(tx, ino, block)?;
        } else {
            self.order_removed(tx, ino, block);
        }
        Ok(())
    }

    /// A removal waits for the entries that have come since.
    pub(crate) fn order_removed(&mut self, tx: &mut Tx, ino: Ino, block: Block) {
        let added = tx.entries.iter().filter(|(there, _)| *there == ino).map(|(_, need)| *need);
        let mut needs: Vec<Need> = added.collect();
        if let Some(before) = self.slots.entries.get(&ino) {
            needs.extend(before.iter().copied().filter(|need| !self.satisfied(*need)));
        }
        for need in needs {
            if need.on != Target::Block(block) {
                tx.check = true;
                tx.need(block, need);
            }
        }
    }

    /// The removal of a last entry waits for the inode without links.
    fn order_last(&mut self, tx: &mut Tx, ino: Ino, block: Block) -> Result<()> {
        let held = self.slots.map.get(&ino).is_some_and(|slot| {
            slot.old.is_some() && slot.needs.iter().any(|need| !self.satisfied(*need))
        });
        let (table, _) = self.place_of(ino)?;
        if held {
            tx.check = true;
            tx.need(block, Need::slot(ino, tx.version));
        } else {
            tx.need(block, Need::block(table, tx.version));
        }
        Ok(())
    }

    /// A directory goes: what its blocks waited for, it waits for.
    pub(crate) fn drop_directory(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        mut inode: Inode,
        block: Block,
    ) -> Result<()> {
        inode.links = 0;
        inode.changed = tx.caller.now;
        self.put_inode(tx, ino, &inode)?;
        tx.removals.push((ino, Need::block(block, tx.version)));
        let needs = self.needs_of_blocks(ino)?;
        tx.check |= !needs.is_empty();
        for need in needs {
            tx.need_of_inode(ino, need);
        }
        if !self.slots.is_unused_on_disk(ino) {
            tx.check = true;
            tx.need(block, Need::slot(ino, tx.version));
        }
        Ok(())
    }

    /// What the changed blocks of a directory wait for. If that is much, they are wanted on the
    /// disk first: `Flush` until it is less.
    fn needs_of_blocks(&mut self, ino: Ino) -> Result<Vec<Need>> {
        let range = (ino, Block(0))..=(ino, Block(u32::MAX));
        let (mut needs, mut looked_at): (Vec<Need>, usize) = (Vec::new(), 0);
        let (mut blocks, mut much) = (Vec::new(), false);
        for (_, block) in self.writer.private.range(range) {
            let Some(buffer) = self.cache.get(*block) else { continue };
            blocks.push(Need::block(*block, buffer.version));
            looked_at = looked_at.saturating_add(buffer.needs.len()).saturating_add(1);
            much = looked_at > LOOKED_AT || needs.len() > INHERITED;
            if much {
                break;
            }
            needs.extend(buffer.needs.iter().copied().filter(|need| !self.satisfied(*need)));
        }
        if !much && needs.len() <= INHERITED {
            return Ok(needs);
        }
        self.hurry_needs(blocks);
        self.writer.want_urgent();
        Err(Stop::Flush)
    }
}
