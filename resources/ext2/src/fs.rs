//! The file system: what all operations share.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::cache::{Buffer, Cache, Role, copy_of};
use crate::caller::{Accounts, Payer};
use crate::directory::Indexes;
use crate::disk::{Layout, ReadOnly, Refusal};
use crate::file::Reaps;
use crate::numbers::{Block, Ino};
use crate::order::{Ghosts, PRICE, Slots, Writer};
use crate::space::{Groups, Quarantine};
use crate::stop::{DAMAGED, Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

/// Blocks that are clean or free, at least, before another is asked for: what one operation
/// reads does not push out what it has read before.
const SPARE: usize = 32;
/// Blocks of somebody's own given up for one that it gets, where it has all that it may.
const OWN: usize = 2;
/// Blocks, and what else is known, given up in one run.
const DISSOLVED: usize = 16;

/// How a file system is served.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Nothing is written.
    pub read_only: bool,
    /// Writes to it though it was not unmounted in order, and nobody has checked it.
    pub unchecked: bool,
    /// Blocks of metadata in memory, at most; 64 are the least. Blocks of descriptors, which
    /// always stay, come on top.
    pub cached: u32,
    /// Names of large directories in memory, at most.
    pub names: u32,
    /// The device has a cache that forgets at a power cut, until it is flushed.
    pub volatile: bool,
    /// Makes names collide at other places for each machine: a random number.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_only: false,
            unchecked: false,
            cached: 2048,
            names: 1 << 20,
            volatile: true,
            seed: 0,
        }
    }
}

/// A file system. All state is here; its owner runs one operation after the other.
pub struct Ext2<A> {
    pub(crate) layout: Layout,
    pub(crate) accounts: A,
    pub(crate) cache: Cache,
    pub(crate) slots: Slots,
    pub(crate) ghosts: Ghosts,
    pub(crate) writer: Writer,
    pub(crate) groups: Groups,
    pub(crate) quarantine: Quarantine,
    pub(crate) indexes: Indexes,
    pub(crate) reaps: Reaps,
    /// The number of the last operation that changed something.
    pub(crate) clock: u64,
    /// A write has failed: nothing is changed or written any more.
    pub(crate) broken: bool,
    /// Why nothing is changed.
    pub(crate) read_only: Option<ReadOnly>,
    pub(crate) mounted: bool,
    pub(crate) unmounting: bool,
    /// The superblock says that it was unmounted in order.
    pub(crate) marked: bool,
    /// Damage has been found.
    pub(crate) damaged: bool,
    /// Blocks that no file can have.
    pub(crate) overhead: u64,
    /// Files that were made without a name, and have had none yet.
    pub(crate) nameless: BTreeSet<Ino>,
    /// Directories whose blocks have an index that is being given up, and since when.
    pub(crate) unindexed: Vec<(Ino, u64)>,
    /// On the way from a directory to the root: what is to be moved, where to, how far it is.
    pub(crate) climb: Option<(Ino, Ino, Ino)>,
    /// Blocks that have been asked for.
    asked: BTreeSet<Block>,
    /// Blocks that could not be read; who asks next is told.
    failed: BTreeMap<Block, Errno>,
}

