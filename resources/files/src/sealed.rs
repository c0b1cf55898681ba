//! What nobody changes: programs that run with more right than those who could write to them,
//! for all activities have one tree, and in it the superuser's right. As Linux's immutable files:
//! they are read and run, and everything else is `EPERM`.
//!
//! # Invariants
//! - All below a sealed folder is sealed too, and in memory: it is sealed when the tree is loaded,
//!   and nothing comes into it later.

use alloc::vec::Vec;

use vortex_abi::Errno;

use crate::Root;
use crate::inode::InodeId;

impl Root {
    /// Seals what this name of the tree's top has, with all that is below it.
    pub(crate) fn seal(&mut self, name: &[u8]) {
        let top = self.inode(self.top).ok().and_then(|top| top.directory());
        let mut found: Vec<InodeId> =
            top.and_then(|top| top.get(name)).map(|entry| entry.inode).into_iter().collect();
        while let Some(id) = found.pop() {
            let Ok(inode) = self.inode_mut(id) else { continue };
            inode.sealed = true;
            if let Some(directory) = inode.directory() {
                found.extend(directory.after(0).map(|(_, _, id)| id));
            }
        }
    }

    /// Whether an object may be changed, or get or lose a name, or names be changed in it.
    ///
    /// # Errors
    /// `EPERM`: it is sealed.
    pub(crate) fn check_unsealed(&self, id: InodeId) -> Result<(), Errno> {
        if self.inode(id)?.sealed { Err(Errno::EPERM) } else { Ok(()) }
    }
}
