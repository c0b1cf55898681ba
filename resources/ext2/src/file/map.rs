//! Where the blocks of a file are.

use alloc::vec::Vec;

use super::path::Path;
use crate::Ext2;
use crate::cache::Role;
use crate::caller::Accounts;
use crate::disk::{Inode, flags, get32};
use crate::numbers::{Block, FileBlock, Ino};
use crate::stop::{DAMAGED, Result};
use crate::tx::Tx;
use vortex_abi::Errno;

/// Blocks told in one answer, at most.
const MOST: u32 = 256;

/// Blocks of a file that lie one after the other on the disk, or are holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first of them.
    pub first: FileBlock,
    /// How many.
    pub count: u32,
    /// Where the first one is; None where there are none, which reads as zeroes.
    pub at: Option<Block>,
    /// They have just been made: what is on the disk there is anything.
    pub new: bool,
}

/// What is known of a file's block.
pub(super) enum Leaf {
    /// The inode's own pointer with this index.
    Inode(usize),
    /// A pointer in this block.
    Block(Block, u32),
    /// No block of pointers leads there, nor to any of so many from there on.
    Hole(u32),
}

/// Adds a run, joined to the one before where it goes on from there.
pub(super) fn join(runs: &mut Vec<Run>, run: Run) -> Result<()> {
    if let Some(last) = runs.last_mut() {
        let follows = match (last.at, run.at) {
            (Some(before), Some(at)) => before.after(last.count) == at,
            (None, None) => true,
            _ => false,
        };
        if follows && last.new == run.new && last.first.after(last.count) == run.first {
            last.count = last.count.saturating_add(run.count);
            return Ok(());
        }
    }
    runs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    runs.push(run);
    Ok(())
}

impl<A: Accounts> Ext2<A> {
    /// As a power of two, the pointers in a block.
    pub(crate) const fn pointer_bits(&self) -> u32 {
        self.layout.block_bits.saturating_sub(2)
    }

    /// Where the pointer to a block of a file is.
    pub(super) fn leaf(
        &mut self,
        tx: &Tx,
        ino: Ino,
        inode: &Inode,
        block: FileBlock,
    ) -> Result<Leaf> {
        let bits = self.pointer_bits();
        let path = Path::to(block, bits).ok_or(Errno::EFBIG)?;
        if path.depth() == 0 {
            return Ok(Leaf::Inode(path.first()));
        }
        let mut pointer = inode.pointers.get(path.first()).copied().unwrap_or(0);
        let mut left = path.depth() as u32;
        for index in path.rest() {
            if pointer == 0 {
                // Up to the end of what this pointer would lead to.
                let span = bits.saturating_mul(left).min(31);
                let within = path.rest().iter().skip(path.depth().saturating_sub(left as usize));
                let at = within.fold(0_u64, |sum, index| sum << bits | u64::from(*index));
                let rest = (1_u64 << span).saturating_sub(at).max(1);
                return Ok(Leaf::Hole(u32::try_from(rest).unwrap_or(u32::MAX)));
            }
            let here = self.data_block(pointer)?;
            left = left.saturating_sub(1);
            if left == 0 {
                return Ok(Leaf::Block(here, *index));
            }
            let bytes = self.read(tx, here, Role::Pointers(ino))?;
            pointer = get32(bytes, (*index as usize).saturating_mul(4));
        }
        Err(DAMAGED)
    }

    /// A pointer's block, if that is one that a file may have.
    pub(crate) fn data_block(&self, pointer: u32) -> Result<Block> {
        let block = Block(pointer);
        if self.is_data(block) { Ok(block) } else { Err(DAMAGED) }
    }

