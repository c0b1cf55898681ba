//! Frames: 4 KiB of physical memory each, counted, and given out to whoever asks.
//!
//! The memory multiplexor decides who may, and knows for whom a frame was given out
//! (`multiplexed.rs`); this counts who uses it. A [`Frame`] is a handle like a
//! reference-counted pointer: the frame is given back when the last handle, or page-table
//! entry, that names it is gone.
//!
//! # Invariants
//! - A frame's count is the number of handles and of page-table entries that name it.
//! - A free frame's count is zero, and nothing names it but the free list.
//! - Every frame is given out by [`Frame::given_to`], and by nothing else.
//! - Contents are reached by volatile copies only: a program may change them meanwhile.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use vortex_memory::FrameId;
use vortex_units::{ActivityId, Frames};

use super::multiplexed::{self, Use};
use super::pointer;
use crate::statics;

/// Bytes of a frame.
pub const PAGE: usize = 4096;
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
    fn put(&mut self, freed: &Freed) {
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
    fn of(physical: u64) -> Option<&'static AtomicU32> {
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

/// A handle of a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame(u64);

impl Frame {
    /// A frame of zeros for a page of an activity; `None` where it gets none.
    #[must_use]
    pub fn zeroed(owner: ActivityId) -> Option<Self> {
        Self::zeroed_for(owner, Use::Page)
    }

    /// A frame of zeros for an activity; `None` where it gets none.
    #[must_use]
    pub fn zeroed_for(owner: ActivityId, of: Use) -> Option<Self> {
        let frame = Self::given_to(owner, of)?;
        // SAFETY: the frame is ours alone, and mapped.
        unsafe { ptr::write_bytes(pointer::<u64>(frame.0), 0, PAGE / 8) };
        Some(frame)
    }

    /// A frame for a page of an activity with the contents of another; `None` where it gets
    /// none.
    #[must_use]
    pub fn copy_of(other: &Self, owner: ActivityId) -> Option<Self> {
        let frame = Self::given_to(owner, Use::Page)?;
        copy_words(pointer(other.0), pointer(frame.0));
        Some(frame)
    }

    /// The one place where frames are given out.
    fn given_to(owner: ActivityId, of: Use) -> Option<Self> {
        let physical = multiplexed::allocate(owner, of)?;
        Counts::of(physical)?.store(1, Ordering::Relaxed);
        Some(Self(physical))
    }

    /// Puts the frame on this activity's bill too, if it is not there (§2.3): its budget is
    /// charged the full price until the last handle is gone. False where it gets no more.
    #[must_use]
    pub fn share_with(&self, activity: ActivityId) -> bool {
        multiplexed::share(self.0, activity)
    }

    /// How many handles a frame has, page tables included.
    #[must_use]
    pub fn handles(number: FrameId) -> u32 {
        let count = Counts::of(u64::from(number.get()) * PAGE_U64);
        count.map_or(0, |count| count.load(Ordering::Acquire))
    }

    /// Its name at the multiplexor.
    #[must_use]
    pub fn id(&self) -> FrameId {
        FrameId::new((self.0 / PAGE_U64) as u32)
    }

    /// Whether this handle is the only one, page tables included.
    #[must_use]
    pub fn is_sole(&self) -> bool {
        Counts::of(self.0).is_some_and(|count| count.load(Ordering::Acquire) == 1)
    }

    /// Copies another's contents in.
    pub fn copy_from(&self, other: &Self) {
        copy_words(pointer(other.0), pointer(self.0));
    }

    /// Whether there is but one handle beside this one, page tables included.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        Counts::of(self.0).is_some_and(|count| count.load(Ordering::Acquire) == 2)
    }

    /// Copies bytes in; those beyond the end of the frame are left out. Returns how many.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> usize {
        let length = bytes.len().min(PAGE.saturating_sub(offset));
        let (to, from) = (pointer::<u8>(self.0), bytes.as_ptr());
        copy_bytes(from, to.wrapping_add(offset.min(PAGE)), length);
        length
    }

    /// Copies bytes out; returns how many there were up to the end of the frame.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> usize {
        let length = bytes.len().min(PAGE.saturating_sub(offset));
        let from = pointer::<u8>(self.0).wrapping_add(offset.min(PAGE));
        copy_bytes(from, bytes.as_mut_ptr(), length);
        length
    }

    /// Fills a part with zeros.
    pub fn clear(&self, offset: usize, length: usize) {
        let length = length.min(PAGE.saturating_sub(offset));
        for index in 0..length {
            // SAFETY: within the frame, which is mapped while there is a handle.
            unsafe { pointer::<u8>(self.0).wrapping_add(offset + index).write_volatile(0) };
        }
    }

    /// The word there, for futexes; `None` if it is not aligned or not within the frame.
    #[must_use]
    pub fn word(&self, offset: usize) -> Option<&AtomicU32> {
        if !offset.is_multiple_of(4) || offset >= PAGE {
            return None;
        }
        // SAFETY: aligned, within the frame, mapped while `self` lives. Programs change it
        // with the same atomicity.
        Some(unsafe { AtomicU32::from_ptr(pointer::<u32>(self.0 + offset as u64)) })
    }

    /// A number that no other frame has at the same time: for keys of shared futexes.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0 / PAGE_U64
    }

    pub(crate) fn physical(&self) -> u64 {
        self.0
    }

    /// Gives the handle's count to a page-table entry.
    pub(crate) fn into_entry(self) -> u64 {
        let physical = self.0;
        core::mem::forget(self);
        physical
    }

    /// Takes the count back from a page-table entry.
    ///
    /// # Safety
    /// The address came from [`Frame::into_entry`], and the entry is no more.
    pub(crate) unsafe fn from_entry(physical: u64) -> Self {
        Self(physical)
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        if let Some(count) = Counts::of(self.0) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut freed = Freed::default();
        freed.leave(self.0);
    }
}

/// Frames that were left. Those that the multiplexor has not given out are given back
/// together when this is dropped: one lock for all of them.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    first: u64,
    last: u64,
    count: u64,
}

impl Freed {
    /// Drops a handle.
    pub fn add(&mut self, frame: Frame) {
        self.leave(frame.into_entry());
    }

    /// A handle of this frame is no more.
    fn leave(&mut self, physical: u64) {
        let Some(count) = Counts::of(physical) else { return };
        if count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
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

impl Drop for Freed {
    fn drop(&mut self) {
        if self.count > 0 {
            statics::FREE.lock().put(self);
        }
    }
}

/// Copies a frame by words.
fn copy_words(from: *const u64, to: *mut u64) {
    // SAFETY: both are whole mapped frames; `rep movs` is a copy that the compiler cannot
    // split or repeat, whatever others do to the source meanwhile.
    unsafe {
        core::arch::asm!("rep movsq", inout("rcx") PAGE / 8 => _, inout("rsi") from => _,
            inout("rdi") to => _, options(nostack, preserves_flags));
    }
}

/// Copies between a frame and the kernel's memory: by words as far as they go.
fn copy_bytes(from: *const u8, to: *mut u8, length: usize) {
    let (words, rest) = (length / 8, length % 8);
    // SAFETY: the callers have cut the length to the frame and to the slice; `rep movs`
    // is a volatile copy (see `copy_words`).
    unsafe {
        core::arch::asm!("rep movsq", "mov rcx, {rest}", "rep movsb", rest = in(reg) rest,
            inout("rcx") words => _, inout("rsi") from => _, inout("rdi") to => _,
            options(nostack, preserves_flags));
    }
}
