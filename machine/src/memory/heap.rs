//! The kernel's heap: grows by ranges of frames, and never gives them back. Small blocks pass
//! through the magazines of the core.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use spin::Mutex;
use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use vortex_units::Bytes;

use super::magazines::{self, Magazines, Size};
use super::multiplexed::{take_range, take_reserved};
use super::{PAGE, pointer};
use crate::statics;

/// The least that the heap grows by.
const STEP: usize = 1 << 20;

/// The heap.
pub(crate) struct Heap(TalcLock<Mutex<()>, FromFrames>);

impl Heap {
    pub const fn new() -> Self {
        Self(TalcLock::new(FromFrames))
    }
}

// SAFETY: a block is talc's, with this layout or with that of its size; it comes from talc or
// from a magazine, whose blocks are nobody's, and goes back with the same.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(size) = Size::of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { self.0.alloc(layout) };
        };
        if let Some(own) = magazines::own()
            // SAFETY: they are this core's.
            && let Some(block) = unsafe { own.take(size) }
        {
            return block.as_ptr();
        }
        // SAFETY: a size is not zero.
        unsafe { self.0.alloc(size.layout()) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(size) = Size::of(layout) else {
            // SAFETY: it was made with this layout, as it has no size.
            return unsafe { self.0.dealloc(block, layout) };
        };
        if let Some(own) = magazines::own()
            // SAFETY: they are this core's; the block was made with its size's layout.
            && unsafe { own.put(size, block) }
        {
            return;
        }
        // SAFETY: it was made with its size's layout.
        unsafe { self.0.dealloc(block, size.layout()) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let wanted = unsafe { Layout::from_size_align_unchecked(new, layout.align()) };
        match (Size::of(layout), Size::of(wanted)) {
            (Some(old), Some(new)) if old == new => return block,
            // SAFETY: it was made with this layout, as it has no size, and is to have none.
            (None, None) => return unsafe { self.0.realloc(block, layout, new) },
            _ => {}
        }
        // SAFETY: the caller's promise.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both have so many bytes, and they are two.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(new)) };
            // SAFETY: the caller gives it up.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

/// Where the heap gets its memory.
#[derive(Debug)]
pub(crate) struct FromFrames;

// SAFETY: what it claims was free and is mapped for good.
unsafe impl Source for FromFrames {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let wanted = (layout.size() + layout.align() + PAGE).next_multiple_of(STEP);
        let range = |bytes: usize| take_range((bytes / PAGE) as u64);
        let small = (layout.size() + layout.align() + PAGE).next_multiple_of(PAGE);
        // Where memory is in pieces, a single frame has room for what is small.
        let single = if layout.size() + layout.align() <= PAGE / 2 { PAGE } else { small };
        let sizes = [wanted, small, single];
        let found = sizes.into_iter().find_map(|size| Some((range(size)?, size)));
        let reserved = || if single == PAGE { Some((take_reserved()?, PAGE)) } else { None };
        let (place, size) = found.or_else(reserved).ok_or(())?;
        // SAFETY: the range is ours from now on, mapped and writable.
        unsafe { talc.claim(pointer(place), size) }.map(drop).ok_or(())
    }
}

/// What the heap has taken of memory, and what of it is in use.
#[must_use]
pub fn heap_counters() -> (Bytes, Bytes) {
    let (claimed, allocated) = {
        let talc = statics::HEAP.0.lock();
        let counters = talc.counters();
        (counters.claimed_bytes as u64, counters.allocated_bytes as u64)
    };
    let held: u64 = statics::MAGAZINES.iter().map(Magazines::held).sum();
    (Bytes::new(claimed), Bytes::new(allocated.saturating_sub(held)))
}
