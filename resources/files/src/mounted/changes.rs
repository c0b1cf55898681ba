//! Changes of what is on a disk, asked for.

use alloc::boxed::Box;

use super::ask::{Ask, Change, Create, Link, Rename, Unlink};
use crate::accounts::Kept;
use crate::caller::Caller;
use crate::directory::Name;
use crate::inode::{Body, InodeId};
use crate::names::Vacancy;
use crate::node::Node;
use crate::root::Root;
use crate::wait::Side;
use crate::{Errno, WaitKey};
use linux_raw_sys::general as abi;

impl Root {
    /// Asks for a change, as soon as no other is under way at the same objects. The error means
    /// that it was asked for, or that the call is to be made again.
    pub(super) fn change(&mut self, caller: &Caller, ask: Ask) -> Errno {
        let what = ask.changes();
        for id in what.iter().flatten() {
            if let Err(error) = self.check_changeable(*id) {
                return error;
            }
            let Ok(inode) = self.inode(*id) else { return Errno::ENOENT };
            if inode.disk.as_ref().is_some_and(|state| state.busy) {
                return caller.waits(WaitKey { object: inode.number, side: Side::Settled });
            }
        }
        if caller.walks.is_none() {
            return Errno::EIO;
        }
        // Who has no room for what the tree notes of it has the disk not changed either: that is on
        // the bill until the answer is noted.
        if let Some((owner, bytes)) = ask.notes()
            && let Err(error) = self.charge(owner, Kept::Tree, bytes)
        {
            return error;
        }
        for id in what.into_iter().flatten() {
            if let Some(state) = self.inodes.get_mut(id).and_then(|inode| inode.disk.as_mut()) {
                state.busy = true;
            }
            self.hold(&Node::Inode(id));
        }
        caller.ask(ask)
    }

    /// A new object in a directory of a disk; `None` if it is none.
    pub(crate) fn create_on_disk(
        &mut self,
        caller: &Caller,
        vacancy: &Vacancy,
        body: &Body,
        permissions: u32,
        opens: bool,
    ) -> Result<Option<Errno>, Errno> {
        let Some(at) = self.on_disk(vacancy.dir)? else { return Ok(None) };
        let above = self.inode(vacancy.dir)?;
        let inherits = above.permissions & abi::S_ISGID != 0;
        let kind = body.kind();
        let sticks = if inherits && kind == abi::S_IFDIR { abi::S_ISGID } else { 0 };
        let target = match body {
            Body::Link(text) => Some(text.clone()),
            _ => None,
        };
        let create = Create {
            at,
            name: vacancy.name.clone(),
            mode: kind | permissions | sticks,
            group: if inherits { above.group } else { 0 },
            device: body.device(),
            target,
            now: caller.now,
            nameless: None,
            dir: vacancy.dir,
            owner: caller.owner,
            opens,
        };
        Ok(Some(self.change(caller, Ask::Create(Box::new(create)))))
    }

    /// A new file on a directory's disk that has no name; `None` if it is on none.
    pub(crate) fn create_nameless_on_disk(
        &mut self,
        caller: &Caller,
        dir: InodeId,
        permissions: u32,
        linkable: bool,
    ) -> Result<Option<Errno>, Errno> {
        let Some(at) = self.on_disk(dir)? else { return Ok(None) };
        let above = self.inode(dir)?;
        let inherits = above.permissions & abi::S_ISGID != 0;
        let create = Create {
            at,
            name: Name::from([]),
            mode: abi::S_IFREG | permissions,
            group: if inherits { above.group } else { 0 },
            device: crate::Dev::default(),
            target: None,
            now: caller.now,
            nameless: Some(linkable),
            dir,
            owner: caller.owner,
            opens: true,
        };
        Ok(Some(self.change(caller, Ask::Create(Box::new(create)))))
    }

    /// One more name in a directory of a disk; `None` if it is none.
    pub(crate) fn link_on_disk(
        &mut self,
        caller: &Caller,
        vacancy: &Vacancy,
        inode: InodeId,
    ) -> Result<Option<Errno>, Errno> {
        let (at, object) = match (self.on_disk(vacancy.dir)?, self.on_disk(inode)?) {
            (None, None) => return Ok(None),
            (Some(at), Some(object)) if at.fs == object.fs => (at, object),
            _ => return Err(Errno::EXDEV),
        };
        let name = vacancy.name.clone();
        let (dir, owner, now) = (vacancy.dir, caller.owner, caller.now);
        let link = Link { at, name, object, now, dir, inode, owner };
        Ok(Some(self.change(caller, Ask::Link(Box::new(link)))))
    }

