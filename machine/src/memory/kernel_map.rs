//! The map of the kernel: all memory, the kernel's image with the rights of its parts, a
//! stack for each core between guard pages, and an area for devices beyond 4 GiB.

use vortex_units::ActivityId;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::{Frame, KERNEL_BASE, direct, pointer};

/// Stacks lie here, one each stride, the rest of which is not mapped. `start.s` knows both.
pub(crate) const STACK_AREA: u64 = 0xffff_a000_0000_0000;
pub(crate) const STACK_STRIDE: u64 = 1 << 17;
/// Bytes of a stack.
pub(crate) const STACK_SIZE: u64 = 1 << 16;

/// Devices that lie beyond 4 GiB are mapped here when they are found (`window.rs`).
pub(crate) const DEVICE_AREA: u64 = 0xffff_b000_0000_0000;
/// Bytes of it.
pub(crate) const DEVICE_AREA_SIZE: u64 = 1 << 30;

const LARGE: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

unsafe extern "C" {
    static __text_start: u8;
    static __text_end: u8;
    static __rodata_start: u8;
    static __rodata_end: u8;
    static __data_start: u8;
    static __kernel_end: u8;
}

/// Tables under construction. They live as long as the machine.
pub(super) struct Builder {
    root: u64,
}

impl Builder {
    /// More of tables that are in use: what is mapped anew was not mapped before, and the area
    /// has its table from the beginning, which all spaces share.
    pub fn of(root: u64) -> Self {
        Self { root }
    }

    fn new_table() -> Option<u64> {
        Frame::zeroed(ActivityId::INFRASTRUCTURE).map(Frame::into_entry)
    }

    /// The entry that maps this address at the level (1 for 4 KiB, 2 for 2 MiB).
    fn entry(&self, address: u64, level: u32) -> Option<*mut u64> {
        let mut table = self.root;
        for depth in (level..=4).rev() {
            let index = (address >> (12 + 9 * (depth - 1))) & 511;
            let entry = pointer::<u64>(table + index * 8);
            if depth == level {
                return Some(entry);
            }
            // SAFETY: an entry of a table that this builder made, which nobody else uses yet.
            let mut value = unsafe { entry.read() };
            if value == 0 {
                value = Self::new_table()? | (Flags::PRESENT | Flags::WRITABLE).bits();
                // SAFETY: the same entry.
                unsafe { entry.write(value) };
            }
            table = value & 0x000f_ffff_ffff_f000;
        }
        None
    }

    pub fn map(&self, address: u64, physical: u64, level: u32, flags: Flags) -> Option<()> {
        let entry = self.entry(address, level)?;
        let large = if level == 2 { Flags::HUGE_PAGE } else { Flags::empty() };
        let flags = flags | Flags::PRESENT | Flags::GLOBAL | large;
        // SAFETY: an entry of a table that this builder made.
        unsafe { entry.write(physical | flags.bits()) };
        Some(())
    }
}

/// Builds the kernel's page table; returns the physical address of its root. `None` where
/// memory is too small. `is_memory` says which large pages hold memory rather than devices.
pub(crate) fn build(top: u64, cores: u32, is_memory: impl Fn(u64) -> bool) -> Option<u64> {
    let builder = Builder { root: Builder::new_table()? };
    let data = Flags::WRITABLE | Flags::NO_EXECUTE;
    let device = data | Flags::NO_CACHE | Flags::WRITE_THROUGH;
    let mut at = 0;
    while at < top.max(4 * GIB) {
        let flags = if is_memory(at) { data } else { device };
        builder.map(direct(at), at, 2, flags)?;
        at += LARGE;
    }
    let parts = [
        (&raw const __text_start, &raw const __text_end, Flags::empty()),
        (&raw const __rodata_start, &raw const __rodata_end, Flags::NO_EXECUTE),
        (&raw const __data_start, &raw const __kernel_end, data),
    ];
    for (start, end, flags) in parts {
        let mut page = start as u64 & !0xfff;
        while page < end as u64 {
            builder.map(page, page - KERNEL_BASE, 1, flags)?;
            page += 4096;
        }
    }
    for core in 0..u64::from(cores) {
        let end = STACK_AREA + (core + 1) * STACK_STRIDE;
        let mut page = end - STACK_SIZE;
        while page < end {
            let frame = Frame::zeroed(ActivityId::INFRASTRUCTURE)?.into_entry();
            builder.map(page, frame, 1, data)?;
            page += 4096;
        }
    }
    protect_image(&builder)?;
    // Every space takes over the entry of the root that this makes.
    builder.entry(DEVICE_AREA, 1)?;
    Some(builder.root)
}

/// Nothing may write the kernel's text through the map of all memory either.
fn protect_image(builder: &Builder) -> Option<()> {
    let first = (&raw const __text_start) as u64 - KERNEL_BASE;
    let last = (&raw const __rodata_end) as u64 - KERNEL_BASE;
    let mut large = first & !(LARGE - 1);
    while large < last {
        // One table of small pages in place of the large one.
        let entry = builder.entry(direct(large), 2)?;
        let table = Builder::new_table()?;
        // SAFETY: an entry of a table that this builder made, not in use yet.
        unsafe { entry.write(table | (Flags::PRESENT | Flags::WRITABLE).bits()) };
        for page in (large..large + LARGE).step_by(4096) {
            let writable =
                if page >= first && page < last { Flags::empty() } else { Flags::WRITABLE };
            builder.map(direct(page), page, 1, Flags::NO_EXECUTE | writable)?;
        }
        large += LARGE;
    }
    Some(())
}

/// The end of the kernel's image in physical memory.
pub(crate) fn image_end() -> u64 {
    (&raw const __kernel_end) as u64 - KERNEL_BASE
}
