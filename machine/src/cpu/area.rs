//! What one core has of its own for traps: the block beneath `%gs`, its stacks and tables.

use alloc::boxed::Box;
use core::mem::offset_of;

use vortex_units::CoreId;

use super::segments::Segments;
use crate::memory::{Magazines, magazines_of};
use crate::user::UserContext;

/// The block beneath `%gs`. `trap.s` knows the offsets of the first fields.
#[repr(C)]
pub(crate) struct CoreArea {
    this: *mut CoreArea,
    /// The stack pointer in `enter_user`, while a thread runs.
    kernel_stack: u64,
    /// The context of that thread.
    context: *mut UserContext,
    scratch: u64,
    /// What trap ended user mode, and its error code.
    pub vector: u64,
    pub error: u64,
    /// The time at which user mode ended.
    pub stamp: u64,
    /// The core's magazines of the heap; `magazines::own` knows the offset.
    magazines: *const Magazines,
    /// Interrupts noted and not yet taken, by vector.
    pub pending: [u64; 4],
    /// Whether interrupts are let in now: then they are no surprise.
    pub open: bool,
    /// Whose vector state the registers hold.
    pub vectors_of: u64,
    /// The base of %gs that user mode would have.
    pub user_gs: u64,
    pub core: CoreId,
    pub segments: Segments,
}

const _: () = {
    assert!(offset_of!(CoreArea, kernel_stack) == 8);
    assert!(offset_of!(CoreArea, context) == 16);
    assert!(offset_of!(CoreArea, scratch) == 24);
    assert!(offset_of!(CoreArea, vector) == 32);
    assert!(offset_of!(CoreArea, error) == 40);
    assert!(offset_of!(CoreArea, stamp) == 48);
    assert!(AREA_MAGAZINES < size_of::<NoArea>());
};

/// Where the magazines are in the area.
pub(crate) const AREA_MAGAZINES: usize = offset_of!(CoreArea, magazines);

/// What is beneath `%gs` before a core has an area: nothing, as zeros.
type NoArea = [u64; 16];
static NO_AREA: NoArea = [0; 16];

/// To be called first of all on a core: the heap looks beneath `%gs`.
pub(crate) fn without_area() {
    x86_64::registers::model_specific::GsBase::write(x86_64::VirtAddr::from_ptr(
        &raw const NO_AREA,
    ));
}

impl CoreArea {
    /// Makes and loads the area of the core that this runs on.
    pub fn install(core: CoreId) -> &'static mut Self {
        let area = Box::leak(Box::new(Self {
            this: core::ptr::null_mut(),
            kernel_stack: 0,
            context: core::ptr::null_mut(),
            scratch: 0,
            vector: 0,
            error: 0,
            stamp: 0,
            magazines: core::ptr::null(),
            pending: [0; 4],
            open: false,
            vectors_of: 0,
            user_gs: 0,
            core,
            segments: Segments::new(),
        }));
        let pointer = &raw mut *area;
        area.this = pointer;
        area.magazines = magazines_of(core.index());
        area.segments.load();
        // After the segments: loading %gs clears its base.
        x86_64::registers::model_specific::GsBase::write(x86_64::VirtAddr::from_ptr(pointer));
        area
    }

    /// Notes an interrupt.
    pub fn note(&mut self, vector: u8) {
        if let Some(word) = self.pending.get_mut(usize::from(vector / 64)) {
            *word |= 1 << (vector % 64);
        }
    }

    /// Whether the interrupt was noted; it is not any more.
    pub fn take(&mut self, vector: u8) -> bool {
        let Some(word) = self.pending.get_mut(usize::from(vector / 64)) else { return false };
        let bit = 1 << (vector % 64);
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }
}

/// The area of the core that this runs on, for the trap handler, which nothing is passed to.
pub(crate) fn current() -> *mut CoreArea {
    let area: *mut CoreArea;
    // SAFETY: in the kernel %gs points to the area, whose first field is its address.
    unsafe {
        core::arch::asm!("mov {}, gs:[0]", out(reg) area, options(nostack, readonly, preserves_flags))
    };
    area
}

/// The core that this runs on; the first before it has an area.
pub(crate) fn this_core() -> CoreId {
    let area = current();
    if area.is_null() {
        return CoreId::new(0);
    }
    // SAFETY: the core's own area, which lives for good.
    let core = unsafe { &raw const (*area).core };
    // SAFETY: the field does not change once the area is installed.
    unsafe { core.read() }
}

/// Reaches whose vector state this core's registers hold.
pub(crate) fn with_vectors(reach: impl FnOnce(&mut u64)) {
    let area = current();
    // SAFETY: the core's own area; nothing else refers to this field while a function that
    // the kernel calls runs, as no interrupt is taken in the kernel.
    let field = unsafe { &mut (*area).vectors_of };
    reach(field);
}
