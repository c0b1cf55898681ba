//! To EXT2R, and what it answers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_storage::VolumeId;

use crate::ext2r::{Mounting, Writing};
use crate::names::{MountId, Time, Times};

/// A request to EXT2R.
pub enum Ext2Request {
    /// A file system is to be served.
    Mount(Box<Mounting>),
    /// Something of a file system that is: one transaction.
    Operate(Operating),
    /// Metadata is written, as long as there is any that must be. EXT2R's own.
    WriteBack(Box<Writing>),
    /// Time has passed. The first is sent by whoever wires, as the infrastructure's; EXT2R
    /// sends the others itself.
    Tick,
    /// More of those whose transactions waited look again. EXT2R's own.
    Wake,
}

/// Who asks, beside the activity that pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The owner of what is created. The superuser may use the blocks that are reserved.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// When; without, EXT2R says.
    pub now: Option<Time>,
}

/// A transaction, and what EXT2R notes of it.
pub struct Operating {
    pub(crate) mount: MountId,
    pub(crate) caller: Caller,
    pub(crate) operation: Box<Operation>,
    /// How many flushes had begun when it did.
    pub(crate) since: Option<u64>,
    /// The round of changes whose end is enough for a sync.
    pub(crate) round: Option<u64>,
    /// The block that it has asked for.
    pub(crate) wants: u32,
    /// How often it has waited for writes.
    pub(crate) stops: u32,
    /// How often it has waited for owing less.
    pub(crate) eased: u8,
    /// Of one for all file systems: which is next.
    pub(crate) next: MountId,
    /// And whether one before has failed.
    pub(crate) failed: Option<Errno>,
}

impl Ext2Request {
    /// An operation on a file system.
    #[must_use]
    pub fn operate(mount: MountId, caller: Caller, operation: Operation) -> Self {
        Self::Operate(Operating {
            mount,
            caller,
            operation: Box::new(operation),
            since: None,
            round: None,
            wants: 0,
            stops: 0,
            eased: 0,
            next: MountId(0),
            failed: None,
        })
    }

    /// A volume's file system is to be served, perhaps to readers alone. Answered by
    /// [`Answer::Mounted`].
    #[must_use]
    pub fn mount(volume: VolumeId, read_only: bool) -> Self {
        Self::Mount(Mounting::new(volume, read_only))
    }

    /// What it asks for, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mount(_) => "mount",
            Self::Operate(operating) => operating.operation.name(),
            Self::WriteBack(_) => "write back",
            Self::Tick => "tick",
            Self::Wake => "wake",
        }
    }
}

/// What EXT2R answers.
pub type Ext2Reply = Result<Answer, Errno>;

/// What is to be done. Inodes are numbers; the topmost directory's is 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// What a name stands for: [`Answer::Object`], or [`Answer::Nothing`].
    Look {
        /// The directory.
        folder: u32,
        /// The name.
        name: Box<[u8]>,
    },
    /// What an inode says of itself: [`Answer::Object`].
    Inode(u32),
    /// Entries of a directory: [`Answer::Entries`].
    List {
        /// The directory.
        folder: u32,
        /// From where: zero, or what an entry or an answer says.
        from: u64,
    },
    /// A new object with a name: [`Answer::Object`].
    Create {
        /// The directory.
        folder: u32,
        /// The name.
        name: Box<[u8]>,
        /// What it is to be.
        new: New,
        /// The bits of its mode that say who may do what.
        permissions: u16,
    },
    /// One name more: [`Answer::Done`].
    Link {
        /// Of which inode.
        ino: u32,
        /// The directory.
        folder: u32,
        /// The name.
        name: Box<[u8]>,
    },
    /// One name less: [`Answer::Lost`], with what it named.
    Unlink {
        /// The directory.
        folder: u32,
        /// The name.
        name: Box<[u8]>,
        /// It names a directory, which must be empty.
        directory: bool,
    },
    /// Another name: [`Answer::Lost`], with what had that before, if it was replaced.
    Rename {
        /// From which directory, and which name.
        from: (u32, Box<[u8]>),
        /// To which, and which.
        to: (u32, Box<[u8]>),
        /// What becomes of what has the new name.
        replace: Replace,
    },
    /// An inode is to say something else: [`Answer::Done`].
    Set {
        /// Which.
        ino: u32,
        /// What.
        changes: Changes,
    },
    /// How much there is, and is free: [`Answer::Usage`].
    Usage,
    /// It is not to be served any more: [`Answer::Done`] when all of it is on the medium, and
    /// it marked so.
    Unmount,
    /// Where blocks of a file are; those of the range `wanted` get places if they have none, as
    /// far as there are: [`Answer::Runs`]. FCR's.
    Map {
        /// The file's inode.
        ino: u32,
        /// The first block.
        block: u32,
        /// How many.
        count: u32,
        /// The blocks that are to have places, if any.
        wanted: Option<(u32, u32)>,
    },
    /// What a file's inode is to say after its data: [`Answer::Done`]. FCR's.
    Describe {
        /// The file's inode.
        ino: u32,
        /// Its size.
        size: Option<u64>,
        /// Blocks behind it are freed.
        cut: bool,
        /// Its times.
        times: Times,
    },
    /// An object that has no name, and that nobody has, is freed: [`Answer::Done`]. Of files by
    /// way of FCR ([`crate::CacheRequest::release`]).
    Release(u32),
    /// An inode, and what is needed to find what is in it, is to be on the medium:
    /// [`Answer::Done`]. Of files by way of FCR ([`crate::CacheRequest::sync`]).
    Sync(u32),
    /// Everything is. With files by way of FCR ([`crate::CacheRequest::sync_all`]).
    SyncAll,
    /// Whoever asks has changed too much that is not written yet ([`crate::Owing`]):
    /// [`Answer::Done`] when it is less. Nothing fails for that.
    Ease,
}

