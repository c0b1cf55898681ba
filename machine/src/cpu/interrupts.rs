//! The interrupt descriptor table, and what a trap in the kernel does.

use alloc::boxed::Box;

use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::registers::control::Cr2;
use x86_64::structures::DescriptorTablePointer;

use super::apic;
use super::area;
use super::segments::{IST_DOUBLE_FAULT, IST_NMI};
use crate::fault;

/// Vectors in use, beside the processor's own exceptions.
pub(crate) mod vector {
    pub const NMI: u8 = 2;
    pub const DOUBLE_FAULT: u8 = 8;
    pub const PAGE_FAULT: u8 = 14;
    /// The first that is not an exception.
    pub const FIRST: u8 = 32;
    /// The first UART's line.
    pub const SERIAL: u8 = 0x40;
    /// The first of those of devices, up to the timer's.
    pub const DEVICES: u8 = 0x50;
    pub const TIMER: u8 = 0xe0;
    pub const POKE: u8 = 0xe1;
    pub const SPURIOUS: u8 = 0xff;
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Gate {
    low: u16,
    selector: u16,
    stack: u8,
    kind: u8,
    middle: u16,
    high: u32,
    zero: u32,
}

/// The table of gates, the same for all cores.
pub(crate) struct Interrupts(Box<[Gate; 256]>);

unsafe extern "C" {
    fn vector_stubs();
    fn nmi_entry();
}

impl Interrupts {
    pub fn new() -> Self {
        const KERNEL_CODE: u16 = 0x08;
        /// Present, for the kernel's use only, interrupts off.
        const INTERRUPT_GATE: u8 = 0x8e;
        /// `int3` and `into` may come from programs.
        const FROM_USER: u8 = 0xee;
        let stubs = vector_stubs as *const () as u64;
        let gates = core::array::from_fn(|vector| {
            let stack = match vector as u8 {
                vector::DOUBLE_FAULT => IST_DOUBLE_FAULT as u8,
                vector::NMI => IST_NMI as u8,
                _ => 0,
            };
            let entry = match vector as u8 {
                vector::NMI => nmi_entry as *const () as u64,
                _ => stubs + vector as u64 * 16,
            };
            Gate {
                low: entry as u16,
                selector: KERNEL_CODE,
                stack,
                kind: if matches!(vector, 3 | 4) { FROM_USER } else { INTERRUPT_GATE },
                middle: (entry >> 16) as u16,
                high: (entry >> 32) as u32,
                zero: 0,
            }
        });
        Self(Box::new(gates))
    }

    pub fn load(&'static self) {
        let limit = (size_of::<[Gate; 256]>() - 1) as u16;
        let pointer = DescriptorTablePointer { limit, base: VirtAddr::from_ptr(self.0.as_ptr()) };
        // SAFETY: the table lives for good, and each gate leads to a stub for its vector.
        unsafe { lidt(&pointer) };
    }
}

/// What `trap_in_kernel` has pushed.
#[repr(C)]
struct Pushed {
    rbp: u64,
    caller_saved: [u64; 9],
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// A trap while the kernel ran: an interrupt where they are let in, or the kernel's end.
#[unsafe(no_mangle)]
extern "C" fn kernel_trap(pushed: &Pushed) {
    let vector = pushed.vector as u8;
    if vector >= vector::FIRST {
        let area = area::current();
        // SAFETY: the core's own area; the code that was interrupted waits in `open` and
        // holds no reference into these fields.
        unsafe { (*area).note(vector) };
        if vector != vector::SPURIOUS {
            apic::end_of_interrupt();
        }
        return;
    }
    let at = format_args!(
        "exception {vector} (error {:#x}) in the kernel, cr2 {:#x}, rsp {:#x}",
        pushed.error,
        Cr2::read_raw(),
        pushed.rsp
    );
    fault::die_at(&at, Some(pushed.rip), pushed.rbp);
}
