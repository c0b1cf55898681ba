//! The pages of a file in memory as it was when it was asked for.
//!
//! # Invariants
//! A page's frame is made once, from the file's page, and never changes. All who have the file
//! have the same frames.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_files::Page;
use vortex_machine::{Frame, Use};
use vortex_memory::{Cookie, FrameId};
use vortex_units::ActivityId;

use crate::graves::give_up;

/// The pages of a file; those that it has none for are zeros. Pages that the file changes
/// later stay here as they were.
#[derive(Default)]
pub struct Pages {
    pub(super) size: u64,
    /// Names it at the memory multiplexor: zero until a page of it is mapped.
    number: AtomicU64,
    pages: BTreeMap<u64, Page>,
    pub(super) mapped: Mutex<Mapped>,
}

/// Bits of the number of a page within a file's name at the multiplexor.
const BITS: u32 = 36;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// All whose pages were mapped, by their numbers: a frame that is asked back is named by its
/// file.
static FILES: Mutex<BTreeMap<u64, Weak<Pages>>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
pub(super) struct Mapped {
    pub frames: BTreeMap<u64, Frame>,
    sharers: BTreeSet<ActivityId>,
}

impl Pages {
    /// The pages of a file of this size.
    #[must_use]
    pub fn new(size: u64, pages: BTreeMap<u64, Page>) -> Self {
        Self { size, number: AtomicU64::new(0), pages, mapped: Mutex::default() }
    }

    /// Of which file, and which page of it, a name at the multiplexor speaks.
    #[must_use]
    pub fn of(name: u64) -> Option<(Arc<Self>, u64)> {
        let pages = FILES.lock().get(&(name >> BITS))?.upgrade()?;
        Some((pages, name & ((1 << BITS) - 1)))
    }

    /// The name of a page at the multiplexor.
    fn name(self: &Arc<Self>, page: u64) -> u64 {
        let mut number = self.number.load(Ordering::Acquire);
        if number == 0 {
            let files = &mut *FILES.lock();
            number = self.number.load(Ordering::Acquire);
            if number == 0 {
                number = NEXT.fetch_add(1, Ordering::Relaxed);
                files.insert(number, Arc::downgrade(self));
                self.number.store(number, Ordering::Release);
            }
        }
        number << BITS | page & ((1 << BITS) - 1)
    }

    /// A frame is asked back. True if nobody else had it: it is given back.
    pub(super) fn give_up(&self, page: u64, frame: FrameId) -> bool {
        let mapped = &mut *self.mapped.lock();
        let is_free = mapped.frames.get(&page).is_some_and(|of| of.id() == frame && of.is_sole());
        is_free && mapped.frames.remove(&page).is_some()
    }

    /// The activities that have mapped some of it: they own its frames together.
    #[must_use]
    pub fn sharers(&self) -> Vec<ActivityId> {
        self.mapped.lock().sharers.iter().copied().collect()
    }

    pub(super) fn page(&self, index: u64) -> Option<&Page> {
        self.pages.get(&index)
    }

    /// The frame of a page, for an activity that maps it, and whether it was given out for
    /// that; `None` where memory has run out.
    pub(super) fn frame(self: &Arc<Self>, page: u64, owner: ActivityId) -> Option<(Frame, bool)> {
        if let Some(frame) = self.known(page, owner) {
            return frame.share_with(owner).then_some((frame, false));
        }
        let made = Frame::zeroed_for(owner, Use::File)?;
        if let Some(page) = self.page(page) {
            made.write(0, page.bytes());
        }
        // Another core may have been faster.
        let (frame, new) = match self.mapped.lock().frames.entry(page) {
            Entry::Vacant(place) => (place.insert(made).clone(), true),
            Entry::Occupied(place) => (place.get().clone(), false),
        };
        if new {
            self.direct(&frame, page);
        }
        frame.share_with(owner).then_some((frame, true))
    }

    /// From now on ASR is asked first when the frame is wanted back. Where the multiplexor has
    /// no room to note that, it is asked back only when nobody shows it.
    fn direct(self: &Arc<Self>, frame: &Frame, page: u64) {
        let Some(memory) = vortex_machine::multiplexor() else { return };
        let name = Cookie(self.name(page));
        memory.rename(frame.id(), Use::File.resource(), name);
        let _no_room = memory.redirect(frame.id(), Use::Mapping.resource(), name);
    }

    fn known(&self, page: u64, owner: ActivityId) -> Option<Frame> {
        let mapped = &mut *self.mapped.lock();
        if !mapped.sharers.contains(&owner) {
            mapped.sharers.insert(owner);
        }
        mapped.frames.get(&page).cloned()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let number = *self.number.get_mut();
        if number != 0 {
            FILES.lock().remove(&number);
        }
        let frames = core::mem::take(&mut self.mapped.get_mut().frames);
        give_up(core::mem::take(&mut self.pages), frames);
    }
}
