//! The I/O APIC: which core a device's line interrupts, and with which vector.

use crate::memory::pointer;
use crate::statics;

/// Where the firmware's tables say that one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IoApic {
    pub address: u64,
    /// The first line that it serves.
    pub base: u32,
}

const SELECT: u64 = 0x00;
const WINDOW: u64 = 0x10;
const REDIRECTION: u32 = 0x10;

impl IoApic {
    fn write(&self, register: u32, value: u32) {
        // SAFETY: the firmware's tables name this address; it is mapped, uncached.
        unsafe { pointer::<u32>(self.address + SELECT).write_volatile(register) };
        // SAFETY: the same; the register selected above is written.
        unsafe { pointer::<u32>(self.address + WINDOW).write_volatile(value) };
    }

    /// Lets an edge-triggered line interrupt the core with this APIC number.
    fn route(&self, line: u32, vector: u8, core: u32) {
        let register = REDIRECTION + 2 * line.saturating_sub(self.base);
        self.write(register + 1, core << 24);
        self.write(register, u32::from(vector));
    }
}

/// Lets the console's device interrupt the first core when bytes have come.
pub(crate) fn listen_to_console() {
    /// The first UART's line on every PC.
    const LINE: u32 = 4;
    let Some(platform) = statics::PLATFORM.get() else { return };
    let (Some(ioapic), Some(&core)) = (platform.ioapic, platform.cores.first()) else { return };
    ioapic.route(LINE, super::vector::SERIAL, core);
    statics::CONSOLE.lock().listen();
}
