//! Files to be executed.

use alloc::sync::{Arc, Weak};
use linux_raw_sys::general as abi;

use crate::Errno;
use crate::caller::Caller;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::node::{At, Node};
use crate::open::by_name;
use crate::root::{Root, kind_of};
use crate::walk::Tail;

/// The permissions of which one must be there, even for the superuser.
pub(crate) const EXECUTABLE: u32 = 0o111;

impl Root {
    /// Opens the file that `execveat` would execute, to be read; with
    /// `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH`.
    ///
    /// # Errors
    /// Linux's; `EACCES` where it is no regular file or nobody may execute it.
    pub fn open_executable(
        &mut self,
        caller: &Caller,
        at: At,
        flags: u32,
    ) -> Result<OpenId, Errno> {
        if flags & !(abi::AT_SYMLINK_NOFOLLOW | abi::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let (node, name) = if at.path.is_empty() && flags & abi::AT_EMPTY_PATH != 0 {
            let name = match at.dir {
                crate::Fd::CWD => None,
                fd => self.description(caller.table.get(fd)?)?.name.clone(),
            };
            (self.start(caller, at.dir)?, name)
        } else {
            let keep = flags & abi::AT_SYMLINK_NOFOLLOW != 0;
            let found = self.walk(caller, at, if keep { Tail::Keep } else { Tail::Follow })?;
            let name = by_name(&found);
            (found.target.ok_or(Errno::ENOENT)?, name)
        };
        self.check_executable(caller, &node)?;
        if let Node::Inode(id) = node {
            let inode = self.inode(id)?;
            if let Body::File(contents) = &inode.body {
                contents.settle_mappings();
            }
            let mapped = self.is_map_written(inode.number);
            if inode.writers > 0 {
                return Err(Errno::ETXTBSY);
            }
            if mapped {
                let waits = self.waits_for_ended(caller);
                return Err(if waits { caller.again() } else { Errno::ETXTBSY });
            }
        }
        let open = self.open_node(node, abi::O_RDONLY | abi::O_LARGEFILE, caller.owner)?;
        self.description_mut(open)?.name = name;
        Ok(open)
    }

    /// A file is run from now on: until what this returns is gone, nobody may write it.
    ///
    /// # Errors
    /// `EACCES` where it is no file.
    pub fn run(&mut self, node: &Node) -> Result<Arc<()>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::EACCES) };
        let number = self.inode(*id)?.number;
        if let Some(running) = self.running.get(&number).and_then(Weak::upgrade) {
            return Ok(running);
        }
        self.running.retain(|_, running| running.strong_count() > 0);
        let running = Arc::new(());
        self.running.insert(number, Arc::downgrade(&running));
        Ok(running)
    }

    /// Whether an object may be written: not while it is run.
    pub(crate) fn check_writable(&self, id: InodeId) -> Result<(), Errno> {
        self.check_unsealed(id)?;
        if self.running.is_empty() {
            return Ok(());
        }
        let running = self.running.get(&self.inode(id)?.number);
        let runs = running.is_some_and(|running| running.strong_count() > 0);
        if runs { Err(Errno::ETXTBSY) } else { Ok(()) }
    }

    fn check_executable(&self, caller: &Caller, node: &Node) -> Result<(), Errno> {
        let mode = self.attributes(caller, node)?.mode;
        match kind_of(mode) {
            abi::S_IFREG if mode & EXECUTABLE != 0 => Ok(()),
            abi::S_IFLNK => Err(Errno::ELOOP),
            _ => Err(Errno::EACCES),
        }
    }
}
