//! 2 MiB at once: 512 frames that lie side by side, and the entry of a directory that maps them
//! all. Every frame is counted and named by itself from the beginning, so that nothing of them
//! changes when a page of theirs goes its own way: only what the processor reads does.

use core::fmt;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use vortex_units::ActivityId;
use x86_64::structures::paging::PageTableFlags as Flags;

use crate::frame::{Frame, Freed, PAGE};
use crate::physical::{Physical, Use};
use crate::table::{ADDRESS, Access, ENTRIES, Entry, MapError, Table, USED, USER_END, is_empty};

const PAGE_U64: u64 = PAGE as u64;
/// Bytes of all.
pub const HUGE_PAGE: u64 = ENTRIES * PAGE_U64;
/// The bit of a directory's entry that says so.
pub(crate) const HUGE: u64 = Flags::HUGE_PAGE.bits();

/// 512 frames side by side, with a handle of each. What is in them is to be cleared before
/// anybody sees it.
pub struct Huge<M: Physical>(u64, PhantomData<fn() -> M>);

impl<M: Physical> Huge<M> {
    /// Frames for pages of an activity; `None` where it gets none that lie so.
    #[must_use]
    pub fn given_to(owner: ActivityId) -> Option<Self> {
        let first = M::allocate_huge(owner, Use::Page)?;
        for frame in frames(first) {
            if let Some(count) = M::count(frame) {
                count.store(1, Ordering::Relaxed);
            }
        }
        Some(Self(first, PhantomData))
    }

    /// Fills a part with zeros, from this frame on.
    pub fn clear(&self, from: u64, count: u64) {
        let count = count.min(ENTRIES.saturating_sub(from));
        let words = count as usize * PAGE / 8;
        // SAFETY: whole frames, which are ours alone, and mapped.
        unsafe { ptr::write_bytes(M::pointer::<u64>(self.0 + from * PAGE_U64), 0, words) };
    }
}

impl<M: Physical> Drop for Huge<M> {
    fn drop(&mut self) {
        let mut freed = Freed::<M>::default();
        // SAFETY: each has a count of its own, which was this handle's.
        frames(self.0).for_each(|frame| freed.add(unsafe { Frame::from_entry(frame) }));
    }
}

impl<M: Physical> fmt::Debug for Huge<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Huge({:#x})", self.0)
    }
}

fn frames(first: u64) -> impl Iterator<Item = u64> {
    (0..ENTRIES).map(move |place| first + place * PAGE_U64)
}

/// The first address of what lies together.
const fn base(page: u64) -> u64 {
    page / HUGE_PAGE * HUGE_PAGE
}

impl<M: Physical> Table<M> {
    /// Whether a page is mapped with its 511 neighbours.
    #[inline]
    pub fn is_huge(&self, page: u64) -> bool {
        !self.huge.is_empty() && self.huge_at(page).is_ok()
    }

    fn huge_at(&self, page: u64) -> Result<usize, usize> {
        self.huge.binary_search_by_key(&base(page), |&(at, _)| at)
    }

    /// The leaf table of a page that is mapped so.
    #[cold]
    pub(crate) fn hidden(&self, page: u64) -> u64 {
        let place = self.huge_at(page).ok().and_then(|place| self.huge.get(place));
        place.map_or(0, |&(_, leaf)| leaf)
    }

    /// The entry of the directory that a page is in.
    pub(crate) fn directory(&self, page: u64) -> Option<*mut u64> {
        let mut table = self.root();
        for depth in (3..=4u32).rev() {
            let index = (page >> (12 + 9 * (depth - 1))) % ENTRIES;
            // SAFETY: an entry of a table that this one owns.
            let value = unsafe { M::pointer::<u64>(table + index * 8).read_volatile() };
            if value == 0 {
                return None;
            }
            table = value & ADDRESS;
        }
        Some(M::pointer::<u64>(table + (page >> 21) % ENTRIES * 8))
    }

