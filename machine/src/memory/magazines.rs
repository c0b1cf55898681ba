//! What a core keeps of the heap for itself: blocks of small sizes that were given back, to be
//! handed out again. So on a request's way no lock is taken and no block is looked for.
//!
//! A magazine is a stack of blocks of one size, linked through their first words. One that is
//! full gives to the heap, one that is empty takes from it; a block may go back to another
//! core than it came from. (Bonwick & Adams, "Magazines and Vmem", USENIX 2001, without the
//! depot: the heap itself stands in its place.)
//!
//! # Invariants
//! - Only the core that a set of magazines was given to touches it, and never from a trap.
//! - A block in a magazine is the heap's in [`Size::layout`], and nobody else's.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

/// Sizes are multiples of this, and blocks aligned to it.
const GRAIN: usize = 16;
/// The largest size that is kept.
const LARGEST: usize = 1024;
const SIZES: usize = LARGEST / GRAIN;
/// The most bytes in one magazine.
const MOST: usize = 4096;

/// A size of blocks that are kept: so many grains, less one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(usize);

impl Size {
    /// The size for such an object, if it is one that is kept.
    #[inline]
    pub fn of(layout: Layout) -> Option<Self> {
        let kept = layout.align() <= GRAIN && (1..=LARGEST).contains(&layout.size());
        kept.then(|| Self((layout.size() - 1) / GRAIN))
    }

    /// How the heap makes its blocks.
    #[inline]
    pub fn layout(self) -> Layout {
        let bytes = self.bytes();
        // SAFETY: the alignment is a power of two, and no size is near the largest.
        unsafe { Layout::from_size_align_unchecked(bytes, GRAIN) }
    }

    fn bytes(self) -> usize {
        (self.0 + 1) * GRAIN
    }

    fn most(self) -> u32 {
        (MOST / self.bytes()) as u32
    }
}

/// A block that nobody has.
struct Block {
    next: Option<NonNull<Block>>,
}

#[derive(Clone, Copy)]
struct Magazine {
    top: Option<NonNull<Block>>,
    count: u32,
}

/// A core's magazines, one for each size.
pub(crate) struct Magazines {
    stacks: UnsafeCell<[Magazine; SIZES]>,
    /// Bytes in them.
    held: AtomicU64,
}

// SAFETY: `stacks` is touched by one core alone (see the module's invariants), the count is
// atomic.
unsafe impl Sync for Magazines {}

impl Magazines {
    pub const fn empty() -> Self {
        let stacks = UnsafeCell::new([Magazine { top: None, count: 0 }; SIZES]);
        Self { stacks, held: AtomicU64::new(0) }
    }

    /// Bytes that are in them: for the heap's counters, from any core.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes a block out.
    ///
    /// # Safety
    /// By the core that has them alone.
    #[inline]
    pub unsafe fn take(&self, size: Size) -> Option<NonNull<u8>> {
        // SAFETY: the caller is the only one who touches the stacks.
        let stacks = unsafe { &mut *self.stacks.get() };
        let magazine = stacks.get_mut(size.0)?;
        let block = magazine.top?;
        // SAFETY: a block in a magazine is nobody else's, and holds a `Block`.
        magazine.top = unsafe { block.read() }.next;
        magazine.count -= 1;
        self.hold(|held| held.wrapping_sub(size.bytes() as u64));
        Some(block.cast())
    }

    /// Puts a block in; false if its magazine is full.
    ///
    /// # Safety
    /// By the core that has them alone; the block is the heap's in [`Size::layout`], and the
    /// caller's no more.
    #[inline]
    pub unsafe fn put(&self, size: Size, block: *mut u8) -> bool {
        // SAFETY: the caller is the only one who touches the stacks.
        let stacks = unsafe { &mut *self.stacks.get() };
        let Some(magazine) = stacks.get_mut(size.0).filter(|kept| kept.count < size.most()) else {
            return false;
        };
        let Some(block) = NonNull::new(block.cast::<MaybeUninit<Block>>()) else { return false };
        // SAFETY: the block has room for a pointer, and is aligned for it.
        unsafe { block.write(MaybeUninit::new(Block { next: magazine.top })) };
        magazine.top = Some(block.cast());
        magazine.count += 1;
        self.hold(|held| held.wrapping_add(size.bytes() as u64));
        true
    }

    /// Only one core writes it: no need for an atomic change.
    fn hold(&self, change: impl FnOnce(u64) -> u64) {
        self.held.store(change(self.held.load(Ordering::Relaxed)), Ordering::Relaxed);
    }
}

/// The magazines of the core that this runs on; `None` before it has any.
#[inline]
pub(crate) fn own() -> Option<&'static Magazines> {
    let place: *const Magazines;
    // SAFETY: beneath %gs there is the core's area, or before there is one, zeros.
    unsafe {
        core::arch::asm!("mov {}, gs:[{at}]", out(reg) place, at = const crate::cpu::AREA_MAGAZINES,
            options(nostack, readonly, preserves_flags, pure))
    };
    // SAFETY: null, or one of the kernel's statics.
    unsafe { place.as_ref() }
}

/// Whose magazines a core has: put into its area.
pub(crate) fn of_core(core: usize) -> *const Magazines {
    crate::statics::MAGAZINES.get(core).map_or(ptr::null(), ptr::from_ref)
}
