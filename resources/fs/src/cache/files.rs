//! All files of which something is kept, or that somebody has open.
//!
//! # Invariants
//! - What is kept of a file is on the bill of whoever opened it first, until it is gone.
//! - A file that nobody has and of which nothing is kept leaves: when its last page does, with
//!   time, when its payer opens others beyond its part, or is refused something else.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

use spin::Mutex;
use vortex_units::ActivityId;

use super::file::CachedFile;
use super::frame::{Bills, PageFrame};
use crate::names::{FileId, MountId};

/// Of what an activity can have, the part that files may be which it has opened before it gives up
/// some for another: one of so many bytes, but so many files at least.
const ONE_OF: u64 = 8;
const LEAST: usize = 64;
/// Those that are looked at for that.
const LOOKS: usize = 8;

/// The table: a leaf lock.
pub struct Files<F> {
    inner: Mutex<Inner<F>>,
    bills: Arc<dyn Bills>,
}

struct Inner<F> {
    by_id: BTreeMap<FileId, Arc<CachedFile<F>>>,
    by_number: BTreeMap<u32, FileId>,
    /// Those that each pays for.
    lots: BTreeMap<ActivityId, Lot>,
    last: u32,
}

/// Files that one pays for.
#[derive(Default)]
struct Lot {
    files: BTreeSet<u32>,
    /// The last that was looked at.
    at: u32,
}

impl Lot {
    /// The next one, around.
    fn next(&mut self) -> Option<u32> {
        let behind = (Bound::Excluded(self.at), Bound::Unbounded);
        let next = self.files.range(behind).next().or_else(|| self.files.first()).copied();
        self.at = next?;
        next
    }
}

impl<F: PageFrame> Inner<F> {
    /// The next of one's that nobody has.
    fn next_idle(&mut self, who: ActivityId) -> Option<Arc<CachedFile<F>>> {
        let number = self.lots.get_mut(&who)?.next()?;
        let file = self.by_id.get(self.by_number.get(&number)?)?;
        (Arc::strong_count(file) == 1).then(|| file.clone())
    }

    /// Some of one's go of which nothing is kept and that nobody has.
    fn give_up(&mut self, who: ActivityId, gone: &mut Vec<Arc<CachedFile<F>>>) {
        let most = self.lots.get(&who).map_or(0, |lot| lot.files.len());
        for _ in 0..LOOKS.min(most) {
            if let Some(file) = self.next_idle(who).filter(|file| file.is_bare()) {
                self.remove(&file);
                gone.push(file);
            }
        }
    }

    fn remove(&mut self, file: &CachedFile<F>) {
        self.by_id.remove(&file.id());
        self.by_number.remove(&file.number());
        if let Some(lot) = self.lots.get_mut(&file.payer()) {
            lot.files.remove(&file.number());
            if lot.files.is_empty() {
                self.lots.remove(&file.payer());
            }
        }
    }
}

impl<F: PageFrame> Files<F> {
    /// None, with the bills of those who open some.
    pub(crate) fn new(bills: Arc<dyn Bills>) -> Self {
        let (by_id, by_number, lots) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { inner: Mutex::new(Inner { by_id, by_number, lots, last: 0 }), bills }
    }

    /// A file, by what it is, as it is open now or is still kept.
    #[must_use]
    pub fn find(&self, id: FileId) -> Option<Arc<CachedFile<F>>> {
        self.inner.lock().by_id.get(&id).cloned()
    }

    /// A file that is opened: the one that is kept, or one with no pages yet, on the bill of
    /// `who`. How large it is, and how large a block of its file system, EXT2R has said; a file
    /// that is kept knows better.
    #[must_use]
    pub fn open(&self, id: FileId, block: u32, size: u64, who: ActivityId) -> Arc<CachedFile<F>> {
        let part = self.bills.limit(who).get() / ONE_OF / CachedFile::<F>::PRICE;
        let most = usize::try_from(part).unwrap_or(usize::MAX).max(LEAST);
        // They are gone when the lock is not held any more.
        let mut gone = Vec::new();
        let mut inner = self.inner.lock();
        if let Some(file) = inner.by_id.get(&id) {
            return file.clone();
        }
        if inner.lots.get(&who).is_some_and(|lot| lot.files.len() >= most) {
            inner.give_up(who, &mut gone);
        }
        // Numbers come again after 2^32 files: those in use are passed over.
        let mut number = inner.last.wrapping_add(1);
        while inner.by_number.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        inner.last = number;
        let file = Arc::new(CachedFile::new(id, number, block, size, (who, self.bills.clone())));
        inner.by_id.insert(id, file.clone());
        inner.by_number.insert(number, id);
        inner.lots.entry(who).or_default().files.insert(number);
        file
    }

    /// Room is wanted of an activity: some files go that it pays for, of which nothing is kept
    /// and that nobody has. Whether any has.
    pub fn give_up(&self, who: ActivityId) -> bool {
        let mut gone = Vec::new();
        self.inner.lock().give_up(who, &mut gone);
        !gone.is_empty()
    }

    /// The same where something is kept of them: one that is to be evicted, so that it can go.
    #[must_use]
    pub fn idle(&self, who: ActivityId) -> Option<Arc<CachedFile<F>>> {
        let mut inner = self.inner.lock();
        (0..LOOKS).find_map(|_| inner.next_idle(who).filter(|file| file.pages() > 0))
    }

    /// A file by its number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<Arc<CachedFile<F>>> {
        let inner = self.inner.lock();
        inner.by_id.get(inner.by_number.get(&number)?).cloned()
    }

    /// The first file from a number on, of a mount if one is named.
    pub(crate) fn next(&self, from: u32, of: Option<MountId>) -> Option<Arc<CachedFile<F>>> {
        let inner = self.inner.lock();
        let mut found = inner.by_number.range(from..).map(|(_, id)| id);
        let id = found.find(|id| of.is_none_or(|mount| id.mount == mount))?;
        inner.by_id.get(id).cloned()
    }

    /// Forgets a file.
    pub(crate) fn forget(&self, file: &CachedFile<F>) {
        let mut inner = self.inner.lock();
        let same = inner.by_id.get(&file.id()).is_some_and(|it| it.number() == file.number());
        if same {
            inner.remove(file);
        }
    }

    /// Forgets a file that nobody has but this table and the caller, if nothing is kept of it. Who
    /// has it looks it up here first, so that it cannot be had again meanwhile: with
    /// [`Files::give_up`] where a file's own lock is taken beneath this one.
    pub(crate) fn forget_bare(&self, file: &Arc<CachedFile<F>>) {
        let mut inner = self.inner.lock();
        let same = inner.by_id.get(&file.id()).is_some_and(|it| Arc::ptr_eq(it, file));
        if same && Arc::strong_count(file) == 2 && file.is_bare() {
            inner.remove(file);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.lock().by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
