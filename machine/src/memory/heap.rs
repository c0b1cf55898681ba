//! The kernel's heap: grows by ranges of frames, and never gives them back.

use core::alloc::Layout;

use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use vortex_units::Bytes;

use super::{PAGE, pointer};
use crate::statics;

/// The least that the heap grows by.
const STEP: usize = 1 << 20;

/// Where the heap gets its memory.
#[derive(Debug)]
pub(crate) struct FromFrames;

// SAFETY: what it claims was free and is mapped for good.
unsafe impl Source for FromFrames {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let wanted = (layout.size() + layout.align() + PAGE).next_multiple_of(STEP);
        let range = |bytes: usize| statics::FREE.lock().take_range((bytes / PAGE) as u64);
        let small = (layout.size() + layout.align() + PAGE).next_multiple_of(PAGE);
        let (place, size) = match range(wanted) {
            Some(place) => (place, wanted),
            None => (range(small).ok_or(())?, small),
        };
        // SAFETY: the range is ours from now on, mapped and writable.
        unsafe { talc.claim(pointer(place), size) }.map(drop).ok_or(())
    }
}

/// What the heap has taken of memory, and what of it is in use.
#[must_use]
pub fn heap_counters() -> (Bytes, Bytes) {
    let counters = statics::HEAP.lock();
    let counters = counters.counters();
    (Bytes::new(counters.claimed_bytes as u64), Bytes::new(counters.allocated_bytes as u64))
}
