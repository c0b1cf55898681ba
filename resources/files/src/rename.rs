//! `renameat2`.

use linux_raw_sys::general as abi;

use crate::Errno;
use crate::accounts::Kept;
use crate::caller::Caller;
use crate::directory::Name;
use crate::inode::InodeId;
use crate::node::{At, Node};
use crate::root::{ENTRY_COST, Root};
use crate::walk::{Found, Last, Tail};

/// One of the two names.
struct End {
    dir: InodeId,
    name: Name,
    target: Option<InodeId>,
    slash: bool,
}

impl Root {
    /// `renameat2`, with `RENAME_NOREPLACE` and `RENAME_EXCHANGE`.
    ///
    /// # Errors
    /// Linux's.
    pub fn rename(&mut self, caller: &Caller, old: At, new: At, flags: u32) -> Result<(), Errno> {
        let exchange = flags & abi::RENAME_EXCHANGE != 0;
        let keep = flags & abi::RENAME_NOREPLACE != 0;
        let unknown = flags & !(abi::RENAME_EXCHANGE | abi::RENAME_NOREPLACE) != 0;
        if unknown || (exchange && keep) {
            return Err(Errno::EINVAL);
        }
        let from = self.walk(caller, old, Tail::Name)?;
        let to = self.walk(caller, new, Tail::Name)?;
        let (from, to) = ends(from, to, keep)?;
        let source = from.target.ok_or(Errno::ENOENT)?;
        if self.mounts.is_top(source) || to.target.is_some_and(|target| self.mounts.is_top(target))
        {
            return Err(Errno::EBUSY);
        }
        for object in [from.dir, to.dir, source].into_iter().chain(to.target) {
            self.check_unsealed(object)?;
        }
        self.check_kinds(&from, &to, keep, exchange)?;
        self.check_ancestors(&from, &to, exchange)?;
        if to.target == Some(source) {
            return Ok(());
        }
        let ends = ((from.dir, &from.name), (to.dir, &to.name));
        let objects = (source, to.target);
        let asked = self.rename_on_disk(caller, ends.0, ends.1, objects, (exchange, keep))?;
        if let Some(asked) = asked {
            return Err(asked);
        }
        match to.target {
            Some(target) if exchange => self.exchange(caller, &from, &to, source, target),
            _ => self.replace(caller, &from, &to, source),
        }
    }

    fn check_kinds(&self, from: &End, to: &End, keep: bool, exchange: bool) -> Result<(), Errno> {
        let source = from.target.ok_or(Errno::ENOENT)?;
        let from_dir = self.inode(source)?.is_directory();
        let to_dir = match to.target {
            Some(id) => Some(self.inode(id)?.is_directory()),
            None => None,
        };
        if keep && to_dir.is_some() {
            return Err(Errno::EEXIST);
        }
        if exchange && to_dir.is_none() {
            return Err(Errno::ENOENT);
        }
        if exchange && to_dir == Some(false) && to.slash {
            return Err(Errno::ENOTDIR);
        }
        if !from_dir && (from.slash || (to.slash && !exchange)) {
            return Err(Errno::ENOTDIR);
        }
        Ok(())
    }

    /// No directory may come to be below itself.
    fn check_ancestors(&self, from: &End, to: &End, exchange: bool) -> Result<(), Errno> {
        let source = from.target.ok_or(Errno::ENOENT)?;
        if from.dir != to.dir {
            if self.is_within(to.dir, source) {
                return Err(Errno::EINVAL);
            }
            if to.target.is_some_and(|target| self.is_within(from.dir, target)) {
                return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
            }
        }
        let target = match to.target {
            Some(target) if target == source => return Ok(()),
            Some(target) => self.inode(target)?,
            None if self.inode(to.dir)?.directory().is_some_and(|d| d.removed) => {
                return Err(Errno::ENOENT);
            }
            None => return Ok(()),
        };
        if self.proc_at.is_some_and(|id| Some(id) == to.target || id == source) {
            return Err(Errno::EBUSY);
        }
        match (self.inode(source)?.is_directory(), target.directory()) {
            _ if exchange => Ok(()),
            (true, None) => Err(Errno::ENOTDIR),
            (false, Some(_)) => Err(Errno::EISDIR),
            (_, Some(directory)) if !directory.is_empty() && directory.disk.is_none() => {
                Err(Errno::ENOTEMPTY)
            }
            _ => Ok(()),
        }
    }

