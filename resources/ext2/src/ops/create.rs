//! Creating files, directories, symbolic links and nodes.
//!
//! The new inode is written as unused until its entry can be found on the disk, with what a
//! directory or a link needs in blocks of its own.

use alloc::vec::Vec;

use super::attributes::Kind;
use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::disk::{Inode, entry_size, flags, get32, mode, put, put_entry};
use crate::numbers::{FileBlock, Ino};
use crate::order::{Need, add};
use crate::stop::{Result, Stop};
use crate::tx::Tx;
use vortex_abi::Errno;

/// As many names, or directories in one directory, as ext2 counts.
pub(crate) const LINK_MAX: u16 = 32_000;
/// Where an inode's generation lies.
const GENERATION: usize = 100;

/// What is to be created.
#[derive(Clone, Copy, Debug)]
pub enum New<'a> {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to this.
    Symlink(&'a [u8]),
    /// A node of a character device, as Linux encodes it.
    Character(u32),
    /// A node of a block device.
    Block(u32),
    /// A pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl New<'_> {
    const fn kind(&self) -> Kind {
        match self {
            Self::File => Kind::File,
            Self::Directory => Kind::Directory,
            Self::Symlink(_) => Kind::Symlink,
            Self::Character(_) => Kind::Character,
            Self::Block(_) => Kind::Block,
            Self::Fifo => Kind::Fifo,
            Self::Socket => Kind::Socket,
        }
    }
}

impl<A: Accounts> Ext2<A> {
    /// Creates something with a name in a directory: with these permissions, owned by the
    /// caller. In a directory with the set-group bit it has the directory's group.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EMLINK` for too many directories in one, `ENAMETOOLONG`, `EPERM` in
    /// an immutable directory, `ENOENT` in one that has been removed.
    pub fn create(
        &mut self,
        caller: &Caller,
        dir: Ino,
        name: &[u8],
        what: New<'_>,
        permissions: u16,
    ) -> Result<Ino> {
        self.writable()?;
        Self::check_name(name)?;
        let mut tx = self.begin(caller);
        let mut parent = self.directory(&tx, dir)?;
        self.changeable(&parent)?;
        let kind = what.kind();
        let directory = kind == Kind::Directory;
        if directory && parent.links >= LINK_MAX {
            return Err(Errno::EMLINK.into());
        }
        let room = self.find_none(&tx, dir, &parent, name)?;
        self.unindex(caller, dir, &parent)?;
        let ino = self.take_inode(&mut tx, dir, directory)?;
        let mut inode = self.new_inode(&mut tx, ino, &parent, kind, permissions)?;
        match what {
            New::Directory => self.fill_directory(&mut tx, ino, &mut inode, dir)?,
            New::Symlink(target) => self.fill_symlink(&mut tx, ino, &mut inode, target)?,
            New::Character(device) | New::Block(device) => inode.set_device(device),
            _ => {}
        }
        self.put_inode(&mut tx, ino, &inode)?;
        tx.is_newborn(ino, dir);
        let block = self.insert(&mut tx, dir, &mut parent, name, (ino, kind.in_entry()), room)?;
        (parent.modified, parent.changed) = (caller.now, caller.now);
        if directory {
            parent.links = parent.links.saturating_add(1);
        }
        self.put_inode(&mut tx, dir, &parent)?;
        let mut needs = Vec::new();
        add(&mut needs, Need::block(block, tx.version));
        self.reach(&tx, block, &mut needs);
        self.reach_directory(dir, &mut needs);
        for need in needs {
            tx.need_of_inode(ino, need);
        }
        self.commit(tx)?;
        if directory {
            self.indexes.forget(ino);
        }
        Ok(ino)
    }

    /// Creates a file without a name, near a directory whose group it has if that has the set-group
    /// bit. [`Ext2::link`] may give it one, and [`Ext2::release`] ends it. On the disk it is as a
    /// file whose last name has gone.
    ///
    /// # Errors
    /// `ENOSPC`, `EPERM` for an immutable directory, `ENOENT` for one that has been removed.
    pub fn create_nameless(&mut self, caller: &Caller, dir: Ino, permissions: u16) -> Result<Ino> {
        self.writable()?;
        let mut tx = self.begin(caller);
        let parent = self.directory(&tx, dir)?;
        self.changeable(&parent)?;
        let ino = self.take_inode(&mut tx, dir, false)?;
        let mut inode = self.new_inode(&mut tx, ino, &parent, Kind::File, permissions)?;
        inode.links = 0;
        self.put_inode(&mut tx, ino, &inode)?;
        self.commit(tx)?;
        self.nameless.insert(ino);
        Ok(ino)
    }

