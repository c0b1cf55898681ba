//! Pages of a space that are with the swap resource.
//!
//! # Invariants
//! - A page of the space is in its tables, or here, or nowhere.
//! - A page leaves by the multiplexor's order, on any core and at any time: it is here before
//!   its tables' lock is let go. So who takes a page away looks at the tables first, and then
//!   here; and who has looked a page up and not put it yet looks again.
//! - Only ASR brings a page back, in order with all else that it does to the space; so what
//!   a thread's own run looks up here is only whether it must leave a fault to ASR.
//! - What was read ahead of a page is here with its place, and is called by that page: of a page
//!   that is moved or that a child has too it is forgotten.
//! - Each page that is here is on its space's activity's bill, as long as it is.
//! - What is kept is written when no core can change it any more; until then nobody reads it
//!   ([`Place::read`]).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use spin::Mutex;
use vortex_machine::{Frame, PAGE, Withdrawn};
use vortex_memory::FrameId;
use vortex_units::{ActivityId, Bytes};

use super::regions::Region;
use super::space::AddressSpace;
use super::swap::Place;
use crate::bill::ObjectKind;

/// Pages that are discarded in one run.
const SLICE: usize = 32;

/// Pages that are moved, or copied, in one.
const MOVED: usize = 24;

/// The page of an entry.
fn first((&page, _): (&u64, &Arc<Place>)) -> u64 {
    page
}

/// What a page takes here of the kernel's memory.
const ENTRY: u64 = 40;

type Pages = BTreeMap<u64, Arc<Place>>;

/// The pages of one space.
#[derive(Debug)]
pub struct Away {
    owner: ActivityId,
    pages: Mutex<Pages>,
}

/// The activity of a space gets no more of the kernel's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What so many pages take.
const fn bytes(pages: usize) -> Bytes {
    Bytes::new(ENTRY.saturating_mul(pages as u64))
}

impl Away {
    /// None yet, of a space of this activity.
    pub(super) const fn of(owner: ActivityId) -> Self {
        Self { owner, pages: Mutex::new(BTreeMap::new()) }
    }

    /// So many pages are here no more.
    fn refund(&self, pages: usize) {
        if pages > 0 {
            vortex_machine::refund_object(self.owner, ObjectKind::Region, bytes(pages));
        }
    }

    /// Whether a page is here.
    #[must_use]
    pub fn has(&self, page: u64) -> bool {
        self.pages.lock().contains_key(&page)
    }

    /// Whether any page of this range is here.
    #[must_use]
    pub(super) fn has_some(&self, start: u64, end: u64) -> bool {
        self.pages.lock().range(start..end.max(start)).next().is_some()
    }

    /// Whether what is in a page was read ahead.
    #[must_use]
    pub fn is_ahead(&self, page: u64) -> bool {
        self.pages.lock().get(&page).is_some_and(|place| place.is_ahead())
    }

    /// What was read ahead for a page is its place's until it is touched, if it still is there. Its
    /// frame is called by the page, so that it can be asked back ([`Away::forget_ahead`]).
    pub(super) fn keep_ahead(&self, space: &AddressSpace, page: u64, read: (&Arc<Place>, Frame)) {
        let (place, frame) = read;
        let kept = &*self.pages.lock();
        if kept.get(&page).is_some_and(|kept| Arc::ptr_eq(kept, place)) {
            space.space.call(page, &frame);
            place.keep_ahead(frame);
        }
    }

    /// Gives back this frame, if it was read ahead for a page. Whether it was.
    pub(super) fn forget_ahead(&self, page: u64, frame: FrameId) -> bool {
        let kept = &*self.pages.lock();
        let is_it = |ahead: &Frame| ahead.id() == frame;
        kept.get(&page).is_some_and(|place| place.take_ahead(is_it).is_some())
    }

    /// The first pages of a range that are here, as many as there is room for: how many.
    pub(super) fn next_some(&self, start: u64, end: u64, room: &mut [u64]) -> usize {
        let kept = &*self.pages.lock();
        let pages = kept.range(start..end.max(start)).map(first);
        room.iter_mut().zip(pages).map(|(place, page)| *place = page).count()
    }

    /// Where the contents of a page are.
    pub(super) fn place(&self, page: u64) -> Option<Arc<Place>> {
        self.pages.lock().get(&page).cloned()
    }

    /// The page is in the tables again with what this place has; it may have left anew
    /// meanwhile, to another.
    pub(super) fn forget(&self, page: u64, place: &Arc<Place>) {
        let gone = {
            let kept = &mut *self.pages.lock();
            let is_it = kept.get(&page).is_some_and(|kept| Arc::ptr_eq(kept, place));
            if is_it { kept.remove(&page) } else { None }
        };
        self.refund(usize::from(gone.is_some()));
    }

    /// Pages of this range are no more: a bounded number. Whether that were all.
    pub(super) fn discard(&self, start: u64, end: u64) -> bool {
        self.discard_if(start, end, || true)
    }

    /// The same if this holds under the lock; else there is more to be done.
    pub(super) fn discard_if(&self, start: u64, end: u64, holds: impl FnOnce() -> bool) -> bool {
        let (mut gone, mut all) = (0, false);
        {
            let kept = &mut *self.pages.lock();
            if !holds() {
                return false;
            }
            while gone < SLICE && !all {
                let next = kept.range(start..end.max(start)).next().map(first);
                all = next.is_none_or(|page| {
                    kept.remove(&page);
                    gone += 1;
                    false
                });
            }
        }
        self.refund(gone);
        all
    }

