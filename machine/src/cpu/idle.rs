//! Letting interrupts in: between requests, and while there is nothing to do.

use vortex_units::Cycles;
use x86_64::instructions::interrupts;

use super::{Cpu, vector};

impl Cpu {
    /// Lets pending interrupts in for a moment; they are only noted.
    #[inline]
    pub fn poll(&mut self) {
        self.area.open = true;
        // SAFETY: what comes in meanwhile is only noted (`kernel_trap`). `sti` takes effect
        // after the instruction behind it.
        unsafe { core::arch::asm!("sti", "nop", "cli", options(nostack)) };
        self.area.open = false;
        self.note_timer();
    }

    /// Waits for an interrupt, or until this time.
    pub fn idle(&mut self, until: Option<Cycles>) {
        match until {
            Some(until) => self.arm(until),
            None => self.disarm(),
        }
        if self.area.pending.iter().all(|&word| word == 0) {
            interrupts::enable_and_hlt();
            interrupts::disable();
        }
        self.note_timer();
    }

    /// Whether this interrupt has come since it was last asked for.
    pub fn take(&mut self, vector: u8) -> bool {
        self.area.take(vector)
    }

    /// Whether the console's device has called.
    pub fn take_serial(&mut self) -> bool {
        self.area.take(vector::SERIAL)
    }

    /// The timer and the poke are only reasons to look: nobody takes them up.
    pub(crate) fn note_timer(&mut self) {
        if self.area.take(vector::TIMER) {
            self.armed = None;
        }
        let _ = self.area.take(vector::POKE);
        let _ = self.area.take(vector::SPURIOUS);
    }

    /// Sees to it that the timer fires at this time or before.
    pub(crate) fn arm(&mut self, at: Cycles) {
        let now = self.now();
        if self.armed.is_some_and(|armed| armed <= at && armed > now) {
            return;
        }
        self.apic.arm(at, now);
        self.armed = Some(at);
    }

    fn disarm(&mut self) {
        self.armed = None;
    }
}