    /// One name less in a directory of a disk; `None` if it is none.
    pub(crate) fn unlink_on_disk(
        &mut self,
        caller: &Caller,
        dir: InodeId,
        name: &Name,
        inode: InodeId,
    ) -> Result<Option<Errno>, Errno> {
        if self.mounts.is_top(inode) || self.mounts.over(inode).is_some() {
            return Err(Errno::EBUSY);
        }
        let Some(at) = self.on_disk(dir)? else { return Ok(None) };
        let object = self.on_disk(inode)?.ok_or(Errno::EXDEV)?;
        let directory = self.inode(inode)?.is_directory();
        let (name, now) = (name.clone(), caller.now);
        let unlink = Unlink { at, name, object, directory, now, dir, inode };
        Ok(Some(self.change(caller, Ask::Unlink(Box::new(unlink)))))
    }

    /// Another name in a directory of a disk; `None` if neither is one.
    pub(crate) fn rename_on_disk(
        &mut self,
        caller: &Caller,
        (from_dir, old): (InodeId, &Name),
        (to_dir, new): (InodeId, &Name),
        (source, target): (InodeId, Option<InodeId>),
        (exchange, keep): (bool, bool),
    ) -> Result<Option<Errno>, Errno> {
        if !self.has_mounts() {
            return Ok(None);
        }
        let is_mount = |id| self.mounts.is_top(id) || self.mounts.over(id).is_some();
        if is_mount(source) || target.is_some_and(is_mount) {
            return Err(Errno::EBUSY);
        }
        let (from, to) = match (self.on_disk(from_dir)?, self.on_disk(to_dir)?) {
            (None, None) => return Ok(None),
            (Some(from), Some(to)) if from.fs == to.fs => (from, to),
            _ => return Err(Errno::EXDEV),
        };
        let (old, new) = (old.clone(), new.clone());
        let (owner, now) = (caller.owner, caller.now);
        let rename = Rename {
            from,
            old,
            to,
            new,
            exchange,
            keep,
            now,
            from_dir,
            to_dir,
            source,
            target,
            owner,
        };
        Ok(Some(self.change(caller, Ask::Rename(Box::new(rename)))))
    }

    /// Other attributes of an object of a disk; `None` if it is of none.
    pub(crate) fn set_on_disk(
        &mut self,
        caller: &Caller,
        id: InodeId,
        change: Change,
    ) -> Result<Option<Errno>, Errno> {
        let Some(at) = self.on_disk(id)? else { return Ok(None) };
        Ok(Some(self.change(caller, Ask::Set { at, change, of: Some(id) })))
    }

    /// Another size of a file of a disk; `None` if it is of none.
    pub(crate) fn resize_on_disk(
        &mut self,
        caller: &Caller,
        (id, goes_on): (InodeId, bool),
        size: u64,
    ) -> Result<Option<Errno>, Errno> {
        let Some(at) = self.on_disk(id)? else { return Ok(None) };
        let Body::Cached(file) = &self.inode(id)?.body else { return Err(Errno::EINVAL) };
        let file = file.clone();
        let of = (id, goes_on);
        Ok(Some(self.change(caller, Ask::Resize { at, file, size, now: caller.now, of })))
    }

    /// What an object on a disk is to be synchronized with; `None` if it is on none.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn sync_of(&self, open: crate::OpenId, data_only: bool) -> Result<Option<Ask>, Errno> {
        let Node::Inode(id) = self.description(open)?.node else { return Ok(None) };
        let Some(at) = self.on_disk(id)? else { return Ok(None) };
        let file = match &self.inode(id)?.body {
            Body::Cached(file) => Some(file.clone()),
            _ => None,
        };
        Ok(Some(Ask::Sync { at, file, data_only, of: open }))
    }

    /// The file system of an open file, if it is on a disk.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn mount_of(&self, open: crate::OpenId) -> Result<Option<super::FsId>, Errno> {
        let Node::Inode(id) = self.description(open)?.node else { return Ok(None) };
        Ok(self.on_disk(id)?.map(|at| at.fs))
    }
}
