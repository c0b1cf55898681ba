//! All files of which something is kept, or that somebody has open.
//!
//! # Invariants
//! - A file is on the bill of whoever had it looked up, and is one of that one's lot. It goes to
//!   somebody who has it open, or has its first page, where that one wants room, and with its first
//!   page where that one does not have it open.
//! - A file that nobody has and of which nothing is kept leaves: when its last page does, with
//!   time, when its payer opens others beyond its part, or is refused something else.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;

use spin::Mutex;
use vortex_units::{ActivityId, Bytes};

use super::file::CachedFile;
use super::frame::{Bills, PageFrame};
use crate::names::{FileId, MountId};

/// Of what an activity can have, the part that files may be which it has opened before it gives up
/// some for another: one of so many bytes, but so many files at least.
const ONE_OF: u64 = 8;
const LEAST: usize = 64;
/// Those that are looked at for that.
const LOOKS: usize = 8;

/// The table: a lock beneath which a file's own is taken, and bills are charged.
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

/// Whether nobody has a file but the table and who looks.
fn is_idle<F>(file: &Arc<CachedFile<F>>) -> bool {
    Arc::strong_count(file) == 2
}

/// What goes when the lock is not held any more: files, and what others pay for now.
struct Gone<F> {
    files: Vec<Arc<CachedFile<F>>>,
    from: Vec<ActivityId>,
}

impl<F> Gone<F> {
    const fn new() -> Self {
        Self { files: Vec::new(), from: Vec::new() }
    }

    /// Whether anything was.
    fn end(self, bills: &dyn Bills) -> bool {
        self.from.iter().for_each(|who| bills.credit(*who, Bytes::new(CachedFile::<F>::PRICE)));
        !self.files.is_empty() || !self.from.is_empty()
    }
}

impl<F: PageFrame> Inner<F> {
    /// The next of one's.
    fn next_of(&mut self, who: ActivityId) -> Option<Arc<CachedFile<F>>> {
        let number = self.lots.get_mut(&who)?.next()?;
        self.by_id.get(self.by_number.get(&number)?).cloned()
    }

    /// The same if nobody has it.
    fn next_idle(&mut self, who: ActivityId) -> Option<Arc<CachedFile<F>>> {
        self.next_of(who).filter(is_idle)
    }

    /// Some of one's go of which nothing is kept and that nobody has, and to others those that
    /// they use and it has not open, or that it has as well as they.
    fn give_up(&mut self, who: ActivityId, too: bool, bills: &dyn Bills, gone: &mut Gone<F>) {
        let most = self.lots.get(&who).map_or(0, |lot| lot.files.len());
        for _ in 0..LOOKS.min(most) {
            let Some(file) = self.next_of(who) else { break };
            if is_idle(&file) && file.is_bare() {
                self.remove(&file);
                gone.files.push(file);
            } else if let Some(to) = if too { file.other() } else { file.user() } {
                self.hand(&file, to, bills, gone);
            }
        }
    }

    /// A file goes to another's bill and lot.
    fn hand(
        &mut self,
        file: &CachedFile<F>,
        to: ActivityId,
        bills: &dyn Bills,
        gone: &mut Gone<F>,
    ) {
        bills.charge(to, Bytes::new(CachedFile::<F>::PRICE));
        let from = file.goes_to(to);
        gone.from.push(from);
        self.leaves(file.number(), from);
        self.lots.entry(to).or_default().files.insert(file.number());
    }

    /// A file is one of somebody's lot no more.
    fn leaves(&mut self, number: u32, from: ActivityId) {
        if let Some(lot) = self.lots.get_mut(&from) {
            lot.files.remove(&number);
            if lot.files.is_empty() {
                self.lots.remove(&from);
            }
        }
    }

    fn remove(&mut self, file: &CachedFile<F>) {
        self.by_id.remove(&file.id());
        self.by_number.remove(&file.number());
        self.leaves(file.number(), file.payer());
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
        let mut gone = Gone::new();
        let mut inner = self.inner.lock();
        if let Some(file) = inner.by_id.get(&id) {
            return file.clone();
        }
        if inner.lots.get(&who).is_some_and(|lot| lot.files.len() >= most) {
            inner.give_up(who, true, &*self.bills, &mut gone);
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
        drop(inner);
        gone.end(&*self.bills);
        file
    }

    /// A file has pages now. Where who pays for it does not have it open, it goes to who does, or
    /// has the first of them.
    pub(crate) fn goes_to_user(&self, file: &Arc<CachedFile<F>>) {
        let mut gone = Gone::new();
        let mut inner = self.inner.lock();
        let same = inner.by_id.get(&file.id()).is_some_and(|it| Arc::ptr_eq(it, file));
        if let Some(to) = file.user().filter(|_| same) {
            inner.hand(file, to, &*self.bills, &mut gone);
        }
        drop(inner);
        gone.end(&*self.bills);
    }

    /// Room is wanted of an activity: some files go that it pays for, of which nothing is kept
    /// and that nobody has, and some to the bills of others, who use them while it has them not
    /// open. Whether any has: who asks until none does comes to an end.
    pub fn give_up(&self, who: ActivityId) -> bool {
        let mut gone = Gone::new();
        self.inner.lock().give_up(who, false, &*self.bills, &mut gone);
        gone.end(&*self.bills)
    }

    /// The same of those too that it has open as well as others: who may want room in their turn,
    /// so that this is not asked for ever.
    pub fn leave(&self, who: ActivityId) -> bool {
        let mut gone = Gone::new();
        self.inner.lock().give_up(who, true, &*self.bills, &mut gone);
        gone.end(&*self.bills)
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
