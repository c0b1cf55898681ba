//! Renaming.
//!
//! The new entry is on the disk before the old one goes; where both are in one block they
//! change at once. An entry names another inode only when that inode is on the disk. What
//! replaces another file by a name in the same block leaves it the old name until it is without
//! links on the disk ([`crate::order::Ghosts`]). What is not covered: where the two names are in
//! two blocks a cut can lose the new one, and then the old one is there; a directory that
//! changes its place between two blocks has two names, or two files that change places have one
//! and none, until both blocks are written; then `e2fsck` wants to be asked.

use super::create::LINK_MAX;
use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::directory::Found;
use crate::disk::{Entries, Inode, mode, put32};
use crate::numbers::{Block, FileBlock, Ino};
use crate::ops::Kind;
use crate::order::{Ghost, Need};
use crate::stop::{DAMAGED, Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

/// Directories looked at in one run on the way to the root.
const CLIMBED: usize = 64;

/// What becomes of what has the new name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It is replaced.
    Yes,
    /// It is an error.
    No,
    /// It gets the old name.
    Exchange,
}

/// A name in a directory.
struct End {
    dir: Ino,
    parent: Inode,
    found: Found,
    inode: Inode,
}

impl<A: Accounts> Ext2<A> {
    /// Gives what has a name another one. The inode that has lost its name to it, if any.
    ///
    /// # Errors
    /// `ENOENT`, `EEXIST`, `ENOTEMPTY`, `EISDIR`, `ENOTDIR`, `EMLINK`, `EPERM`, `ENOSPC`;
    /// `EINVAL` for a directory into itself.
    pub fn rename(
        &mut self,
        caller: &Caller,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        replace: Replace,
    ) -> Result<Option<Ino>> {
        self.writable()?;
        Self::check_name(from.1)?;
        Self::check_name(to.1)?;
        let mut tx = self.begin(caller);
        let parent = self.directory(&tx, from.0)?;
        let (found, inode) = self.removable(&tx, from.0, &parent, from.1)?;
        let old = End { dir: from.0, parent, found, inode };
        let target = self.directory(&tx, to.0)?;
        self.changeable(&target)?;
        let there = self.find(&tx, to.0, &target, to.1)?;
        if there.is_some() && replace == Replace::No {
            return Err(Errno::EEXIST.into());
        }
        if there.is_none() && replace == Replace::Exchange {
            return Err(Errno::ENOENT.into());
        }
        if there.is_some_and(|there| there.ino() == found.ino()) {
            return Ok(None);
        }
        if inode.is(mode::DIRECTORY) && from.0 != to.0 {
            self.check_descent(&tx, found.ino(), to.0)?;
        }
        self.unindex(caller, from.0, &parent)?;
        self.unindex(caller, to.0, &target)?;
        let lost = match there {
            None => {
                self.move_to_free(&mut tx, &old, from.1, to, target)?;
                None
            }
            Some(_) => {
                let (found, inode) = self.removable(&tx, to.0, &target, to.1)?;
                let new = End { dir: to.0, parent: target, found, inode };
                if replace == Replace::Exchange {
                    if new.inode.is(mode::DIRECTORY) && from.0 != to.0 {
                        self.check_descent(&tx, new.found.ino(), from.0)?;
                    }
                    self.exchange(&mut tx, &old, &new)?;
                    None
                } else {
                    self.move_over(&mut tx, &old, from.1, &new)?;
                    Some(new.found.ino())
                }
            }
        };
        self.commit(tx)?;
        self.climb = None;
        Ok(lost)
    }

    /// To a name that nothing has.
    fn move_to_free(
        &mut self,
        tx: &mut Tx,
        old: &End,
        old_name: &[u8],
        to: (Ino, &[u8]),
        mut target: Inode,
    ) -> Result<()> {
        let ino = old.found.ino();
        let directory = old.inode.is(mode::DIRECTORY);
        let crosses = old.dir != to.0;
        if directory && crosses && target.links >= LINK_MAX {
            return Err(Errno::EMLINK.into());
        }
        self.remove(tx, old.dir, &old.found, old_name)?;
        let kind = Kind::of_mode(old.inode.mode).ok_or(DAMAGED)?.in_entry();
        // The room of the old name first: then both change at once.
        let beside = (!crosses).then_some((old.found.index, old.found.block));
        let block = self.insert_beside(tx, to.0, &mut target, to.1, (ino, kind), beside)?;
        (target.modified, target.changed) = (tx.caller.now, tx.caller.now);
        if crosses {
            self.touch_old_parent(tx, old, directory)?;
            if directory {
                target.links = target.links.saturating_add(1);
            }
        }
        self.put_inode(tx, to.0, &target)?;
        self.put_moved(tx, old, to.0, block)
    }

