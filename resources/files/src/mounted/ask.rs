//! What a call asks of a mounted file system, and what it is told.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::cached::Cached;
use super::mount::FsId;
use crate::description::OpenId;
use crate::directory::Name;
use crate::inode::InodeId;
use crate::root::{ENTRY_COST, NODE_COST};
use crate::{Dev, FileSystem, Owner, Shown, Time};

/// An object on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnDisk {
    /// On which file system.
    pub fs: FsId,
    /// The number of its inode there.
    pub number: u64,
}

/// A question. The fields that are not public are the tree's own.
pub enum Ask {
    /// What a name stands for: [`Told::Object`], or [`Told::Nothing`].
    Look {
        /// The directory.
        at: OnDisk,
        /// The name.
        name: Name,
        /// The directory in the tree, how often it had changed, and who pays for the copy.
        #[doc(hidden)]
        of: (InodeId, u64, Owner),
    },
    /// What an object is now: [`Told::Object`].
    Refresh {
        /// Which.
        at: OnDisk,
        #[doc(hidden)]
        of: InodeId,
    },
    /// Entries of a directory from a place on: [`Told::Entries`].
    List {
        /// The directory.
        at: OnDisk,
        /// The place: zero, or [`Listed::next`].
        from: u64,
        #[doc(hidden)]
        of: OpenId,
    },
    /// How large a file system is and how full: [`Told::Usage`].
    Usage {
        /// Which.
        fs: FsId,
    },
    /// Bytes of a file are to be in the cache: [`Told::Done`].
    Fetch {
        /// Which.
        at: OnDisk,
        /// Its contents.
        file: Arc<dyn Cached>,
        /// From where on.
        from: u64,
        /// How many.
        bytes: u64,
    },
    /// Who reads a file in order has come to this place: more is to be there in time.
    /// [`Told::Done`].
    Ahead {
        /// Which.
        at: OnDisk,
        /// Its contents.
        file: Arc<dyn Cached>,
        /// The place.
        from: u64,
    },
    /// Bytes of a file are to be in the cache, with room on the disk, to be written:
    /// [`Told::Done`].
    Prepare {
        /// Which.
        at: OnDisk,
        /// Its contents.
        file: Arc<dyn Cached>,
        /// From where on.
        from: u64,
        /// How many.
        bytes: u64,
        #[doc(hidden)]
        of: InodeId,
    },
    /// A page of a file in memory, which programs have written to by mapping it, has left memory
    /// and is to come back: [`Told::Done`].
    Bring {
        /// Whose ([`Overlay::number`](crate::Overlay)).
        overlay: u64,
        /// Which page.
        page: u64,
    },
    /// A file in memory was cut: what programs show of it behind the new end is to be taken from
    /// them. [`Told::Done`].
    Conceal {
        /// Of what.
        shown: Shown,
        /// Whether the call is made again then, to open what it has emptied; else it is done.
        #[doc(hidden)]
        again: bool,
    },
    /// A new object with a name: [`Told::Object`].
    Create(Box<Create>),
    /// One name more: [`Told::Done`].
    Link(Box<Link>),
    /// One name less: [`Told::Done`].
    Unlink(Box<Unlink>),
    /// Another name: [`Told::Done`].
    Rename(Box<Rename>),
    /// Other attributes: [`Told::Done`].
    Set {
        /// Of which object.
        at: OnDisk,
        /// Which.
        change: Change,
        #[doc(hidden)]
        of: Option<InodeId>,
    },
    /// Another size of a file: [`Told::Done`].
    Resize {
        /// Which.
        at: OnDisk,
        /// Its contents.
        file: Arc<dyn Cached>,
        /// Bytes.
        size: u64,
        /// When.
        now: Time,
        /// Which it is in the tree, and whether the call goes on then.
        #[doc(hidden)]
        of: (InodeId, bool),
    },
    /// What was written to a file, or made in a directory, is to be on the medium:
    /// [`Told::Done`].
    Sync {
        /// Which.
        at: OnDisk,
        /// Its contents, if it is a file.
        file: Option<Arc<dyn Cached>>,
        /// Without what is not needed to read it.
        data_only: bool,
        #[doc(hidden)]
        of: OpenId,
    },
    /// All that was written to a file system is to be on the medium: [`Told::Done`].
    SyncAll {
        /// To which; all without.
        fs: Option<FsId>,
    },
    /// What of a file is in memory, on the bill of who asks, is not wanted there any more: what
    /// was written goes to its device first. [`Told::Done`].
    Evict {
        /// Its contents.
        file: Arc<dyn Cached>,
        /// From which byte on.
        from: u64,
        /// To before which.
        to: u64,
        /// Who is told where a write fails from now on, and how many had failed before.
        #[doc(hidden)]
        of: Option<(OpenId, u32)>,
    },
    /// The same of all that who asks has of files. [`Told::Done`].
    EvictAll,
    /// Nobody has an object any more that has no name: it is gone. [`Told::Done`].
    Release {
        /// Which.
        at: OnDisk,
        /// Its contents, if it is a file.
        file: Option<Arc<dyn Cached>>,
    },
    /// A file system is to be there: [`Told::Mounted`].
    Mount {
        /// On which disk.
        dev: Dev,
        /// Nothing of it is to be changed.
        read_only: bool,
        #[doc(hidden)]
        of: (InodeId, Owner),
    },
    /// It is not wanted any more: all that was written to it is to be on the medium, and it
    /// marked so: [`Told::Done`].
    Unmount {
        /// Which.
        fs: FsId,
    },
}

