//! Making blocks of a file.
//!
//! The order: a new block of pointers, or of a directory, is on the disk before what points to
//! it, be that the inode or another block. Blocks of data are not waited for.

use alloc::vec::Vec;

use super::map::{Leaf, Run, join};
use super::path::{self, Path};
use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::disk::{Inode, get32, put32};
use crate::numbers::{Block, FileBlock, Ino};
use crate::order::Need;
use crate::stop::{DAMAGED, Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

/// Blocks made or found in one call, at most.
const MOST: u32 = 64;
/// Blocks that are one after the other are taken together, at most; and of such pieces so many in
/// one call.
const TOGETHER: u32 = 64;
const PIECES: u32 = 8;

impl<A: Accounts> Ext2<A> {
    /// Has up to `count` blocks of a file be there, from `first` on, before they are written:
    /// where they are, and which are new. Fewer than asked for where that is much work, or
    /// where no more are free, but at least one. The size stays: see [`Ext2::wrote`].
    ///
    /// # Errors
    /// `ENOSPC` without a free block, `EFBIG` beyond what a file can be, `EPERM` for one that
    /// is immutable.
    pub fn allocate(
        &mut self,
        caller: &Caller,
        ino: Ino,
        first: FileBlock,
        count: u32,
    ) -> Result<Vec<Run>> {
        self.writable()?;
        let mut tx = self.begin(caller);
        let mut inode = self.file(&tx, ino)?;
        self.changeable(&inode)?;
        let count = count.clamp(1, MOST);
        let (mut runs, mut pieces) = (Vec::new(), 0_u32);
        let (mut done, mut before) = (0_u32, None);
        while done < count && pieces < PIECES {
            let block = first.after(done);
            let most = count.saturating_sub(done);
            let leaf = self.leaf(&tx, ino, &inode, block)?;
            let found = self.tell_found(&tx, ino, &inode, &mut runs, (block, &leaf), most)?;
            if found > 0 {
                done = done.saturating_add(found);
                before = runs.last().and_then(last_of);
                continue;
            }
            match self.allocate_some(&mut tx, ino, &mut inode, (block, leaf, before), most) {
                Ok((at, length)) => {
                    join(&mut runs, Run { first: block, count: length, at: Some(at), new: true })?;
                    done = done.saturating_add(length);
                    before = runs.last().and_then(last_of);
                    pieces = pieces.saturating_add(1);
                }
                Err(Stop::Error(Errno::ENOSPC)) if done > 0 => break,
                Err(stop) => return Err(stop),
            }
        }
        if runs.iter().any(|run| run.new) {
            self.put_inode(&mut tx, ino, &inode)?;
            self.commit(tx)?;
        }
        Ok(runs)
    }

    /// Tells of the blocks that are there from this one on, of those that are pointed to in the same
    /// place; how many.
    fn tell_found(
        &mut self,
        tx: &Tx,
        ino: Ino,
        inode: &Inode,
        runs: &mut Vec<Run>,
        (first, leaf): (FileBlock, &Leaf),
        most: u32,
    ) -> Result<u32> {
        let mut pointers = [0_u32; MOST as usize];
        match *leaf {
            Leaf::Inode(index) => {
                let [pointer, ..] = &mut pointers;
                *pointer = inode.pointers.get(index).copied().unwrap_or(0);
            }
            Leaf::Block(at, index) => {
                let bytes = self.read(tx, at, Role::Pointers(ino))?;
                let rest = bytes.get((index as usize).saturating_mul(4)..).unwrap_or(&[]);
                let told = rest.chunks_exact(4).take(most as usize);
                for (pointer, bytes) in pointers.iter_mut().zip(told) {
                    *pointer = get32(bytes, 0);
                }
            }
            Leaf::Hole(_) => {}
        }
        let mut found = 0_u32;
        for pointer in pointers.into_iter().take_while(|pointer| *pointer != 0) {
            self.tell(runs, first.after(found), pointer)?;
            found = found.saturating_add(1);
        }
        Ok(found)
    }

    /// Makes one block, or several that are one after the other; where the block before is, if that
    /// is known.
    fn allocate_some(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        inode: &mut Inode,
        (first, mut leaf, before): (FileBlock, Leaf, Option<Block>),
        most: u32,
    ) -> Result<(Block, u32)> {
        // All that is needed is there, or nothing is taken.
        let is_missing = matches!(leaf, Leaf::Hole(_));
        let missing = if is_missing { self.missing(tx, ino, inode, first)? } else { 0 };
        if u64::from(missing) >= self.available(tx) {
            return Err(Errno::ENOSPC.into());
        }
        let goal = match before {
            Some(before) => before.after(1),
            None => self.goal(tx, ino, inode, first)?,
        };
        if is_missing {
            leaf = self.make_way(tx, ino, inode, first, goal)?;
        }
        let room = self.vacant(tx, ino, inode, &leaf, most.min(TOGETHER))?;
        let (start, length) = self.take_blocks(tx, goal, room)?;
        for offset in 0..length {
            self.point(tx, ino, inode, &leaf, offset, start.after(offset))?;
        }
        self.count_blocks(inode, length)?;
        Ok((start, length))
    }

    /// Makes one block of a directory or of a symbolic link, full of zeroes, and orders it.
    pub(crate) fn make_block(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        inode: &mut Inode,
        at: FileBlock,
        role: Role,
    ) -> Result<Block> {
        if self.block_of(tx, ino, inode, at)?.is_some() {
            return Err(DAMAGED);
        }
        let missing = self.missing(tx, ino, inode, at)?;
        if u64::from(missing) >= self.available(tx) {
            return Err(Errno::ENOSPC.into());
        }
        let goal = self.goal(tx, ino, inode, at)?;
        let leaf = self.make_way(tx, ino, inode, at, goal)?;
        let (block, _) = self.take_blocks(tx, goal, 1)?;
        self.make(tx, block, role)?;
        self.point(tx, ino, inode, &leaf, 0, block)?;
        self.count_blocks(inode, 1)?;
        let need = Need::block(block, tx.version);
        match leaf {
            Leaf::Block(holder, _) => {
                tx.need(holder, need);
                tx.set_anchor(block, Need::block(holder, tx.version));
            }
            _ => {
                self.put_inode(tx, ino, inode)?;
                tx.need_of_inode(ino, need);
                tx.set_anchor(block, Need::slot(ino, tx.version));
            }
        }
        Ok(block)
    }

    /// How many blocks of pointers are missing on the way.
    fn missing(&mut self, tx: &Tx, ino: Ino, inode: &Inode, block: FileBlock) -> Result<u32> {
        let path = Path::to(block, self.pointer_bits()).ok_or(Errno::EFBIG)?;
        let mut pointer = inode.pointers.get(path.first()).copied().unwrap_or(0);
        let mut left = path.depth() as u32;
        for index in path.rest() {
            if pointer == 0 {
                break;
            }
            left = left.saturating_sub(1);
            if left == 0 {
                break;
            }
            let here = self.data_block(pointer)?;
            let bytes = self.read(tx, here, Role::Pointers(ino))?;
            pointer = get32(bytes, (*index as usize).saturating_mul(4));
        }
        Ok(left)
    }

    /// Makes the blocks of pointers that are missing on the way to a block.
    fn make_way(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        inode: &mut Inode,
        block: FileBlock,
        goal: Block,
    ) -> Result<Leaf> {
        let path = Path::to(block, self.pointer_bits()).ok_or(Errno::EFBIG)?;
        let mut holder = Leaf::Inode(path.first());
        for index in path.rest() {
            let pointer = self.pointer(tx, ino, inode, &holder)?;
            let here = if pointer == 0 {
                let (here, _) = self.take_blocks(tx, goal, 1)?;
                self.make(tx, here, Role::Pointers(ino))?;
                self.point(tx, ino, inode, &holder, 0, here)?;
                self.count_blocks(inode, 1)?;
                let need = Need::block(here, tx.version);
                if let Leaf::Block(above, _) = holder {
                    tx.need(above, need);
                    tx.set_anchor(here, Need::block(above, tx.version));
                } else {
                    self.put_inode(tx, ino, inode)?;
                    tx.need_of_inode(ino, need);
                    tx.set_anchor(here, Need::slot(ino, tx.version));
                }
                here
            } else {
                self.data_block(pointer)?
            };
            holder = Leaf::Block(here, *index);
        }
        Ok(holder)
    }

    fn pointer(&mut self, tx: &Tx, ino: Ino, inode: &Inode, leaf: &Leaf) -> Result<u32> {
        match *leaf {
            Leaf::Inode(index) => Ok(inode.pointers.get(index).copied().unwrap_or(0)),
            Leaf::Block(at, index) => {
                let bytes = self.read(tx, at, Role::Pointers(ino))?;
                Ok(get32(bytes, (index as usize).saturating_mul(4)))
            }
            Leaf::Hole(_) => Ok(0),
        }
    }

    /// How many pointers are free from this one on, in the same place.
    fn vacant(&mut self, tx: &Tx, ino: Ino, inode: &Inode, leaf: &Leaf, most: u32) -> Result<u32> {
        let count = match *leaf {
            Leaf::Inode(index) => {
                let rest = inode.pointers.get(index..path::DIRECT as usize).unwrap_or(&[]);
                rest.iter().take_while(|pointer| **pointer == 0).count()
            }
            Leaf::Block(at, index) => {
                let bytes = self.read(tx, at, Role::Pointers(ino))?;
                let rest = bytes.get((index as usize).saturating_mul(4)..).unwrap_or(&[]);
                let pointers = rest.chunks_exact(4).take(most as usize);
                pointers.take_while(|pointer| get32(pointer, 0) == 0).count()
            }
            Leaf::Hole(_) => 0,
        };
        Ok((count as u32).clamp(1, most))
    }

    /// Puts a pointer, so many after this one.
    fn point(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        inode: &mut Inode,
        leaf: &Leaf,
        offset: u32,
        block: Block,
    ) -> Result<()> {
        match *leaf {
            Leaf::Inode(index) => {
                let place = index.saturating_add(offset as usize);
                *inode.pointers.get_mut(place).ok_or(DAMAGED)? = block.0;
            }
            Leaf::Block(at, index) => {
                let place = index.saturating_add(offset) as usize;
                let bytes = self.edit(tx, at, Role::Pointers(ino))?;
                put32(bytes, place.saturating_mul(4), block.0);
            }
            Leaf::Hole(_) => return Err(DAMAGED),
        }
        Ok(())
    }

    /// Where a block should best be: behind the one before it, else in the inode's group.
    fn goal(&mut self, tx: &Tx, ino: Ino, inode: &Inode, block: FileBlock) -> Result<Block> {
        if block.0 > 0
            && let Some(before) =
                self.block_of(tx, ino, inode, FileBlock(block.0.saturating_sub(1)))?
        {
            return Ok(before.after(1));
        }
        let (group, _) = self.layout.inode_group(ino);
        let table = self.groups.get(group).ok_or(DAMAGED)?.inode_table;
        Ok(table.after(self.layout.table_blocks()))
    }

    /// Counts blocks that an inode has come to have.
    pub(crate) fn count_blocks(&self, inode: &mut Inode, count: u32) -> Result<()> {
        let sectors = count.saturating_mul(self.layout.block_size / 512);
        inode.sectors = inode.sectors.checked_add(sectors).ok_or(Errno::EFBIG)?;
        Ok(())
    }

    /// The greatest size of a file: what its pointers reach, and what 32 bits count in units
    /// of 512 bytes, with what the pointers take.
    #[must_use]
    pub fn largest_file(&self) -> u64 {
        let bits = self.pointer_bits();
        let reached = path::end(bits) << self.layout.block_bits;
        // A block of pointers for each `1 << bits` blocks, and a little above them.
        let units = u64::from(u32::MAX);
        let blocks = units >> self.layout.block_bits.saturating_sub(9);
        let pointers = (blocks >> bits).saturating_add(blocks >> (bits.saturating_mul(2)));
        let counted = blocks.saturating_sub(pointers).saturating_sub(8);
        reached.min(counted << self.layout.block_bits)
    }
}

/// Where the last block of a run is.
fn last_of(run: &Run) -> Option<Block> {
    run.at.map(|at| at.after(run.count.saturating_sub(1)))
}
