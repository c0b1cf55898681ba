//! Reading symbolic links.

use alloc::vec::Vec;

use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::disk::mode;
use crate::numbers::{FileBlock, Ino};
use crate::stop::{DAMAGED, Result};
use vortex_abi::Errno;

impl<A: Accounts> Ext2<A> {
    /// Where a symbolic link leads.
    ///
    /// # Errors
    /// `EINVAL` for anything else, and those of the disk.
    pub fn readlink(&mut self, ino: Ino) -> Result<Vec<u8>> {
        let tx = self.begin(&Caller::default());
        let inode = self.used(&tx, ino)?;
        if !inode.is(mode::SYMLINK) {
            return Err(Errno::EINVAL.into());
        }
        let length = inode.size as usize;
        let mut target = Vec::new();
        target.try_reserve_exact(length.min(self.layout.size())).map_err(|_| Errno::ENOMEM)?;
        if inode.is_fast_symlink(self.layout.block_size) {
            target.extend_from_slice(inode.inline().get(..length).ok_or(DAMAGED)?);
        } else {
            if inode.size >= u64::from(self.layout.block_size) {
                return Err(DAMAGED);
            }
            let block = self.block_of(&tx, ino, &inode, FileBlock(0))?.ok_or(DAMAGED)?;
            let bytes = self.read(&tx, block, Role::Target(ino))?;
            target.extend_from_slice(bytes.get(..length).ok_or(DAMAGED)?);
        }
        Ok(target)
    }
}
