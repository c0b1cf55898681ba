//! The tree as it is at boot: from an archive, with the nodes that every program expects.
//!
//! What an archive names twice is what it names last. Directories that it leaves out are
//! made. Names are resolved within the tree, so that no `..` and no link leads out of it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use linux_raw_sys::general as abi;

use crate::caller::Caller;
use crate::cpio::{Archive, ArchiveError, Entry, Item};
use crate::inode::{Body, InodeId};
use crate::node::{At, Node};
use crate::proc::NoProc;
use crate::root::{PERMISSIONS, Root, kind_of};
use crate::walk::Tail;
use crate::{Dev, Effects, Errno, Owner, Table, Time};
use vortex_units::Bytes;

/// Why no tree came of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The archive is malformed.
    Archive(ArchiveError),
    /// An entry cannot be made.
    Entry {
        /// Its name in the archive.
        name: Vec<u8>,
        /// Why.
        error: Errno,
    },
    /// One of the nodes that every tree has cannot be made.
    Default {
        /// Its path.
        path: &'static str,
        /// Why.
        error: Errno,
    },
    /// There is no memory for an empty tree.
    Empty(Errno),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => error.fmt(f),
            Self::Entry { name, error } => {
                write!(f, "archive: {} cannot be made: {error:?}", name.escape_ascii())
            }
            Self::Default { path, error } => write!(f, "{path} cannot be made: {error:?}"),
            Self::Empty(error) => write!(f, "no file system: {error:?}"),
        }
    }
}

const DIRECTORIES: &[(&str, u32)] =
    &[("/dev", 0o755), ("/proc", 0o555), ("/tmp", 0o1777), ("/dev/shm", 0o1777)];

const DEVICES: &[(&str, Dev, u32)] = &[
    ("/dev/null", Dev::NULL, 0o666),
    ("/dev/zero", Dev::ZERO, 0o666),
    ("/dev/full", Dev::FULL, 0o666),
    ("/dev/random", Dev::RANDOM, 0o666),
    ("/dev/urandom", Dev::URANDOM, 0o666),
    ("/dev/tty", Dev::TTY, 0o666),
    ("/dev/console", Dev::CONSOLE, 0o600),
];

const LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// The folder of the programs that come with the kernel, some of which have rights that others do
/// not have: nobody changes them (`sealed.rs`).
const SEALED: &[u8] = b"vortex";

impl Root {
    /// A tree that may hold so many bytes, from an archive, and what every tree has. An
    /// archive of no bytes at all is an empty one. All of it is charged to `owner`.
    ///
    /// # Errors
    /// The first flaw of the archive, or what could not be made.
    pub fn load(archive: &[u8], limit: Bytes, owner: Owner, now: Time) -> Result<Self, LoadError> {
        Self::load_without(archive, None, limit, owner, now)
    }