    /// Over a name that something has.
    fn move_over(&mut self, tx: &mut Tx, old: &End, old_name: &[u8], new: &End) -> Result<()> {
        let ino = old.found.ino();
        let (directory, over) = (old.inode.is(mode::DIRECTORY), new.inode.is(mode::DIRECTORY));
        match (directory, over) {
            (true, false) => return Err(Errno::ENOTDIR.into()),
            (false, true) => return Err(Errno::EISDIR.into()),
            _ => {}
        }
        let lost = new.found.ino();
        if over && (lost == old.dir || lost == Ino::ROOT) {
            return Err(Errno::ENOTEMPTY.into());
        }
        if over {
            self.lay_all(Some(lost))?;
        }
        if over && !self.is_empty(tx, lost, &new.inode)? {
            return Err(Errno::ENOTEMPTY.into());
        }
        if self.slots.is_newborn(ino) {
            self.hurry_inode(ino);
            return Err(Stop::Flush);
        }
        let kind = Kind::of_mode(old.inode.mode).ok_or(DAMAGED)?.in_entry();
        self.replace(tx, new.dir, &new.found, ino, kind)?;
        let haunts = self.haunts(old, new);
        if haunts {
            let kind = Kind::of_mode(new.inode.mode).ok_or(DAMAGED)?.in_entry();
            self.replace(tx, old.dir, &old.found, lost, kind)?;
        } else {
            self.remove(tx, old.dir, &old.found, old_name)?;
        }
        let crosses = old.dir != new.dir;
        let mut target = new.parent;
        (target.modified, target.changed) = (tx.caller.now, tx.caller.now);
        // A directory has come, and one has gone.
        if over && !crosses {
            target.links = target.links.saturating_sub(1);
        }
        self.put_inode(tx, new.dir, &target)?;
        if crosses {
            self.touch_old_parent(tx, old, directory)?;
        }
        self.put_moved(tx, old, new.dir, new.found.block)?;
        if over {
            self.drop_directory(tx, lost, new.inode, new.found.block)
        } else if haunts {
            self.drop_to_ghost(tx, new)
        } else {
            self.drop_name(tx, lost, new.inode, new.found.block)
        }
    }

    /// Whether the old name becomes a ghost of what is replaced: it is its last name, and both
    /// names are in one block.
    fn haunts(&self, old: &End, new: &End) -> bool {
        let last = new.inode.links == 1 && !new.inode.is(mode::DIRECTORY);
        let same = old.dir == new.dir && old.found.block == new.found.block;
        last && same && !self.slots.is_unused_on_disk(new.found.ino())
    }

    /// The last name of a file becomes a ghost's: the inode is without links when its new name
    /// is on the disk, and then that goes.
    fn drop_to_ghost(&mut self, tx: &mut Tx, new: &End) -> Result<()> {
        if self.ghosts.is_full() {
            self.lay_all(None)?;
        }
        let (ino, mut inode) = (new.found.ino(), new.inode);
        let Found { block, index, .. } = new.found;
        (inode.links, inode.changed) = (0, tx.caller.now);
        self.put_inode(tx, ino, &inode)?;
        let there = Need::block(block, tx.version);
        tx.check = true;
        tx.need_of_inode(ino, there);
        tx.removals.push((ino, there));
        let (dir, version, payer) = (new.dir, tx.version, tx.caller.payer);
        tx.ghosts.push((ino, Ghost { dir, index, block, version, payer, ends: false }));
        Ok(())
    }

