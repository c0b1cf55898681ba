//! Work on the pages of a range, a slice at a time.

use vortex_machine::{Access, Frame, MapError, PAGE};

use super::space::AddressSpace;

const PAGE_U64: u64 = PAGE as u64;
/// Pages worked on in one run.
const SLICE: usize = 64;

/// Takes pages away, or changes their rights, a slice at a time. Where to go on, if not done.
pub(super) fn sweep(
    space: &AddressSpace,
    mut at: u64,
    end: u64,
    access: Option<Access>,
) -> Option<u64> {
    for _ in 0..SLICE {
        match space.space.next(at, end) {
            Ok(Some(page)) => {
                match access {
                    None => drop(space.space.unmap(page)),
                    // A page that is shared until it is written stays so.
                    Some(Access::Write)
                        if !is_shared(space, page) && !space.space.is_sole(page) =>
                    {
                        space.space.protect(page, Access::Read);
                    }
                    Some(access) => space.space.protect(page, access),
                }
                at = page + PAGE_U64;
            }
            Ok(None) => return None,
            Err(next) => at = next,
        }
        if at >= end {
            return None;
        }
    }
    Some(at)
}

/// Shares a slice of pages; where to go on, if not done.
pub(super) fn share(
    from: &AddressSpace,
    to: &AddressSpace,
    mut at: u64,
) -> Result<Option<u64>, MapError> {
    for _ in 0..SLICE {
        if at >= vortex_machine::USER_END {
            return Ok(None);
        }
        let page = match from.space.next(at, vortex_machine::USER_END) {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(None),
            Err(next) => {
                at = next;
                continue;
            }
        };
        at = page + PAGE_U64;
        let shared = is_shared(from, page);
        let sole = from.space.is_sole(page);
        let Some((frame, access)) = from.space.get(page) else { continue };
        if shared || access != Access::Write {
            to.space.map(page, frame, access)?;
        } else if sole {
            from.space.protect(page, Access::Read);
            to.space.map(page, frame, Access::Read)?;
        } else {
            // It is pinned: a call is writing to it, and writes to the parent's.
            let copy = Frame::copy_of(&frame).ok_or(MapError::NoMemory)?;
            to.space.map(page, copy, access)?;
        }
    }
    Ok(Some(at))
}

fn is_shared(space: &AddressSpace, page: u64) -> bool {
    space.region(page).is_some_and(|(_, region)| region.shared)
}

/// Shows a slice of pages at another place too; where to go on, if not done.
pub(super) fn show(
    space: &AddressSpace,
    mut at: u64,
    end: u64,
    distance: i64,
) -> Result<Option<u64>, MapError> {
    for _ in 0..SLICE {
        match space.space.next(at, end) {
            Ok(Some(page)) if page < end => {
                if let Some((frame, access)) = space.space.get(page) {
                    space.space.map(page.wrapping_add_signed(distance), frame, access)?;
                }
                at = page + PAGE_U64;
            }
            Ok(_) => return Ok(None),
            Err(next) => at = next,
        }
    }
    Ok((at < end).then_some(at))
}
