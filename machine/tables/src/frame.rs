//! Frames: 4 KiB of physical memory each, and handles of them.
//!
//! A [`Frame`] is a handle like a reference-counted pointer: the frame is given back when the
//! last handle, or page-table entry, that names it is gone. The memory multiplexor decides
//! who may have one, and knows for whom it was given out; this counts who uses it.
//!
//! # Invariants
//! - A frame's count is the number of handles and of page-table entries that name it.
//! - A free frame's count is zero, and nothing names it but who gives frames out.
//! - Every frame is given out by [`Frame::given_to`], and by nothing else.
//! - Contents are reached by volatile copies only: a program may change them meanwhile.

use core::fmt;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use vortex_memory::FrameId;
use vortex_units::ActivityId;

use crate::physical::{Physical, Use};

/// Bytes of a frame.
pub const PAGE: usize = 4096;
const PAGE_U64: u64 = PAGE as u64;

/// A handle of a frame.
pub struct Frame<M: Physical>(u64, PhantomData<fn() -> M>);

impl<M: Physical> Frame<M> {
    const fn at(physical: u64) -> Self {
        Self(physical, PhantomData)
    }

    /// A frame of zeros for a page of an activity; `None` where it gets none.
    #[must_use]
    #[inline]
    pub fn zeroed(owner: ActivityId) -> Option<Self> {
        Self::zeroed_for(owner, Use::Page)
    }

    /// A frame of zeros for an activity; `None` where it gets none.
    #[must_use]
    #[inline]
    pub fn zeroed_for(owner: ActivityId, of: Use) -> Option<Self> {
        let frame = Self::given_to(owner, of)?;
        // SAFETY: the frame is ours alone, and mapped.
        unsafe { ptr::write_bytes(M::pointer::<u64>(frame.0), 0, PAGE / 8) };
        Some(frame)
    }

    /// A frame for a page of an activity with the contents of another; `None` where it gets
    /// none.
    #[must_use]
    pub fn copy_of(other: &Self, owner: ActivityId) -> Option<Self> {
        let frame = Self::given_to(owner, Use::Page)?;
        copy_words(M::pointer(other.0), M::pointer(frame.0));
        Some(frame)
    }

    /// The one place where frames are given out.
    #[inline]
    fn given_to(owner: ActivityId, of: Use) -> Option<Self> {
        let physical = M::allocate(owner, of)?;
        M::count(physical)?.store(1, Ordering::Relaxed);
        Some(Self::at(physical))
    }

    /// Puts the frame on this activity's bill too, if it is not there (§2.3): its budget is
    /// charged the full price until the last handle is gone; where memory is low, with what
    /// it has waited for. False where it gets no more.
    #[must_use]
    pub fn share_with(&self, activity: ActivityId) -> bool {
        M::share(self.0, activity, true)
    }

    /// The same where there is memory: what was waited for is for something else.
    #[must_use]
    pub fn share_beside(&self, activity: ActivityId) -> bool {
        M::share(self.0, activity, false)
    }

    /// How many handles a frame has, page tables included.
    #[must_use]
    pub fn handles(number: FrameId) -> u32 {
        let count = M::count(u64::from(number.get()) * PAGE_U64);
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
        M::count(self.0).is_some_and(|count| count.load(Ordering::Acquire) == 1)
    }

    /// Copies another's contents in.
    pub fn copy_from(&self, other: &Self) {
        copy_words(M::pointer(other.0), M::pointer(self.0));
    }

    /// Whether there is but one handle beside this one, page tables included.
    #[must_use]
    pub fn is_paired(&self) -> bool {
        M::count(self.0).is_some_and(|count| count.load(Ordering::Acquire) == 2)
    }

    /// Copies bytes in; those beyond the end of the frame are left out. Returns how many.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> usize {
        let length = bytes.len().min(PAGE.saturating_sub(offset));
        let (to, from) = (M::pointer::<u8>(self.0), bytes.as_ptr());
        copy_bytes(from, to.wrapping_add(offset.min(PAGE)), length);
        length
    }

    /// Copies bytes out; returns how many there were up to the end of the frame.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> usize {
        let length = bytes.len().min(PAGE.saturating_sub(offset));
        let from = M::pointer::<u8>(self.0).wrapping_add(offset.min(PAGE));
        copy_bytes(from, bytes.as_mut_ptr(), length);
        length
    }

    /// Copies a part of this frame to a place in another, or in itself; returns how many bytes,
    /// up to the end of either.
    pub fn copy_to(&self, offset: usize, to: &Self, place: usize, length: usize) -> usize {
        let room = PAGE.saturating_sub(offset).min(PAGE.saturating_sub(place));
        let length = length.min(room);
        let from = M::pointer::<u8>(self.0).wrapping_add(offset.min(PAGE));
        let to = M::pointer::<u8>(to.0).wrapping_add(place.min(PAGE));
        copy_bytes(from, to, length);
        length
    }

    /// Fills a part with zeros.
    pub fn clear(&self, offset: usize, length: usize) {
        let length = length.min(PAGE.saturating_sub(offset));
        let to = M::pointer::<u8>(self.0).wrapping_add(offset.min(PAGE));
        let (words, rest) = (length / 8, length % 8);
        // SAFETY: within the frame, which is mapped while there is a handle; `rep stos` is a
        // volatile write (see `copy_words`).
        unsafe {
            core::arch::asm!("rep stosq", "mov rcx, {rest}", "rep stosb", rest = in(reg) rest,
                inout("rcx") words => _, inout("rdi") to => _, in("rax") 0_u64,
                options(nostack, preserves_flags));
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
        Some(unsafe { AtomicU32::from_ptr(M::pointer::<u32>(self.0 + offset as u64)) })
    }

    /// A number that no other frame has at the same time: for keys of shared futexes.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0 / PAGE_U64
    }

    /// Its physical address.
    #[must_use]
    pub fn physical(&self) -> u64 {
        self.0
    }

    /// Gives the handle's count to a page-table entry.
    #[must_use]
    pub fn into_entry(self) -> u64 {
        let physical = self.0;
        core::mem::forget(self);
        physical
    }

    /// Takes the count back from a page-table entry.
    ///
    /// # Safety
    /// The address came from [`Frame::into_entry`], and the entry is no more.
    pub unsafe fn from_entry(physical: u64) -> Self {
        Self::at(physical)
    }
}

impl<M: Physical> fmt::Debug for Frame<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:#x})", self.0)
    }
}

impl<M: Physical> PartialEq for Frame<M> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<M: Physical> Eq for Frame<M> {}

impl<M: Physical> Clone for Frame<M> {
    #[inline]
    fn clone(&self) -> Self {
        if let Some(count) = M::count(self.0) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Self::at(self.0)
    }
}

impl<M: Physical> Drop for Frame<M> {
    #[inline]
    fn drop(&mut self) {
        let mut freed = Freed::<M>::default();
        freed.leave(self.0);
    }
}

/// Frames that were left, given back together when this is dropped.
pub(crate) struct Freed<M: Physical>(M::Returned);

impl<M: Physical> Default for Freed<M> {
    fn default() -> Self {
        Self(M::Returned::default())
    }
}

impl<M: Physical> Freed<M> {
    /// Drops a handle.
    pub fn add(&mut self, frame: Frame<M>) {
        self.leave(frame.into_entry());
    }

    /// A handle of this frame is no more.
    #[inline]
    fn leave(&mut self, physical: u64) {
        let Some(count) = M::count(physical) else { return };
        if count.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        M::give_back(physical, &mut self.0);
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

/// Copies between frames, or a frame and the kernel's memory: by words as far as they go.
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
