//! Extended attributes, of which nothing here tells any: what is answered is what Linux says where
//! a file system has none. Those of an ext2 stay on its disk as they are.

use linux_raw_sys::general as abi;

use crate::Errno;
use crate::caller::Caller;
use crate::description::OpenId;
use crate::node::{At, Node};
use crate::root::{Root, kind_of};

/// What is to be done with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// It is read.
    Get,
    /// It is set, to so many bytes.
    Set {
        /// How many.
        bytes: u64,
        /// `XATTR_CREATE`, `XATTR_REPLACE`.
        flags: u32,
    },
    /// It is removed.
    Remove,
}

const LONGEST_NAME: usize = 255;
const MOST_BYTES: u64 = 65_536;
/// Those that belong to who owns a file.
const USER: &[u8] = b"user.";

impl Root {
    /// `getxattr`, `setxattr`, `removexattr`, with `AT_SYMLINK_NOFOLLOW` those of a link itself.
    ///
    /// # Errors
    /// Linux's where there are none: `EOPNOTSUPP`, after those for what is asked wrongly.
    pub fn extended(
        &self,
        caller: &Caller,
        at: At,
        flags: u32,
        name: &[u8],
        what: Extended,
    ) -> Result<(), Errno> {
        let node = self.locate(caller, at, flags)?;
        self.extended_of(caller, &node, name, what)
    }

    /// The same of an open file.
    ///
    /// # Errors
    /// As [`Self::extended`].
    pub fn extended_open(
        &self,
        caller: &Caller,
        open: OpenId,
        name: &[u8],
        what: Extended,
    ) -> Result<(), Errno> {
        let node = self.usable(open)?.1.clone();
        self.extended_of(caller, &node, name, what)
    }

    /// `listxattr`: that there are none.
    ///
    /// # Errors
    /// Those of the path.
    pub fn list_extended(&self, caller: &Caller, at: At, flags: u32) -> Result<(), Errno> {
        self.locate(caller, at, flags).map(drop)
    }

    /// The same of an open file.
    ///
    /// # Errors
    /// `EBADF` where there is no such open file.
    pub fn list_extended_open(&self, open: OpenId) -> Result<(), Errno> {
        self.usable(open).map(drop)
    }

    fn extended_of(
        &self,
        caller: &Caller,
        node: &Node,
        name: &[u8],
        what: Extended,
    ) -> Result<(), Errno> {
        if let Node::Inode(id) = node
            && what != Extended::Get
        {
            self.check_changeable(*id)?;
        }
        match what {
            Extended::Set { flags, .. }
                if flags & !(abi::XATTR_CREATE | abi::XATTR_REPLACE) != 0 =>
            {
                return Err(Errno::EINVAL);
            }
            _ if name.is_empty() || name.len() > LONGEST_NAME => return Err(Errno::ERANGE),
            Extended::Set { bytes, .. } if bytes > MOST_BYTES => return Err(Errno::E2BIG),
            _ => {}
        }
        // Only files and directories can have those, whatever the file system.
        let may = self.is_directory(caller, node)
            || match node {
                Node::Inode(id) => kind_of(self.inode(*id)?.body.kind()) == abi::S_IFREG,
                Node::Proc(_) => true,
            };
        if name.starts_with(USER) && !may {
            return Err(if what == Extended::Get { Errno::ENODATA } else { Errno::EPERM });
        }
        Err(Errno::EOPNOTSUPP)
    }
}
