//! Ending the machine: ACPI's soft-off, or QEMU's debug exit.

use x86_64::instructions::port::Port;

use crate::statics;

/// QEMU's `isa-debug-exit` as the command line places it.
const DEBUG_EXIT: u16 = 0xf4;

/// How the machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All that was asked for was done.
    Good,
    /// It was not.
    Failed(u8),
}

/// The registers with which ACPI turns the machine off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoftOff {
    pub control: u16,
    pub sleep_type: u16,
}

/// Turns the machine off. With `debug` the status becomes QEMU's exit code (2 × status + 1).
pub fn power_off(status: Status, debug: bool) -> ! {
    if debug {
        let code = match status {
            Status::Good => 0,
            Status::Failed(code) => code.max(1),
        };
        // SAFETY: where the device is absent a write to this port does nothing.
        unsafe { Port::<u8>::new(DEBUG_EXIT).write(code) };
    }
    if let Some(off) = statics::PLATFORM.get().and_then(|platform| platform.soft_off) {
        const SLEEP_ENABLE: u16 = 1 << 13;
        // SAFETY: the firmware's tables name this port for this purpose.
        unsafe { Port::<u16>::new(off.control).write(off.sleep_type << 10 | SLEEP_ENABLE) };
    }
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}
