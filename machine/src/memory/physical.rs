//! Address spaces (`vortex-tables`) on this machine's memory.

use core::sync::atomic::{AtomicU32, Ordering};

use vortex_memory::FrameId;
use vortex_tables::{Leftover, MAX_CORES, Physical, Use};
use vortex_units::ActivityId;

use super::frames::{Counts, Returned};
use super::{multiplexed, pointer};
use crate::statics;

/// This machine, as address spaces see it.
#[derive(Debug)]
pub enum Machine {}

/// A handle of a frame.
pub type Frame = vortex_tables::Frame<Machine>;
/// 512 frames side by side.
pub type Huge = vortex_tables::Huge<Machine>;
/// An address space.
pub type Space = vortex_tables::Space<Machine>;
/// What there is at a page.
pub type Look = vortex_tables::Look<Machine>;
/// What came of taking a page out.
pub type Withdrawn = vortex_tables::Withdrawn<Machine>;

// SAFETY: all memory is mapped in one place, at the address that `pointer` says. Whole frames
// come from the multiplexor, or before there is one from the free list, which give a frame to
// one at a time, and 512 side by side to one; the counts are an array, by the frame's number. The kernel's table does not
// change after boot.
unsafe impl Physical for Machine {
    type Returned = Returned;

    #[inline]
    fn pointer<T>(physical: u64) -> *mut T {
        pointer(physical)
    }

    #[inline]
    fn allocate(owner: ActivityId, of: Use) -> Option<u64> {
        multiplexed::allocate(owner, of)
    }

    fn allocate_huge(owner: ActivityId, of: Use) -> Option<u64> {
        multiplexed::allocate_huge(owner, of)
    }

    #[inline]
    fn count(physical: u64) -> Option<&'static AtomicU32> {
        Counts::of(physical)
    }

    #[inline]
    fn give_back(physical: u64, returned: &mut Returned) {
        returned.add(physical);
    }

    fn share(physical: u64, activity: ActivityId, must: bool) -> bool {
        multiplexed::share(physical, activity, must)
    }

    #[inline]
    fn name(frame: FrameId, name: u64) {
        multiplexed::name(frame, name);
    }

    fn kernel_root() -> u64 {
        statics::kernel_root.load(Ordering::Relaxed)
    }

    fn cores() -> usize {
        statics::PLATFORM.get().map_or(MAX_CORES, |platform| platform.cores.len())
    }

    fn leftover() -> &'static Leftover<Self> {
        &statics::LEFT
    }
}

/// Frees some of the tables that spaces which are gone have left. True if there is more.
pub fn free_tables() -> bool {
    statics::LEFT.free_some()
}
