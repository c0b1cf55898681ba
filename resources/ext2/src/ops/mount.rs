//! Taking a file system into service, and what changes of the superblock and the descriptors.

use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::disk::{
    Group, RO_COMPAT_LARGE_FILE, ReadOnly, field, get16, get32, mode, put16, put32, state,
};
use crate::numbers::{Block, Ino};
use crate::order::{Need, Target};
use crate::space::Delta;
use crate::stop::{DAMAGED, Result, Stop};
use vortex_abi::Errno;

/// Descriptors checked in one run.
const CHECKED: u32 = 128;

/// How a file system has been taken into service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Why nothing is written to it; None where it is.
    pub read_only: Option<ReadOnly>,
}

impl<A: Accounts> Ext2<A> {
    /// Takes it into service: reads the descriptors, and marks it as not clean if it is to be
    /// written to. `Fetch` and `Again` until that is done.
    ///
    /// # Errors
    /// `EUCLEAN` where the descriptors or the root contradict the superblock.
    pub fn mount(&mut self, caller: &Caller) -> Result<Mounted> {
        let told = Mounted { read_only: self.read_only };
        if self.mounted {
            return Ok(told);
        }
        let (superblock, _) = self.layout.superblock();
        self.cached(superblock, Role::Superblock)?;
        self.stay(superblock);
        let mut checked = 0_u32;
        while self.groups.known() < self.layout.groups {
            if checked >= CHECKED {
                return Err(Stop::Again);
            }
            let number = self.groups.known();
            let group = self.read_group(number)?;
            let meta = self.check_group(number, &group)?;
            self.overhead = self.overhead.saturating_add(meta);
            self.groups.push(group);
            checked = checked.saturating_add(1);
        }
        let tx = self.begin(caller);
        let root = self.get_inode(&tx, Ino::ROOT)?;
        if !root.is(mode::DIRECTORY) || root.links == 0 {
            return Err(DAMAGED);
        }
        self.mounted = true;
        if self.read_only.is_none() {
            let seconds = caller.now.seconds as u32;
            self.change_superblock(|bytes| {
                let state = get16(bytes, field::STATE);
                put16(bytes, field::STATE, state & !state::VALID);
                put32(bytes, field::MOUNT_TIME, seconds);
                put32(bytes, field::WRITE_TIME, seconds);
                let count = get16(bytes, field::MOUNT_COUNT);
                put16(bytes, field::MOUNT_COUNT, count.saturating_add(1));
            });
            let version = self.cache.get(superblock).map_or(0, |buffer| buffer.version);
            self.writer.gate = Some(Need::block(superblock, version));
        }
        Ok(told)
    }

    fn read_group(&mut self, number: u32) -> Result<Group> {
        let (block, at) = self.descriptor(number);
        let bytes = self.cached(block, Role::Descriptors)?;
        let mut group = Group::read(bytes.get(at..).unwrap_or(&[]));
        self.stay(block);
        if self.layout.has_copy(number) {
            let descriptors = self.layout.descriptor_blocks();
            let reserved = self.layout.reserved_descriptors;
            group.copies = descriptors.saturating_add(reserved).saturating_add(1);
        }
        Ok(group)
    }

    /// A pinned block is in no line of those that may be given up.
    fn stay(&mut self, block: Block) {
        self.cache.settle(block);
    }

    /// Where a group's descriptor is.
    fn descriptor(&self, number: u32) -> (Block, usize) {
        let per = self.layout.descriptors_per_block().max(1);
        let block = number.checked_div(per).unwrap_or(0);
        let within = number.checked_rem(per).unwrap_or(0) as usize;
        (self.layout.descriptors().after(block), within.saturating_mul(Group::SIZE))
    }

    /// Whether a group's metadata lie in the group, apart from each other; how many blocks
    /// they are.
    fn check_group(&self, number: u32, group: &Group) -> Result<u64> {
        let layout = &self.layout;
        let start = layout.group_start(number);
        let end = start.after(layout.group_blocks(number));
        let first = start.after(group.copies);
        let table = layout.table_blocks();
        let inside = |block: Block| block >= first && block < end;
        let last = group.inode_table.after(table);
        let in_table = |block: Block| block >= group.inode_table && block < last;
        let sound = inside(group.block_bitmap)
            && inside(group.inode_bitmap)
            && inside(group.inode_table)
            && last <= end
            && group.block_bitmap != group.inode_bitmap
            && !in_table(group.block_bitmap)
            && !in_table(group.inode_bitmap)
            && u32::from(group.free_blocks) <= layout.group_blocks(number)
            && u32::from(group.free_inodes) <= layout.inodes_per_group;
        if !sound {
            return Err(DAMAGED);
        }
        Ok(u64::from(group.copies).saturating_add(u64::from(table)).saturating_add(2))
    }

    /// Changes the superblock in memory, and has it written.
    pub(crate) fn change_superblock(&mut self, change: impl FnOnce(&mut [u8])) {
        let (block, at) = self.layout.superblock();
        self.change_pinned(block, |bytes| {
            if let Some(bytes) = bytes.get_mut(at..) {
                change(bytes);
            }
        });
    }

    /// Changes a block that always stays, where nothing depends on the order.
    fn change_pinned(&mut self, block: Block, change: impl FnOnce(&mut [u8])) {
        if let Some(buffer) = self.cache.get_mut(block)
            && let Some(bytes) = &mut buffer.bytes
        {
            change(bytes);
            buffer.version = buffer.version.saturating_add(1);
            self.cache.settle(block);
            self.queue(block);
        }
    }

    /// Changes a group's counts.
    pub(crate) fn apply_delta(&mut self, delta: Delta) {
        let Some(group) = self.groups.apply(delta) else { return };
        let (block, at) = self.descriptor(delta.group);
        self.change_pinned(block, |bytes| {
            if let Some(bytes) = bytes.get_mut(at..) {
                group.write_counts(bytes);
            }
        });
    }

    /// Damage has been found: the file system says so, and is checked before it is used again.
    pub(crate) fn note_damage(&mut self) {
        if self.damaged || self.read_only.is_some() {
            return;
        }
        self.damaged = true;
        self.change_superblock(|bytes| {
            let state = get16(bytes, field::STATE);
            put16(bytes, field::STATE, state | state::ERRORS);
        });
    }

    /// Files beyond 2 GiB have come to be.
    pub(crate) fn note_large_file(&mut self) {
        if self.layout.revision > 0 && self.layout.ro_compat & RO_COMPAT_LARGE_FILE == 0 {
            self.layout.ro_compat |= RO_COMPAT_LARGE_FILE;
            self.change_superblock(|bytes| {
                let features = get32(bytes, field::RO_COMPAT);
                put32(bytes, field::RO_COMPAT, features | RO_COMPAT_LARGE_FILE);
            });
        }
    }

    /// Marks it as unmounted in order, unless damage has been found.
    pub(crate) fn mark_clean(&mut self, caller: &Caller) -> Result<()> {
        let (block, _) = self.layout.superblock();
        if !self.marked && !self.damaged {
            let seconds = caller.now.seconds as u32;
            self.change_superblock(|bytes| {
                let state = get16(bytes, field::STATE);
                put16(bytes, field::STATE, state | state::VALID);
                put32(bytes, field::WRITE_TIME, seconds);
            });
        }
        self.marked = true;
        let buffer = self.cache.get(block).ok_or(Errno::EIO)?;
        let need = Need { on: Target::Block(block), version: buffer.version };
        if self.satisfied(need) {
            return Ok(());
        }
        self.writer.want_flush();
        Err(Stop::Flush)
    }
}
