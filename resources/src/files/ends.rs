//! How far files in memory go for those who have mapped them for themselves, or run them.
//!
//! Each has a version of the file: as it was when it was asked for (`image_pages.rs`). A cut ends
//! all versions that there are, for good. When the file is longer again they show zeros there, up
//! to where something else was written, which they do not have.
//!
//! # Invariants
//! - Versions that the same cut has ended are one group. Groups lie in the order in which their
//!   versions were made, and each was cut before the next: a cut makes one of all that it takes
//!   something from. There is none without versions, and a bounded number of them.
//! - The file resource alone makes versions, and tells of sizes and writes: one after the other.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_files::Versions;
use vortex_machine::PAGE;

const PAGE_U64: u64 = PAGE as u64;
/// Groups of versions of one file: where there are so many, nobody gets a further version.
const MOST: usize = 64;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// All by their numbers.
static ALL: Mutex<BTreeMap<u64, Weak<Ends>>> = Mutex::new(BTreeMap::new());

/// Those of one file.
pub struct Ends {
    number: u64,
    /// Bytes that the file has.
    size: AtomicU64,
    /// How often this has changed what a version shows: those who kept that look again.
    changes: AtomicU64,
    groups: Mutex<Groups>,
    /// Whoever may show a version has this.
    shown: Arc<()>,
}

/// A version of a file: its number among them, and what is known of it since it was looked last.
pub struct Version {
    ends: Arc<Ends>,
    number: u64,
    /// How many changes of the ends are taken in.
    seen: AtomicU64,
    /// Up to where it has what the file had.
    end: AtomicU64,
    /// From where on it does not know what the file has.
    unknown: AtomicU64,
}

/// From which page on programs may show what was cut off, and the number of the last cut that left
/// something so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behind(Option<(u64, u64)>);

#[derive(Default)]
struct Groups {
    /// In order.
    cut: Vec<Group>,
    /// Those that were not cut.
    whole: Option<Group>,
    /// The number of the next version.
    next: u64,
    behind: Behind,
}

#[derive(Clone, Copy)]
struct Group {
    /// The greatest number of a version that it may have.
    last: u64,
    /// Where they were cut.
    cut: u64,
    /// Where the first of them ends: it may never have been longer than that.
    end: u64,
    /// From where on behind that something was written since.
    written: u64,
    versions: u32,
}

impl Behind {
    /// What is behind that page was cut off.
    pub fn cut(&mut self, end: u64) {
        let (from, number) = self.0.unwrap_or((end, 0));
        self.0 = Some((from.min(end), number.wrapping_add(1)));
    }

    /// From which page on, and the number.
    #[must_use]
    pub const fn get(self) -> Option<(u64, u64)> {
        self.0
    }

    /// What was to be taken by that number is: unless there was another cut.
    pub fn is_taken(&mut self, number: u64) {
        self.0 = self.0.filter(|(_, last)| *last != number);
    }
}

impl Group {
    /// Something was written there. True if that changes what they show.
    fn wrote(&mut self, from: u64, to: u64) -> bool {
        let at = from.max(self.end);
        let changes = to > at && at < self.written;
        if changes {
            self.written = at;
        }
        changes
    }
}

impl Groups {
    fn add(&mut self, size: u64) -> Option<u64> {
        if self.cut.len() >= MOST {
            return None;
        }
        // For the group that the next cut may make.
        self.cut.try_reserve(1).ok()?;
        let number = self.next;
        self.next = number.wrapping_add(1);
        let whole = self.whole.get_or_insert(Group {
            last: u64::MAX,
            cut: u64::MAX,
            end: size,
            written: u64::MAX,
            versions: 0,
        });
        whole.end = whole.end.min(size);
        whole.versions = whole.versions.saturating_add(1);
        Some(number)
    }

    fn cut(&mut self, size: u64) {
        let last = self.next.wrapping_sub(1);
        let mut made = Group { last, cut: size, end: size, written: u64::MAX, versions: 0 };
        let mut take = |group: Group| {
            made.end = made.end.min(group.end);
            made.written = made.written.min(group.written);
            made.versions = made.versions.saturating_add(group.versions);
        };
        self.whole.take().into_iter().for_each(&mut take);
        while let Some(group) = self.cut.pop_if(|group| group.cut >= size) {
            take(group);
        }
        if made.versions > 0 {
            self.cut.push(made);
        }
        // What was written behind the end is gone.
        for group in self.cut.iter_mut().filter(|group| group.written >= size) {
            group.written = u64::MAX;
        }
    }

    fn wrote(&mut self, from: u64, to: u64) -> bool {
        let mut changes = false;
        for group in self.cut.iter_mut().chain(&mut self.whole) {
            changes |= group.wrote(from, to);
        }
        changes
    }

    /// The place of a version's group among those that were cut.
    fn place(&self, number: u64) -> usize {
        self.cut.partition_point(|group| group.last < number)
    }

