//! PCI: which functions there are, and what they say of themselves (PCI Express base
//! specification, chapter 7; the configuration space lies in memory, where ACPI's MCFG says).
//!
//! What a function says is not trusted: lists that lead in circles end, and what lies where
//! memory is, is not looked at.

mod function;
mod msix;

use alloc::vec::Vec;

use crate::memory::Window;
use crate::statics;
pub(crate) use function::Function;
pub(crate) use msix::Msix;

/// Where the configuration of some buses is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// Of the first of them that could be.
    pub address: u64,
    /// The first bus and the last.
    pub buses: (u8, u8),
}

/// The configuration of one function.
const CONFIGURATION: usize = 4096;
const DEVICES: u64 = 32;
const FUNCTIONS: u64 = 8;

impl Segment {
    /// The configuration of a place on a bus; `None` where there is no function.
    fn function(&self, bus: u8, device: u64, function: u64) -> Option<Function> {
        let within = u64::from(bus.checked_sub(self.buses.0)?) << 20;
        let place = within | device << 15 | function << 12;
        // SAFETY: the firmware says that the configuration of functions is here; nobody else
        // reads or writes it.
        let window = unsafe { Window::new(self.address.checked_add(place)?, CONFIGURATION) };
        Function::new(window?)
    }

    /// What is on a bus.
    fn on(&self, bus: u8, found: &mut Vec<Function>) {
        for device in 0..DEVICES {
            let Some(first) = self.function(bus, device, 0) else { continue };
            let many = first.has_more();
            found.push(first);
            if many {
                found.extend((1..FUNCTIONS).filter_map(|of| self.function(bus, device, of)));
            }
        }
    }
}

/// All functions that there are, on the first bus and behind bridges.
pub(crate) fn functions() -> Vec<Function> {
    let mut all = Vec::new();
    for segment in statics::PLATFORM.get().map_or(&[][..], |platform| &platform.pci) {
        let (mut seen, mut next) = ([false; 256], alloc::vec![segment.buses.0]);
        while let Some(bus) = next.pop() {
            let new =
                seen.get_mut(usize::from(bus)).is_some_and(|seen| !core::mem::replace(seen, true));
            if !new || bus > segment.buses.1 {
                continue;
            }
            let from = all.len();
            segment.on(bus, &mut all);
            let found = all.get(from..).unwrap_or_default();
            next.extend(found.iter().filter_map(Function::leads_to));
        }
    }
    all
}
