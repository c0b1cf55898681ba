//! The address space of a process, as the cores that run its threads share it.
//!
//! A change that takes rights away must reach every core that may have the old ones in its
//! TLB. Cores in the kernel look at the space's *generation* before they enter user mode
//! again; cores in user mode with the space are named by [`Space::behind`], to be poked.
//! Frames taken away wait in limbo until no core can reach them any more.
//!
//! # Invariants
//! - A core writes the generation that it has loaded into its place before it enters user
//!   mode, and looks at the generation once more afterwards: so either it sees a change, or
//!   whoever changed sees it.
//! - A frame leaves limbo when no core is in user mode with an older generation.

use alloc::vec::Vec;
use core::iter;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_units::{ActivityId, CoreId};

use crate::frame::{Frame, Freed, PAGE};
use crate::physical::{MAX_CORES, Physical};
use crate::range::{Batch, MOST, Work};
use crate::table::{Access, Entry, MapError, Table, lie_in_one};

mod give;
mod huge;
mod leave;

pub use leave::{Seen, Withdrawn, page_of};

/// An address space. Changes are short, and each locks for itself.
pub struct Space<M: Physical> {
    root: u64,
    owner: ActivityId,
    number: u64,
    inner: Mutex<Inner<M>>,
    generation: AtomicU64,
    /// The generation with which each core is in user mode; zero if it is not.
    inside: [AtomicU64; MAX_CORES],
    /// How many cores there are.
    cores: usize,
}

struct Inner<M: Physical> {
    table: Table<M>,
    limbo: Vec<(u64, Frame<M>)>,
}

/// What there is at a page.
#[derive(Debug)]
pub struct Look<M: Physical> {
    /// A handle of the frame.
    pub frame: Frame<M>,
    /// What the program may do.
    pub access: Access,
    /// Whether the frame is nowhere else.
    pub sole: bool,
}

impl<M: Physical> Space<M> {
    /// An empty one, whose tables are for this activity; `None` where there is no frame for
    /// its root. Its pages' frames are named at the multiplexor by its number and theirs
    /// ([`page_of`]).
    #[must_use]
    pub fn new(owner: ActivityId, number: u64) -> Option<Self> {
        let table = Table::new(M::kernel_root(), owner)?;
        Some(Self {
            root: table.root(),
            owner,
            number,
            inner: Mutex::new(Inner { table, limbo: Vec::new() }),
            generation: AtomicU64::new(1),
            inside: [const { AtomicU64::new(0) }; MAX_CORES],
            cores: M::cores(),
        })
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> ActivityId {
        self.owner
    }

    /// Puts frames at adjacent pages that have none, from this page on and within one table
    /// of 512; those left out are passed over. False, with nothing done, if `holds` says
    /// under the lock that what was looked up before does not hold any more.
    ///
    /// # Errors
    /// [`MapError`]; then nothing has changed.
    #[inline]
    pub fn put(
        &self,
        page: u64,
        frames: &mut [Option<Frame<M>>],
        access: Access,
        holds: impl FnOnce() -> bool,
    ) -> Result<bool, MapError> {
        let inner = &mut *self.inner.lock();
        if !holds() {
            return Ok(false);
        }
        // One is looked at with its table: most faults bring no more.
        if frames.len() > 1 && !lie_in_one(page, frames.len()) {
            return Err(MapError::Address);
        }
        let leaf = inner.table.leaf_for(page)?;
        let mut at = page;
        for place in frames {
            if place.is_some()
                && Table::<M>::read(leaf, at).is_none()
                && let Some(frame) = place.take()
            {
                M::name(frame.id(), self.name(at));
                inner.table.write(leaf, at, Entry::NONE, Entry::of(frame, access));
            }
            at += PAGE as u64;
        }
        Ok(true)
    }

    /// Puts a frame in place of the one that was found at a page. What was there is gone for
    /// all cores once [`Space::is_current`] says so. False, with nothing done, as
    /// [`Space::put`], or if another is there by now.
    ///
    /// # Errors
    /// [`MapError::NoMemory`]; then nothing has changed.
    #[inline]
    pub fn replace(
        &self,
        page: u64,
        found: &Frame<M>,
        frame: Frame<M>,
        access: Access,
        holds: impl FnOnce() -> bool,
    ) -> Result<bool, MapError> {
        let mut freed = Freed::default();
        let inner = &mut *self.inner.lock();
        inner.limbo.try_reserve(1).map_err(|_| MapError::NoMemory)?;
        if !holds() || !inner.table.get(page).is_of(found) {
            return Ok(false);
        }
        M::name(frame.id(), self.name(page));
        let before = inner.table.map(page, Entry::of(frame, access))?;
        self.retire(inner, before.into_frame().into_iter(), &mut freed);
        Ok(true)
    }

    /// Frames that stood in the tables until now: free when no core can reach them.
    fn retire(
        &self,
        inner: &mut Inner<M>,
        frames: impl Iterator<Item = Frame<M>>,
        freed: &mut Freed<M>,
    ) {
        let made = self.advance();
        // Who enters from now on sees what was made.
        if self.oldest() == u64::MAX {
            frames.for_each(|frame| freed.add(frame));
        } else {
            inner.limbo.extend(frames.map(|frame| (made, frame)));
        }
    }

    /// Takes frames of pages away, as far as the work goes. Where to go on, if not at the end.
    #[must_use]
    pub fn unmap(&self, at: u64, end: u64, work: &mut Work) -> Option<u64> {
        let mut freed = Freed::default();
        let mut batch = Batch::new();
        let inner = &mut *self.inner.lock();
        if inner.limbo.try_reserve(MOST).is_err() {
            // Tried again, when somebody else has left some memory.
            return Some(at);
        }
        let next = inner.table.visit(at, end, work, |page, entry| {
            batch.push(page, entry);
            Entry::NONE
        });
        if !batch.is_empty() {
            self.retire(inner, batch.frames(), &mut freed);
        }
        next
    }

    /// How many pages have a frame.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.inner.lock().table.pages()
    }