    /// The same without the file of this path from the root: what it says is not for programs.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_without(
        archive: &[u8],
        kept: Option<&str>,
        limit: Bytes,
        owner: Owner,
        now: Time,
    ) -> Result<Self, LoadError> {
        let mut root = Self::empty(limit, now).map_err(LoadError::Empty)?;
        let table = Table::default();
        let mut place = root.place();
        place.set_umask(0);
        let caller = Caller {
            table: &table,
            place: &place,
            proc: &NoProc,
            owner,
            pid: 0,
            largest: u64::MAX,
            walks: None,
            now,
        };
        if !archive.is_empty() {
            root.unpack(&caller, archive, kept)?;
        }
        root.add_defaults(&caller)?;
        root.seal(SEALED);
        root.drop_place(place, &mut Effects::new());
        Ok(root)
    }

    fn unpack(
        &mut self,
        caller: &Caller,
        bytes: &[u8],
        kept: Option<&str>,
    ) -> Result<(), LoadError> {
        let mut archive = Archive::new(bytes);
        let mut objects = BTreeMap::new();
        let mut directories = Vec::new();
        while let Some(item) = archive.next_item().map_err(LoadError::Archive)? {
            let Item::Entry(entry) = item else {
                objects.clear();
                continue;
            };
            if kept.is_some_and(|path| entry.is_at(path)) {
                continue;
            }
            let made = self.unpack_entry(caller, &entry, &mut objects);
            match made {
                Ok(id) if kind_of(entry.mode) == abi::S_IFDIR => {
                    directories.push((id, entry.modified));
                }
                Ok(_) => {}
                Err(error) => return Err(LoadError::Entry { name: entry.name.to_vec(), error }),
            }
        }
        // Only now: what was put into them changed their times.
        for (id, modified) in directories {
            if let Ok(inode) = self.inode_mut(id) {
                inode.modified = Time::new(i64::from(modified), 0);
            }
        }
        Ok(())
    }

    fn unpack_entry(
        &mut self,
        caller: &Caller,
        entry: &Entry,
        objects: &mut BTreeMap<[u32; 3], InodeId>,
    ) -> Result<InodeId, Errno> {
        let at = At::cwd(entry.name);
        let kind = kind_of(entry.mode);
        self.make_parents(caller, entry.name)?;
        let id = if kind == abi::S_IFDIR {
            self.make_directory(caller, at, entry.mode)?
        } else {
            let linked = (entry.links > 1).then(|| objects.get(&entry.object).copied()).flatten();
            self.make_other(caller, at, entry, linked)?
        };
        if entry.links > 1 && kind != abi::S_IFDIR {
            objects.entry(entry.object).or_insert(id);
        }
        self.fill(caller, id, entry.contents)?;
        let inode = self.inode_mut(id)?;
        inode.permissions = entry.mode & PERMISSIONS;
        inode.user = entry.user;
        inode.group = entry.group;
        inode.modified = Time::new(i64::from(entry.modified), 0);
        Ok(id)
    }

    /// Makes the directories above a path that are not there.
    fn make_parents(&mut self, caller: &Caller, path: &[u8]) -> Result<(), Errno> {
        for (cut, _) in path.iter().enumerate().filter(|&(at, &byte)| at > 0 && byte == b'/') {
            let above = At::cwd(path.get(..cut).unwrap_or_default());
            match self.find(caller, above, Tail::Follow) {
                Err(Errno::ENOENT) => self.mkdir(caller, above, 0o755)?,
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn make_directory(&mut self, caller: &Caller, at: At, mode: u32) -> Result<InodeId, Errno> {
        match self.find(caller, at, Tail::Keep) {
            Ok(node) if self.is_directory(caller, &node) => return as_object(&node),
            Ok(_) => self.unlink(caller, at, 0)?,
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        self.mkdir(caller, at, mode)?;
        as_object(&self.find(caller, at, Tail::Keep)?)
    }

    fn make_other(
        &mut self,
        caller: &Caller,
        at: At,
        entry: &Entry,
        linked: Option<InodeId>,
    ) -> Result<InodeId, Errno> {
        match self.find(caller, at, Tail::Keep) {
            Ok(node) if linked.is_some_and(|id| node == Node::Inode(id)) => {
                return as_object(&node);
            }
            Ok(node) if self.is_directory(caller, &node) => {
                self.unlink(caller, at, abi::AT_REMOVEDIR)?;
            }
            Ok(_) => self.unlink(caller, at, 0)?,
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        if let Some(id) = linked.filter(|id| self.inode(*id).is_ok()) {
            self.link_object(caller, id, at)?;
            return Ok(id);
        }
        if kind_of(entry.mode) == abi::S_IFLNK {
            self.symlink(caller, entry.contents, at)?;
        } else {
            let [major, minor] = entry.device;
            self.mknod(caller, at, entry.mode, Dev::new(major, minor))?;
        }
        as_object(&self.find(caller, at, Tail::Keep)?)
    }

    /// Of the names of one file, one comes with the contents: the last, usually.
    fn fill(&mut self, caller: &Caller, id: InodeId, contents: &[u8]) -> Result<(), Errno> {
        let inode = self.inodes.get_mut(id).ok_or(Errno::ENOENT)?;
        let Body::File(file) = &mut inode.body else { return Ok(()) };
        if contents.is_empty() {
            return Ok(());
        }
        let cut = file.resize(0);
        let mut source = contents;
        let mut at = 0_u64;
        while !source.is_empty() {
            let count = file.write(at, &mut source, caller.owner, &mut self.accounts)?;
            at = at.saturating_add(count as u64);
        }
        self.doom(cut.pages);
        Ok(())
    }

    fn add_defaults(&mut self, caller: &Caller) -> Result<(), LoadError> {
        for (path, mode) in DIRECTORIES {
            self.add_default(path, |root, at| root.mkdir(caller, at, *mode))?;
        }
        for (path, dev, mode) in DEVICES {
            let mode = abi::S_IFCHR | mode;
            self.add_default(path, |root, at| root.mknod(caller, at, mode, *dev))?;
        }
        for (path, text) in LINKS {
            self.add_default(path, |root, at| root.symlink(caller, text.as_bytes(), at))?;
        }
        let proc = self.find(caller, At::cwd(b"/proc"), Tail::Keep);
        self.proc_at = match proc {
            Ok(Node::Inode(id)) if self.inode(id).is_ok_and(|i| i.is_directory()) => Some(id),
            _ => return Err(LoadError::Default { path: "/proc", error: Errno::ENOTDIR }),
        };
        Ok(())
    }

    fn add_default(
        &mut self,
        path: &'static str,
        add: impl FnOnce(&mut Self, At) -> Result<(), Errno>,
    ) -> Result<(), LoadError> {
        let at = At::cwd(path.as_bytes());
        match add(self, at) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(error) => Err(LoadError::Default { path, error }),
        }
    }
}

fn as_object(node: &Node) -> Result<InodeId, Errno> {
    match node {
        Node::Inode(id) => Ok(*id),
        Node::Proc(_) => Err(Errno::EEXIST),
    }
}
