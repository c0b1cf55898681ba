//! Windows onto the registers of devices.
//!
//! # Invariants
//! - A window lies in memory that is a device's: nothing of it is a frame, or the kernel's.
//! - Every access is within the window, aligned, and one access of the processor.

use core::sync::atomic::Ordering;

use spin::Mutex;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::kernel_map::{Builder, DEVICE_AREA, DEVICE_AREA_SIZE};
use super::{PAGE, direct};
use crate::statics;

const PAGE_U64: u64 = PAGE as u64;
/// As far as every device is mapped from the beginning.
const MAPPED: u64 = 4 << 30;

/// A device's registers. What is read beyond them is all ones, as on the bus, and what is
/// written there is lost.
#[derive(Debug)]
pub(crate) struct Window {
    base: u64,
    length: usize,
}

/// How much of the area for devices is in use.
static TAKEN: Mutex<u64> = Mutex::new(0);

impl Window {
    /// The registers at a physical address. `None` where that is memory, or there is no room
    /// to map them.
    ///
    /// # Safety
    /// There is a device at these addresses, or nothing; and nobody else drives it.
    pub unsafe fn new(physical: u64, length: usize) -> Option<Self> {
        let end = physical.checked_add(length as u64)?;
        let is_memory = statics::PLATFORM.get()?.is_memory(physical, end);
        if length == 0 || physical == 0 || is_memory {
            return None;
        }
        let base = if end <= MAPPED { direct(physical) } else { map(physical, length)? };
        Some(Self { base, length })
    }

    /// A part of it; `None` where it does not reach so far.
    pub fn part(&self, at: usize, length: usize) -> Option<Self> {
        let end = at.checked_add(length)?;
        (end <= self.length).then(|| Self { base: self.base + at as u64, length })
    }

    fn place<T>(&self, at: usize) -> Option<*mut T> {
        let end = at.checked_add(size_of::<T>())?;
        let address = self.base + at as u64;
        (end <= self.length && address.is_multiple_of(size_of::<T>() as u64))
            .then_some(address as *mut T)
    }

    /// A byte.
    pub fn read8(&self, at: usize) -> u8 {
        // SAFETY: within the window, which is mapped for good.
        self.place::<u8>(at).map_or(!0, |place| unsafe { place.read_volatile() })
    }

    /// Two bytes.
    pub fn read16(&self, at: usize) -> u16 {
        // SAFETY: within the window, aligned.
        self.place::<u16>(at).map_or(!0, |place| unsafe { place.read_volatile() })
    }

    /// Four bytes.
    pub fn read32(&self, at: usize) -> u32 {
        // SAFETY: within the window, aligned.
        self.place::<u32>(at).map_or(!0, |place| unsafe { place.read_volatile() })
    }

    /// Writes a byte.
    pub fn write8(&self, at: usize, value: u8) {
        if let Some(place) = self.place::<u8>(at) {
            // SAFETY: within the window; what a device does about it is its driver's to know.
            unsafe { place.write_volatile(value) };
        }
    }

    /// Writes two bytes.
    pub fn write16(&self, at: usize, value: u16) {
        if let Some(place) = self.place::<u16>(at) {
            // SAFETY: as for a byte, aligned.
            unsafe { place.write_volatile(value) };
        }
    }

    /// Writes four bytes.
    pub fn write32(&self, at: usize, value: u32) {
        if let Some(place) = self.place::<u32>(at) {
            // SAFETY: as for a byte, aligned.
            unsafe { place.write_volatile(value) };
        }
    }

    /// Writes eight bytes, in two halves.
    pub fn write64(&self, at: usize, value: u64) {
        self.write32(at, value as u32);
        self.write32(at.saturating_add(4), (value >> 32) as u32);
    }
}

/// Maps what lies where devices are not mapped from the beginning, for good.
fn map(physical: u64, length: usize) -> Option<u64> {
    let start = physical & !(PAGE_U64 - 1);
    let bytes = (physical + length as u64).next_multiple_of(PAGE_U64) - start;
    let mut taken = TAKEN.lock();
    let from = DEVICE_AREA + *taken;
    let end = taken.checked_add(bytes).filter(|end| *end <= DEVICE_AREA_SIZE)?;
    let builder = Builder::of(statics::kernel_root.load(Ordering::Relaxed));
    let flags = Flags::WRITABLE | Flags::NO_EXECUTE | Flags::NO_CACHE | Flags::WRITE_THROUGH;
    for page in (0..bytes).step_by(PAGE) {
        builder.map(from + page, start + page, 1, flags)?;
    }
    *taken = end;
    Some(from + (physical - start))
}
