//! The entries of a directory, by name and in the order in which they are listed.
//!
//! Invariants: `names` and `order` hold the same entries; an entry's place in the order is
//! never used again, so that a listing in progress neither repeats nor misses an entry
//! that was there all the time.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Bound;

use crate::inode::InodeId;
use crate::mounted::Names;
use crate::{Errno, Owner};

/// A name within a directory.
pub(crate) type Name = Arc<[u8]>;

/// The first place; those before it are `.` and `..`.
const FIRST: u64 = 2;

#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub inode: InodeId,
    pub owner: Owner,
    pub place: u64,
}

pub(crate) struct Directory {
    names: BTreeMap<Name, Entry>,
    order: BTreeMap<u64, (Name, InodeId)>,
    next: u64,
    /// The directory that this one is in; its own for the topmost. It is held.
    pub parent: InodeId,
    /// Its name there.
    pub name: Name,
    /// Whether it has been removed: nothing can be made in it again.
    pub removed: bool,
    /// Of one on a disk: what else is known of its names. Others may be there than those above.
    pub disk: Option<Names>,
}

impl Directory {
    pub fn new(parent: InodeId, name: Name) -> Self {
        let (names, order) = (BTreeMap::new(), BTreeMap::new());
        Self { names, order, next: FIRST, parent, name, removed: false, disk: None }
    }

    /// One that is on a disk; nothing of it is known.
    pub fn of_disk(parent: InodeId, name: Name) -> Self {
        Self { disk: Some(Names::default()), ..Self::new(parent, name) }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn get(&self, name: &[u8]) -> Option<&Entry> {
        self.names.get(name)
    }

    /// Puts an entry: its place, and the one that had its name, if there was one.
    pub fn insert(
        &mut self,
        name: Name,
        inode: InodeId,
        owner: Owner,
    ) -> Result<(u64, Option<Entry>), Errno> {
        let place = self.next;
        self.next = place.checked_add(1).ok_or(Errno::ENOSPC)?;
        self.order.insert(place, (name.clone(), inode));
        let old = self.names.insert(name, Entry { inode, owner, place });
        if let Some(old) = &old {
            self.order.remove(&old.place);
        }
        Ok((place, old))
    }

    /// Another pays for an entry.
    pub fn goes_to(&mut self, name: &[u8], owner: Owner) {
        if let Some(entry) = self.names.get_mut(name) {
            entry.owner = owner;
        }
    }

    /// The entry at this place, if it is still there.
    pub fn at(&self, place: u64) -> Option<(&Name, InodeId)> {
        self.order.get(&place).map(|(name, inode)| (name, *inode))
    }

    pub fn remove(&mut self, name: &[u8]) -> Option<Entry> {
        let entry = self.names.remove(name)?;
        self.order.remove(&entry.place);
        Some(entry)
    }

    /// Makes an entry name something else; what it named.
    pub fn replace(&mut self, name: &[u8], inode: InodeId) -> Option<InodeId> {
        let entry = self.names.get_mut(name)?;
        if let Some((_, listed)) = self.order.get_mut(&entry.place) {
            *listed = inode;
        }
        Some(core::mem::replace(&mut entry.inode, inode))
    }

    /// The entries behind this place, in order.
    pub fn after(&self, place: u64) -> impl Iterator<Item = (u64, &Name, InodeId)> {
        let range = (Bound::Included(place.max(FIRST)), Bound::Unbounded);
        self.order.range(range).map(|(place, (name, inode))| (*place, name, *inode))
    }
}
