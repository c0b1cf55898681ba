//! A thread's vector and floating-point state, as XSAVE (or FXSAVE) lays it out.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;

use crate::cpu::features;

/// Room for the state, aligned as XSAVE wants it.
#[derive(Debug)]
pub(crate) struct Vectors {
    area: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it owns its memory.
unsafe impl Send for Vectors {}
// SAFETY: shared references only read.
unsafe impl Sync for Vectors {}

const CONTROL: usize = 0;
const MXCSR: usize = 24;
const HEADER: usize = 512;
const LEGACY: usize = 512;

fn size() -> usize {
    if features().xsave {
        // Leaf 13, subleaf 0, %ebx: the size of what is turned on.
        (core::arch::x86_64::__cpuid_count(13, 0).ebx as usize).max(LEGACY + 64)
    } else {
        LEGACY
    }
}

impl Vectors {
    /// The state in which a program begins.
    pub fn new() -> Option<Self> {
        let vectors = Self::empty()?;
        const CONTROL_WORD: u16 = 0x037f;
        const MXCSR_VALUE: u32 = 0x1f80;
        // SAFETY: within the area.
        let control = unsafe { vectors.area.add(CONTROL) }.cast::<u16>();
        // SAFETY: aligned, within the area.
        unsafe { control.write(CONTROL_WORD) };
        // SAFETY: within the area.
        let mxcsr = unsafe { vectors.area.add(MXCSR) }.cast::<u32>();
        // SAFETY: aligned, within the area.
        unsafe { mxcsr.write(MXCSR_VALUE) };
        if features().xsave {
            // SAFETY: within the area.
            let header = unsafe { vectors.area.add(HEADER) }.cast::<u64>();
            // x87 and SSE are in the area; all else is in its first state.
            // SAFETY: aligned, within the area.
            unsafe { header.write(0b11) };
        }
        Some(vectors)
    }

    fn empty() -> Option<Self> {
        let layout = Layout::from_size_align(size(), 64).ok()?;
        // SAFETY: the size is not zero.
        let area = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { area, layout })
    }

    pub fn copy(&self) -> Option<Self> {
        let copy = Self::empty()?;
        let (from, to) = (self.area.as_ptr(), copy.area.as_ptr());
        // SAFETY: both areas are of this length, and two.
        unsafe { core::ptr::copy_nonoverlapping(from, to, self.layout.size()) };
        Some(copy)
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the area is that long and initialized.
        unsafe { core::slice::from_raw_parts(self.area.as_ptr(), self.layout.size()) }
    }

    /// Takes in a state that a program gives. False, and nothing changed, where XRSTOR
    /// would refuse it.
    pub fn set(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() != self.layout.size() {
            return false;
        }
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(u64::MAX, u64::from_le_bytes)
        };
        const MXCSR_FREE: u64 = 0xffff;
        if word(MXCSR) & 0xffff_ffff & !MXCSR_FREE != 0 {
            return false;
        }
        let header_good = !features().xsave
            || (word(HEADER) & !features().vector_parts == 0
                && (8..64).step_by(8).all(|at| word(HEADER + at) == 0));
        if header_good {
            // SAFETY: the lengths are the same, and the area is ours.
            unsafe {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.area.as_ptr(), bytes.len())
            };
        }
        header_good
    }

    /// Saves the registers here.
    pub fn save(&mut self) {
        let area = self.area.as_ptr();
        let parts = features().vector_parts;
        let (low, high) = (parts as u32, (parts >> 32) as u32);
        if features().xsaveopt {
            // SAFETY: the area is aligned and as large as the parts that are on need.
            unsafe {
                core::arch::asm!("xsaveopt64 [{}]", in(reg) area, in("eax") low, in("edx") high,
                    options(nostack, preserves_flags));
            }
        } else if features().xsave {
            // SAFETY: the same.
            unsafe {
                core::arch::asm!("xsave64 [{}]", in(reg) area, in("eax") low, in("edx") high,
                    options(nostack, preserves_flags));
            }
        } else {
            // SAFETY: the area is aligned and 512 bytes long.
            unsafe {
                core::arch::asm!("fxsave64 [{}]", in(reg) area, options(nostack, preserves_flags))
            };
        }
    }

    /// Loads the registers from here.
    pub fn load(&self) {
        let area = self.area.as_ptr();
        let parts = features().vector_parts;
        if features().xsave {
            let (low, high) = (parts as u32, (parts >> 32) as u32);
            // SAFETY: the area was made by `new`, saved by the processor, or checked by `set`.
            unsafe {
                core::arch::asm!("xrstor64 [{}]", in(reg) area, in("eax") low, in("edx") high,
                    options(nostack, preserves_flags));
            }
        } else {
            // SAFETY: the same.
            unsafe {
                core::arch::asm!("fxrstor64 [{}]", in(reg) area, options(nostack, preserves_flags))
            };
        }
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        // SAFETY: allocated by `empty` with this layout.
        unsafe { dealloc(self.area.as_ptr(), self.layout) };
    }
}
