//! Work on the pages of a range, a slice at a time.

use core::convert::Infallible;

use vortex_machine::{Access, MapError, PAGE};

use super::mend::{By, Mend, mend};
use super::regions::Region;
use super::space::AddressSpace;

/// Batches of pages, or regions with fewer, worked on in one run.
const SLICE: usize = 16;

/// Takes pages away, or changes their rights, a slice at a time. Where to go on, if not done.
pub(super) fn sweep(
    space: &AddressSpace,
    mut at: u64,
    end: u64,
    access: Option<Access>,
) -> Option<u64> {
    for _ in 0..SLICE {
        let next = match access {
            None => {
                let next = space.space.unmap(at, end);
                // In this order: a page may leave the tables for there meanwhile.
                if !space.away.discard(at, next.unwrap_or(end)) {
                    return Some(at);
                }
                next
            }
            Some(access) => {
                let (_, region) = space.region(at)?;
                let stop = region.end.min(end);
                let next = space.space.protect(at, stop, access, !region.shared);
                next.or((stop < end).then_some(stop))
            }
        };
        at = next?;
    }
    Some(at)
}

/// Goes over the regions of which this is true, a slice at a time: `work` says how far it has
/// come in a range, if not to its end. Where to go on, if not done.
fn each_range<E>(
    space: &AddressSpace,
    at: u64,
    is_meant: impl Fn(&Region) -> bool,
    mut work: impl FnMut(u64, u64) -> Result<Option<u64>, E>,
) -> Result<Option<u64>, E> {
    let mut ranges = [(0, 0); SLICE];
    let count = space.regions.lock().ranges(at, is_meant, &mut ranges);
    let mut steps = 0;
    for &(start, end) in ranges.iter().take(count) {
        let mut at = start;
        while let Some(next) = work(at, end)? {
            at = next;
            steps += 1;
            if steps >= SLICE {
                return Ok(Some(at));
            }
        }
        steps += 1;
        if steps >= SLICE {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// Takes away all pages of a space that nobody uses, a slice at a time. Where to go on, if
/// not done.
pub(super) fn clear(space: &AddressSpace, at: u64) -> Option<u64> {
    if !space.away.discard(0, u64::MAX) {
        return Some(at);
    }
    let unmap = |at, end| Ok::<_, Infallible>(space.space.unmap(at, end));
    each_range(space, at, |_| true, unmap).unwrap_or_default()
}

/// Shows a slice of the pages that a fork copies to the copy; where to go on, if not done.
/// The page `hot` is copied at once: both will write to it next.
pub(super) fn share(
    from: &AddressSpace,
    to: &AddressSpace,
    at: u64,
    hot: u64,
) -> Result<Option<u64>, MapError> {
    let share = |at, end| from.space.share(&to.space, at, end, hot);
    each_range(to, at, Region::is_own, share)
}

/// Makes a slice of the pages of a mapping; where to go on, if not done, and how many frames
/// were given out. What cannot be made is left to be touched.
pub(super) fn populate(
    space: &AddressSpace,
    mut at: u64,
    end: u64,
    access: Access,
) -> (Option<u64>, u64) {
    let mut given = 0;
    for _ in 0..SLICE {
        if at >= end {
            break;
        }
        match mend(space, at, access, By::Asr) {
            Ok(Mend::Done(frames)) => given += frames,
            Ok(Mend::Late) | Err(_) => return (None, given),
        }
        at += PAGE as u64;
    }
    ((at < end).then_some(at), given)
}

/// Shows a slice of pages at another place too; where to go on, if not done.
pub(super) fn show(
    space: &AddressSpace,
    mut at: u64,
    end: u64,
    distance: i64,
) -> Result<Option<u64>, MapError> {
    for _ in 0..SLICE {
        match space.space.show(at, end, distance)? {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}
