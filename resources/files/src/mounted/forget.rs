//! Copies of what is on disks: found by their numbers, and forgotten when there are many.

use alloc::collections::BTreeMap;

use super::ask::{Ask, Change, OnDisk};
use super::line::Line;
use super::mount::FsId;
use crate::directory::Name;
use crate::inode::{Body, Inode, InodeId};
use crate::root::Root;

/// Names that are remembered.
const MOST: usize = 8_192;
/// Those that are looked at for one more.
const LOOKS: usize = 3;
/// Those that are forgotten in one run at an unmount.
const SLICE: usize = 4;

/// It.
#[derive(Default)]
pub(crate) struct Copies {
    by_number: BTreeMap<OnDisk, InodeId>,
    /// Names in the order in which they were looked up.
    order: Line<(InodeId, Name)>,
    /// How many of them stayed, one after the other, as all were to be forgotten.
    stayed: usize,
}

impl Copies {
    pub fn get(&self, at: OnDisk) -> Option<InodeId> {
        self.by_number.get(&at).copied()
    }

    pub fn add(&mut self, at: OnDisk, id: InodeId) {
        self.by_number.insert(at, id);
    }

    pub fn remove(&mut self, at: OnDisk) {
        self.by_number.remove(&at);
    }

    pub fn named(&mut self, dir: InodeId, name: Name) {
        self.order.push_back((dir, name));
    }

    /// Whether there are copies of a file system's objects beside its topmost directory.
    pub fn has_others(&self, fs: FsId) -> bool {
        let all = OnDisk { fs, number: 0 }..=OnDisk { fs, number: u64::MAX };
        self.by_number.range(all).nth(1).is_some()
    }
}

impl Root {
    /// Where too many names are known, forgets one or two that were not used lately.
    pub(super) fn forget_some(&mut self) {
        for _ in 0..LOOKS {
            if self.copies.order.len() <= MOST {
                break;
            }
            let Some((dir, name)) = self.copies.order.pop_front() else { break };
            if !self.forget(dir, &name, false) {
                self.copies.order.push_back((dir, name));
            }
        }
    }

    /// Forgets all of a file system that nobody holds, a slice of it. True if that were all.
    pub(super) fn forget_all(&mut self, fs: FsId) -> bool {
        for _ in 0..SLICE {
            // Once around and nothing went any more.
            if self.copies.stayed >= self.copies.order.len() {
                self.copies.stayed = 0;
                return true;
            }
            let Some((dir, name)) = self.copies.order.pop_front() else { return true };
            let of = self.inodes.get(dir).and_then(|inode| inode.disk.as_ref());
            let others = of.is_some_and(|state| state.at.fs != fs);
            if !others && self.forget(dir, &name, true) {
                self.copies.stayed = 0;
            } else {
                self.copies.order.push_back((dir, name));
                self.copies.stayed = self.copies.stayed.saturating_add(1);
            }
        }
        false
    }

    /// Forgets a name, unless its object is held or, where that counts, was used since it was
    /// looked at last. False if it stays.
    fn forget(&mut self, dir: InodeId, name: &Name, used_too: bool) -> bool {
        let Ok(directory) = self.directory_mut(dir) else { return true };
        let Some(entry) = directory.get(name).copied() else { return true };
        let Some(inode) = self.inodes.get(entry.inode) else { return true };
        let Some(state) = &inode.disk else { return true };
        // What is in a directory goes first.
        let full = inode.directory().is_some_and(|directory| !directory.is_empty());
        if full || inode.holds > 0 || state.busy || (!used_too && state.used.replace(false)) {
            return false;
        }
        self.link_out(dir, name);
        self.name_forgotten(entry.inode);
        true
    }

    /// A copy goes: what it knows better than the disk is told, and that it is gone.
    pub(crate) fn copy_goes(&mut self, inode: &Inode) {
        let Some(state) = &inode.disk else { return };
        self.copies.remove(state.at);
        let nameless = inode.links == 0;
        let writable = self.mounts.get(state.at.fs).is_some_and(|mount| !mount.read_only);
        if state.read && !nameless && writable {
            let change = Change { accessed: Some(inode.accessed), ..Change::default() };
            self.later.push(Ask::Set { at: state.at, change, of: None });
        }
        if nameless {
            let file = match &inode.body {
                Body::Cached(file) => Some(file.clone()),
                _ => None,
            };
            self.later.push(Ask::Release { at: state.at, file });
        }
    }

    /// Questions that no call waits for: they are to be asked, and their answers to be told.
    pub fn take_later(&mut self) -> Option<Ask> {
        self.later.pop()
    }

    /// One could not be asked now.
    pub fn ask_later(&mut self, ask: Ask) {
        self.later.push(ask);
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_later(&self) -> bool {
        !self.later.is_empty()
    }
}
