//! All files of which something is kept, or that somebody has open.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use spin::Mutex;

use super::file::CachedFile;
use super::frame::PageFrame;
use crate::names::{FileId, MountId};

/// The table: a leaf lock.
pub struct Files<F>(Mutex<Inner<F>>);

struct Inner<F> {
    by_id: BTreeMap<FileId, Arc<CachedFile<F>>>,
    by_number: BTreeMap<u32, FileId>,
    last: u32,
}

impl<F> Default for Files<F> {
    fn default() -> Self {
        let (by_id, by_number) = (BTreeMap::new(), BTreeMap::new());
        Self(Mutex::new(Inner { by_id, by_number, last: 0 }))
    }
}

impl<F: PageFrame> Files<F> {
    /// A file, by what it is, as it is open now or is still kept.
    #[must_use]
    pub fn find(&self, id: FileId) -> Option<Arc<CachedFile<F>>> {
        self.0.lock().by_id.get(&id).cloned()
    }

    /// A file that is opened: the one that is kept, or one with no pages yet. How large it is,
    /// and how large a block of its file system, EXT2R has said; a file that is kept knows
    /// better.
    #[must_use]
    pub fn open(&self, id: FileId, block: u32, size: u64) -> Arc<CachedFile<F>> {
        let mut inner = self.0.lock();
        if let Some(file) = inner.by_id.get(&id) {
            return file.clone();
        }
        // Numbers come again after 2^32 files: those in use are passed over.
        let mut number = inner.last.wrapping_add(1);
        while inner.by_number.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        inner.last = number;
        let file = Arc::new(CachedFile::new(id, number, block, size));
        inner.by_id.insert(id, file.clone());
        inner.by_number.insert(number, id);
        file
    }

    /// A file by its number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<Arc<CachedFile<F>>> {
        let inner = self.0.lock();
        inner.by_id.get(inner.by_number.get(&number)?).cloned()
    }

    /// The first file from a number on, of a mount if one is named.
    pub(crate) fn next(&self, from: u32, of: Option<MountId>) -> Option<Arc<CachedFile<F>>> {
        let inner = self.0.lock();
        let mut found = inner.by_number.range(from..).map(|(_, id)| id);
        let id = found.find(|id| of.is_none_or(|mount| id.mount == mount))?;
        inner.by_id.get(id).cloned()
    }

    /// Forgets a file.
    pub(crate) fn forget(&self, file: &CachedFile<F>) {
        let mut inner = self.0.lock();
        let same = inner.by_id.get(&file.id()).is_some_and(|it| it.number() == file.number());
        if same {
            inner.by_id.remove(&file.id());
            inner.by_number.remove(&file.number());
        }
    }

    /// Forgets a file that nobody has but this table and the caller, if this holds of it. Who
    /// has it looks it up here first, so that it cannot be had again meanwhile: the one place
    /// where a file's own lock is taken beneath this one.
    pub(crate) fn forget_if(
        &self,
        file: &Arc<CachedFile<F>>,
        is_bare: impl FnOnce(&CachedFile<F>) -> bool,
    ) {
        let mut inner = self.0.lock();
        let same = inner.by_id.get(&file.id()).is_some_and(|it| Arc::ptr_eq(it, file));
        if same && Arc::strong_count(file) == 2 && is_bare(file) {
            inner.by_id.remove(&file.id());
            inner.by_number.remove(&file.number());
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
