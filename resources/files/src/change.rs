//! Changing what `stat` tells: modes, owners, times; and asking what is allowed.

use linux_raw_sys::general as abi;

use crate::Errno;
use crate::caller::Caller;
use crate::description::OpenId;
use crate::exec::EXECUTABLE;
use crate::inode::{Body, Inode};
use crate::mounted::Change;
use crate::node::{At, Node};
use crate::root::{PERMISSIONS, Root};
use crate::time::Stamp;

impl Root {
    fn changeable(&mut self, node: &Node) -> Result<&mut Inode, Errno> {
        match node {
            Node::Inode(id) => {
                self.check_unsealed(*id)?;
                self.inode_mut(*id)
            }
            Node::Proc(_) => Err(Errno::EPERM),
        }
    }

    /// Changes attributes; on a disk that is asked for.
    fn set(&mut self, caller: &Caller, node: &Node, change: Change) -> Result<(), Errno> {
        let Node::Inode(id) = node else { return Err(Errno::EPERM) };
        self.check_unsealed(*id)?;
        let change = Change { changed: Some(caller.now), ..change };
        if let Some(asked) = self.set_on_disk(caller, *id, change)? {
            return Err(asked);
        }
        self.inode_mut(*id)?.set(&change);
        Ok(())
    }

    /// `fchmodat2`, with `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH`.
    ///
    /// # Errors
    /// Linux's.
    pub fn chmod(&mut self, caller: &Caller, at: At, mode: u32, flags: u32) -> Result<(), Errno> {
        if flags & !(abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let node = self.locate(caller, at, flags)?;
        self.chmod_node(caller, &node, mode)
    }

    /// `fchmod`.
    ///
    /// # Errors
    /// Linux's.
    pub fn chmod_open(&mut self, caller: &Caller, id: OpenId, mode: u32) -> Result<(), Errno> {
        let node = self.usable(id)?.1.clone();
        self.chmod_node(caller, &node, mode)
    }

    fn chmod_node(&mut self, caller: &Caller, node: &Node, mode: u32) -> Result<(), Errno> {
        let inode = self.changeable(node)?;
        if matches!(inode.body, Body::Link(_)) {
            return Err(Errno::EOPNOTSUPP);
        }
        self.set(
            caller,
            node,
            Change { permissions: Some(mode & PERMISSIONS), ..Change::default() },
        )
    }

    /// `fchownat`, with `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH`; an owner of `None` stays.
    ///
    /// # Errors
    /// Linux's.
    pub fn chown(
        &mut self,
        caller: &Caller,
        at: At,
        user: Option<u32>,
        group: Option<u32>,
        flags: u32,
    ) -> Result<(), Errno> {
        if flags & !(abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let node = self.locate(caller, at, flags)?;
        self.chown_node(caller, &node, user, group)
    }

    /// `fchown`.
    ///
    /// # Errors
    /// Linux's.
    pub fn chown_open(
        &mut self,
        caller: &Caller,
        id: OpenId,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<(), Errno> {
        let node = self.usable(id)?.1.clone();
        self.chown_node(caller, &node, user, group)
    }

    fn chown_node(
        &mut self,
        caller: &Caller,
        node: &Node,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<(), Errno> {
        let inode = self.changeable(node)?;
        let mut permissions = inode.permissions;
        if !inode.is_directory() {
            permissions &= !abi::S_ISUID;
            if permissions & abi::S_IXGRP != 0 {
                permissions &= !abi::S_ISGID;
            }
        }
        let permissions = Some(permissions);
        self.set(caller, node, Change { permissions, user, group, ..Change::default() })
    }

    /// `utimensat`, with `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH`; the time of access and
    /// that of modification. Its caller turns a null path into an empty one.
    ///
    /// # Errors
    /// Linux's.
    pub fn utimens(
        &mut self,
        caller: &Caller,
        at: At,
        times: [Stamp; 2],
        flags: u32,
    ) -> Result<(), Errno> {
        if flags & !(abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        if times == [Stamp::Omit, Stamp::Omit] {
            return Ok(());
        }
        let node = self.locate(caller, at, flags)?;
        self.changeable(&node)?;
        let [accessed, modified] = times.map(|stamp| match stamp {
            Stamp::Now => Some(caller.now),
            Stamp::At(given) => Some(given),
            Stamp::Omit => None,
        });
        self.set(caller, &node, Change { accessed, modified, ..Change::default() })
    }

    /// `faccessat2`: whether the superuser may. With `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH`
    /// and `AT_EACCESS`.
    ///
    /// # Errors
    /// Linux's; `EACCES` only for executing what nobody may execute.
    pub fn access(&self, caller: &Caller, at: At, mode: u32, flags: u32) -> Result<(), Errno> {
        const KNOWN: u32 = abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH | abi::AT_EACCESS;
        if mode & !(abi::R_OK | abi::W_OK | abi::X_OK) != 0 || flags & !KNOWN != 0 {
            return Err(Errno::EINVAL);
        }
        let node = self.locate(caller, at, flags)?;
        if mode & abi::X_OK != 0 {
            let mode = self.attributes(caller, &node)?.mode;
            let is_directory = crate::root::kind_of(mode) == abi::S_IFDIR;
            if !is_directory && mode & EXECUTABLE == 0 {
                return Err(Errno::EACCES);
            }
        }
        Ok(())
    }
}
