//! Pages of a space that are with the swap resource, and how they get there.
//!
//! # Invariants
//! - A page of the space is in its tables, or here, or nowhere.
//! - Only ASR brings a page back, in order with all else that it does to the space; so what
//!   a thread's own run looks up here is only whether it must leave a fault to ASR.
//! - A page that leaves is here before its tables' lock is let go, and its contents are
//!   written when no core can change them any more.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_machine::{Frame, PAGE};

use super::space::AddressSpace;
use super::swap::{Place, Volume};

/// Pages that leave at a time.
const BATCH: usize = 16;
/// Regions that are looked through for them.
const LOOKS: usize = 64;

/// The pages of one space.
#[derive(Debug, Default)]
pub struct Away(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<u64, Arc<Place>>,
    /// Those whose contents are still to be written.
    leaving: Vec<(Arc<Place>, Frame)>,
    /// From where on the next that leave are looked for.
    hand: u64,
}

impl Away {
    /// Whether a page is here.
    #[must_use]
    pub fn has(&self, page: u64) -> bool {
        self.0.lock().kept.contains_key(&page)
    }

    /// Where the contents of a page are.
    pub(super) fn place(&self, page: u64) -> Option<Arc<Place>> {
        self.0.lock().kept.get(&page).cloned()
    }

    /// The page is in the tables again, or no more.
    pub(super) fn forget(&self, page: u64) {
        let place = self.0.lock().kept.remove(&page);
        drop(place);
    }

    /// Pages of this range are no more: a bounded number. Whether that were all.
    pub(super) fn discard(&self, start: u64, end: u64) -> bool {
        let kept = &mut self.0.lock().kept;
        for _ in 0..4 * BATCH {
            let Some((&page, _)) = kept.range(start..end.max(start)).next() else { return true };
            kept.remove(&page);
        }
        false
    }

    /// Pages of this range are so far away now.
    pub(super) fn shift(&self, start: u64, end: u64, distance: i64) {
        let kept = &mut self.0.lock().kept;
        let mut moved = kept.split_off(&start);
        kept.append(&mut moved.split_off(&end.max(start)));
        for (page, place) in moved {
            kept.insert(page.wrapping_add_signed(distance), place);
        }
    }

    /// A copy of the space has the same pages here.
    pub(super) fn copy_to(&self, copy: &Self) {
        let kept = self.0.lock().kept.clone();
        copy.0.lock().kept = kept;
    }

    /// Takes some pages that the space has alone out of its tables. False if there are none,
    /// or no places for them. What is taken is written by [`Away::write`].
    pub(super) fn leave(&self, space: &AddressSpace, volume: &Arc<Volume>) -> bool {
        let owner = space.space.owner();
        let places: Vec<Place> = (0..BATCH).map_while(|_| volume.place(owner)).collect();
        let inner = &mut *self.0.lock();
        let mut frames = Vec::new();
        if places.is_empty()
            || frames.try_reserve(BATCH).is_err()
            || inner.leaving.try_reserve(BATCH).is_err()
        {
            return false;
        }
        // Who has looked a page up and not put it yet must look again.
        space.changed();
        let mut at = inner.hand;
        for _ in 0..LOOKS {
            if frames.len() >= places.len() {
                break;
            }
            let region = space.regions.lock().private_from(at);
            let Some((start, end)) = region else {
                if at == 0 {
                    break;
                }
                at = 0;
                continue;
            };
            let most = places.len() - frames.len();
            let next = space.space.withdraw(at.max(start), end, most, |page, frame| {
                frames.push((page, frame));
            });
            at = next.unwrap_or(end);
        }
        inner.hand = at;
        let any = !frames.is_empty();
        for ((page, frame), place) in frames.into_iter().zip(places) {
            let place = Arc::new(place);
            inner.kept.insert(page & !(PAGE as u64 - 1), place.clone());
            inner.leaving.push((place, frame));
        }
        any
    }

    /// Writes the contents of the pages that have left, when no core can change them any
    /// more; their frames are free then.
    pub(super) fn write(&self) {
        let leaving = core::mem::take(&mut self.0.lock().leaving);
        for (place, frame) in leaving {
            place.write(&frame);
        }
    }
}
