//! What has to be on the disk for a file, and waiting for it.

use alloc::vec::Vec;

use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::numbers::{Block, Ino};
use crate::order::{Need, Target};
use crate::stop::{Result, Stop};
use vortex_abi::Errno;

/// What is looked at in one run.
const LOOKED_AT: usize = 128;
const BLOCKS: usize = 64;

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
        self.settle();
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

    /// Has whatever these wait for be written first; what can be written now.
    pub(crate) fn hurry_needs(&mut self, roots: Vec<Need>) {
        let mut next = roots;
        let mut seen: Vec<Target> = Vec::new();
        while let Some(need) = next.pop() {
            if self.satisfied(need) || seen.contains(&need.on) {
                continue;
            }
            if seen.len() >= LOOKED_AT {
                self.writer.want_flush();
                return;
            }
            seen.push(need.on);
            let (block, mut waits, waited_for) = match need.on {
                Target::Block(block) => {
                    let Some(buffer) = self.cache.get(block) else { continue };
                    let waits: Vec<Need> =
                        buffer.needs.iter().copied().chain(buffer.gone).collect();
                    (block, waits, need.version > buffer.issued || buffer.gone.is_some())
                }
                Target::Slot(ino) => {
                    let Some(slot) = self.slots.map.get(&ino) else { continue };
                    let Ok((block, _)) = self.place_of(ino) else { continue };
                    (block, slot.needs.clone(), need.version > slot.issued)
                }
            };
            if !waited_for {
                continue;
            }
            waits.extend(self.writer.gate.filter(|gate| gate.on != Target::Block(block)));
            waits.retain(|need| !self.satisfied(*need));
            if waits.is_empty() {
                self.hurry(block);
            }
            next.append(&mut waits);
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
        self.settle();
        self.put_totals(caller);
        if self.is_clean() {
            return Ok(());
        }
        self.writer.want_flush();
        Err(Stop::Flush)
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