    /// Pages of this range are so far away now, where it does not reach: a bounded number. Where
    /// to go on, if those were not all.
    pub(super) fn shift(&self, start: u64, end: u64, distance: i64) -> Option<u64> {
        let kept = &mut *self.pages.lock();
        let next = |kept: &BTreeMap<_, _>| kept.range(start..end.max(start)).next().map(first);
        for _ in 0..MOVED {
            let page = next(kept)?;
            if let Some(place) = kept.remove(&page) {
                // Its frame is called by the old one.
                drop(place.take_ahead(|_| true));
                kept.insert(page.wrapping_add_signed(distance), place);
            }
        }
        next(kept)
    }

    /// A copy of a space gets the same pages here of regions that it has as they were, but for
    /// those that it has in its tables or here by now: a bounded number from `at` on. Where to go
    /// on, if not done.
    ///
    /// # Errors
    /// [`Full`]: it may be done again.
    pub(super) fn copy_to(&self, copy: &AddressSpace, at: u64) -> Result<Option<u64>, Full> {
        if self.pages.lock().range(at..).next().is_none() {
            return Ok(None);
        }
        if !vortex_machine::charge_object(copy.away.owner, ObjectKind::Region, bytes(MOVED)) {
            return Err(Full);
        }
        let (copied, next) = self.copy_some(copy, at);
        copy.away.refund(MOVED - copied);
        Ok(next)
    }

    /// Copies so many pages, as they were charged: how many it were, and where to go on.
    fn copy_some(&self, copy: &AddressSpace, at: u64) -> (usize, Option<u64>) {
        let kept = &*self.pages.lock();
        let mut pages = kept.range(at..);
        let mut copied = 0;
        for (&page, place) in pages.by_ref().take(MOVED) {
            let into = &mut *copy.away.pages.lock();
            let own = copy.region(page).is_some_and(|(_, region)| region.is_own());
            if own && !into.contains_key(&page) && copy.space.get(page).is_none() {
                // Its frame is called by one space's page.
                drop(place.take_ahead(|_| true));
                into.insert(page, place.clone());
                copied += 1;
            }
        }
        (copied, pages.next().map(first))
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
        let mut more = false;
        let left = {
            let kept = &mut *self.pages.lock();
            space.space.withdraw(
                page,
                frame,
                false,
                || layout.holds(),
                || {
                    more = kept.insert(page, place.clone()).is_none();
                    // Who has looked the page up and not put it yet must look again.
                    space.changed();
                },
            )
        };
        if more {
            // A whole page is less for it.
            vortex_machine::force_object(self.owner, ObjectKind::Region, bytes(1));
        }
        left
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let left = self.pages.get_mut().len();
        self.refund(left);
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    use super::super::swap::{Device, DeviceError, Volume};
    use super::*;

    /// Blocks that nobody writes to.
    struct Blocks;

    impl Device for Blocks {
        fn blocks(&self) -> u32 {
            4_096
        }

        fn read(&self, _: u32, _: &Frame) -> Result<(), DeviceError> {
            Err(DeviceError)
        }

        fn write(&self, _: u32, _: &Frame) -> Result<(), DeviceError> {
            Err(DeviceError)
        }
    }

    const PAGE_U64: u64 = PAGE as u64;

    /// Pages of these numbers, each in a place of its own.
    fn with(pages: impl Iterator<Item = u64>) -> Away {
        let volume = Volume::new(Box::new(Blocks), 1).unwrap();
        let activity = ActivityId::new(1, 0);
        let place = |page| (page * PAGE_U64, Arc::new(volume.place(activity).unwrap()));
        Away { owner: activity, pages: Mutex::new(pages.map(place).collect()) }
    }

    fn all(away: &Away) -> Vec<(u64, *const Place)> {
        away.pages
            .lock()
            .iter()
            .map(|(page, place)| (page / PAGE_U64, Arc::as_ptr(place)))
            .collect()
    }

    /// Moves pages 10,100 to 12,000 so far; in how many runs.
    fn shift(away: &Away, distance: i64) -> usize {
        let (mut at, mut runs) = (Some(10_100 * PAGE_U64), 0);
        while let Some(from) = at {
            at = away.shift(from, 12_000 * PAGE_U64, distance * PAGE as i64);
            runs += 1;
        }
        runs
    }

    #[test]
    fn what_is_moved_is_moved_some_at_a_time_and_all_else_stays() {
        for distance in [5_000, -5_000] {
            let away = with((10_000..13_000).filter(|page| page % 3 != 0));
            let mut expected = all(&away);
            for (page, _) in expected.iter_mut().filter(|(page, _)| (10_100..12_000).contains(page))
            {
                *page = page.wrapping_add_signed(distance);
            }
            expected.sort_unstable();
            let runs = shift(&away, distance);
            assert_eq!(all(&away), expected);
            assert!(runs >= 1_900 * 2 / 3 / MOVED, "{runs} runs");
        }
        assert_eq!(shift(&with(10_000..10_100), 5_000), 1);
    }
}
