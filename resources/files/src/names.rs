//! Making and removing names.

use alloc::boxed::Box;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use crate::caller::Caller;
use crate::contents::Contents;
use crate::directory::{Directory, Name};
use crate::inode::{Body, InodeId};
use crate::node::{At, Node};
use crate::pipe::Pipe;
use crate::root::{PERMISSIONS, Root, kind_of};
use crate::walk::{Found, Last, PATH_MAX, Tail};
use crate::{Dev, Errno};

/// A directory and a name that is free in it.
pub(crate) struct Vacancy {
    pub dir: InodeId,
    pub name: Name,
}

impl Root {
    /// Where a new object is to be: its name is free, its directory there.
    pub(crate) fn vacancy(
        &self,
        caller: &Caller,
        at: At,
        directory: bool,
    ) -> Result<Vacancy, Errno> {
        let found = self.walk(caller, at, Tail::Name)?;
        let name = match found.last {
            Last::Name(name) => name,
            Last::TooLong => return Err(Errno::ENAMETOOLONG),
            _ => return Err(Errno::EEXIST),
        };
        if found.target.is_some() {
            return Err(Errno::EEXIST);
        }
        if found.slash && !directory {
            return Err(Errno::ENOENT);
        }
        self.room_in(&found.parent, name)
    }

    /// Whether the directory still takes names.
    pub(crate) fn room_in(&self, parent: &Node, name: Name) -> Result<Vacancy, Errno> {
        let Node::Inode(dir) = *parent else { return Err(Errno::ENOENT) };
        if self.inode(dir)?.directory().ok_or(Errno::ENOTDIR)?.removed {
            return Err(Errno::ENOENT);
        }
        self.check_unsealed(dir)?;
        Ok(Vacancy { dir, name })
    }

    /// Makes an object with a name; on a disk that is asked for.
    pub(crate) fn create(
        &mut self,
        caller: &Caller,
        vacancy: Vacancy,
        body: Body,
        permissions: u32,
    ) -> Result<InodeId, Errno> {
        if let Some(asked) = self.create_on_disk(caller, &vacancy, &body, permissions, false)? {
            return Err(asked);
        }
        let above = self.inode(vacancy.dir)?;
        let inherits = above.permissions & abi::S_ISGID != 0;
        let group = above.group;
        let is_directory = matches!(body, Body::Directory(_));
        let id = self.make(body, permissions, caller.owner, caller.now)?;
        let inode = self.inode_mut(id)?;
        if inherits {
            inode.group = group;
            if is_directory {
                inode.permissions |= abi::S_ISGID;
            }
        }
        if let Err(error) = self.attach(vacancy.dir, vacancy.name, id, caller.owner) {
            // It was never in the directory, so it holds none when it is freed.
            if let Some(directory) = self.inode_mut(id)?.directory_mut() {
                directory.parent = id;
            }
            self.settle(id);
            return Err(error);
        }
        self.inode_mut(vacancy.dir)?.touch(caller.now);
        Ok(id)
    }

    /// `mkdirat`.
    ///
    /// # Errors
    /// Linux's.
    pub fn mkdir(&mut self, caller: &Caller, at: At, mode: u32) -> Result<(), Errno> {
        let vacancy = self.vacancy(caller, at, true)?;
        let directory = Directory::new(vacancy.dir, vacancy.name.clone());
        let permissions = mode & 0o1777 & !caller.place.umask();
        self.create(caller, vacancy, Body::Directory(Box::new(directory)), permissions)?;
        Ok(())
    }

    /// `mknodat`: files, FIFOs, sockets' names and devices.
    ///
    /// # Errors
    /// Linux's.
    pub fn mknod(&mut self, caller: &Caller, at: At, mode: u32, dev: Dev) -> Result<(), Errno> {
        let body = match kind_of(mode) {
            0 | abi::S_IFREG => Body::File(Contents::default()),
            abi::S_IFIFO => Body::Fifo(Box::new(Pipe::new(false))),
            abi::S_IFCHR => Body::Character(dev),
            abi::S_IFBLK => Body::Block(dev),
            abi::S_IFSOCK => Body::Socket,
            abi::S_IFDIR => return Err(Errno::EPERM),
            _ => return Err(Errno::EINVAL),
        };
        let vacancy = self.vacancy(caller, at, false)?;
        let permissions = mode & PERMISSIONS & !caller.place.umask();
        self.create(caller, vacancy, body, permissions)?;
        Ok(())
    }

    /// `symlinkat`.
    ///
    /// # Errors
    /// Linux's.
    pub fn symlink(&mut self, caller: &Caller, text: &[u8], at: At) -> Result<(), Errno> {
        if text.is_empty() {
            return Err(Errno::ENOENT);
        }
        if text.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let vacancy = self.vacancy(caller, at, false)?;
        self.create(caller, vacancy, Body::Link(text.into()), 0o777)?;
        Ok(())
    }

