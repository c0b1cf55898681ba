//! Pages that leave memory: taking one out of a space by the name of its frame, and looking
//! at which are used.

use vortex_memory::FrameId;

use super::Space;
use crate::frame::{Frame, PAGE};
use crate::physical::Physical;
use crate::range::{Batch, Work};
use crate::table::Access;

/// Bits of a page's number: what is above names the space.
const BITS: u32 = 35;

/// The number of a space, and a page of it, that a frame's name says: see [`Space::new`].
#[must_use]
pub const fn page_of(name: u64) -> (u64, u64) {
    (name >> BITS, (name & ((1 << BITS) - 1)) * PAGE as u64)
}

/// What came of taking a page out.
#[derive(Debug, PartialEq, Eq)]
pub enum Withdrawn<M: Physical> {
    /// The frame; cores may still reach it, until [`Space::is_current`] says that none does.
    Taken(Frame<M>),
    /// It is not at that page, or not so any more.
    Gone,
    /// A call works on it, or it is elsewhere too and may be written.
    Busy,
}

/// What is seen of the use of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its frame.
    pub frame: FrameId,
    /// It was read or written since it was looked at last.
    pub accessed: bool,
    /// It was written since it is there.
    pub modified: bool,
}

impl<M: Physical> Space<M> {
    /// The name that the frame of a page has at the multiplexor.
    pub(super) fn name(&self, page: u64) -> u64 {
        (self.number << BITS) | (page / PAGE as u64)
    }

    /// The frame is called by this page at the multiplexor, though it is not there.
    pub fn call(&self, page: u64, frame: &Frame<M>) {
        M::name(frame.id(), self.name(page));
    }

    /// Whether a frame is at this page.
    #[must_use]
    pub fn has(&self, page: u64, frame: FrameId) -> bool {
        self.inner.lock().table.get(page).is_at(frame)
    }

    /// Takes this frame from its page, if `holds` says under the lock that it may: from a page
    /// that a program may write only where it is nowhere else, or is `shared`: then it is taken
    /// from each in turn. `taken` is called before the lock is let go.
    pub fn withdraw(
        &self,
        page: u64,
        frame: FrameId,
        shared: bool,
        holds: impl FnOnce() -> bool,
        taken: impl FnOnce(),
    ) -> Withdrawn<M> {
        let inner = &mut *self.inner.lock();
        let entry = inner.table.get(page);
        if !entry.is_at(frame) || !holds() {
            return Withdrawn::Gone;
        }
        if entry.access() == Access::Write && !shared && !entry.is_sole() {
            return Withdrawn::Busy;
        }
        if let Ok(leaf) = inner.table.leaf(page) {
            inner.table.write(leaf, page, entry, super::Entry::NONE);
        }
        self.advance();
        taken();
        entry.into_frame().map_or(Withdrawn::Gone, Withdrawn::Taken)
    }

    /// The pages of a range that have a frame, as many as there is room for. How many those are,
    /// and where to go on, if not at the end.
    pub fn list(&self, at: u64, end: u64, room: &mut [u64]) -> (usize, Option<u64>) {
        if room.is_empty() {
            return (0, Some(at));
        }
        let (mut count, mut work) = (0, Work::of_pages(room.len()));
        let inner = &mut *self.inner.lock();
        let next = inner.table.visit(at, end, &mut work, |page, entry| {
            if let Some(place) = room.get_mut(count) {
                (*place, count) = (page, count + 1);
            }
            entry
        });
        (count, next)
    }

    /// Looks at the use of a bounded number of pages, and forgets it. Frames that are nowhere
    /// else are called by their page here from now on. Where to go on, if not at the end.
    ///
    /// Cores that have a page's translation do not tell of its use again before they load it
    /// anew: at the next change of the space, or when another's was loaded meanwhile.
    pub fn look_through(&self, at: u64, end: u64, mut each: impl FnMut(Seen)) -> Option<u64> {
        let mut batch = Batch::new();
        let inner = &mut *self.inner.lock();
        let next = inner.table.visit(at, end, &mut Work::default(), |page, entry| {
            batch.push(page, entry);
            entry
        });
        for (page, entry) in batch.drain() {
            if entry.is_accessed() {
                inner.table.forget_access(page);
            }
            let sole = entry.is_sole();
            let (accessed, modified) = (entry.is_accessed(), entry.is_modified());
            if let Some(frame) = entry.id() {
                if sole {
                    M::name(frame, self.name(page));
                }
                each(Seen { frame, accessed, modified });
            }
        }
        next
    }
}