/// [`Ask::Create`].
pub struct Create {
    /// The directory.
    pub at: OnDisk,
    /// The name; empty for a file without one.
    pub name: Name,
    /// Type and permissions.
    pub mode: u32,
    /// Whose group's; the user is the superuser.
    pub group: u32,
    /// What a device's node stands for.
    pub device: Dev,
    /// Where a symbolic link leads.
    pub target: Option<Box<[u8]>>,
    /// When.
    pub now: Time,
    /// It has none, and is opened: then whether it may get one.
    pub(crate) nameless: Option<bool>,
    pub(crate) dir: InodeId,
    pub(crate) owner: Owner,
    /// The call opens it.
    pub(crate) opens: bool,
}

impl Create {
    /// Whether it is a file without a name (`O_TMPFILE`), in the directory's file system.
    #[must_use]
    pub const fn is_nameless(&self) -> bool {
        self.nameless.is_some()
    }
}

/// [`Ask::Link`].
pub struct Link {
    /// The directory.
    pub at: OnDisk,
    /// The name.
    pub name: Name,
    /// What it is to stand for.
    pub object: OnDisk,
    /// When.
    pub now: Time,
    pub(crate) dir: InodeId,
    pub(crate) inode: InodeId,
    pub(crate) owner: Owner,
}

/// [`Ask::Unlink`].
pub struct Unlink {
    /// The directory.
    pub at: OnDisk,
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub object: OnDisk,
    /// That is a directory, which must be empty.
    pub directory: bool,
    /// When.
    pub now: Time,
    pub(crate) dir: InodeId,
    pub(crate) inode: InodeId,
}

/// [`Ask::Rename`].
pub struct Rename {
    /// From which directory.
    pub from: OnDisk,
    /// Which name.
    pub old: Name,
    /// To which directory.
    pub to: OnDisk,
    /// Which name.
    pub new: Name,
    /// The two change places.
    pub exchange: bool,
    /// Nothing may have the new name.
    pub keep: bool,
    /// When.
    pub now: Time,
    pub(crate) from_dir: InodeId,
    pub(crate) to_dir: InodeId,
    pub(crate) source: InodeId,
    pub(crate) target: Option<InodeId>,
    pub(crate) owner: Owner,
}

/// Attributes that change; `None` is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The permissions' bits of the mode.
    pub permissions: Option<u32>,
    /// Whose it is.
    pub user: Option<u32>,
    /// Whose group's it is.
    pub group: Option<u32>,
    /// When it was read.
    pub accessed: Option<Time>,
    /// When its contents changed.
    pub modified: Option<Time>,
    /// When anything of it changed.
    pub changed: Option<Time>,
}

/// An answer.
pub enum Told {
    /// It is done.
    Done,
    /// There is this object.
    Object(Box<Known>),
    /// There is nothing.
    Nothing,
    /// These entries, and the place behind them.
    Entries(Vec<Listed>),
    /// So large and so full.
    Usage(Usage),
    /// It is mounted.
    Mounted {
        /// By this name.
        fs: FsId,
        /// Its topmost directory.
        top: Box<Known>,
        /// Why nothing of it can be changed, where that is so.
        read_only: bool,
    },
}