    /// Where a version was cut, if it was, and from where on it does not know what the file has.
    fn look(&self, number: u64) -> (Option<u64>, u64) {
        match (self.cut.get(self.place(number)), &self.whole) {
            (Some(group), _) => (Some(group.cut), group.written),
            (None, Some(whole)) => (None, whole.written),
            (None, None) => (None, u64::MAX),
        }
    }

    fn leave(&mut self, number: u64) {
        let place = self.place(number);
        if let Some(group) = self.cut.get_mut(place) {
            group.versions = group.versions.saturating_sub(1);
            if group.versions == 0 {
                self.cut.remove(place);
            }
        } else if let Some(whole) = &mut self.whole {
            whole.versions = whole.versions.saturating_sub(1);
            if whole.versions == 0 {
                self.whole = None;
            }
        }
    }
}

impl Ends {
    /// Those of a file that has so many bytes.
    #[must_use]
    pub fn new(size: u64) -> Arc<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let made = Arc::new(Self {
            number,
            size: AtomicU64::new(size),
            changes: AtomicU64::new(0),
            groups: Mutex::default(),
            shown: Arc::new(()),
        });
        ALL.lock().insert(number, Arc::downgrade(&made));
        made
    }

    /// Those with this number.
    #[must_use]
    pub fn numbered(number: u64) -> Option<Arc<Self>> {
        ALL.lock().get(&number)?.upgrade()
    }

    /// The file as it is now; `None` where there is no room for a further version.
    #[must_use]
    pub fn version(self: Arc<Self>) -> Option<Version> {
        let size = self.size.load(Ordering::Acquire);
        let number = self.groups.lock().add(size)?;
        Some(Version {
            number,
            seen: AtomicU64::new(0),
            end: AtomicU64::new(size),
            unknown: AtomicU64::new(u64::MAX),
            ends: self,
        })
    }

    /// As long as anybody has this, versions may be shown.
    #[must_use]
    pub fn shown(&self) -> Arc<()> {
        self.shown.clone()
    }

    /// From which page on programs may show what was cut off, and a number for
    /// [`Self::is_concealed`].
    #[must_use]
    pub fn behind(&self) -> Option<(u64, u64)> {
        self.groups.lock().behind.get()
    }

    /// What was to be taken from programs by that number is: unless there was another cut.
    pub fn is_concealed(&self, number: u64) {
        self.groups.lock().behind.is_taken(number);
    }
}

impl Versions for Ends {
    fn number(&self) -> u64 {
        self.number
    }

    fn wrote(&self, from: u64, to: u64) {
        if self.groups.lock().wrote(from, to) {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn resize(&self, size: u64) -> Option<u64> {
        let before = self.size.swap(size, Ordering::AcqRel);
        let groups = &mut *self.groups.lock();
        if size < before {
            groups.cut(size);
            self.changes.fetch_add(1, Ordering::AcqRel);
            if Arc::strong_count(&self.shown) > 1 {
                groups.behind.cut(size.div_ceil(PAGE_U64));
            }
        }
        groups.behind.get().map(|(from, _)| from)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        ALL.lock().remove(&self.number);
    }
}

impl Version {
    /// Of no file.
    #[must_use]
    pub fn none() -> Self {
        Self {
            ends: Ends::new(0),
            number: u64::MAX,
            seen: AtomicU64::new(0),
            end: AtomicU64::new(0),
            unknown: AtomicU64::new(u64::MAX),
        }
    }

    /// Of which file.
    #[must_use]
    pub const fn ends(&self) -> &Arc<Ends> {
        &self.ends
    }

    /// Up to where it has what the file had.
    #[must_use]
    #[inline]
    pub fn end(&self) -> u64 {
        self.look();
        self.end.load(Ordering::Acquire)
    }

    /// Up to where it can be shown: behind its end there are zeros.
    #[must_use]
    #[inline]
    pub fn size(&self) -> u64 {
        let end = self.end();
        let size = self.ends.size.load(Ordering::Acquire);
        size.min(self.unknown.load(Ordering::Acquire)).max(end)
    }

    /// Takes in what has changed.
    #[inline]
    fn look(&self) {
        if self.seen.load(Ordering::Acquire) != self.ends.changes.load(Ordering::Acquire) {
            self.look_again();
        }
    }

    #[cold]
    fn look_again(&self) {
        // What is kept is changed under the lock, so that what is older does not come later.
        let groups = &*self.ends.groups.lock();
        let changes = self.ends.changes.load(Ordering::Acquire);
        let (cut, unknown) = groups.look(self.number);
        if let Some(cut) = cut {
            self.end.fetch_min(cut, Ordering::AcqRel);
        }
        self.unknown.store(unknown, Ordering::Release);
        self.seen.store(changes, Ordering::Release);
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.ends.groups.lock().leave(self.number);
    }
}

#[cfg(test)]
mod tests;
