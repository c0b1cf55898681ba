//! The memory that nobody has yet, and the counts of all frames.
//!
//! The memory multiplexor decides who may have a frame, and knows for whom one was given out
//! (`multiplexed.rs`); what it does not have is here. The handles are `vortex-tables`'s.
//!
//! # Invariants
//! - A free frame's count is zero, and nothing names it but the free list.

use core::ptr;
use core::sync::atomic::AtomicU32;

use vortex_units::Frames;

use super::{PAGE, multiplexed, pointer};
use crate::statics;

const PAGE_U64: u64 = PAGE as u64;

/// Free frames that the multiplexor does not have: those given back, as a list through the
/// frames themselves, and ranges of which none was given out yet.
#[derive(Debug)]
pub(crate) struct FreeFrames {
    list: u64,
    listed: u64,
    fresh: [(u64, u64); Self::RANGES],
    total: u64,
}

impl FreeFrames {
    pub const RANGES: usize = 32;

    pub const fn none() -> Self {
        Self { list: 0, listed: 0, fresh: [(0, 0); Self::RANGES], total: 0 }
    }

    /// Takes in a range that nobody uses; too small a one, or one too many, is left out.
    pub fn add(&mut self, start: u64, end: u64) {
        let start = start.next_multiple_of(PAGE_U64);
        let end = end & !(PAGE_U64 - 1);
        if start >= end {
            return;
        }
        if let Some(place) = self.fresh.iter_mut().find(|range| range.0 == range.1) {
            *place = (start, end);
            self.total += (end - start) / PAGE_U64;
        }
    }

    /// Takes adjacent frames that were never given out. They do not come back.
    pub fn take_range(&mut self, frames: u64) -> Option<u64> {
        let bytes = frames.checked_mul(PAGE_U64)?;
        let range = self.fresh.iter_mut().find(|range| range.1 - range.0 >= bytes)?;
        range.1 -= bytes;
        Some(range.1)
    }

    /// Hands over the ranges of which nothing was given out, but for so much.
    pub fn hand_over(&mut self, kept: Frames) -> [(u64, u64); Self::RANGES] {
        let bytes = kept.get() * PAGE_U64;
        let mut ranges = core::mem::replace(&mut self.fresh, [(0, 0); Self::RANGES]);
        if let Some(range) = ranges.iter_mut().find(|range| range.1 - range.0 >= bytes)
            && let Some(place) = self.fresh.first_mut()
        {
            range.1 -= bytes;
            *place = (range.1, range.1 + bytes);
        }
        ranges
    }

    /// Takes back what was handed over.
    pub fn take_over(&mut self, ranges: &[(u64, u64)]) {
        for &(start, end) in ranges {
            if let Some(place) = self.fresh.iter_mut().find(|range| range.0 == range.1) {
                *place = (start, end);
            }
        }
    }

    pub fn take(&mut self) -> Option<u64> {
        if self.list != 0 {
            let frame = self.list;
            // SAFETY: a listed frame is free: only the list writes to it.
            self.list = unsafe { pointer::<u64>(frame).read() };
            self.listed -= 1;
            return Some(frame);
        }
        let range = self.fresh.iter_mut().find(|range| range.0 < range.1)?;
        let frame = range.0;
        range.0 += PAGE_U64;
        Some(frame)
    }

    /// Takes back a list of frames, linked through themselves.
    fn put(&mut self, freed: &Returned) {
        // SAFETY: its count is zero: nothing else names the frame.
        unsafe { pointer::<u64>(freed.last).write(self.list) };
        self.list = freed.first;
        self.listed += freed.count;
    }

    fn free(&self) -> u64 {
        let fresh: u64 = self.fresh.iter().map(|range| (range.1 - range.0) / PAGE_U64).sum();
        fresh + self.listed
    }
}

/// The counts of all frames, by frame number.
#[derive(Debug)]
pub(crate) struct Counts(&'static [AtomicU32]);

impl Counts {
    pub(super) fn of(physical: u64) -> Option<&'static AtomicU32> {
        statics::COUNTS.get()?.0.get((physical / PAGE_U64) as usize)
    }
}

/// Makes the counts for memory up to this address. Once, at boot, after the free ranges
/// were given.
pub(crate) fn set_up(top: u64) -> Option<()> {
    let frames = top.div_ceil(PAGE_U64) as usize;
    let bytes = frames * size_of::<AtomicU32>();
    let place = statics::FREE.lock().take_range((bytes as u64).div_ceil(PAGE_U64))?;
    // SAFETY: the range was free and is taken for good; the direct map reaches it.
    unsafe { ptr::write_bytes(pointer::<u8>(place), 0, bytes) };
    // SAFETY: the same range, initialized to zero counts, never freed.
    let counts = unsafe { core::slice::from_raw_parts(pointer::<AtomicU32>(place), frames) };
    statics::COUNTS.call_once(|| Counts(counts));
    Some(())
}

/// The number behind the last frame's.
pub(super) fn top() -> u64 {
    statics::COUNTS.get().map_or(0, |counts| counts.0.len() as u64)
}

/// Frames in all, and free ones.
#[must_use]
pub fn memory_counters() -> (Frames, Frames) {
    let multiplexed = statics::MEMORY.get().map_or(Frames::ZERO, |memory| memory.counters().1);
    let free = statics::FREE.lock();
    (Frames::new(free.total), Frames::new(free.free()) + multiplexed)
}

/// Frames that nobody has any more. Those that the multiplexor has not given out are given
/// back together when this is dropped: one lock for all of them.
#[derive(Debug, Default)]
pub struct Returned {
    first: u64,
    last: u64,
    count: u64,
}

impl Returned {
    /// A frame whose count is zero.
    #[inline]
    pub(super) fn add(&mut self, physical: u64) {
        if multiplexed::free(physical) {
            return;
        }
        // SAFETY: its count is zero: nothing else names the frame.
        unsafe { pointer::<u64>(physical).write(self.first) };
        if self.count == 0 {
            self.last = physical;
        }
        self.first = physical;
        self.count += 1;
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        if self.count > 0 {
            statics::FREE.lock().put(self);
        }
    }
}