    /// Two names change what they name.
    fn exchange(&mut self, tx: &mut Tx, old: &End, new: &End) -> Result<()> {
        for ino in [old.found.ino(), new.found.ino()] {
            if self.slots.is_newborn(ino) {
                self.hurry_inode(ino);
                return Err(Stop::Flush);
            }
        }
        let kind = |end: &End| Kind::of_mode(end.inode.mode).map(Kind::in_entry).ok_or(DAMAGED);
        let (old_kind, new_kind) = (kind(old)?, kind(new)?);
        self.replace(tx, old.dir, &old.found, new.found.ino(), new_kind)?;
        self.replace(tx, new.dir, &new.found, old.found.ino(), old_kind)?;
        let now = tx.caller.now;
        let crosses = old.dir != new.dir;
        let directories = (old.inode.is(mode::DIRECTORY), new.inode.is(mode::DIRECTORY));
        for (end, gone, come) in
            [(old, directories.0, directories.1), (new, directories.1, directories.0)]
        {
            let mut parent = end.parent;
            (parent.modified, parent.changed) = (now, now);
            if crosses && come && !gone {
                if parent.links >= LINK_MAX {
                    return Err(Errno::EMLINK.into());
                }
                parent.links = parent.links.saturating_add(1);
            } else if crosses && gone && !come {
                parent.links = parent.links.saturating_sub(1);
            }
            self.put_inode(tx, end.dir, &parent)?;
        }
        for (end, dir, block) in [(old, new.dir, new.found.block), (new, old.dir, old.found.block)]
        {
            let ino = end.found.ino();
            // An exchanged directory may be the parent of the other's name: read it anew.
            let mut inode = self.get_inode(tx, ino)?;
            inode.changed = now;
            self.put_inode(tx, ino, &inode)?;
            self.order_added(tx, ino, dir, block);
            if crosses && inode.is(mode::DIRECTORY) {
                self.set_parent(tx, ino, &inode, dir)?;
            }
        }
        Ok(())
    }

    /// The directory that a name has left.
    fn touch_old_parent(&mut self, tx: &mut Tx, old: &End, directory: bool) -> Result<()> {
        let mut parent = old.parent;
        (parent.modified, parent.changed) = (tx.caller.now, tx.caller.now);
        if directory {
            parent.links = parent.links.saturating_sub(1);
        }
        self.put_inode(tx, old.dir, &parent)
    }

    /// What has been moved: its time, its parent, and the order of its two entries.
    fn put_moved(&mut self, tx: &mut Tx, old: &End, dir: Ino, block: Block) -> Result<()> {
        let ino = old.found.ino();
        let mut inode = old.inode;
        inode.changed = tx.caller.now;
        self.put_inode(tx, ino, &inode)?;
        let directory = inode.is(mode::DIRECTORY);
        if directory && old.dir != dir {
            self.set_parent(tx, ino, &inode, dir)?;
        }
        self.order_added(tx, ino, dir, block);
        let left = old.found.block;
        tx.removals.push((ino, Need::block(left, tx.version)));
        if self.slots.is_unused_on_disk(ino) {
            if directory && left != block {
                tx.need_of_inode(ino, Need::block(left, tx.version));
            }
        } else if left != block {
            self.order_removed(tx, ino, left);
        }
        Ok(())
    }

    /// Has a directory name another parent.
    fn set_parent(&mut self, tx: &mut Tx, ino: Ino, inode: &Inode, parent: Ino) -> Result<()> {
        let block = self.block_of(tx, ino, inode, FileBlock(0))?.ok_or(DAMAGED)?;
        let (at, _) = self.parent_entry(tx, ino, block)?;
        put32(self.edit(tx, block, Role::Entries(ino))?, at, parent.0);
        Ok(())
    }

    /// Where a directory names its parent, and which that is.
    fn parent_entry(&mut self, tx: &Tx, ino: Ino, block: Block) -> Result<(usize, Ino)> {
        let layout = self.layout;
        let bytes = self.read(tx, block, Role::Entries(ino))?;
        for entry in Entries::new(bytes, layout.filetype, layout.inodes).take(2) {
            let entry = entry?;
            if entry.name == b".." && entry.ino.0 != 0 {
                return Ok((entry.at, entry.ino));
            }
        }
        Err(DAMAGED)
    }

    /// `EINVAL` if a directory would come to be within itself.
    fn check_descent(&mut self, tx: &Tx, moved: Ino, into: Ino) -> Result<()> {
        let begun = self.climb.filter(|(what, to, _)| (*what, *to) == (moved, into));
        let mut at = begun.map_or(into, |(_, _, at)| at);
        for _ in 0..CLIMBED {
            if at == moved {
                self.climb = None;
                return Err(Errno::EINVAL.into());
            }
            if at == Ino::ROOT {
                return Ok(());
            }
            let inode = self.directory(tx, at)?;
            let block = self.block_of(tx, at, &inode, FileBlock(0))?.ok_or(DAMAGED)?;
            let (_, parent) = self.parent_entry(tx, at, block)?;
            if parent == at {
                return Err(DAMAGED);
            }
            at = parent;
            self.climb = Some((moved, into, at));
        }
        Err(Stop::Again)
    }
}
