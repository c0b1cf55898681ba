//! Finding names.

use crate::Ext2;
use crate::caller::{Accounts, Caller};
use crate::disk::{Inode, mode};
use crate::numbers::Ino;
use crate::stop::Result;
use crate::tx::Tx;
use vortex_abi::Errno;

/// The longest name.
pub(crate) const NAME_MAX: usize = 255;

impl<A: Accounts> Ext2<A> {
    /// What an entry of a directory names; None if there is none. `.` and `..` are entries.
    ///
    /// # Errors
    /// `ENOTDIR`, `ENAMETOOLONG`, `ENOENT` for a directory without a name, and those of the
    /// disk.
    pub fn lookup(&mut self, dir: Ino, name: &[u8]) -> Result<Option<Ino>> {
        let tx = self.begin(&Caller::default());
        let inode = self.directory(&tx, dir)?;
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        Ok(self.find(&tx, dir, &inode, name)?.map(|found| found.ino()))
    }

    /// A directory that has a name.
    pub(crate) fn directory(&mut self, tx: &Tx, dir: Ino) -> Result<Inode> {
        let inode = self.live(tx, dir)?;
        if inode.is(mode::DIRECTORY) { Ok(inode) } else { Err(Errno::ENOTDIR.into()) }
    }

    /// Whether a name may be made or removed.
    pub(crate) fn check_name(name: &[u8]) -> Result<()> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        let dots = name == b"." || name == b"..";
        if name.is_empty() || dots || name.iter().any(|byte| *byte == b'/' || *byte == 0) {
            return Err(Errno::EINVAL.into());
        }
        Ok(())
    }
}
