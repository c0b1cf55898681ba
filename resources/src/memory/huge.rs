//! 2 MiB at once for a region of zeros (decision 0087): at its first touch, where nothing is yet,
//! the activity's budget has room, and so much lies free side by side. It is cleared in slices,
//! each a run of ASR's, and put in as a whole; whatever stands in the way, the fault is mended
//! as all others are.

use vortex_machine::{Access, HUGE_PAGE, Huge, PAGE};
use vortex_units::ActivityId;

use super::regions::{Backing, Region};
use super::space::AddressSpace;

/// Frames that are cleared in one run.
const SLICE: u64 = 64;
/// Frames of all.
const FRAMES: u64 = HUGE_PAGE / PAGE as u64;

/// The first address of the 2 MiB that could come at once for a fault at this page.
#[must_use]
pub(super) fn place(space: &AddressSpace, start: u64, region: &Region, page: u64) -> Option<u64> {
    let base = page / HUGE_PAGE * HUGE_PAGE;
    let fits = base >= start && base.checked_add(HUGE_PAGE)? <= region.end;
    if !fits || region.shared || region.grows || region.small || region.access != Access::Write {
        return None;
    }
    if !matches!(region.backing, Backing::Anonymous) || space.bounds.is_small() {
        return None;
    }
    let memory = vortex_machine::multiplexor()?;
    let there_is = memory.has_huge(owner(space))
        && space.space.is_free_for_huge(base)
        && !space.away.has_some(base, base + HUGE_PAGE);
    there_is.then_some(base)
}

fn owner(space: &AddressSpace) -> ActivityId {
    space.space.owner()
}

/// 2 MiB that are being cleared for a place.
#[derive(Debug)]
pub struct Filling {
    base: u64,
    frames: Huge,
    cleared: u64,
}

/// What became of a run.
pub(super) enum Filled {
    /// There is more to clear.
    More,
    /// They are there: so many frames were given out.
    Done(u64),
    /// Something else was done to the place meanwhile, or there is no room for its table.
    Gone,
}

impl Filling {
    /// Takes frames for a fault, if it can be mended so.
    #[must_use]
    pub fn begin(space: &AddressSpace, address: u64) -> Option<Self> {
        let page = address / PAGE as u64 * PAGE as u64;
        let (start, region) = space.region(page)?;
        let base = place(space, start, &region, page)?;
        Some(Self { base, frames: Huge::given_to(owner(space))?, cleared: 0 })
    }

    /// Clears a slice.
    pub(super) fn clear(&mut self) -> bool {
        if self.cleared >= FRAMES {
            return false;
        }
        self.frames.clear(self.cleared, SLICE);
        self.cleared += SLICE;
        true
    }

    /// Puts them in, now that they are clear.
    pub(super) fn put(self, space: &AddressSpace) -> Filled {
        let layout = space.layout();
        let Some((start, region)) = space.region(self.base) else { return Filled::Gone };
        let end = self.base.saturating_add(HUGE_PAGE);
        let same = start <= self.base
            && end <= region.end
            && region.access == Access::Write
            && !region.shared
            && !region.grows
            && matches!(region.backing, Backing::Anonymous)
            && !space.away.has_some(self.base, end);
        if !same {
            return Filled::Gone;
        }
        match space.space.put_huge(self.base, self.frames, Access::Write, || layout.holds()) {
            Ok(true) => {
                space.faults.count(false);
                Filled::Done(FRAMES)
            }
            Ok(false) | Err(_) => Filled::Gone,
        }
    }
}
