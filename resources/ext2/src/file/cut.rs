//! Cutting files, and ending those that no name and nobody has.
//!
//! A cut takes what is beyond the new end off the inode in one transaction, and remembers it;
//! the blocks are then freed in slices ([`Reap`]). A power cut between leaves blocks that
//! nothing has, which `e2fsck -p` gives back.

use alloc::vec::Vec;

use super::path::{self, Path};
use super::reap::{Item, Reap};
use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::disk::{Inode, flags, get32, mode, put32};
use crate::numbers::{Block, FileBlock, Ino};
use crate::order::Need;
use crate::stop::{Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

const ATTRIBUTES_MAGIC: u32 = 0xea02_0000;

impl<A: Accounts> Ext2<A> {
    /// Sets a file's size. What is cut off is freed in slices: `Again` until that is done, and
    /// the size is the new one from the first of them on.
    ///
    /// # Errors
    /// `EFBIG`, `EPERM` for files that are immutable or can only grow.
    pub fn set_size(&mut self, caller: &Caller, ino: Ino, size: u64) -> Result<()> {
        self.writable()?;
        let mut tx = self.begin(caller);
        let mut inode = self.file(&tx, ino)?;
        if inode.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
            return Err(Errno::EPERM.into());
        }
        if size > self.largest_file() {
            return Err(Errno::EFBIG.into());
        }
        if inode.size == size && self.reaps.has(ino) {
            return self.reap(caller, ino);
        }
        let mut reap = Reap::new(ino, caller.payer, false);
        self.detach(&mut tx, ino, &mut inode, size, &mut reap)?;
        tx.large_file |= size > i32::MAX as u64;
        inode.size = size;
        (inode.modified, inode.changed) = (caller.now, caller.now);
        self.put_inode(&mut tx, ino, &inode)?;
        let cuts = !reap.items.is_empty();
        if cuts {
            tx.reaps.push(reap);
        }
        self.commit(tx)?;
        if cuts { self.reap(caller, ino) } else { Ok(()) }
    }

    /// A file has been written up to `end`: its size is at least that, and its times are now.
    ///
    /// # Errors
    /// As [`Ext2::set_size`].
    pub fn wrote(&mut self, caller: &Caller, ino: Ino, end: u64) -> Result<()> {
        self.writable()?;
        let mut tx = self.begin(caller);
        let mut inode = self.file(&tx, ino)?;
        if end > self.largest_file() {
            return Err(Errno::EFBIG.into());
        }
        tx.large_file |= end > i32::MAX as u64;
        inode.size = inode.size.max(end);
        (inode.modified, inode.changed) = (caller.now, caller.now);
        self.put_inode(&mut tx, ino, &inode)?;
        self.commit(tx)
    }

    /// Nobody has an inode open any more: if no name is left either it is freed, in slices
    /// (`Again` until that is done).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn release(&mut self, caller: &Caller, ino: Ino) -> Result<()> {
        if self.writable().is_err() {
            return Ok(());
        }
        let mut tx = self.begin(caller);
        let mut inode = self.get_inode(&tx, ino)?;
        if self.reaps.has(ino) {
            self.reap(caller, ino)?;
            // What was cut before is freed: now the rest.
            return if inode.deleted == 0 { Err(Stop::Again) } else { Ok(()) };
        }
        if inode.links > 0 || inode.deleted != 0 || inode.mode == 0 || ino < self.layout.first_ino {
            return Ok(());
        }
        let mut reap = Reap::new(ino, caller.payer, true);
        reap.directory = inode.is(mode::DIRECTORY);
        reap.metadata = !inode.is(mode::FILE);
        reap.holders.push(Need::slot(ino, tx.version));
        if inode.has_blocks(self.layout.block_size) && inode.flags & flags::FOREIGN == 0 {
            self.detach_all(&mut inode, &mut reap)?;
        }
        let attributes = inode.attributes;
        if attributes.0 != 0 {
            self.drop_attributes(&mut tx, ino, attributes)?;
        }
        inode.attributes = Block(0);
        (inode.size, inode.sectors, inode.pointers) = (0, 0, [0; 15]);
        inode.deleted = u32::try_from(caller.now.seconds).unwrap_or(1).max(1);
        self.put_inode(&mut tx, ino, &inode)?;
        // Without blocks, and a ghost that has it still, it goes at once.
        let at_once = reap.items.is_empty() && !self.ghosts.has(ino);
        if at_once {
            let needs = self.needs_of_end(&reap.holders, ino);
            match self.give_inode(&mut tx, ino, reap.directory, needs) {
                Err(Stop::Error(_)) => self.note_damage(),
                other => other?,
            }
        } else {
            tx.reaps.push(reap);
        }
        self.commit(tx)?;
        self.nameless.remove(&ino);
        self.indexes.forget(ino);
        if at_once { Ok(()) } else { self.reap(caller, ino) }
    }

    /// Frees a slice of what has been cut off, whoever it was of. `Again` while there is more.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn tidy(&mut self, caller: &Caller) -> Result<()> {
        match self.reaps.first() {
            Some(ino) => self.reap(caller, ino),
            None => Ok(()),
        }
    }

    fn detach_all(&mut self, inode: &mut Inode, reap: &mut Reap) -> Result<()> {
        for (index, pointer) in inode.pointers.iter_mut().enumerate() {
            let level = (index as u32).saturating_sub(path::DIRECT.saturating_sub(1)) as u8;
            reap.detach(level, core::mem::take(pointer), 0)?;
        }
        Ok(())
    }

    /// Takes off an inode what is beyond a size.
    fn detach(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        inode: &mut Inode,
        size: u64,
        reap: &mut Reap,
    ) -> Result<()> {
        let mask = u64::from(self.layout.block_size).saturating_sub(1);
        let first = size.saturating_add(mask) >> self.layout.block_bits;
        let bits = self.pointer_bits();
        let Ok(first) = u32::try_from(first) else { return Ok(()) };
        reap.holders.push(Need::slot(ino, tx.version));
        let Some(path) = Path::to(FileBlock(first), bits) else { return Ok(()) };
        let mut partial = None;
        for (index, pointer) in inode.pointers.iter_mut().enumerate().skip(path.first()) {
            let level = (index as u32).saturating_sub(path::DIRECT.saturating_sub(1)) as u8;
            let whole = index > path.first() || path.rest().iter().all(|index| *index == 0);
            if whole {
                reap.detach(level, core::mem::take(pointer), 0)?;
            } else {
                partial = Some((level, *pointer));
            }
        }
        let Some((mut level, mut pointer)) = partial else { return Ok(()) };
        for (depth, index) in path.rest().iter().enumerate() {
            if pointer == 0 {
                return Ok(());
            }
            let here = self.data_block(pointer)?;
            level = level.saturating_sub(1);
            let deeper = path.rest().get(depth.saturating_add(1)..).unwrap_or(&[]);
            let into = deeper.iter().any(|index| *index != 0);
            let from = index.saturating_add(u32::from(into));
            self.detach_from(tx, ino, here, from, level, reap)?;
            if !into {
                return Ok(());
            }
            let bytes = self.read(tx, here, Role::Pointers(ino))?;
            pointer = get32(bytes, (*index as usize).saturating_mul(4));
        }
        Ok(())
    }

    /// Takes the pointers from `from` on off a block.
    fn detach_from(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        block: Block,
        from: u32,
        level: u8,
        reap: &mut Reap,
    ) -> Result<()> {
        let at = (from as usize).saturating_mul(4);
        let bytes = self.read(tx, block, Role::Pointers(ino))?;
        if bytes.get(at..).is_none_or(|rest| rest.iter().all(|byte| *byte == 0)) {
            return Ok(());
        }
        let holder = reap.holders.len() as u8;
        reap.holders.push(Need::block(block, tx.version));
        let bytes = self.edit(tx, block, Role::Pointers(ino))?;
        for place in bytes.get_mut(at..).unwrap_or(&mut []).chunks_exact_mut(4) {
            reap.detach(level, get32(place, 0), holder)?;
            put32(place, 0, 0);
        }
        Ok(())
    }

    /// One inode less has this block of extended attributes.
    fn drop_attributes(&mut self, tx: &mut Tx, ino: Ino, block: Block) -> Result<()> {
        if !self.is_data(block) {
            self.note_damage();
            return Ok(());
        }
        let bytes = self.read(tx, block, Role::Attributes)?;
        let (magic, count) = (get32(bytes, 0), get32(bytes, 4));
        if magic != ATTRIBUTES_MAGIC {
            self.note_damage();
        } else if count > 1 {
            let bytes = self.edit(tx, block, Role::Attributes)?;
            put32(bytes, 4, count.saturating_sub(1));
        } else {
            let need = Need::slot(ino, tx.version);
            match self.give_block(tx, block, need) {
                Ok(()) => tx.drop_block(block, need),
                Err(Stop::Error(_)) => self.note_damage(),
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }
}

impl Reap {
    /// Remembers what a pointer led to: `level` blocks of pointers to blocks of the file.
    fn detach(&mut self, level: u8, pointer: u32, holder: u8) -> Result<()> {
        if pointer != 0 {
            self.items.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.items.push(Item { block: Block(pointer), level, holder });
        }
        Ok(())
    }

    /// Nothing yet.
    fn new(ino: Ino, payer: crate::Payer, ends: bool) -> Self {
        Self {
            ino,
            payer,
            ends,
            directory: false,
            metadata: false,
            items: Vec::new(),
            holders: Vec::new(),
            next: 0,
            way: Vec::new(),
        }
    }
}
