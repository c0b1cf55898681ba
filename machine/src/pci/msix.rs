//! MSI-X: interrupts as messages to a core, each with a vector of its own (PCI Express base
//! specification, 6.1.4).

use super::Function;
use crate::memory::Window;

/// The capability's number, and where it says what.
const CAPABILITY: u8 = 0x11;
const CONTROL: usize = 2;
const TABLE: usize = 4;

const ENABLED: u16 = 1 << 15;
const ALL_MASKED: u16 = 1 << 14;
const SIZE: u16 = 0x7ff;
/// An entry, and its parts.
const ENTRY: usize = 16;
const DATA: usize = 8;
const MASK: usize = 12;
const MASKED: u32 = 1;
/// Where messages to the cores' local APICs go (Intel SDM 3, 11.11).
const MESSAGES: u64 = 0xfee0_0000;

/// A function's table of messages.
#[derive(Debug)]
pub(crate) struct Msix {
    table: Window,
    size: u16,
}

impl Msix {
    /// Turns it on, all messages masked; `None` where the function has none.
    pub fn enable(function: &Function) -> Option<Self> {
        let at = function.capabilities(CAPABILITY).next()?;
        let configuration = function.configuration();
        let control = configuration.read16(at + CONTROL);
        let size = (control & SIZE) + 1;
        let place = configuration.read32(at + TABLE);
        let (bar, offset) = ((place & 7) as u8, place & !7);
        let table = function.window(bar, offset, usize::from(size) * ENTRY)?;
        let msix = Self { table, size };
        (0..size).for_each(|entry| msix.mask(entry));
        configuration.write16(at + CONTROL, control & !ALL_MASKED | ENABLED);
        Some(msix)
    }

    /// How many messages there are.
    pub fn size(&self) -> u16 {
        self.size
    }

    /// What a message does: interrupts the core with this APIC number at this vector. False
    /// where the core cannot be told by it.
    pub fn set(&self, entry: u16, core: u32, vector: u8) -> bool {
        let Ok(core) = u8::try_from(core) else { return false };
        if entry >= self.size {
            return false;
        }
        let at = usize::from(entry) * ENTRY;
        self.table.write64(at, MESSAGES | u64::from(core) << 12);
        self.table.write32(at + DATA, u32::from(vector));
        self.unmask(entry);
        true
    }

    /// The message is not sent; if it would have been, it is when it is unmasked.
    pub fn mask(&self, entry: u16) {
        self.table.write32(usize::from(entry) * ENTRY + MASK, MASKED);
    }

    /// The message is sent again.
    pub fn unmask(&self, entry: u16) {
        self.table.write32(usize::from(entry) * ENTRY + MASK, 0);
    }
}
