//! What has to be on the disk for a file, and waiting for it.

use alloc::vec::Vec;

use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::numbers::{Block, Ino};
use crate::order::{Need, Target};
use crate::stop::{Result, Stop};
use vortex_abi::Errno;

/// What is looked at in one run, and of what one block or inode needs; a few of those count as
/// much as one that is looked at.
const LOOKED_AT: usize = 48;
const FEW: usize = 4;
const NEEDS: usize = 16;
const BLOCKS: usize = 24;

impl<A: Accounts> Ext2<A> {
    /// Whether all metadata of an inode are on the disk and stay: the inode, its blocks of
    /// pointers or entries, and what they have to wait for; a new one's entry and directories
    /// are among that, a directory's new inodes too. `Flush` until it is so: take what
    /// [`Ext2::next_write`] gives for what is urgent, and ask again when something has ended.
    ///
    /// # Errors
    /// `EIO` when a write has failed.
    pub fn sync(&mut self, ino: Ino) -> Result<()> {
        if self.broken {
            return Err(Errno::EIO.into());
        }
        if self.read_only.is_some() {
            return Ok(());
        }
        let mut roots = Vec::new();
        if let Some(slot) = self.slots.map.get(&ino) {
            roots.push(Need::slot(ino, slot.version));
        }
        let range = (ino, Block(0))..=(ino, Block(u32::MAX));
        for (_, block) in self.writer.private.range(range).take(BLOCKS) {
            if let Some(buffer) = self.cache.get(*block) {
                roots.push(Need::block(*block, buffer.version));
            }
        }
        for (_, child) in self.slots.born.range((ino, Ino(0))..=(ino, Ino(u32::MAX))).take(BLOCKS) {
            if let Some(slot) = self.slots.map.get(child) {
                roots.push(Need::slot(*child, slot.version));
            }
        }
        if roots.is_empty() {
            return Ok(());
        }
        self.hurry_needs(roots);
        self.writer.want_urgent();
        Err(Stop::Flush)
    }

    /// An inode is wanted on the disk.
    pub(crate) fn hurry_inode(&mut self, ino: Ino) {
        if let Some(slot) = self.slots.map.get(&ino) {
            let need = Need::slot(ino, slot.version);
            self.hurry_needs([need].into());
        }
        self.writer.want_urgent();
    }

    /// Has whatever these wait for be written first; what can be written now. If that is more than
    /// is looked at in one run, the rest has its turn when some of it is there.
    pub(crate) fn hurry_needs(&mut self, roots: Vec<Need>) {
        let (mut next, mut seen) = (roots, Vec::<Target>::new());
        let (mut left, mut found) = (LOOKED_AT, false);
        while let Some(need) = next.pop() {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(1);
            if self.satisfied(need) {
                continue;
            }
            let Err(place) = seen.binary_search(&need.on) else { continue };
            seen.insert(place, need.on);
            let before = next.len();
            let (block, waited_for) = match need.on {
                Target::Block(block) => {
                    let Some(buffer) = self.cache.get(block) else { continue };
                    next.extend(buffer.needs.iter().rev().take(NEEDS).copied());
                    next.extend(buffer.gone);
                    (block, need.version > buffer.issued || buffer.gone.is_some())
                }
                Target::Slot(ino) => {
                    let Some(slot) = self.slots.map.get(&ino) else { continue };
                    let Ok((block, _)) = self.place_of(ino) else { continue };
                    next.extend(slot.needs.iter().rev().take(NEEDS).copied());
                    (block, need.version > slot.issued)
                }
            };
            next.extend(self.writer.gate.filter(|gate| gate.on != Target::Block(block)));
            // What is there it does not wait for.
            left = left.saturating_sub(next.len().saturating_sub(before) / FEW);
            let mut at = before;
            while let Some(need) = next.get(at).copied() {
                if self.satisfied(need) {
                    next.swap_remove(at);
                } else {
                    at = at.saturating_add(1);
                }
            }
            if !waited_for {
                next.truncate(before);
            } else if next.len() == before {
                found = true;
                self.hurry(block);
            }
        }
        if left == 0 && !found {
            self.writer.want_flush();
        }
    }

    /// Whether everything is on the disk and stays. `Flush` until it is so.
    ///
    /// # Errors
    /// `EIO` when a write has failed.
    pub fn sync_all(&mut self, caller: &Caller) -> Result<()> {
        if self.broken {
            return Err(Errno::EIO.into());
        }
        if self.read_only.is_some() {
            return Ok(());
        }
        self.put_totals(caller);
        if self.is_clean() {
            return Ok(());
        }
        self.writer.want_flush();
        Err(Stop::Flush)
    }

    /// What changes from now on is of another round. The one that ends, for
    /// [`Ext2::is_written`].
    pub fn close_round(&mut self) -> u64 {
        self.slots.rounds.close();
        self.cache.rounds.close()
    }

    /// Whether all that had changed when this round was closed is on the disk and stays, whatever
    /// has changed since; [`Ext2::press`] until it is so.
    ///
    /// # Errors
    /// `EIO` when a write has failed.
    pub fn is_written(&self, round: u64) -> core::result::Result<bool, Errno> {
        if self.broken {
            return Err(Errno::EIO);
        }
        Ok(self.slots.rounds.is_past(round) && self.cache.rounds.is_past(round))
    }

    /// Nothing waits to be written.
    pub(crate) fn is_clean(&self) -> bool {
        let past = self.writer.gate.is_none_or(|gate| self.satisfied(gate));
        past && self.writer.is_idle() && self.writer.is_empty() && self.slots.map.is_empty()
    }

    /// Ends it in order: frees what is to be freed, writes everything, and marks it clean.
    /// `Again` and `Flush` until that is done; nothing is changed from the first call on.
    ///
    /// # Errors
    /// `EIO` when a write has failed: the file system stays marked as not clean.
    pub fn unmount(&mut self, caller: &Caller) -> Result<()> {
        if !self.mounted {
            return Ok(());
        }
        if self.read_only.is_none() {
            if !self.unmounting {
                self.tidy(caller)?;
                self.lay_all(None)?;
            }
            self.unmounting = true;
            self.sync_all(caller)?;
            self.mark_clean(caller)?;
        }
        self.mounted = false;
        Ok(())
    }

    /// The superblock's sums, which are written now and at the end.
    fn put_totals(&mut self, caller: &Caller) {
        let (block, at) = self.layout.superblock();
        let (blocks, inodes) = (self.groups.free_blocks, self.groups.free_inodes);
        let clean = self.is_clean();
        let Ok(bytes) = self.cached(block, Role::Superblock) else { return };
        use crate::disk::{field, get32, put32};
        let at = |field: usize| at.saturating_add(field);
        let there = (get32(bytes, at(field::FREE_BLOCKS)), get32(bytes, at(field::FREE_INODES)));
        let now = (blocks as u32, inodes as u32);
        if there == now && clean {
            return;
        }
        if there != now {
            let seconds = caller.now.seconds as u32;
            self.change_superblock(|bytes| {
                put32(bytes, field::FREE_BLOCKS, now.0);
                put32(bytes, field::FREE_INODES, now.1);
                put32(bytes, field::WRITE_TIME, seconds);
            });
        }
    }
}
