//! The objects of the tree: what they are, whose, and since when.

use alloc::boxed::Box;
use alloc::sync::Arc;
use linux_raw_sys::general as abi;

use crate::contents::Contents;
use crate::directory::Directory;
use crate::epoll::Epoll;
use crate::event::Event;
use crate::mounted::{Cached, Change, State};
use crate::pipe::Pipe;
use crate::slab::Key;
use crate::socket::Socket;
use crate::timer::Timer;
use crate::{Dev, Owner, Time};

/// An object of the tree, named by [`InodeId`]: file, directory, link, device, FIFO, or
/// one that has no name, as an anonymous pipe.
///
/// It lives while it has a name (`links`) or is held: by an open file, a current
/// directory, or a directory in it that lives.
pub struct Inode {
    pub(crate) number: u64,
    pub(crate) permissions: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) links: u32,
    pub(crate) holds: u32,
    /// It has no name, but may be given one (`O_TMPFILE`).
    pub(crate) linkable: bool,
    /// Nobody changes it (`sealed.rs`).
    pub(crate) sealed: bool,
    /// Open files that may write to it.
    pub(crate) writers: u32,
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
    pub(crate) born: Time,
    pub(crate) owner: Owner,
    pub(crate) body: Body,
    /// Of one that is on a disk. It lives while it has a name in the tree or is held.
    pub(crate) disk: Option<Box<State>>,
}

/// Names an object of the tree.
pub type InodeId = Key<Inode>;

pub(crate) enum Body {
    File(Contents),
    /// A file on a disk.
    Cached(Arc<dyn Cached>),
    Directory(Box<Directory>),
    Link(Box<[u8]>),
    Fifo(Box<Pipe>),
    Character(Dev),
    Block(Dev),
    /// A socket's name in the tree.
    Socket,
    /// A socket of `AF_UNIX`.
    Unix(Box<Socket>),
    Event(Event),
    Epoll(Box<Epoll>),
    Timer(Timer),
    /// A `signalfd`, with the signals that it takes.
    Signals(u64),
    External {
        tag: u64,
        kind: u32,
    },
}

impl Body {
    /// The type's bits of the mode.
    pub fn kind(&self) -> u32 {
        match self {
            Self::File(_) | Self::Cached(_) => abi::S_IFREG,
            Self::Directory(_) => abi::S_IFDIR,
            Self::Link(_) => abi::S_IFLNK,
            Self::Fifo(_) => abi::S_IFIFO,
            Self::Character(_) => abi::S_IFCHR,
            Self::Block(_) => abi::S_IFBLK,
            Self::Socket | Self::Unix(_) => abi::S_IFSOCK,
            Self::Event(_) | Self::Epoll(_) | Self::Timer(_) | Self::Signals(_) => 0,
            Self::External { kind, .. } => *kind,
        }
    }

    /// Whether it is one that never has a name; Linux shows it as if it had one.
    pub fn is_anonymous(&self) -> bool {
        match self {
            Self::Event(_)
            | Self::Epoll(_)
            | Self::Timer(_)
            | Self::Signals(_)
            | Self::Unix(_)
            | Self::External { .. } => true,
            Self::Fifo(pipe) => pipe.anonymous,
            _ => false,
        }
    }

    pub fn device(&self) -> Dev {
        match self {
            Self::Character(dev) | Self::Block(dev) => *dev,
            _ => Dev::default(),
        }
    }
}

impl Inode {
    pub(crate) fn mode(&self) -> u32 {
        self.body.kind() | self.permissions
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    pub(crate) fn directory(&self) -> Option<&Directory> {
        match &self.body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) fn directory_mut(&mut self) -> Option<&mut Directory> {
        match &mut self.body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The size that `stat` shows; a directory's as tmpfs counts it.
    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::File(contents) => contents.size(),
            Body::Cached(contents) => contents.size(),
            Body::Directory(_) if self.disk.is_some() => {
                self.disk.as_ref().map_or(0, |state| state.size)
            }
            Body::Directory(directory) => {
                (directory.len() as u64).saturating_add(2).saturating_mul(20)
            }
            Body::Link(text) => text.len() as u64,
            _ => 0,
        }
    }

    /// Blocks of 512 bytes.
    pub(crate) fn blocks(&self) -> u64 {
        match (&self.disk, &self.body) {
            (Some(state), _) => state.blocks,
            (None, Body::File(contents)) => contents.pages().saturating_mul(8),
            _ => 0,
        }
    }

    /// Whether a program may still have it: by a name or a hold. One on a disk is only a copy.
    pub(crate) fn lives(&self) -> bool {
        let names = self.disk.as_ref().map_or(self.links, |state| state.names);
        names > 0 || self.holds > 0
    }

    /// Sets what is given.
    pub(crate) fn set(&mut self, change: &Change) {
        self.permissions = change.permissions.unwrap_or(self.permissions);
        self.user = change.user.unwrap_or(self.user);
        self.group = change.group.unwrap_or(self.group);
        self.accessed = change.accessed.unwrap_or(self.accessed);
        self.modified = change.modified.unwrap_or(self.modified);
        self.changed = change.changed.unwrap_or(self.changed);
    }

    /// Notes that the contents changed.
    pub(crate) fn touch(&mut self, now: Time) {
        self.modified = now;
        self.changed = now;
    }

    /// Notes a read, no more often than Linux's `relatime` does.
    pub(crate) fn note_access(&mut self, now: Time) {
        const DAY: i64 = 24 * 60 * 60;
        let stale = self.accessed <= self.modified || self.accessed <= self.changed;
        if stale || now.seconds.saturating_sub(self.accessed.seconds) >= DAY {
            self.accessed = now;
            if let Some(state) = &mut self.disk {
                state.read = true;
            }
        }
    }
}

/// The type of a directory entry, as `getdents64` shows it.
pub(crate) fn entry_kind(mode: u32) -> u8 {
    ((mode & abi::S_IFMT) >> 12) as u8
}
