//! What a process's paths are relative to, and what its new files' modes lack: the part of
//! a process that `CLONE_FS` shares.

use alloc::vec::Vec;

use crate::caller::Caller;
use crate::inode::{Inode, InodeId};
use crate::node::{At, Fd, Node};
use crate::root::Root;
use crate::walk::{PATH_MAX, Tail};
use crate::{Effects, Errno};

/// The current directory, which it holds, and the umask.
///
/// It is made by [`Root::place`] or [`Root::fork_place`] and must end in
/// [`Root::drop_place`].
#[derive(Debug)]
pub struct Place {
    cwd: Node,
    umask: u32,
}

impl Place {
    /// The current directory.
    #[must_use]
    pub fn cwd(&self) -> &Node {
        &self.cwd
    }

    /// The bits that new files do not get.
    #[must_use]
    pub fn umask(&self) -> u32 {
        self.umask
    }

    /// `umask`: sets it, returns the old one.
    pub fn set_umask(&mut self, umask: u32) -> u32 {
        core::mem::replace(&mut self.umask, umask & 0o777)
    }
}

impl Root {
    /// A place at the topmost directory, with the usual umask.
    #[must_use]
    pub fn place(&mut self) -> Place {
        let cwd = self.top();
        self.hold(&cwd);
        Place { cwd, umask: 0o022 }
    }

    /// A copy, as a new process gets it.
    #[must_use]
    pub fn fork_place(&mut self, place: &Place) -> Place {
        self.hold(&place.cwd);
        Place { cwd: place.cwd.clone(), umask: place.umask }
    }

    /// The end of a place.
    pub fn drop_place(&mut self, place: Place, effects: &mut Effects) {
        self.let_go(&place.cwd, effects);
    }

    /// The directory that `chdir` would go to; it is then [`Root::enter`]ed.
    ///
    /// # Errors
    /// Those of `chdir`.
    pub fn find_directory(&self, caller: &Caller, path: &[u8]) -> Result<Node, Errno> {
        let node = self.find(caller, At::cwd(path), Tail::Follow)?;
        if self.is_directory(caller, &node) { Ok(node) } else { Err(Errno::ENOTDIR) }
    }

    /// The directory that `fchdir` would go to.
    ///
    /// # Errors
    /// Those of `fchdir`.
    pub fn find_open_directory(&self, caller: &Caller, fd: Fd) -> Result<Node, Errno> {
        let node = self.description(caller.table.get(fd)?)?.node.clone();
        if self.is_directory(caller, &node) { Ok(node) } else { Err(Errno::ENOTDIR) }
    }

    /// Makes this directory the current one.
    pub fn enter(&mut self, place: &mut Place, directory: Node, effects: &mut Effects) {
        self.hold(&directory);
        let old = core::mem::replace(&mut place.cwd, directory);
        self.let_go(&old, effects);
    }

    pub(crate) fn let_go(&mut self, node: &Node, effects: &mut Effects) {
        if let Some(tag) = self.unhold(node) {
            effects.release(tag);
        }
    }

    /// The path of the current directory, as `getcwd` gives it, without a terminating zero.
    ///
    /// # Errors
    /// `ENOENT` where it has been removed; `ENAMETOOLONG` where no path leads there.
    pub fn getcwd(&self, place: &Place) -> Result<Vec<u8>, Errno> {
        self.path_of(&place.cwd)
    }

    /// The path of a directory.
    ///
    /// # Errors
    /// `ENOENT` where it has been removed, `ENOTDIR` where it is none, `ENAMETOOLONG`
    /// where the path would be longer than any may be.
    pub fn path_of(&self, node: &Node) -> Result<Vec<u8>, Errno> {
        let mut climb = Climb::default();
        while !self.climb(&mut climb, node)? {}
        Ok(climb.path())
    }

    fn is_topmost(&self, id: InodeId) -> bool {
        id == self.top || self.mounts.over(self.top) == Some(id)
    }

    /// Goes up from a directory, some of the way. True at the top.
    ///
    /// # Errors
    /// Those of [`Root::path_of`].
    pub fn climb(&self, climb: &mut Climb, node: &Node) -> Result<bool, Errno> {
        let mut at = match (climb.at, node) {
            (Some(at), _) => at,
            (None, Node::Inode(id)) => *id,
            (None, Node::Proc(path)) => {
                if !path.is_empty() {
                    climb.add(path)?;
                }
                self.proc_at.ok_or(Errno::ENOENT)?
            }
        };
        for _ in 0..STEPS {
            if self.is_topmost(at) {
                return Ok(true);
            }
            let inode: &Inode = self.inode(at)?;
            let directory = inode.directory().ok_or(Errno::ENOTDIR)?;
            if directory.removed {
                return Err(Errno::ENOENT);
            }
            climb.add(&directory.name)?;
            at = directory.parent;
        }
        climb.at = Some(at);
        Ok(self.is_topmost(at))
    }
}

/// Folders that are climbed in one go.
const STEPS: usize = 256;

/// How far it has been gone up from a directory.
#[derive(Debug, Default)]
pub struct Climb {
    at: Option<InodeId>,
    /// The path from there on, with its bytes from the last to the first.
    backwards: Vec<u8>,
}

impl Climb {
    fn add(&mut self, name: &[u8]) -> Result<(), Errno> {
        let length = self.backwards.len().saturating_add(name.len()).saturating_add(1);
        if length >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.backwards.extend(name.iter().rev());
        self.backwards.push(b'/');
        Ok(())
    }

    /// The path, when the top is reached.
    #[must_use]
    pub fn path(mut self) -> Vec<u8> {
        if self.backwards.is_empty() {
            self.backwards.push(b'/');
        }
        self.backwards.reverse();
        self.backwards
    }
}