/// What is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum New {
    /// A file.
    File,
    /// A file without a name: the one that is given is not looked at.
    Nameless,
    /// A directory.
    Directory,
    /// A symbolic link to this.
    Symlink(Box<[u8]>),
    /// A node of a character device, as Linux encodes it.
    Character(u32),
    /// A node of a block device.
    Block(u32),
    /// A pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// What becomes of what has the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// It is replaced.
    Yes,
    /// It is an error.
    No,
    /// It gets the old one.
    Exchange,
}

/// What of an inode changes; `None` is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The bits of its mode that say who may do what.
    pub permissions: Option<u16>,
    /// The owner.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
    /// When it was read.
    pub accessed: Option<Time>,
    /// When its contents were changed.
    pub modified: Option<Time>,
}

/// What has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// There is nothing.
    Nothing,
    /// There is this.
    Object(Box<Object>),
    /// These entries.
    Entries(Box<Entries>),
    /// This inode has lost a name, if any.
    Lost(Option<u32>),
    /// So large and so full.
    Usage(Box<Usage>),
    /// It is served.
    Mounted(Box<Served>),
    /// Where the blocks are, in order; what is not told of is not known.
    Runs(Vec<Run>),
}

/// An object, as its inode says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The inode's number.
    pub ino: u32,
    /// Type and permissions.
    pub mode: u16,
    /// How many names it has.
    pub links: u16,
    /// The owner.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// Of a device: as Linux encodes it.
    pub device: u32,
    /// Bytes.
    pub size: u64,
    /// What is allocated, in 512 bytes.
    pub sectors: u32,
    /// When it was read.
    pub accessed: Time,
    /// When its contents were changed.
    pub modified: Time,
    /// When anything of it was.
    pub changed: Time,
    /// Where it leads, if it is a symbolic link.
    pub target: Box<[u8]>,
}

/// A piece of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// Entries; there may be none though there are more.
    pub entries: Vec<Entry>,
    /// From where to go on.
    pub next: u64,
    /// There are no more.
    pub end: bool,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it names.
    pub ino: u32,
    /// What that is (the bits of a mode), where entries say so.
    pub kind: Option<u16>,
    /// From where to go on behind it.
    pub next: u64,
    /// Its name.
    pub name: Vec<u8>,
}

/// How large a file system is, and how full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of a block.
    pub block: u32,
    /// Blocks that files can have, that are free, and that are free for all.
    pub blocks: u64,
    /// Those that are free.
    pub free: u64,
    /// Those that are free for all.
    pub available: u64,
    /// Inodes.
    pub inodes: u64,
    /// Inodes that are free.
    pub free_inodes: u64,
}

/// How a file system is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// By this name.
    pub mount: MountId,
    /// Bytes of a block.
    pub block: u32,
    /// Why nothing is written to it, if so.
    pub read_only: Option<&'static str>,
}

/// Blocks of a file that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub block: u32,
    /// How many.
    pub count: u32,
    /// Where on the volume, in blocks of the file system; zero for a hole.
    pub place: u32,
    /// They have got their places just now: what is there is not the file's.
    pub fresh: bool,
}

impl Operation {
    const fn name(&self) -> &'static str {
        match self {
            Self::Look { .. } => "look up",
            Self::Inode(_) => "inode",
            Self::List { .. } => "list",
            Self::Create { .. } => "create",
            Self::Link { .. } => "link",
            Self::Unlink { .. } => "unlink",
            Self::Rename { .. } => "rename",
            Self::Set { .. } => "set",
            Self::Usage => "usage",
            Self::Unmount => "unmount",
            Self::Map { .. } => "map",
            Self::Describe { .. } => "describe",
            Self::Release(_) => "release",
            Self::Sync(_) => "sync",
            Self::SyncAll => "sync all",
            Self::Ease => "ease",
        }
    }
}
