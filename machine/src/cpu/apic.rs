//! The local APIC: interprocessor interrupts, the timer, the end of interrupts. As xAPIC
//! (registers in memory) or x2APIC (registers of the processor).

use core::sync::atomic::{AtomicBool, Ordering};

use vortex_units::Cycles;
use x86_64::instructions::port::Port;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};

use super::{Clock, vector};
use crate::memory::pointer;
use crate::statics;

const ID: u32 = 0x20;
const END: u32 = 0xb0;
const SPURIOUS: u32 = 0xf0;
const COMMAND: u32 = 0x300;
const COMMAND_HIGH: u32 = 0x310;
const TIMER: u32 = 0x320;
const INITIAL: u32 = 0x380;
const CURRENT: u32 = 0x390;
const DIVIDE: u32 = 0x3e0;
const ENABLED: u32 = 1 << 8;
const DIVIDE_BY_ONE: u32 = 0b1011;
const MASKED: u32 = 1 << 16;
const DEADLINE_MODE: u32 = 2 << 17;
const XAPIC: u64 = 0xfee0_0000;
const IA32_TSC_DEADLINE: u32 = 0x6e0;

/// Whether the registers are the processor's. The same on all cores, set by the first.
static X2APIC: AtomicBool = AtomicBool::new(false);

/// The local APIC of the core on which this is used. All cores' are alike.
#[derive(Clone, Debug)]
pub(crate) struct Apic {
    deadline: bool,
}

fn read(register: u32) -> u32 {
    if X2APIC.load(Ordering::Relaxed) {
        // SAFETY: x2APIC is on, and the register is one of the APIC's.
        return unsafe { Msr::new(0x800 + (register >> 4)).read() } as u32;
    }
    // SAFETY: the registers are mapped there, uncached.
    unsafe { pointer::<u32>(XAPIC + u64::from(register)).read_volatile() }
}

fn write(register: u32, value: u32) {
    if X2APIC.load(Ordering::Relaxed) {
        // SAFETY: x2APIC is on; only this module writes, what the manual says.
        unsafe { Msr::new(0x800 + (register >> 4)).write(u64::from(value)) };
        return;
    }
    // SAFETY: the registers are mapped there, uncached; only this module writes.
    unsafe { pointer::<u32>(XAPIC + u64::from(register)).write_volatile(value) };
}

/// What the timer is set up as.
fn timer(deadline: bool) -> u32 {
    u32::from(vector::TIMER) | if deadline { DEADLINE_MODE } else { 0 }
}

/// Says that the interrupt in service has been taken.
pub(crate) fn end_of_interrupt() {
    write(END, 0);
}

impl Apic {
    /// Turns on the APIC of this core.
    pub fn enable() -> Self {
        let features = super::features();
        let (frame, mut flags) = ApicBase::read();
        flags.insert(ApicBaseFlags::LAPIC_ENABLE);
        if features.x2apic {
            flags.insert(ApicBaseFlags::X2APIC_ENABLE);
            X2APIC.store(true, Ordering::Relaxed);
        }
        // SAFETY: turns the APIC on where it is.
        unsafe { ApicBase::write(frame, flags) };
        write(SPURIOUS, ENABLED | u32::from(vector::SPURIOUS));
        write(DIVIDE, DIVIDE_BY_ONE);
        let deadline = features.tsc_deadline;
        write(TIMER, timer(deadline));
        Self { deadline }
    }

    /// The number by which other cores name this one.
    pub fn id() -> u32 {
        if X2APIC.load(Ordering::Relaxed) { read(ID) } else { read(ID) >> 24 }
    }

    fn command(target: u32, low: u32) {
        if X2APIC.load(Ordering::Relaxed) {
            let value = u64::from(target) << 32 | u64::from(low);
            // The x2APIC's write is not ordered behind earlier stores by itself.
            core::sync::atomic::fence(Ordering::SeqCst);
            // SAFETY: x2APIC is on.
            unsafe { Msr::new(0x800 + (COMMAND >> 4)).write(value) };
            return;
        }
        write(COMMAND_HIGH, target << 24);
        write(COMMAND, low);
        const PENDING: u32 = 1 << 12;
        while read(COMMAND) & PENDING != 0 {
            core::hint::spin_loop();
        }
    }

    /// Interrupts another core.
    pub fn send(&self, target: u32, vector: u8) {
        Self::command(target, u32::from(vector));
    }

    /// Resets another core.
    pub fn init(target: u32) {
        const INIT_ASSERTED: u32 = 0x4500;
        Self::command(target, INIT_ASSERTED);
    }

    /// Starts another core, after its reset, in real mode at this page.
    pub fn startup(target: u32, page: u8) {
        const STARTUP: u32 = 0x4600;
        Self::command(target, STARTUP | u32::from(page));
    }

    /// Has the timer count down for nobody, while `measure` looks at it.
    pub fn counting<T>(measure: impl FnOnce(&dyn Fn() -> u32) -> T) -> T {
        write(TIMER, MASKED);
        write(INITIAL, u32::MAX);
        let measured = measure(&|| read(CURRENT));
        write(INITIAL, 0);
        write(TIMER, timer(super::features().tsc_deadline));
        measured
    }

    /// Sets the timer to fire at this time, at the earliest.
    pub fn arm(&self, at: Cycles, now: Cycles) {
        if self.deadline {
            // SAFETY: the timer is in deadline mode, which the processor has.
            unsafe { Msr::new(IA32_TSC_DEADLINE).write(at.get().max(1)) };
            return;
        }
        let ratio = statics::PLATFORM
            .get()
            .and_then(|platform| platform.clock.get())
            .map_or(1 << 32, Clock::timer_ratio);
        let ticks = (u128::from(at.saturating_sub(now).get()) * u128::from(ratio)) >> 32;
        write(INITIAL, u32::try_from(ticks).unwrap_or(u32::MAX).max(1));
    }
}

/// Masks the old interrupt controllers, which else send the PIT's interrupt as an exception.
pub(crate) fn mask_pic() {
    for port in [0x21, 0xa1] {
        // SAFETY: the mask registers of a PC's two controllers; absent ones ignore it.
        unsafe { Port::<u8>::new(port).write(0xff) };
    }
}