    /// If a directory may not be on the disk at all, what is in it has to wait for it.
    pub(crate) fn reach_directory(&self, dir: Ino, needs: &mut Vec<Need>) {
        if let Some(slot) = self.slots.map.get(&dir)
            && slot.newborn
        {
            add(needs, Need::slot(dir, slot.version));
        }
    }

    /// The flag of an index in a directory's blocks, which is not kept up, is off the disk
    /// before anything else of the directory is changed.
    pub(crate) fn unindex(&mut self, caller: &Caller, dir: Ino, inode: &Inode) -> Result<()> {
        if inode.flags & flags::INDEX != 0 {
            let mut tx = self.begin(caller);
            let mut inode = *inode;
            inode.flags &= !flags::INDEX;
            self.put_inode(&mut tx, dir, &inode)?;
            let version = tx.version;
            self.commit(tx)?;
            self.unindexed.push((dir, version));
        }
        let waits = self.unindexed.iter().position(|(ino, _)| *ino == dir);
        let Some(index) = waits else { return Ok(()) };
        let version = self.unindexed.get(index).map_or(0, |(_, version)| *version);
        if self.satisfied(Need::slot(dir, version)) {
            self.unindexed.swap_remove(index);
            return Ok(());
        }
        self.hurry_inode(dir);
        Err(Stop::Flush)
    }

    fn new_inode(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        parent: &Inode,
        kind: Kind,
        permissions: u16,
    ) -> Result<Inode> {
        let caller = tx.caller;
        let extra = self.layout.extra;
        let bytes = self.edit_inode(tx, ino)?;
        let generation = get32(bytes, GENERATION).wrapping_add(1);
        Inode::begin(bytes, extra, caller.now);
        let mut inode = Inode {
            mode: kind.bits() | (permissions & !mode::KIND),
            uid: caller.uid,
            gid: caller.gid,
            accessed: caller.now,
            changed: caller.now,
            modified: caller.now,
            links: 1,
            generation,
            ..Inode::default()
        };
        if parent.mode & mode::SET_GID != 0 {
            inode.gid = parent.gid;
            if kind == Kind::Directory {
                inode.mode |= mode::SET_GID;
            }
        }
        let inherited = parent.flags & flags::INHERITED;
        inode.flags = match kind {
            Kind::Directory => inherited,
            Kind::File => inherited & !flags::NOT_OF_FILES,
            _ => inherited & flags::OF_OTHERS,
        };
        Ok(inode)
    }

    /// The first block of a directory: itself and its parent.
    fn fill_directory(&mut self, tx: &mut Tx, ino: Ino, inode: &mut Inode, dir: Ino) -> Result<()> {
        let role = Role::Entries(ino);
        let filetype = self.layout.filetype;
        let block = self.make_block(tx, ino, inode, FileBlock(0), role)?;
        let kind = if filetype { Kind::Directory.in_entry() } else { 0 };
        let bytes = self.edit(tx, block, role)?;
        let first = entry_size(1);
        let rest = bytes.len().saturating_sub(first);
        put_entry(bytes, 0, ino, first, kind, b".");
        put_entry(bytes, first, dir, rest, kind, b"..");
        inode.size = u64::from(self.layout.block_size);
        inode.links = 2;
        Ok(())
    }

    /// Where a symbolic link leads: in the inode if it is short, else in a block.
    fn fill_symlink(
        &mut self,
        tx: &mut Tx,
        ino: Ino,
        inode: &mut Inode,
        target: &[u8],
    ) -> Result<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if target.len() >= self.layout.size() {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if target.len() < 60 {
            inode.set_inline(target);
        } else {
            let role = Role::Target(ino);
            let block = self.make_block(tx, ino, inode, FileBlock(0), role)?;
            put(self.edit(tx, block, role)?, 0, target);
        }
        inode.size = target.len() as u64;
        Ok(())
    }
}