    /// `linkat`, with `AT_SYMLINK_FOLLOW` and `AT_EMPTY_PATH`.
    ///
    /// # Errors
    /// Linux's.
    pub fn hard_link(
        &mut self,
        caller: &Caller,
        old: At,
        new: At,
        flags: u32,
    ) -> Result<(), Errno> {
        if flags & !(abi::AT_SYMLINK_FOLLOW | abi::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let follow = flags & abi::AT_SYMLINK_FOLLOW != 0;
        let keep = if follow { 0 } else { abi::AT_SYMLINK_NOFOLLOW };
        let node = self.locate(caller, old, flags & abi::AT_EMPTY_PATH | keep)?;
        let vacancy = self.vacancy(caller, new, false)?;
        let Node::Inode(id) = node else { return Err(Errno::EXDEV) };
        self.add_name(caller, vacancy, id)
    }

    /// One more name for an object of the tree.
    pub(crate) fn link_object(
        &mut self,
        caller: &Caller,
        id: InodeId,
        at: At,
    ) -> Result<(), Errno> {
        let vacancy = self.vacancy(caller, at, false)?;
        self.add_name(caller, vacancy, id)
    }

    fn add_name(&mut self, caller: &Caller, vacancy: Vacancy, id: InodeId) -> Result<(), Errno> {
        self.check_unsealed(id)?;
        let inode = self.inode(id)?;
        match (&inode.body, inode.links) {
            (Body::Directory(_), _) => return Err(Errno::EPERM),
            (_, 0) if !inode.linkable => return Err(Errno::ENOENT),
            (_, u32::MAX) => return Err(Errno::EMLINK),
            _ => {}
        }
        if let Some(asked) = self.link_on_disk(caller, &vacancy, id)? {
            return Err(asked);
        }
        self.attach(vacancy.dir, vacancy.name, id, caller.owner)?;
        let inode = self.inode_mut(id)?;
        inode.changed = caller.now;
        inode.linkable = false;
        self.inode_mut(vacancy.dir)?.touch(caller.now);
        Ok(())
    }

    /// `readlinkat`: the text of a symbolic link.
    ///
    /// # Errors
    /// Linux's.
    pub fn readlink(&mut self, caller: &Caller, at: At) -> Result<Vec<u8>, Errno> {
        let keep = abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH;
        let by_path = !at.path.is_empty();
        let node = self.locate(caller, at, keep)?;
        let wrong = if by_path { Errno::EINVAL } else { Errno::ENOENT };
        let text = self.link(caller, &node)?.ok_or(wrong)?.text.into_owned();
        if let Node::Inode(id) = node {
            self.inode_mut(id)?.note_access(caller.now);
        }
        Ok(text)
    }

    /// `unlinkat`, with `AT_REMOVEDIR` for `rmdir`.
    ///
    /// # Errors
    /// Linux's.
    pub fn unlink(&mut self, caller: &Caller, at: At, flags: u32) -> Result<(), Errno> {
        match flags {
            0 => self.unlink_file(caller, at),
            abi::AT_REMOVEDIR => self.rmdir(caller, at),
            _ => Err(Errno::EINVAL),
        }
    }

    fn unlink_file(&mut self, caller: &Caller, at: At) -> Result<(), Errno> {
        let found = self.walk(caller, at, Tail::Name)?;
        let name = match &found.last {
            Last::Name(name) => name,
            Last::TooLong => return Err(Errno::ENAMETOOLONG),
            _ => return Err(Errno::EISDIR),
        };
        let target = found.target.as_ref().ok_or(Errno::ENOENT)?;
        if self.is_directory(caller, target) {
            return Err(Errno::EISDIR);
        }
        if found.slash {
            return Err(Errno::ENOTDIR);
        }
        let Node::Inode(dir) = found.parent else { return Err(Errno::EPERM) };
        self.take_name(caller, dir, name, target)
    }

    /// Takes a name away; on a disk that is asked for.
    fn take_name(
        &mut self,
        caller: &Caller,
        dir: InodeId,
        name: &Name,
        target: &Node,
    ) -> Result<(), Errno> {
        self.check_unsealed(dir)?;
        if let Node::Inode(id) = target {
            self.check_unsealed(*id)?;
        }
        if let Node::Inode(id) = target
            && self.has_mounts()
            && let Some(asked) = self.unlink_on_disk(caller, dir, name, *id)?
        {
            return Err(asked);
        }
        self.detach(dir, name, caller.now)
    }

    fn rmdir(&mut self, caller: &Caller, at: At) -> Result<(), Errno> {
        let Found { parent, last, target, .. } = self.walk(caller, at, Tail::Name)?;
        let name = match &last {
            Last::Name(name) => name,
            Last::TooLong => return Err(Errno::ENAMETOOLONG),
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Top => return Err(Errno::EBUSY),
        };
        let id = match target.ok_or(Errno::ENOENT)? {
            Node::Inode(id) => id,
            Node::Proc(path) if path.is_empty() => return Err(Errno::EBUSY),
            Node::Proc(_) => return Err(Errno::EPERM),
        };
        let directory = self.inode(id)?.directory().ok_or(Errno::ENOTDIR)?;
        if self.mounts.is_top(id) {
            return Err(Errno::EBUSY);
        }
        // A disk's own are not all known: those below look.
        if !directory.is_empty() && directory.disk.is_none() {
            return Err(Errno::ENOTEMPTY);
        }
        let Node::Inode(dir) = parent else { return Err(Errno::EPERM) };
        self.take_name(caller, dir, name, &Node::Inode(id))
    }
}
