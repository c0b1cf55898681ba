//! Pages of a space that are with the swap resource.
//!
//! # Invariants
//! - A page of the space is in its tables, or here, or nowhere.
//! - A page leaves by the multiplexor's order, on any core and at any time: it is here before
//!   its tables' lock is let go. So who takes a page away looks at the tables first, and then
//!   here; and who has looked a page up and not put it yet looks again.
//! - Only ASR brings a page back, in order with all else that it does to the space; so what
//!   a thread's own run looks up here is only whether it must leave a fault to ASR.
//! - What is kept is written when no core can change it any more; until then nobody reads it
//!   ([`Place::read`]).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use spin::Mutex;
use vortex_machine::{PAGE, Withdrawn};
use vortex_memory::FrameId;

use super::regions::Region;
use super::space::AddressSpace;
use super::swap::Place;

/// Pages that are discarded, or copied, in one run.
const SLICE: usize = 64;

/// The pages of one space.
#[derive(Debug, Default)]
pub struct Away(Mutex<BTreeMap<u64, Arc<Place>>>);

impl Away {
    /// Whether a page is here.
    #[must_use]
    pub fn has(&self, page: u64) -> bool {
        self.0.lock().contains_key(&page)
    }

    /// Whether any page of this range is here.
    #[must_use]
    pub(super) fn has_some(&self, start: u64, end: u64) -> bool {
        self.0.lock().range(start..end.max(start)).next().is_some()
    }

    /// Where the contents of a page are.
    pub(super) fn place(&self, page: u64) -> Option<Arc<Place>> {
        self.0.lock().get(&page).cloned()
    }

    /// The page is in the tables again with what this place has; it may have left anew
    /// meanwhile, to another.
    pub(super) fn forget(&self, page: u64, place: &Arc<Place>) {
        let kept = &mut *self.0.lock();
        if kept.get(&page).is_some_and(|kept| Arc::ptr_eq(kept, place)) {
            let gone = kept.remove(&page);
            drop(gone);
        }
    }

    /// Pages of this range are no more: a bounded number. Whether that were all.
    pub(super) fn discard(&self, start: u64, end: u64) -> bool {
        self.discard_if(start, end, || true)
    }

    /// The same if this holds under the lock; else there is more to be done.
    pub(super) fn discard_if(&self, start: u64, end: u64, holds: impl FnOnce() -> bool) -> bool {
        let kept = &mut *self.0.lock();
        if !holds() {
            return false;
        }
        for _ in 0..SLICE {
            let Some((&page, _)) = kept.range(start..end.max(start)).next() else { return true };
            kept.remove(&page);
        }
        false
    }

    /// Pages of this range are so far away now.
    pub(super) fn shift(&self, start: u64, end: u64, distance: i64) {
        let kept = &mut *self.0.lock();
        let mut moved = kept.split_off(&start);
        kept.append(&mut moved.split_off(&end.max(start)));
        for (page, place) in moved {
            kept.insert(page.wrapping_add_signed(distance), place);
        }
    }

    /// A copy of a space gets the same pages here of regions that it has as they were, but for
    /// those that it has in its tables or here by now: a bounded number from `at` on. Where to go on, if not done.
    pub(super) fn copy_to(&self, copy: &AddressSpace, at: u64) -> Option<u64> {
        let kept = &*self.0.lock();
        let mut pages = kept.range(at..);
        for _ in 0..SLICE {
            let (&page, place) = pages.next()?;
            let into = &mut *copy.away.0.lock();
            let own = copy.region(page).is_some_and(|(_, region)| region.is_own());
            if own && !into.contains_key(&page) && copy.space.get(page).is_none() {
                into.insert(page, place.clone());
            }
        }
        pages.next().map(|(&page, _)| page)
    }

    /// Takes this frame from its page, which is with this place from then on.
    pub(super) fn leave(
        &self,
        space: &AddressSpace,
        page: u64,
        frame: FrameId,
        place: &Arc<Place>,
    ) -> Withdrawn {
        let page = page & !(PAGE as u64 - 1);
        let layout = space.layout();
        let private = |(_, region): (u64, Region)| !region.shared;
        if !space.region(page).is_some_and(private) {
            return Withdrawn::Gone;
        }
        let kept = &mut *self.0.lock();
        space.space.withdraw(
            page,
            frame,
            false,
            || layout.holds(),
            || {
                kept.insert(page, place.clone());
                // Who has looked the page up and not put it yet must look again.
                space.changed();
            },
        )
    }
}
