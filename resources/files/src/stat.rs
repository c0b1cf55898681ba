//! What `stat` and its relatives tell.

use linux_raw_sys::general as abi;

use crate::caller::Caller;
use crate::contents::STEP;
use crate::description::OpenId;
use crate::inode::{Body, Inode, InodeId};
use crate::mounted::{Ask, FsId};
use crate::node::{At, Node};
use crate::proc::ProcKind;
use crate::root::Root;
use crate::walk::{NAME_MAX, Tail};
use crate::{Dev, Errno, Time};

/// The device that the tree claims to be on.
const TREE: Dev = Dev::new(0, 2);
/// The device that `/proc` claims to be on.
const PROC: Dev = Dev::new(0, 3);

/// All that `stat` tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The file system.
    pub file_system: Dev,
    /// Its number there.
    pub number: u64,
    /// Type and permissions.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// Whose it is.
    pub user: u32,
    /// Whose group's it is.
    pub group: u32,
    /// The device that it stands for.
    pub device: Dev,
    /// Its size in bytes.
    pub size: u64,
    /// What is allocated, in blocks of 512 bytes.
    pub blocks: u64,
    /// When it was read.
    pub accessed: Time,
    /// When its contents changed.
    pub modified: Time,
    /// When anything of it changed.
    pub changed: Time,
    /// When it was made.
    pub born: Time,
}

/// All that `statfs` tells of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind: Linux's magic number.
    pub magic: u32,
    /// Bytes of a block.
    pub block: u64,
    /// Its size in blocks.
    pub blocks: u64,
    /// How many of them are free.
    pub free: u64,
    /// How many of those are for everybody.
    pub available: u64,
    /// Objects, those that there could be among them where their number is fixed.
    pub files: u64,
    /// How many of them there could be more.
    pub free_files: u64,
    /// The longest name.
    pub longest_name: u64,
}

impl Root {
    /// `newfstatat`, `stat`, `lstat`, and `fstat` as an empty path with `AT_EMPTY_PATH`.
    ///
    /// # Errors
    /// Linux's.
    pub fn stat(&self, caller: &Caller, at: At, flags: u32) -> Result<Attributes, Errno> {
        const KNOWN: u32 = abi::AT_SYMLINK_NOFOLLOW
            | abi::AT_NO_AUTOMOUNT
            | abi::AT_EMPTY_PATH
            | abi::AT_STATX_SYNC_TYPE;
        if flags & !KNOWN != 0 {
            return Err(Errno::EINVAL);
        }
        let node = self.locate(caller, at, flags)?;
        self.attributes(caller, &node)
    }

    /// `fstat` of an open file.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn stat_open(&self, caller: &Caller, id: OpenId) -> Result<Attributes, Errno> {
        self.attributes(caller, &self.description(id)?.node)
    }

    /// What `stat` tells of a node.
    ///
    /// # Errors
    /// `ENOENT` where it is gone.
    pub fn attributes(&self, caller: &Caller, node: &Node) -> Result<Attributes, Errno> {
        match node {
            Node::Inode(id) => {
                let inode = self.inode(*id)?;
                let (file_system, number) = self.named_as(caller, *id, inode)?;
                let mapped = match &inode.body {
                    Body::Cached(contents) => contents.mapped(),
                    _ => None,
                };
                let latest = |time: Time| mapped.map_or(time, |mapped| time.max(mapped));
                Ok(Attributes {
                    file_system,
                    number,
                    mode: inode.mode(),
                    links: if inode.body.is_anonymous() { 1 } else { inode.links },
                    user: inode.user,
                    group: inode.group,
                    device: inode.body.device(),
                    size: inode.size(),
                    blocks: inode.blocks(),
                    accessed: inode.accessed,
                    modified: latest(inode.modified),
                    changed: latest(inode.changed),
                    born: inode.born,
                })
            }
            Node::Proc(path) => {
                let entry = caller.proc.entry(path).ok_or(Errno::ENOENT)?;
                let now = caller.now;
                let is_directory = entry.kind == ProcKind::Directory;
                Ok(Attributes {
                    file_system: PROC,
                    number: proc_number(path),
                    mode: proc_mode(entry.kind) | entry.permissions,
                    links: if is_directory { 2 } else { 1 },
                    user: 0,
                    group: 0,
                    device: Dev::default(),
                    size: 0,
                    blocks: 0,
                    accessed: now,
                    modified: now,
                    changed: now,
                    born: now,
                })
            }
        }
    }

    /// `statfs`.
    ///
    /// # Errors
    /// Linux's for paths.
    pub fn statfs(&self, caller: &Caller, path: &[u8]) -> Result<FileSystem, Errno> {
        let node = self.find(caller, At::cwd(path), Tail::Follow)?;
        self.file_system(caller, &node)
    }

    /// `fstatfs`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn statfs_open(&self, caller: &Caller, id: OpenId) -> Result<FileSystem, Errno> {
        self.file_system(caller, &self.description(id)?.node)
    }

    /// The file system and the number by which an object is known. What is on a disk is looked
    /// at again where its blocks may have changed.
    fn named_as(&self, caller: &Caller, id: InodeId, inode: &Inode) -> Result<(Dev, u64), Errno> {
        let Some(state) = &inode.disk else { return Ok((TREE, inode.number)) };
        let mount = self.mounts.get(state.at.fs).ok_or(Errno::EIO)?;
        if state.grown && caller.walks.is_some() {
            return Err(caller.ask(Ask::Refresh { at: state.at, of: id }));
        }
        Ok((mount.dev, state.at.number))
    }

    fn file_system(&self, caller: &Caller, node: &Node) -> Result<FileSystem, Errno> {
        let longest_name = NAME_MAX as u64;
        let on_disk = match node {
            Node::Proc(_) => {
                return Ok(FileSystem {
                    magic: abi::PROC_SUPER_MAGIC,
                    block: STEP,
                    blocks: 0,
                    free: 0,
                    available: 0,
                    files: 0,
                    free_files: 0,
                    longest_name,
                });
            }
            Node::Inode(id) => self.on_disk(*id)?,
        };
        if let Some(at) = on_disk {
            return self.usage(caller, at.fs);
        }
        let limit = self.accounts.limit();
        let used = self.accounts.used().saturating_sub(self.doomed());
        let free = limit.saturating_sub(used) / STEP;
        Ok(FileSystem {
            magic: abi::TMPFS_MAGIC,
            block: STEP,
            blocks: limit / STEP,
            free,
            available: free,
            files: self.inodes.len() as u64,
            free_files: 0,
            longest_name,
        })
    }

    /// How full a file system on a disk is: asked anew for every call.
    fn usage(&self, caller: &Caller, fs: FsId) -> Result<FileSystem, Errno> {
        let mount = self.mounts.get(fs).ok_or(Errno::EIO)?;
        mount.usage.take().ok_or_else(|| caller.ask(Ask::Usage { fs }))
    }
}

pub(crate) fn proc_mode(kind: ProcKind) -> u32 {
    match kind {
        ProcKind::Directory => abi::S_IFDIR,
        ProcKind::File => abi::S_IFREG,
        ProcKind::Link => abi::S_IFLNK,
    }
}

/// A number for a path below `/proc`: the same at every look (FNV-1a).
pub(crate) fn proc_number(path: &[u8]) -> u64 {
    path.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