/// How large a file system is.
pub type Usage = FileSystem;

/// An object as it is on a disk.
pub struct Known {
    /// The number of its inode.
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
    /// Where it leads, if it is a symbolic link.
    pub target: Box<[u8]>,
    /// Its contents, if it is a file.
    pub contents: Option<Arc<dyn Cached>>,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Box<[u8]>,
    /// The number of the inode.
    pub number: u64,
    /// Its type as `getdents64` shows it (`DT_*`).
    pub kind: u8,
    /// The place behind it.
    pub next: u64,
}

/// What becomes of a call whose question is answered.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is made again.
    Again,
    /// It is done.
    Done,
    /// It is made again, and opens this.
    Opens(InodeId),
}

impl Ask {
    /// What it is, for people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Look { .. } => "look up",
            Self::Refresh { .. } => "look at",
            Self::List { .. } => "list",
            Self::Usage { .. } => "usage",
            Self::Fetch { .. } => "fetch",
            Self::Prepare { .. } => "prepare",
            Self::Bring { .. } => "bring back",
            Self::Conceal { .. } => "conceal",
            Self::Ahead { .. } => "read ahead",
            Self::Create(_) => "create",
            Self::Link(_) => "link",
            Self::Unlink(_) => "unlink",
            Self::Rename(_) => "rename",
            Self::Set { .. } => "set",
            Self::Resize { .. } => "resize",
            Self::Sync { .. } | Self::SyncAll { .. } => "sync",
            Self::Evict { .. } | Self::EvictAll => "evict",
            Self::Release { .. } => "release",
            Self::Mount { .. } => "mount",
            Self::Unmount { .. } => "unmount",
        }
    }

    /// Who has a new name noted in the tree when it is done, if anybody, and at most how many bytes
    /// that takes, beside what is opened.
    pub(super) fn notes(&self) -> Option<(Owner, u64)> {
        let named = |name: &Name| ENTRY_COST.saturating_add(name.len() as u64);
        Some(match self {
            Self::Create(create) => {
                let target = create.target.as_ref().map_or(0, |text| text.len() as u64);
                (create.owner, named(&create.name).saturating_add(NODE_COST).saturating_add(target))
            }
            Self::Link(link) => (link.owner, named(&link.name)),
            Self::Rename(rename) => (rename.owner, named(&rename.new)),
            _ => return None,
        })
    }

    /// Whether it only looks at what there is, or has that kept in memory: if it has failed,
    /// nothing is changed by it, and the call may be made again.
    #[must_use]
    pub const fn only_looks(&self) -> bool {
        match self {
            Self::Look { .. }
            | Self::Refresh { .. }
            | Self::List { .. }
            | Self::Usage { .. }
            | Self::Fetch { .. }
            | Self::Ahead { .. }
            | Self::Bring { .. }
            | Self::Prepare { .. } => true,
            Self::Create(_)
            | Self::Link(_)
            | Self::Unlink(_)
            | Self::Rename(_)
            | Self::Set { .. }
            | Self::Resize { .. }
            | Self::Conceal { .. }
            | Self::Sync { .. }
            | Self::SyncAll { .. }
            | Self::Evict { .. }
            | Self::EvictAll
            | Self::Release { .. }
            | Self::Mount { .. }
            | Self::Unmount { .. } => false,
        }
    }

    /// The objects of the tree that it changes: they are busy and held until it is answered.
    pub(crate) fn changes(&self) -> [Option<InodeId>; 4] {
        match self {
            Self::Create(create) => [Some(create.dir), None, None, None],
            Self::Link(link) => [Some(link.dir), Some(link.inode), None, None],
            Self::Unlink(unlink) => [Some(unlink.dir), Some(unlink.inode), None, None],
            Self::Rename(rename) => {
                let other = Some(rename.to_dir).filter(|to| *to != rename.from_dir);
                [Some(rename.from_dir), other, Some(rename.source), rename.target]
            }
            Self::Set { of, .. } => [*of, None, None, None],
            Self::Resize { of, .. } => [Some(of.0), None, None, None],
            _ => [None; 4],
        }
    }
}