    /// Changes the rights of pages that have frames, as far as the work goes; where the pages
    /// are private, those whose frame is elsewhere too do not become writable. Where to go on,
    /// if not at the end.
    #[must_use]
    pub fn protect(
        &self,
        at: u64,
        end: u64,
        (access, private): (Access, bool),
        work: &mut Work,
    ) -> Option<u64> {
        let inner = &mut *self.inner.lock();
        let mut narrowed = false;
        let next = inner.table.visit(at, end, work, |_, entry| {
            let kept = private && access == Access::Write && !entry.is_sole();
            let now = if kept { Access::Read } else { access };
            narrowed |= !now.allows(entry.access());
            entry.with(now)
        });
        if narrowed {
            self.advance();
        }
        next
    }

    /// Shows private pages, as many as the work allows, to a copy of this space, which nobody uses
    /// yet: neither of both may write to them from then on, but for frames that a call
    /// writes to now. Of these, and of the page `hot`, the copy gets copies at once. Where
    /// to go on, if not at the end.
    ///
    /// # Errors
    /// [`MapError`]; some pages may be shown then.
    pub fn share(
        &self,
        copy: &Self,
        (at, end): (u64, u64),
        hot: u64,
        work: &mut Work,
    ) -> Result<Option<u64>, MapError> {
        let mut batch = Batch::new();
        let next = {
            let inner = &mut *self.inner.lock();
            let mut narrowed = false;
            let next = inner.table.visit(at, end, work, |page, entry| {
                let writable = entry.access() == Access::Write;
                let copied = writable && (page == hot || !entry.is_sole());
                let shown = if writable && !copied { entry.with(Access::Read) } else { entry };
                narrowed |= shown != entry;
                // The handle that the copy will have.
                core::mem::forget(entry.frame());
                batch.push(page, shown.taken_back());
                shown
            });
            if narrowed {
                self.advance();
            }
            next
        };
        copy.take(&mut batch, 0, |entry| {
            if entry.access() != Access::Write {
                return Ok(entry);
            }
            let own = Frame::copy_of(&entry.frame(), copy.owner).ok_or(MapError::NoMemory)?;
            drop(entry.into_frame());
            Ok(Entry::of(own, Access::Write))
        })?;
        Ok(next)
    }

    /// Shows pages, as many as the work allows, at another place of the same space too, where
    /// nothing is. Where to go on, if not at the end.
    ///
    /// # Errors
    /// [`MapError`]; some pages may be shown then.
    pub fn show(
        &self,
        at: u64,
        end: u64,
        distance: i64,
        work: &mut Work,
    ) -> Result<Option<u64>, MapError> {
        let mut batch = Batch::new();
        let next = self.inner.lock().table.visit(at, end, work, |page, entry| {
            core::mem::forget(entry.frame());
            batch.push(page.wrapping_add_signed(distance), entry.taken_back());
            entry
        });
        self.take(&mut batch, MOST, Ok)?;
        Ok(next)
    }

    /// Puts entries whose counts are theirs already to where nothing is, or was until a
    /// moment ago: there may be so many of those. Each is made what `make` says.
    fn take(
        &self,
        batch: &mut Batch<M>,
        room: usize,
        mut make: impl FnMut(Entry<M>) -> Result<Entry<M>, MapError>,
    ) -> Result<(), MapError> {
        let mut all = Ok(());
        let mut freed = Freed::default();
        let inner = &mut *self.inner.lock();
        if inner.limbo.try_reserve(room).is_err() {
            batch.frames().for_each(|frame| freed.add(frame));
            return Err(MapError::NoMemory);
        }
        for (page, entry) in batch.drain() {
            let made = all.and_then(|()| make(entry));
            let put = made.and_then(|made| {
                inner.table.map(page, made).inspect_err(|_| drop(made.into_frame()))
            });
            match (made, put) {
                (Ok(_), Ok(before)) => {
                    // A thread may have touched the place meanwhile: its core has the frame.
                    if let Some(frame) = before.into_frame() {
                        self.retire(inner, iter::once(frame), &mut freed);
                    }
                }
                (Ok(_), Err(error)) => all = Err(error),
                (Err(error), _) => {
                    drop(entry.into_frame());
                    all = Err(error);
                }
            }
        }
        all
    }