impl<A: Accounts> Ext2<A> {
    /// Reads and checks the superblock: the 1,024 bytes at byte 1,024 of a volume of `volume`
    /// bytes. [`Ext2::mount`] is to follow.
    ///
    /// # Errors
    /// Why it is not served.
    pub fn open(
        superblock: &[u8],
        volume: u64,
        options: Options,
        accounts: A,
    ) -> core::result::Result<Self, Refusal> {
        let layout = Layout::read(superblock, volume)?;
        let large = |_| Refusal::TooLarge("memory");
        let cached = options.cached.max(64);
        let capacity = cached.saturating_add(layout.descriptor_blocks()).saturating_add(1);
        let read_only = if options.read_only {
            Some(ReadOnly::Asked)
        } else if layout.unknown_to_writers() != 0 {
            Some(ReadOnly::Features(layout.unknown_to_writers()))
        } else if layout.state & 3 != 1 && !options.unchecked {
            Some(ReadOnly::NotClean)
        } else {
            None
        };
        Ok(Self {
            layout,
            accounts,
            cache: Cache::new(capacity).map_err(large)?,
            slots: Slots::default(),
            ghosts: Ghosts::default(),
            writer: Writer::new(capacity, options.volatile).map_err(large)?,
            groups: Groups::new(layout.groups).map_err(large)?,
            quarantine: Quarantine::default(),
            indexes: Indexes::new(options.seed, options.names),
            reaps: Reaps::default(),
            clock: 1,
            broken: false,
            read_only,
            mounted: false,
            unmounting: false,
            marked: false,
            damaged: false,
            overhead: u64::from(layout.first_data.0),
            nameless: BTreeSet::new(),
            unindexed: Vec::new(),
            climb: None,
            asked: BTreeSet::new(),
            failed: BTreeMap::new(),
        })
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> u32 {
        self.layout.block_size
    }

    /// Who pays for memory.
    pub const fn accounts(&self) -> &A {
        &self.accounts
    }

    /// Whether a write of metadata has failed, after which nothing is changed any more.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether anything may be changed.
    pub(crate) fn writable(&self) -> Result<()> {
        match (self.mounted && !self.unmounting, self.read_only, self.broken) {
            (false, ..) => Err(Errno::EINVAL.into()),
            (_, Some(_), _) => Err(Errno::EROFS.into()),
            (.., true) => Err(Errno::EIO.into()),
            _ => Ok(()),
        }
    }

    /// The answer to [`Stop::Fetch`]: a block's bytes, or why it could not be read. Memory for
    /// it is charged to `payer`.
    pub fn fetched(
        &mut self,
        payer: Payer,
        block: Block,
        bytes: core::result::Result<&[u8], Errno>,
    ) {
        if !self.asked.remove(&block) || self.cache.get(block).is_some() {
            return;
        }
        let kept = bytes.and_then(|bytes| {
            if bytes.len() != self.layout.size() {
                return Err(Errno::EIO);
            }
            if self.make_room(1).is_err() {
                // Others have taken the room: who asks again waits for some.
                return Ok(());
            }
            self.keep(payer, block, bytes)
        });
        if let Err(errno) = kept {
            self.failed.insert(block, errno);
        }
    }

    fn keep(
        &mut self,
        payer: Payer,
        block: Block,
        bytes: &[u8],
    ) -> core::result::Result<(), Errno> {
        let copy = copy_of(bytes)?;
        self.give_up_own(payer);
        self.accounts.charge(payer, copy.len())?;
        let mut buffer = Buffer::new(block, Role::Unknown, copy, payer);
        (buffer.version, buffer.issued, buffer.stable) = (self.clock, self.clock, self.clock);
        self.cache.insert(buffer);
        Ok(())
    }

    /// Before somebody gets one more: where it has all that it may, clean ones of its own go. More
    /// than one, for those before that have found none.
    pub(crate) fn give_up_own(&mut self, payer: Payer) {
        for _ in 0..OWN {
            if self.accounts.has_room(payer, self.layout.size()) {
                break;
            }
            let Some(own) = self.cache.oldest_of(payer) else { break };
            self.forget(own);
        }
    }

    /// Gives up clean blocks until there is room for so many; `Flush` if there are too few.
    pub(crate) fn make_room(&mut self, wanted: usize) -> Result<()> {
        while self.cache.room() < wanted {
            let Some(oldest) = self.cache.oldest() else {
                self.writer.want_flush();
                return Err(Stop::Flush);
            };
            self.forget(oldest);
        }
        Ok(())
    }

    /// Bytes that this one pays for and that have to stay until they are written.
    pub fn unwritten(&self, payer: Payer) -> u64 {
        let blocks = u64::from(self.cache.unwritten(payer));
        let inode = u64::from(self.layout.inode_size).saturating_add(PRICE as u64);
        let inodes = u64::from(self.slots.of(payer)).saturating_mul(inode);
        blocks.saturating_mul(u64::from(self.layout.block_size)).saturating_add(inodes)
    }

    /// Somebody waits until less is unwritten: [`Ext2::next_write`] gives all that there is, and
    /// what is written is to stay.
    pub fn press(&mut self) {
        self.writer.want_flush();
    }

    /// Drops a block from memory.
    pub(crate) fn forget(&mut self, block: Block) {
        if let Some(buffer) = self.cache.remove(block)
            && let Some(bytes) = buffer.bytes
        {
            self.accounts.credit(buffer.payer, bytes.len());
        }
    }

    /// After it was unmounted: gives up all that is in memory, a slice at a time. Whether there is
    /// more; then nothing but this is to be asked for any more.
    pub fn dissolve(&mut self) -> bool {
        for _ in 0..DISSOLVED {
            match self.cache.last() {
                Some(block) => self.forget(block),
                None => return self.dissolve_rest(),
            }
        }
        true
    }

    fn dissolve_rest(&mut self) -> bool {
        for _ in 0..DISSOLVED {
            let slots = &mut self.slots;
            let held = self.quarantine.dissolve();
            if let Some((payer, bytes)) = held.flatten() {
                self.accounts.credit(payer, bytes);
            }
            let named = slots.entries.pop_first().is_some() || slots.removals.pop_first().is_some();
            let slot = slots.map.first_key_value().map(|(ino, _)| *ino);
            match slot {
                Some(ino) => self.forget_slot(ino),
                None if held.is_none() && !named => return self.indexes.dissolve(),
                None => {}
            }
        }
        true
    }

    /// A block that has just been given out: what was asked for of it is not what it is.
    pub(crate) fn is_made(&mut self, block: Block) {
        self.asked.remove(&block);
        self.failed.remove(&block);
    }

    /// A block's bytes, as this transaction sees them.
    pub(crate) fn read<'a>(&'a mut self, tx: &'a Tx, block: Block, role: Role) -> Result<&'a [u8]> {
        if let Some(bytes) = tx.bytes(block, role)? {
            return Ok(bytes);
        }
        self.cached(block, role)
    }

    /// A block's bytes, as they are in memory.
    pub(crate) fn cached(&mut self, block: Block, role: Role) -> Result<&[u8]> {
        let Some(buffer) = self.cache.touch(block) else {
            return Err(self.ask(block));
        };
        let there = buffer.role;
        if there == Role::Unknown {
            if let Some(buffer) = self.cache.get_mut(block) {
                buffer.role = role;
            }
            self.cache.settle(block);
        } else if there != role {
            return Err(DAMAGED);
        }
        self.cache.get(block).and_then(|buffer| buffer.bytes.as_deref()).ok_or(DAMAGED)
    }

    fn ask(&mut self, block: Block) -> Stop {
        if let Some(errno) = self.failed.remove(&block) {
            return Stop::Error(errno);
        }
        if block.0 >= self.layout.blocks {
            return DAMAGED;
        }
        if self.cache.spare() < SPARE {
            self.writer.want_flush();
            return Stop::Flush;
        }
        self.asked.insert(block);
        Stop::Fetch(block)
    }

    /// The inodes of a block of the inode table: the first, and how many.
    pub(crate) fn inodes_of(&self, block: Block) -> Option<(Ino, u32)> {
        let layout = &self.layout;
        let (group, _) = layout.group_of(block);
        let table = self.groups.get(group)?.inode_table;
        let index = block.0.checked_sub(table.0)?;
        if index >= layout.table_blocks() {
            return None;
        }
        let before = index.saturating_mul(layout.inodes_per_block());
        let first = group.saturating_mul(layout.inodes_per_group).saturating_add(before);
        let count = layout.inodes_per_group.saturating_sub(before).min(layout.inodes_per_block());
        Some((Ino(first.saturating_add(1)), count))
    }

    /// Where an inode is: its block, and the bytes before it there.
    pub(crate) fn place_of(&self, ino: Ino) -> Result<(Block, usize)> {
        let layout = &self.layout;
        if ino.0 == 0 || ino.0 > layout.inodes {
            return Err(DAMAGED);
        }
        let (group, index) = layout.inode_group(ino);
        let table = self.groups.get(group).ok_or(DAMAGED)?.inode_table;
        let per = layout.inodes_per_block().max(1);
        let block = index.checked_div(per).unwrap_or(0);
        let within = index.checked_rem(per).unwrap_or(0).saturating_mul(layout.inode_size);
        Ok((table.after(block), within as usize))
    }

    /// Whether this is a block that a file may have.
    pub(crate) fn is_data(&self, block: Block) -> bool {
        self.data_run(block, 1) == 1
    }

    /// How many blocks from this one on, of its group and `most` of them, a file may have.
    pub(crate) fn data_run(&self, block: Block, most: u32) -> u32 {
        let layout = &self.layout;
        if block.0 <= layout.first_data.0 || block.0 >= layout.blocks {
            return 0;
        }
        let (number, at) = layout.group_of(block);
        let Some(group) = self.groups.get(number) else { return 0 };
        let in_table = block.0.wrapping_sub(group.inode_table.0) < layout.table_blocks();
        if at < group.copies || in_table {
            return 0;
        }
        let rest = layout.group_blocks(number).saturating_sub(at).min(most);
        let others = [group.block_bitmap, group.inode_bitmap, group.inode_table];
        others
            .into_iter()
            .filter(|other| *other >= block)
            .fold(rest, |rest, other| other.0.saturating_sub(block.0).min(rest))
    }
}
