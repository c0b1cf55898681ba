//! The pages of a file in memory as it was when it was asked for, as far as it was not cut since
//! ([`super::ends`]).
//!
//! # Invariants
//! - A page's frame is made once, from the file's page, and changes only where the file is cut
//!   within it: what is behind becomes zeros. All who have the file have the same frames.
//! - No frame has anything of what was cut off once a cut is taken in, and whoever asks for
//!   frames, or puts one in, takes it in before.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::{Mutex, MutexGuard};
use vortex_files::Page;
use vortex_machine::{Frame, PAGE, Use};
use vortex_memory::{Cookie, FrameId};
use vortex_units::ActivityId;

use super::ends::{Ends, Version};
use crate::graves::give_up;

const PAGE_U64: u64 = PAGE as u64;

/// The pages of a file; those that it has none for are zeros. Pages that the file changes
/// later stay here as they were, up to where it is cut.
pub struct Pages {
    version: Version,
    /// Names it at the memory multiplexor: zero until a page of it is mapped.
    number: AtomicU64,
    pages: BTreeMap<u64, Page>,
    mapped: Mutex<Mapped>,
}

/// Bits of the number of a page within a file's name at the multiplexor.
const BITS: u32 = 36;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// All whose pages were mapped, by their numbers: a frame that is asked back is named by its
/// file.
static FILES: Mutex<BTreeMap<u64, Weak<Pages>>> = Mutex::new(BTreeMap::new());

struct Mapped {
    frames: BTreeMap<u64, Frame>,
    sharers: BTreeSet<ActivityId>,
    /// Up to where frames may have something of the file.
    end: u64,
}

impl Mapped {
    /// Takes in that the version ends there.
    #[cold]
    fn end_at(&mut self, end: u64) {
        self.end = end;
        let gone = self.frames.split_off(&end.div_ceil(PAGE_U64));
        let (last, within) = (end / PAGE_U64, (end % PAGE_U64) as usize);
        if let Some(last) = self.frames.get(&last) {
            last.clear(within, PAGE.saturating_sub(within));
        }
        give_up(BTreeMap::new(), gone);
    }
}

impl Pages {
    /// The pages of a file.
    #[must_use]
    pub fn new(version: Version, pages: BTreeMap<u64, Page>) -> Self {
        let mapped =
            Mapped { frames: BTreeMap::new(), sharers: BTreeSet::new(), end: version.end() };
        Self { version, number: AtomicU64::new(0), pages, mapped: Mutex::new(mapped) }
    }

    /// Those of a file without any.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Version::none(), BTreeMap::new())
    }

    /// Up to where it can be shown.
    #[inline]
    pub(super) fn size(&self) -> u64 {
        self.version.size()
    }

    /// The ends of the file's versions.
    #[must_use]
    pub const fn ends(&self) -> &Arc<Ends> {
        self.version.ends()
    }

    /// The file was cut: what of its frames is behind the end goes.
    pub fn is_cut(&self) {
        let _taken_in = self.mapped();
    }

    /// The frames, with each cut taken in.
    #[inline]
    fn mapped(&self) -> MutexGuard<'_, Mapped> {
        let mut mapped = self.mapped.lock();
        let end = self.version.end();
        if end < mapped.end {
            mapped.end_at(end);
        }
        mapped
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

    /// Bytes of a page, from a place on, as far as the file has them; none where that is zeros.
    pub(super) fn bytes(&self, at: u64, length: usize) -> &[u8] {
        let left = usize::try_from(self.version.end().saturating_sub(at)).unwrap_or(usize::MAX);
        let from = (at % PAGE_U64) as usize;
        let to = from.saturating_add(length.min(left));
        let page = self.pages.get(&(at / PAGE_U64));
        page.and_then(|page| page.bytes().get(from..to)).unwrap_or_default()
    }

    /// The frame of a page, for an activity that maps it, and whether it was given out for
    /// that; `None` where memory has run out.
    pub(super) fn frame(self: &Arc<Self>, page: u64, owner: ActivityId) -> Option<(Frame, bool)> {
        if let Some(frame) = self.known(page, owner) {
            return frame.share_with(owner).then_some((frame, false));
        }
        let made = Frame::zeroed_for(owner, Use::File)?;
        let at = page.saturating_mul(PAGE_U64);
        made.write(0, self.bytes(at, PAGE));
        let (frame, new) = {
            let mapped = &mut *self.mapped();
            // Of what was cut off meanwhile nothing comes back.
            let left = usize::try_from(mapped.end.saturating_sub(at)).unwrap_or(PAGE);
            made.clear(left, PAGE.saturating_sub(left));
            // Another core may have been faster.
            match mapped.frames.entry(page) {
                Entry::Vacant(place) => (place.insert(made).clone(), true),
                Entry::Occupied(place) => (place.get().clone(), false),
            }
        };
        if new {
            self.direct(&frame, page);
        }
        frame.share_with(owner).then_some((frame, true))
    }

    /// The frames that there are of some pages, from the first up to the second.
    pub(super) fn frames(&self, first: u64, end: u64, mut each: impl FnMut(u64, &Frame)) {
        for (&page, frame) in self.mapped().frames.range(first..end.max(first)) {
            each(page, frame);
        }
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
        let mapped = &mut *self.mapped();
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