    /// Changes the rights of one page whose frame is the one that was found. False as
    /// [`Space::replace`].
    #[inline]
    pub fn widen(
        &self,
        page: u64,
        found: &Frame<M>,
        access: Access,
        holds: impl FnOnce() -> bool,
    ) -> bool {
        let inner = &mut *self.inner.lock();
        let entry = inner.table.get(page);
        if !holds() || !entry.is_of(found) {
            return false;
        }
        if let Ok(leaf) = inner.table.leaf(page) {
            inner.table.write(leaf, page, entry, entry.with(access));
        }
        if !access.allows(entry.access()) {
            self.advance();
        }
        true
    }

    /// The frame at a page, if the program may use it so. It stays as long as the handle. For who
    /// writes to it a page that was given up is not any more.
    #[must_use]
    pub fn pin(&self, page: u64, access: Access) -> Option<Frame<M>> {
        let inner = &mut *self.inner.lock();
        let page = page & !(PAGE as u64 - 1);
        let entry = inner.table.get(page);
        if entry.is_none() || !entry.access().allows(access) {
            return None;
        }
        if access == Access::Write && entry.is_given_up() {
            inner.table.take_back(page);
        }
        Some(entry.frame())
    }

    /// The frame at a page, and its rights.
    #[must_use]
    pub fn get(&self, page: u64) -> Option<(Frame<M>, Access)> {
        let inner = self.inner.lock();
        let entry = inner.table.get(page & !(PAGE as u64 - 1));
        (!entry.is_none()).then(|| (entry.frame(), entry.access()))
    }

    /// What there is at a page.
    #[must_use]
    #[inline]
    pub fn look(&self, page: u64) -> Option<Look<M>> {
        let inner = self.inner.lock();
        let entry = inner.table.get(page & !(PAGE as u64 - 1));
        let sole = !entry.is_none() && entry.is_sole();
        (!entry.is_none()).then(|| Look { frame: entry.frame(), access: entry.access(), sole })
    }

    fn advance(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether every core has all changes, and what waited for that is free: which frees a
    /// bounded number of frames.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let generation = self.generation.load(Ordering::SeqCst);
        let oldest = self.oldest();
        let mut freed = Freed::default();
        let mut inner = self.inner.lock();
        let mut left = 0;
        if !inner.limbo.is_empty() {
            // Those that were put there last first: what is left need not be moved.
            let split = inner.limbo.partition_point(|(made, _)| *made <= oldest);
            let from = split.saturating_sub(MOST);
            inner.limbo.drain(from..split).for_each(|(_, frame)| freed.add(frame));
            left = from;
        }
        drop(inner);
        oldest >= generation && left == 0
    }

    fn inside(&self) -> impl Iterator<Item = &AtomicU64> {
        self.inside.iter().take(self.cores)
    }

    fn oldest(&self) -> u64 {
        let inside = self.inside().map(|inside| inside.load(Ordering::SeqCst));
        inside.filter(|&generation| generation != 0).min().unwrap_or(u64::MAX)
    }

    /// Whether no core is in user mode with this space.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.oldest() == u64::MAX
    }

    /// The cores that are in user mode with an older state: to be poked.
    pub fn behind(&self) -> impl Iterator<Item = CoreId> + '_ {
        let generation = self.generation.load(Ordering::SeqCst);
        self.inside().enumerate().filter_map(move |(core, inside)| {
            let has = inside.load(Ordering::SeqCst);
            (has != 0 && has < generation).then(|| CoreId::new(core as u16))
        })
    }

    /// The physical address of its root table, for a core to load.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.root
    }

    /// This core is about to enter user mode. Returns the generation that its TLB must
    /// have: what it has loaded of an older one is to be forgotten first.
    pub fn enter(&self, core: usize) -> u64 {
        let Some(inside) = self.inside.get(core) else { return 0 };
        let mut generation = self.generation.load(Ordering::SeqCst);
        loop {
            inside.store(generation, Ordering::SeqCst);
            let now = self.generation.load(Ordering::SeqCst);
            if now == generation {
                return generation;
            }
            generation = now;
        }
    }

    /// This core has left user mode.
    ///
    /// # Safety
    /// It has, and calls [`Space::enter`] before it enters again: a frame that was taken away
    /// meanwhile may be another's by then.
    pub unsafe fn leave(&self, core: usize) {
        if let Some(inside) = self.inside.get(core) {
            inside.store(0, Ordering::Release);
        }
    }
}

impl<M: Physical> core::fmt::Debug for Space<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Space({:#x})", self.root)
    }
}