    /// Whether a directory is another one or below it.
    fn is_within(&self, inner: InodeId, outer: InodeId) -> bool {
        let mut at = inner;
        while at != outer {
            match self.inode(at).ok().and_then(|inode| inode.directory()) {
                Some(directory) if directory.parent != at => at = directory.parent,
                _ => return false,
            }
        }
        true
    }

    fn replace(
        &mut self,
        caller: &Caller,
        from: &End,
        to: &End,
        source: InodeId,
    ) -> Result<(), Errno> {
        if to.target.is_none() {
            let cost = ENTRY_COST.saturating_add(to.name.len() as u64);
            self.charge(caller.owner, Kept::Tree, cost)?;
            let inserted =
                self.directory_mut(to.dir)?.insert(to.name.clone(), source, caller.owner);
            if let Err(error) = inserted {
                self.accounts.credit(caller.owner, Kept::Tree, cost);
                return Err(error);
            }
        }
        if let Some(target) = to.target {
            self.directory_mut(to.dir)?.replace(&to.name, source);
            self.lose_name(target, to.dir, caller.now)?;
        }
        let old = self.directory_mut(from.dir)?.remove(&from.name).ok_or(Errno::ENOENT)?;
        let freed = ENTRY_COST.saturating_add(from.name.len() as u64);
        self.accounts.credit(old.owner, Kept::Tree, freed);
        self.moved(source, from.dir, to.dir, &to.name)?;
        self.stamp(caller, from, to, source)
    }

    fn exchange(
        &mut self,
        caller: &Caller,
        from: &End,
        to: &End,
        source: InodeId,
        target: InodeId,
    ) -> Result<(), Errno> {
        self.directory_mut(from.dir)?.replace(&from.name, target);
        self.directory_mut(to.dir)?.replace(&to.name, source);
        self.moved(source, from.dir, to.dir, &to.name)?;
        self.moved(target, to.dir, from.dir, &from.name)?;
        self.inode_mut(target)?.changed = caller.now;
        self.stamp(caller, from, to, source)
    }

    /// A directory has another name, perhaps in another directory.
    pub(crate) fn moved(
        &mut self,
        id: InodeId,
        old: InodeId,
        new: InodeId,
        name: &Name,
    ) -> Result<(), Errno> {
        let Some(directory) = self.inode_mut(id)?.directory_mut() else { return Ok(()) };
        directory.name = name.clone();
        directory.parent = new;
        if old != new {
            let parent = self.inode_mut(new)?;
            parent.links = parent.links.saturating_add(1);
            parent.holds = parent.holds.saturating_add(1);
            let parent = self.inode_mut(old)?;
            parent.links = parent.links.saturating_sub(1);
            parent.holds = parent.holds.saturating_sub(1);
            self.settle(old);
        }
        Ok(())
    }

    fn stamp(
        &mut self,
        caller: &Caller,
        from: &End,
        to: &End,
        source: InodeId,
    ) -> Result<(), Errno> {
        self.inode_mut(source)?.changed = caller.now;
        self.inode_mut(from.dir)?.touch(caller.now);
        self.inode_mut(to.dir)?.touch(caller.now);
        Ok(())
    }
}

/// The two names as objects of the tree.
fn ends(from: Found, to: Found, keep: bool) -> Result<(End, End), Errno> {
    let (from_dir, to_dir) = match (&from.parent, &to.parent) {
        (Node::Inode(from), Node::Inode(to)) => (*from, *to),
        (Node::Proc(_), Node::Proc(_)) => return Err(Errno::EPERM),
        _ => return Err(Errno::EXDEV),
    };
    let named = |last: &Last| matches!(last, Last::Name(_) | Last::TooLong);
    if !named(&from.last) {
        return Err(Errno::EBUSY);
    }
    if !named(&to.last) {
        return Err(if keep { Errno::EEXIST } else { Errno::EBUSY });
    }
    let Last::Name(old) = from.last else { return Err(Errno::ENAMETOOLONG) };
    if from.target.is_none() {
        return Err(Errno::ENOENT);
    }
    let Last::Name(new) = to.last else { return Err(Errno::ENAMETOOLONG) };
    let end = |dir, name, target, slash| {
        let target = match target {
            Some(Node::Inode(id)) => Some(id),
            Some(Node::Proc(_)) => return Err(Errno::EBUSY),
            None => None,
        };
        Ok(End { dir, name, target, slash })
    };
    Ok((end(from_dir, old, from.target, from.slash)?, end(to_dir, new, to.target, to.slash)?))
}
