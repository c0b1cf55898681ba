//! What an inode says of itself, and changing that.

use crate::Ext2;
use crate::caller::{Accounts, Caller, Time};
use crate::disk::{Inode, flags, mode};
use crate::numbers::Ino;
use crate::stop::Result;
use crate::tx::Tx;
use vortex_abi::Errno;

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A node of a character device.
    Character,
    /// A node of a block device.
    Block,
    /// A pipe with a name.
    Fifo,
    /// A socket with a name.
    Socket,
}

impl Kind {
    /// As entries of directories say it.
    pub(crate) const fn in_entry(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::Character => 3,
            Self::Block => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink => 7,
        }
    }

    pub(crate) const fn of_entry(kind: u8) -> Option<Self> {
        Some(match kind {
            1 => Self::File,
            2 => Self::Directory,
            3 => Self::Character,
            4 => Self::Block,
            5 => Self::Fifo,
            6 => Self::Socket,
            7 => Self::Symlink,
            _ => return None,
        })
    }

    /// The bits of the mode.
    #[must_use]
    pub const fn bits(self) -> u16 {
        match self {
            Self::File => mode::FILE,
            Self::Directory => mode::DIRECTORY,
            Self::Symlink => mode::SYMLINK,
            Self::Character => mode::CHARACTER,
            Self::Block => mode::BLOCK,
            Self::Fifo => mode::FIFO,
            Self::Socket => mode::SOCKET,
        }
    }

    /// What a mode says.
    #[must_use]
    pub const fn of_mode(bits: u16) -> Option<Self> {
        Some(match bits & mode::KIND {
            mode::FILE => Self::File,
            mode::DIRECTORY => Self::Directory,
            mode::SYMLINK => Self::Symlink,
            mode::CHARACTER => Self::Character,
            mode::BLOCK => Self::Block,
            mode::FIFO => Self::Fifo,
            mode::SOCKET => Self::Socket,
            _ => return None,
        })
    }
}

/// What an inode says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// Kind and permissions, as `stat` tells them.
    pub mode: u16,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// In bytes.
    pub size: u64,
    /// In units of 512 bytes, with blocks of pointers.
    pub sectors: u32,
    /// How many entries name it.
    pub links: u16,
    /// When it was last read, as far as somebody said so.
    pub accessed: Time,
    /// When its contents were last changed.
    pub modified: Time,
    /// When it was last changed in any way.
    pub changed: Time,
    /// Of a device: as Linux encodes it.
    pub device: u32,
    /// Differs between files that have the same number one after the other.
    pub generation: u32,
    /// Ext2's flags, as `lsattr` shows them.
    pub flags: u32,
}

/// What is to be changed of an inode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    /// The permissions; the kind stays.
    pub mode: Option<u16>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// When it was read.
    pub accessed: Option<Time>,
    /// When it was written.
    pub modified: Option<Time>,
    /// The flags; those that tell of the format stay.
    pub flags: Option<u32>,
}

impl<A: Accounts> Ext2<A> {
    /// What an inode says of itself.
    ///
    /// # Errors
    /// `ENOENT` for one that is not in use, `EUCLEAN` for one that makes no sense.
    pub fn inode(&mut self, ino: Ino) -> Result<Attributes> {
        let tx = self.begin(&Caller::default());
        let inode = self.used(&tx, ino)?;
        let kind = Kind::of_mode(inode.mode).ok_or(Errno::EUCLEAN)?;
        let device = match kind {
            Kind::Character | Kind::Block => device(&inode),
            _ => 0,
        };
        Ok(Attributes {
            kind,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            size: inode.size,
            sectors: inode.sectors,
            links: inode.links,
            accessed: inode.accessed,
            modified: inode.modified,
            changed: inode.changed,
            device,
            generation: inode.generation,
            flags: inode.flags,
        })
    }

    /// Changes an inode.
    ///
    /// # Errors
    /// `EPERM` for one that is immutable or can only grow, unless its flags are changed.
    pub fn set_attributes(&mut self, caller: &Caller, ino: Ino, changes: &Changes) -> Result<()> {
        self.writable()?;
        let mut tx = self.begin(caller);
        let mut inode = self.used(&tx, ino)?;
        if changes.flags.is_none() && inode.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
            return Err(Errno::EPERM.into());
        }
        if let Some(mode) = changes.mode {
            inode.mode = (inode.mode & mode::KIND) | (mode & !mode::KIND);
        }
        inode.uid = changes.uid.unwrap_or(inode.uid);
        inode.gid = changes.gid.unwrap_or(inode.gid);
        inode.accessed = changes.accessed.unwrap_or(inode.accessed);
        inode.modified = changes.modified.unwrap_or(inode.modified);
        if let Some(flags) = changes.flags {
            let settable = flags::SETTABLE;
            inode.flags = (inode.flags & !settable) | (flags & settable);
        }
        inode.changed = caller.now;
        self.put_inode(&mut tx, ino, &inode)?;
        self.commit(tx)
    }

    /// A file has been read.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn read_at(&mut self, caller: &Caller, ino: Ino) -> Result<()> {
        self.writable()?;
        let mut tx = self.begin(caller);
        let mut inode = self.used(&tx, ino)?;
        inode.accessed = caller.now;
        self.put_inode(&mut tx, ino, &inode)?;
        self.commit(tx)
    }

    /// An inode that is in use, with or without a name.
    pub(crate) fn used(&mut self, tx: &Tx, ino: Ino) -> Result<Inode> {
        if !self.mounted {
            return Err(Errno::EINVAL.into());
        }
        let inode = self.get_inode(tx, ino)?;
        if inode.mode == 0 || (inode.links == 0 && inode.deleted != 0) {
            return Err(Errno::ENOENT.into());
        }
        Ok(inode)
    }

    /// An inode that has a name.
    pub(crate) fn live(&mut self, tx: &Tx, ino: Ino) -> Result<Inode> {
        let inode = self.used(tx, ino)?;
        if inode.links == 0 {
            return Err(Errno::ENOENT.into());
        }
        if inode.is(mode::DIRECTORY) && inode.flags & flags::FOREIGN != 0 {
            return Err(Errno::EUCLEAN.into());
        }
        Ok(inode)
    }

    /// Whether the contents of an inode may be changed.
    pub(crate) fn changeable(&self, inode: &Inode) -> Result<()> {
        if inode.flags & flags::IMMUTABLE != 0 {
            return Err(Errno::EPERM.into());
        }
        Ok(())
    }
}

/// A device, as Linux encodes it: from 16 bits, or as it is.
const fn device(inode: &Inode) -> u32 {
    let [old, new, ..] = inode.pointers;
    if old != 0 { old & 0xffff } else { new }
}
