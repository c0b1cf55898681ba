//! A disk's file system as the root: what the kernel makes itself is seen in it.

use super::ask::Ask;
use crate::caller::Caller;
use crate::node::Node;
use crate::root::Root;
use crate::{Dev, Errno};

impl Root {
    /// The file system of a disk is to be the root. To be called before there are programs.
    ///
    /// # Errors
    /// Those of [`Root::mount`]; `ENXIO`: there is no such disk.
    pub fn mount_top(&mut self, caller: &Caller, dev: Dev) -> Result<(), Errno> {
        if !self.has_disk(dev) {
            return Err(Errno::ENXIO);
        }
        self.hold(&Node::Inode(self.top));
        Err(caller.ask(Ask::Mount { dev, read_only: false, of: (self.top, caller.owner) }))
    }

    /// The devices, and `/proc`, are seen in the root that is on a disk, where it has
    /// directories for them.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`: it has none.
    pub fn furnish_top(&mut self, caller: &Caller) -> Result<(), Errno> {
        let own = self.inode(self.top)?.directory().ok_or(Errno::ENOTDIR)?;
        let devices = own.get(b"dev").ok_or(Errno::ENOENT)?.inode;
        let Node::Inode(top) = self.top() else { return Err(Errno::EIO) };
        let mut places = [None; 2];
        for (place, name) in places.iter_mut().zip([&b"dev"[..], b"proc"]) {
            let Some(Node::Inode(id)) = self.entry(caller, top, name)? else {
                return Err(Errno::ENOENT);
            };
            if !self.inode(id)?.is_directory() {
                return Err(Errno::ENOTDIR);
            }
            *place = Some(id);
        }
        if let [Some(dev), Some(proc)] = places {
            self.hold(&Node::Inode(dev));
            self.hold(&Node::Inode(proc));
            self.mounts.show(dev, devices);
            self.proc_at = Some(proc);
        }
        Ok(())
    }
}
