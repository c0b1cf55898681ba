//! Work on the pages of a range, a slice at a time.

use core::convert::Infallible;

use vortex_machine::{Access, MapError, PAGE, Work};

use super::mend::{By, Mend, Wanted, mend};
use super::regions::Region;
use super::space::AddressSpace;
use crate::graves::free_some;

/// Regions looked at in one run.
const SLICE: usize = 16;
/// Pages that are made in one.
const MADE: usize = 8;
/// Regions that are taken away in one.
const TAKEN: usize = 32;

/// Takes pages away, or changes their rights, a slice at a time. Where to go on, if not done.
pub(super) fn sweep(
    space: &AddressSpace,
    mut at: u64,
    end: u64,
    access: Option<Access>,
) -> Option<u64> {
    let mut work = Work::default();
    let Some(access) = access else {
        let unmap = |at, end| {
            let next = space.space.unmap(at, end, &mut work);
            // What was taken out is as much as a run may free.
            if work.has_worked() { Err(at) } else { Ok(next) }
        };
        return take_away(at, end, unmap, |at, end| space.away.discard(at, end));
    };
    for _ in 0..SLICE {
        let (_, region) = space.region(at)?;
        let stop = region.end.min(end);
        work.begin_range();
        // A file's pages on a disk become writable one by one, as they are touched.
        let private = !region.shared || region.is_of_disk();
        let next = space.space.protect(at, stop, (access, private), &mut work);
        if next.is_some() || stop >= end {
            return next;
        }
        at = stop;
    }
    Some(at)
}

/// Takes pages out of the tables, and then from those that are with the swap resource, as far as
/// one run goes: a page that leaves the tables meanwhile by the multiplexor's order is there by
/// then. Where to go on, if not done; that is where the first says, if it was much.
pub(super) fn take_away(
    at: u64,
    end: u64,
    unmap: impl FnOnce(u64, u64) -> Result<Option<u64>, u64>,
    discard: impl FnOnce(u64, u64) -> bool,
) -> Option<u64> {
    let next = match unmap(at, end) {
        Ok(next) => next,
        Err(at) => return Some(at),
    };
    // What has to be discarded in further runs is gone over again: nothing of it is in the tables.
    if discard(at, next.unwrap_or(end)) { next } else { Some(at) }
}

/// Goes over the regions of which this is true, a slice at a time: `work` says how far it has
/// come in a range, if not to its end. Where to go on, if not done.
fn each_range<E>(
    space: &AddressSpace,
    at: u64,
    is_meant: impl Fn(&Region) -> bool,
    mut each: impl FnMut(u64, u64, &mut Work) -> Result<Option<u64>, E>,
) -> Result<Option<u64>, E> {
    let mut ranges = [(0, 0); SLICE];
    let (count, next) = space.regions.lock().ranges(at, is_meant, &mut ranges);
    let mut work = Work::default();
    for &(start, end) in ranges.iter().take(count) {
        if work.is_done() {
            return Ok(Some(start));
        }
        work.begin_range();
        if let Some(at) = each(start, end, &mut work)? {
            return Ok(Some(at));
        }
    }
    Ok(next)
}

/// Takes away all pages of a space that nobody uses, and then its regions, a slice at a time.
/// Where to go on, if not done.
pub(super) fn clear(space: &AddressSpace, at: u64) -> Option<u64> {
    if at < GONE {
        let unmap =
            |at, end, work: &mut Work| Ok::<_, Infallible>(space.space.unmap(at, end, work));
        return Some(each_range(space, at, |_| true, unmap).unwrap_or_default().unwrap_or(GONE));
    }
    // What has left the tables until now too.
    if !space.away.discard(0, u64::MAX) {
        return Some(GONE);
    }
    let taken = space.regions.lock().take_some(TAKEN);
    let more = !taken.is_empty();
    drop(taken);
    (more || free_some()).then_some(GONE)
}

/// Where a space is cleared of all pages: behind all of them.
const GONE: u64 = u64::MAX;

