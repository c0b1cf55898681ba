//! One function: its header and its capabilities.

use crate::memory::Window;

const ID: usize = 0x00;
const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const HEADER: usize = 0x0e;
const BARS: usize = 0x10;
const SECONDARY_BUS: usize = 0x19;
const SUBSYSTEM: usize = 0x2e;
const CAPABILITIES: usize = 0x34;

const NOBODY: u32 = 0xffff_ffff;
const MORE_FUNCTIONS: u8 = 0x80;
const BRIDGE: u8 = 1;
const HAS_CAPABILITIES: u16 = 1 << 4;
/// In the command register: it answers at its BARs, it may reach memory, it sends no INTx.
const MEMORY: u16 = 1 << 1;
const MASTER: u16 = 1 << 2;
const NO_LINE: u16 = 1 << 10;
/// As many capabilities as fit behind the header.
const MOST: usize = 48;
/// The last BAR's number of an ordinary function.
const LAST_BAR: u8 = 5;

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    configuration: Window,
}

impl Function {
    /// The function with this configuration; `None` if there is none.
    pub fn new(configuration: Window) -> Option<Self> {
        (configuration.read32(ID) != NOBODY).then_some(Self { configuration })
    }

    /// Its vendor and what it is.
    pub fn id(&self) -> (u16, u16) {
        (self.configuration.read16(ID), self.configuration.read16(ID + 2))
    }

    /// What its maker calls it beside.
    pub fn subsystem(&self) -> u16 {
        self.configuration.read16(SUBSYSTEM)
    }

    /// Whether the device has further functions.
    pub fn has_more(&self) -> bool {
        self.configuration.read8(HEADER) & MORE_FUNCTIONS != 0
    }

    /// The bus behind a bridge.
    pub fn leads_to(&self) -> Option<u8> {
        let kind = self.configuration.read8(HEADER) & !MORE_FUNCTIONS;
        (kind == BRIDGE).then(|| self.configuration.read8(SECONDARY_BUS))
    }

    /// Its capabilities of a kind: where each is in its configuration.
    pub fn capabilities(&self, kind: u8) -> impl Iterator<Item = usize> + '_ {
        let has = self.configuration.read16(STATUS) & HAS_CAPABILITIES != 0;
        let mut next = if has { self.configuration.read8(CAPABILITIES) } else { 0 };
        let all = core::iter::from_fn(move || {
            let at = usize::from(next & !3);
            next = (at >= 0x40).then(|| self.configuration.read8(at + 1))?;
            Some(at)
        });
        all.take(MOST).filter(move |at| self.configuration.read8(*at) == kind)
    }

    /// Its configuration.
    pub fn configuration(&self) -> &Window {
        &self.configuration
    }

    /// Registers in one of its BARs; `None` where that is not in memory, or holds it.
    pub fn window(&self, bar: u8, at: u32, length: usize) -> Option<Window> {
        const IN_PORTS: u32 = 1;
        const WIDE: u32 = 0b110;
        const IS_WIDE: u32 = 0b100;
        if bar > LAST_BAR {
            return None;
        }
        let place = BARS + usize::from(bar) * 4;
        let low = self.configuration.read32(place);
        if low & IN_PORTS != 0 {
            return None;
        }
        let high = match low & WIDE {
            IS_WIDE if bar < LAST_BAR => self.configuration.read32(place + 4),
            0 => 0,
            _ => return None,
        };
        let base = u64::from(high) << 32 | u64::from(low & !0xf);
        if base == 0 {
            return None;
        }
        // SAFETY: the firmware has put this function's registers here, where memory is not;
        // its one driver asks for them.
        unsafe { Window::new(base.checked_add(u64::from(at))?, length) }
    }

    /// Lets it answer at its BARs and reach memory; it is to interrupt by messages alone.
    pub fn enable(&self) {
        let command = self.configuration.read16(COMMAND);
        self.configuration.write16(COMMAND, command | MEMORY | MASTER | NO_LINE);
    }

    /// It does not reach memory any more, whatever it does.
    pub fn cut_off(&self) {
        let command = self.configuration.read16(COMMAND);
        self.configuration.write16(COMMAND, command & !MASTER);
    }
}