    /// What the processor says of the use of the 2 MiB that a page is mapped with; nothing where
    /// it has an entry of its own.
    #[inline]
    pub(crate) fn used(&self, page: u64) -> u64 {
        if !self.is_huge(page) {
            return 0;
        }
        // SAFETY: an entry of a directory of this one.
        self.directory(page).map_or(0, |place| unsafe { place.read_volatile() } & USED)
    }

    /// Whether 2 MiB could be mapped here at once: nothing is there.
    pub fn is_free_for_huge(&self, page: u64) -> bool {
        let inside = page.is_multiple_of(HUGE_PAGE) && page < USER_END - USER_END % HUGE_PAGE;
        let lines = || (0..ENTRIES).step_by(crate::table::LINE as usize);
        let is_free = |leaf| lines().all(|line| is_empty::<M>(leaf, line));
        inside && !self.is_huge(page) && self.leaf(page).map_or(true, is_free)
    }

    /// Maps 2 MiB at once where nothing is. The frames are called by their pages.
    ///
    /// # Errors
    /// [`MapError`]; then nothing has changed.
    pub fn map_huge(
        &mut self,
        page: u64,
        frames: Huge<M>,
        access: Access,
        name: impl Fn(u64) -> u64,
    ) -> Result<(), MapError> {
        if !self.is_free_for_huge(page) || access == Access::None {
            return Err(MapError::Address);
        }
        self.huge.try_reserve(1).map_err(|_| MapError::NoMemory)?;
        let leaf = self.leaf_for(page)?;
        let (Some(place), Err(at)) = (self.directory(page), self.huge_at(page)) else {
            return Err(MapError::Address);
        };
        let first = frames.0;
        // The entries have the counts from now on.
        core::mem::forget(frames);
        let mut rights = 0;
        for index in 0..ENTRIES {
            let at = page + index * PAGE_U64;
            // SAFETY: its count was the handle's that is forgotten.
            let frame = unsafe { Frame::<M>::from_entry(first + index * PAGE_U64) };
            M::name(frame.id(), name(at));
            let entry = Entry::of(frame, access);
            rights = entry.bits() & !ADDRESS;
            // SAFETY: an entry of a leaf table of this one; the processor reads it whole.
            unsafe { M::pointer::<u64>(leaf + index * 8).write_volatile(entry.bits()) };
        }
        self.pages += ENTRIES;
        self.huge.insert(at, (page, leaf));
        // SAFETY: an entry of a directory of this one, which other processors read: with its
        // empty table in its place, or none, they have no translation of what it covers.
        unsafe { AtomicU64::from_ptr(place) }.store(first | rights | HUGE, Ordering::Release);
        Ok(())
    }

    /// Where a page is mapped with its neighbours, the processor reads the leaf table from now
    /// on, which says the same; what was used of all is used of each.
    ///
    /// Processors may keep what they have of all until they hear of a change of one: whoever
    /// takes rights away tells them.
    #[inline]
    pub(crate) fn split(&mut self, page: u64) {
        if self.is_huge(page) {
            self.split_here(page);
        }
    }

    #[cold]
    fn split_here(&mut self, page: u64) {
        let (Some(place), Ok(at)) = (self.directory(page), self.huge_at(page)) else { return };
        let (_, leaf) = self.huge.remove(at);
        let flags = Flags::PRESENT | Flags::WRITABLE | Flags::USER_ACCESSIBLE;
        // SAFETY: an entry of a directory of this one, which processors change atomically too.
        let entry = unsafe { AtomicU64::from_ptr(place) };
        let used = entry.swap(leaf | flags.bits(), Ordering::AcqRel) & USED;
        if used == 0 {
            return;
        }
        for index in 0..ENTRIES {
            // SAFETY: an entry of a leaf table of this one, the same.
            let entry = unsafe { AtomicU64::from_ptr(M::pointer::<u64>(leaf + index * 8)) };
            entry.fetch_or(used, Ordering::Relaxed);
        }
    }
}
