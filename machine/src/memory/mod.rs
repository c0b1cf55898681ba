//! Physical memory: frames, the heap, page tables, and the map of the kernel itself.

mod frames;
mod heap;
mod kernel_map;
mod magazines;
mod multiplexed;
mod objects;
mod physical;
mod window;

pub use frames::memory_counters;
pub(crate) use frames::{Counts, FreeFrames, set_up as set_up_frames};
pub(crate) use heap::Heap;
pub use heap::heap_counters;
pub(crate) use kernel_map::{
    STACK_AREA, STACK_SIZE, STACK_STRIDE, build as build_kernel_map, image_end,
};
pub(crate) use magazines::{Magazines, of_core as magazines_of};
pub use multiplexed::{Wanted, multiplex, multiplexor, reclaiming, with_earmarks};
pub(crate) use objects::Rest;
pub use objects::{
    charge_leaving, charge_object, force_object, heap_rest, object_fits, refund_object,
};
pub use physical::{Frame, Huge, Look, Machine, Space, Withdrawn, free_tables};
pub use vortex_tables::{Access, HUGE_PAGE, MapError, PAGE, Seen, USER_END, Use, Work, page_of};
pub(crate) use window::Window;

/// Where all physical memory, and the devices below 4 GiB, are mapped.
pub(crate) const DIRECT: u64 = 0xffff_8000_0000_0000;
/// Where the kernel's image is mapped, less its physical address.
pub(crate) const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// The kernel's address of a physical one.
pub(crate) const fn direct(physical: u64) -> u64 {
    DIRECT + physical
}

/// The kernel's pointer to a physical address.
pub(crate) const fn pointer<T>(physical: u64) -> *mut T {
    direct(physical) as *mut T
}
