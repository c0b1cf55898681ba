//! Which file systems are mounted, and where.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::Cell;
use linux_raw_sys::general as abi;

use super::ask::{Ask, Change, Known, OnDisk, Usage};
use crate::caller::Caller;
use crate::directory::Directory;
use crate::inode::{Body, InodeId};
use crate::node::{At, Node};
use crate::root::Root;
use crate::walk::Tail;
use crate::{Dev, Errno, Owner};

/// Names a mounted file system: by the number that those below gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FsId(pub u32);

/// A mounted file system.
pub(crate) struct Mount {
    /// The disk.
    pub dev: Dev,
    /// Its topmost directory, which is held.
    pub top: InodeId,
    /// The directory that it is mounted on, which is held.
    pub covers: InodeId,
    /// Nothing of it is changed.
    pub read_only: bool,
    /// It is being unmounted: what it covers is seen again.
    pub leaves: bool,
    /// How full it is, just asked.
    pub usage: Cell<Option<Usage>>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Mounts {
    all: BTreeMap<FsId, Mount>,
    /// By what they cover.
    covered: BTreeMap<u64, FsId>,
    /// Directories of the tree that are seen elsewhere, by what they cover there.
    shown: BTreeMap<u64, InodeId>,
}

impl Mounts {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn get(&self, fs: FsId) -> Option<&Mount> {
        self.all.get(&fs)
    }

    pub fn get_mut(&mut self, fs: FsId) -> Option<&mut Mount> {
        self.all.get_mut(&fs)
    }

    /// The topmost directory of what is mounted on a directory.
    pub fn over(&self, directory: InodeId) -> Option<InodeId> {
        let Some(fs) = self.covered.get(&directory.to_bits()) else {
            return self.shown.get(&directory.to_bits()).copied();
        };
        self.all.get(fs).filter(|mount| !mount.leaves).map(|mount| mount.top)
    }

    /// Whether it is the topmost directory of one, or of what is seen elsewhere.
    pub fn is_top(&self, id: InodeId) -> bool {
        self.all.values().any(|mount| mount.top == id)
            || self.shown.values().any(|shown| *shown == id)
    }

    /// A directory is seen in the place of another.
    pub fn show(&mut self, covers: InodeId, directory: InodeId) {
        self.shown.insert(covers.to_bits(), directory);
    }
}

impl Root {
    /// `mount`: a file system of a disk is to be seen at a directory.
    ///
    /// # Errors
    /// `ENOTBLK`: the source is no disk; `ENOTDIR`: the target is no directory; `EBUSY`: the
    /// disk or the directory has one already; `ENODEV`: not this kind of file system;
    /// `EINVAL`: flags beside `MS_RDONLY` and those that change nothing here.
    pub fn mount(
        &mut self,
        caller: &Caller,
        source: &[u8],
        target: &[u8],
        kind: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        const IGNORED: u32 = abi::MS_NOATIME
            | abi::MS_NODIRATIME
            | abi::MS_RELATIME
            | abi::MS_SILENT
            | abi::MS_NOSUID
            | abi::MS_NODEV;
        let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
        // An old mark that C libraries still set.
        let flags = if flags & 0xffff_0000 == 0xc0ed_0000 { flags & 0xffff } else { flags };
        if flags & !(abi::MS_RDONLY | IGNORED) != 0 {
            return Err(Errno::EINVAL);
        }
        let target = self.find(caller, At::cwd(target), Tail::Follow)?;
        let Node::Inode(directory) = target else { return Err(Errno::EBUSY) };
        if !self.inode(directory)?.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        self.check_unsealed(directory)?;
        if kind != b"ext2" {
            return Err(Errno::ENODEV);
        }
        let source = self.find(caller, At::cwd(source), Tail::Follow)?;
        let Node::Inode(source) = source else { return Err(Errno::ENOTBLK) };
        let Body::Block(dev) = self.inode(source)?.body else { return Err(Errno::ENOTBLK) };
        if !self.has_disk(dev) {
            return Err(Errno::ENXIO);
        }
        if self.mounts.is_top(directory) || self.mounts.all.values().any(|m| m.dev == dev) {
            return Err(Errno::EBUSY);
        }
        let of = (directory, caller.owner);
        let ask = Ask::Mount { dev, read_only: flags & abi::MS_RDONLY != 0, of };
        self.hold(&Node::Inode(directory));
        Err(caller.ask(ask))
    }