    /// The block of a file or directory; None for a hole.
    pub(crate) fn block_of(
        &mut self,
        tx: &Tx,
        ino: Ino,
        inode: &Inode,
        block: FileBlock,
    ) -> Result<Option<Block>> {
        let pointer = match self.leaf(tx, ino, inode, block)? {
            Leaf::Inode(index) => inode.pointers.get(index).copied().unwrap_or(0),
            Leaf::Block(at, index) => {
                let bytes = self.read(tx, at, Role::Pointers(ino))?;
                get32(bytes, (index as usize).saturating_mul(4))
            }
            Leaf::Hole(_) => 0,
        };
        if pointer == 0 { Ok(None) } else { self.data_block(pointer).map(Some) }
    }

    /// Where up to `count` blocks of a file are, from `first` on: fewer than asked for where
    /// that would be much to look through, but at least one. Holes are told too, and what is
    /// beyond the file's size is a hole.
    ///
    /// # Errors
    /// `EISDIR` and `EINVAL` for what has no blocks of data, `EFBIG` beyond what a file can be.
    pub fn map(&mut self, ino: Ino, first: FileBlock, count: u32) -> Result<Vec<Run>> {
        let tx = self.begin(&crate::Caller::default());
        let inode = self.file(&tx, ino)?;
        let count = count.clamp(1, MOST);
        let mut runs = Vec::new();
        let mut done = 0_u32;
        while done < count {
            let block = first.after(done);
            let left = count.saturating_sub(done);
            let told = match self.leaf(&tx, ino, &inode, block) {
                Ok(Leaf::Inode(index)) => {
                    let pointer = inode.pointers.get(index).copied().unwrap_or(0);
                    self.tell(&mut runs, block, pointer)?;
                    1
                }
                Ok(Leaf::Block(at, index)) => {
                    self.tell_block(&tx, ino, &mut runs, block, at, index, left)?
                }
                Ok(Leaf::Hole(span)) => {
                    let count = span.min(left);
                    join(&mut runs, Run { first: block, count, at: None, new: false })?;
                    count
                }
                // What has been found is told; what stops is met again.
                Err(stop) if runs.is_empty() => return Err(stop),
                Err(_) => return Ok(runs),
            };
            done = done.saturating_add(told);
        }
        Ok(runs)
    }

    pub(super) fn tell(&self, runs: &mut Vec<Run>, first: FileBlock, pointer: u32) -> Result<()> {
        let at = if pointer == 0 { None } else { Some(self.data_block(pointer)?) };
        join(runs, Run { first, count: 1, at, new: false })
    }

    #[expect(clippy::too_many_arguments, reason = "one step of the loop above")]
    fn tell_block(
        &mut self,
        tx: &Tx,
        ino: Ino,
        runs: &mut Vec<Run>,
        first: FileBlock,
        at: Block,
        index: u32,
        most: u32,
    ) -> Result<u32> {
        let most = most.min(self.layout.pointers().saturating_sub(index));
        let mut pointers = [0_u32; MOST as usize];
        let bytes = match self.read(tx, at, Role::Pointers(ino)) {
            Ok(bytes) => bytes,
            Err(_) if !runs.is_empty() => return Ok(u32::MAX),
            Err(stop) => return Err(stop),
        };
        let rest = bytes.get((index as usize).saturating_mul(4)..).unwrap_or(&[]);
        for (place, bytes) in pointers.iter_mut().zip(rest.chunks_exact(4)).take(most as usize) {
            *place = get32(bytes, 0);
        }
        for (offset, pointer) in pointers.iter().take(most as usize).enumerate() {
            self.tell(runs, first.after(offset as u32), *pointer)?;
        }
        Ok(most)
    }

    /// The inode of a file whose blocks are told and made from outside.
    pub(crate) fn file(&mut self, tx: &Tx, ino: Ino) -> Result<Inode> {
        use crate::disk::mode;
        let inode = self.used(tx, ino)?;
        if inode.is(mode::DIRECTORY) {
            return Err(Errno::EISDIR.into());
        }
        if !inode.is(mode::FILE) {
            return Err(Errno::EINVAL.into());
        }
        if inode.flags & flags::FOREIGN != 0 {
            return Err(DAMAGED);
        }
        Ok(inode)
    }
}
