//! Work on the pages of a range, a slice at a time.

use vortex_machine::{Access, MapError};

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
    if access.is_none() && !space.away.discard(at, end) {
        return Some(at);
    }
    for _ in 0..SLICE {
        let next = match access {
            None => space.space.unmap(at, end),
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

/// Takes away all pages of a space that nobody uses, a slice at a time. Where to go on, if
/// not done.
pub(super) fn clear(space: &AddressSpace, mut at: u64) -> Option<u64> {
    if !space.away.discard(0, u64::MAX) {
        return Some(at);
    }
    for _ in 0..SLICE {
        let (start, end) = space.regions.lock().range_from(at)?;
        at = space.space.unmap(at.max(start), end).unwrap_or(end);
    }
    Some(at)
}

/// Shows a slice of the pages that a fork copies to the copy; where to go on, if not done.
/// The page `hot` is copied at once: both will write to it next.
pub(super) fn share(
    from: &AddressSpace,
    to: &AddressSpace,
    mut at: u64,
    hot: u64,
) -> Result<Option<u64>, MapError> {
    for _ in 0..SLICE {
        let Some((start, end)) = to.regions.lock().own_from(at) else { return Ok(None) };
        at = from.space.share(&to.space, at.max(start), end, hot)?.unwrap_or(end);
    }
    Ok(Some(at))
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