    /// A file system is there.
    pub(super) fn mounted(
        &mut self,
        (covers, owner): (InodeId, Owner),
        (fs, dev, read_only): (FsId, Dev, bool),
        top: &Known,
    ) -> Result<(), Errno> {
        // Others may have been asked for at the same time.
        let has = |mount: &Mount| mount.dev == dev;
        if self.mounts.over(covers).is_some() || self.mounts.all.values().any(has) {
            return Err(Errno::EBUSY);
        }
        let (parent, name) = match self.inode(covers)?.directory() {
            Some(directory) => (directory.parent, directory.name.clone()),
            None => return Err(Errno::ENOTDIR),
        };
        // At the top nothing is above.
        let topmost = parent == covers;
        let directory = Directory::of_disk(parent, name);
        let at = OnDisk { fs, number: top.number };
        let id = self.bring_in(at, top, Body::Directory(Box::new(directory)), owner)?;
        self.hold(&Node::Inode(id));
        if topmost {
            self.directory_mut(id)?.parent = id;
        } else {
            self.hold(&Node::Inode(parent));
        }
        let made = Mount { dev, top: id, covers, read_only, leaves: false, usage: Cell::new(None) };
        self.mounts.all.insert(fs, made);
        self.mounts.covered.insert(covers.to_bits(), fs);
        Ok(())
    }

    /// `umount2`: what is mounted at a directory is to be there no more.
    ///
    /// # Errors
    /// `EINVAL`: nothing is; `EBUSY`: something of it is in use.
    pub fn unmount(&mut self, caller: &Caller, target: &[u8], flags: u32) -> Result<(), Errno> {
        if flags & !abi::UMOUNT_NOFOLLOW != 0 {
            return Err(Errno::EINVAL);
        }
        let keep = flags & abi::UMOUNT_NOFOLLOW != 0;
        let tail = if keep { Tail::Keep } else { Tail::Follow };
        let Node::Inode(top) = self.find(caller, At::cwd(target), tail)? else {
            return Err(Errno::EINVAL);
        };
        let found = self.mounts.all.iter().find(|(_, mount)| mount.top == top);
        let (&fs, _) = found.ok_or(Errno::EINVAL)?;
        if !self.forget_all(fs) || self.has_unmapped() && self.let_go_of_mapped() {
            // More than is forgotten at once.
            return Err(caller.again());
        }
        if self.copies.has_others(fs) || self.inode(top)?.holds > 1 {
            // What programs had mapped that have ended goes after them.
            let waits = self.waits_for_ended(caller);
            return Err(if waits { caller.again() } else { Errno::EBUSY });
        }
        if let Some(mount) = self.mounts.get_mut(fs) {
            mount.leaves = true;
        }
        self.note_top(fs);
        Err(caller.ask(Ask::Unmount { fs }))
    }

    /// The disks that are mounted, at which paths, and whether nothing of them is changed.
    pub fn mounted_on(&self) -> impl Iterator<Item = (Dev, Vec<u8>, bool)> + '_ {
        self.mounts.all.values().map(|mount| {
            let path = self.path_of(&Node::Inode(mount.top)).unwrap_or_default();
            (mount.dev, path, mount.read_only)
        })
    }

    /// The machine ends: all file systems are to be unmounted. False if that is to be said again,
    /// since more of them is known than is forgotten at once.
    pub fn end(&mut self) -> bool {
        let all: Vec<FsId> = self.mounts.all.keys().copied().collect();
        // None is asked to end before all may: this begins anew.
        if !all.iter().all(|fs| self.forget_all(*fs)) {
            return false;
        }
        for fs in all {
            self.note_top(fs);
            // The last are asked first.
            self.later.insert(0, Ask::Unmount { fs });
        }
        true
    }

    /// What is known better than the disk of a topmost directory, it is told.
    fn note_top(&mut self, fs: FsId) {
        let Some(mount) = self.mounts.get(fs).filter(|mount| !mount.read_only) else { return };
        if let Some(inode) = self.inodes.get_mut(mount.top)
            && let Some(state) = &mut inode.disk
            && core::mem::take(&mut state.read)
        {
            let change = Change { accessed: Some(inode.accessed), ..Change::default() };
            self.later.push(Ask::Set { at: state.at, change, of: None });
        }
    }

    /// It is gone.
    pub(super) fn unmounted(&mut self, fs: FsId) {
        let Some(mount) = self.mounts.all.remove(&fs) else { return };
        self.mounts.covered.remove(&mount.covers.to_bits());
        self.unhold(&Node::Inode(mount.top));
        self.unhold(&Node::Inode(mount.covers));
    }

    /// The file system that an object is on, if it is on one of a disk.
    pub(crate) fn on_disk(&self, id: InodeId) -> Result<Option<OnDisk>, Errno> {
        if self.mounts.is_empty() {
            return Ok(None);
        }
        Ok(self.inode(id)?.disk.as_ref().map(|state| state.at))
    }

    /// Whether something that is on a disk may be changed.
    pub(crate) fn check_changeable(&self, id: InodeId) -> Result<(), Errno> {
        let Some(at) = self.on_disk(id)? else { return Ok(()) };
        let mount = self.mounts.get(at.fs).ok_or(Errno::EIO)?;
        if mount.read_only { Err(Errno::EROFS) } else { Ok(()) }
    }
}
