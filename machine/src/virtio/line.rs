//! A device's interrupt: a message, and the vector at which it arrives at its core.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, Ordering};

use vortex_units::CoreId;

use super::{Control, VirtioError, apic_of};
use crate::cpu::{Cpu, vector};

/// The next vector for a device.
static NEXT: AtomicU8 = AtomicU8::new(vector::DEVICES);

/// An interrupt of a device.
#[derive(Debug)]
pub struct Line {
    control: Arc<Control>,
    message: u16,
    vector: u8,
    core: CoreId,
}

impl Line {
    pub(super) fn new(
        control: Arc<Control>,
        message: u16,
        core: CoreId,
    ) -> Result<Self, VirtioError> {
        let taken = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next < vector::TIMER).then_some(next + 1)
        });
        let vector = taken.map_err(|_| VirtioError::Vector)?;
        let apic = apic_of(core).ok_or(VirtioError::Vector)?;
        if message >= control.msix.size() {
            return Err(VirtioError::Messages);
        }
        if !control.msix.set(message, apic, vector) {
            return Err(VirtioError::Vector);
        }
        Ok(Self { control, message, vector, core })
    }

    /// The core that it interrupts.
    #[must_use]
    pub fn core(&self) -> CoreId {
        self.core
    }

    pub(super) fn message(&self) -> u16 {
        self.message
    }

    /// Whether it has come since it was last asked for.
    pub fn take(&self, cpu: &mut Cpu) -> bool {
        cpu.take(self.vector)
    }

    /// It does not come any more, even from a device that will not be quiet.
    pub fn mask(&self) {
        self.control.msix.mask(self.message);
    }

    /// It may come again; if it would have meanwhile, it does.
    pub fn unmask(&self) {
        self.control.msix.unmask(self.message);
    }
}