/// Shows a slice of the pages that a fork copies to the copy; where to go on, if not done.
/// The page `hot` is copied at once: both will write to it next.
pub(super) fn share(
    from: &AddressSpace,
    to: &AddressSpace,
    at: u64,
    hot: u64,
) -> Result<Option<u64>, MapError> {
    let share = |at, end, work: &mut Work| from.space.share(&to.space, (at, end), hot, work);
    each_range(to, at, Region::is_own, share)
}

/// How far the pages of a mapping are made.
pub(super) enum Made {
    /// Up to here.
    Some(u64),
    /// Up to here, where a page is on a disk.
    Fetch(u64, Wanted),
    /// As far as they can be.
    All,
}

/// Makes a slice of the pages of a mapping; how far, and how many frames were given out. What
/// cannot be made is left to be touched.
pub(super) fn populate(space: &AddressSpace, mut at: u64, end: u64, access: Access) -> (Made, u64) {
    let mut given = 0;
    for _ in 0..MADE {
        if at >= end {
            break;
        }
        match mend(space, at, access, By::Asr) {
            Ok(Mend::Done(frames)) => given += frames,
            Ok(Mend::Fetch(wanted)) => return (Made::Fetch(at, wanted), given),
            Ok(Mend::Late | Mend::Read(..)) | Err(_) => return (Made::All, given),
        }
        at += PAGE as u64;
    }
    (if at < end { Made::Some(at) } else { Made::All }, given)
}

/// Shows a slice of pages at another place too; where to go on, if not done.
pub(super) fn show(
    space: &AddressSpace,
    at: u64,
    end: u64,
    distance: i64,
) -> Result<Option<u64>, MapError> {
    space.space.show(at, end, distance, &mut Work::default())
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use core::cell::RefCell;

    use super::*;

    /// Pages in the tables, and with the swap resource; one leaves before a step of its number.
    struct Pages {
        here: BTreeSet<u64>,
        away: BTreeSet<u64>,
        leaves: (usize, u64),
        step: usize,
    }

    impl Pages {
        fn step(&mut self) {
            if self.step == self.leaves.0 && self.here.remove(&self.leaves.1) {
                self.away.insert(self.leaves.1);
            }
            self.step += 1;
        }
    }

    /// Takes `most` pages of a range from a set; where the next one is, if there is any.
    fn take_some(from: &mut BTreeSet<u64>, (at, end): (u64, u64), most: usize) -> Option<u64> {
        let some: alloc::vec::Vec<_> = from.range(at..end).take(most).copied().collect();
        from.retain(|page| !some.contains(page));
        from.range(at..end).next().copied()
    }

    /// What is left of ten pages that are taken away while one of them leaves.
    fn left(leaves: (usize, u64), much: bool) -> usize {
        let (here, away) = ((0..10).filter(|page| page % 3 != 1).collect(), [1, 4, 7].into());
        let pages = RefCell::new(Pages { here, away, leaves, step: 0 });
        let mut next = Some(0);
        while let Some(at) = next {
            let unmap = |at, end| {
                pages.borrow_mut().step();
                let here = &mut pages.borrow_mut().here;
                let before = here.len();
                let next = take_some(here, (at, end), 3);
                if much && here.len() < before { Err(at) } else { Ok(next) }
            };
            let discard = |at, end| {
                pages.borrow_mut().step();
                take_some(&mut pages.borrow_mut().away, (at, end), 2).is_none()
            };
            next = take_away(at, 10, unmap, discard);
        }
        let pages = pages.into_inner();
        pages.here.len() + pages.away.len()
    }

    #[test]
    fn a_page_that_leaves_meanwhile_is_taken_away_too() {
        for step in 0..20 {
            for (page, much) in (0..10).flat_map(|page| [(page, false), (page, true)]) {
                assert_eq!(left((step, page), much), 0, "{page} before {step}, {much}");
            }
        }
    }
}
