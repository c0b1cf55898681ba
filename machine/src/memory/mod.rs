//! Physical memory: frames, the heap, page tables, and the map of the kernel itself.

mod frames;
mod heap;
mod kernel_map;
mod leftover;
mod magazines;
mod multiplexed;
mod range;
mod space;
mod table;

pub(crate) use frames::{Counts, FreeFrames, Freed, set_up as set_up_frames};
pub use frames::{Frame, PAGE, memory_counters};
pub(crate) use heap::Heap;
pub use heap::heap_counters;
pub(crate) use kernel_map::{
    STACK_AREA, STACK_SIZE, STACK_STRIDE, build as build_kernel_map, image_end,
};
pub use leftover::free_tables;
pub(crate) use magazines::{Magazines, of_core as magazines_of};
pub use multiplexed::{Use, Wanted, multiplex, multiplexor, with_earmarks};
pub use range::Work;
pub use space::{Look, Seen, Space, Withdrawn, page_of};
pub use table::{Access, MapError, USER_END};

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
