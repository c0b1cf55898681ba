//! madvise(2).

use vortex_abi::Errno;
use vortex_abi::linux::general::{
    MADV_COLD, MADV_DOFORK, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE,
    MADV_KEEPONFORK, MADV_NOHUGEPAGE, MADV_NORMAL, MADV_PAGEOUT, MADV_WILLNEED, MADV_WIPEONFORK,
};

use super::asr::Stage;
use super::regions::{Backing, Forked, Region};
use super::space::AddressSpace;
use super::unneeded::Unneeded;

/// So much of what will be needed is fetched before it is touched.
const WANTED: u64 = 2 << 20;

/// What forks are to get.
fn forked(advice: u32) -> Option<Forked> {
    match advice {
        MADV_DONTFORK => Some(Forked::Left),
        MADV_WIPEONFORK => Some(Forked::Empty),
        MADV_DOFORK | MADV_KEEPONFORK => Some(Forked::Whole),
        _ => None,
    }
}

/// Whether pages are to come one at a time, or may come together.
const fn small(advice: u32) -> Option<bool> {
    match advice {
        MADV_NOHUGEPAGE => Some(true),
        MADV_HUGEPAGE => Some(false),
        _ => None,
    }
}

/// Whether it may make several regions of one.
pub(super) fn cuts(advice: i32) -> bool {
    let cuts = |advice| forked(advice).is_some() || small(advice).is_some();
    u32::try_from(advice).is_ok_and(cuts)
}

/// Does what it says to the regions between two addresses; what is there is advised even
/// where there are holes.
///
/// # Errors
/// Linux's; `ENOMEM` for holes is the answer of the stage that is returned.
pub(super) fn begin(
    space: &AddressSpace,
    start: u64,
    end: u64,
    advice: i32,
) -> Result<Stage, Errno> {
    let advice = u32::try_from(advice).map_err(|_| Errno::EINVAL)?;
    let known = match advice {
        MADV_NORMAL..=MADV_DONTNEED | MADV_FREE | MADV_COLD | MADV_PAGEOUT => true,
        MADV_HUGEPAGE | MADV_NOHUGEPAGE => true,
        _ => (MADV_DONTFORK..=MADV_KEEPONFORK).contains(&advice),
    };
    if !known {
        return Err(Errno::EINVAL);
    }
    let regions = &mut *space.regions.lock();
    if regions.any(start, end, Region::is_window) {
        return Err(Errno::EINVAL);
    }
    let anonymous =
        |region: &Region| !region.shared && matches!(region.backing, Backing::Anonymous);
    if matches!(advice, MADV_FREE | MADV_WIPEONFORK) && regions.any(start, end, |r| !anonymous(r)) {
        return Err(Errno::EINVAL);
    }
    let there = regions.all(start, end, |_| true);
    if let Some(forked) = forked(advice) {
        regions.advise(start, end, |region| region.forked = forked);
    }
    if let Some(small) = small(advice) {
        regions.advise(start, end, |region| region.small = small);
    }
    let answer = if there { 0 } else { Errno::ENOMEM.as_result() };
    if advice == MADV_DONTNEED && start < end {
        return Ok(Stage::Unmapping(start, end, answer));
    }
    if advice == MADV_WILLNEED {
        return Ok(Stage::Wanting(start, end.min(start.saturating_add(WANTED)), answer));
    }
    let unneeded = match advice {
        MADV_FREE => Some(Unneeded::Contents),
        MADV_COLD => Some(Unneeded::Later),
        MADV_PAGEOUT => Some(Unneeded::Soon),
        _ => None,
    };
    if let Some(how) = unneeded.filter(|_| start < end) {
        return Ok(Stage::Unneeding(start, end, how, answer));
    }
    // All else is advice that need not be taken.
    Ok(Stage::Settling(answer))
}
