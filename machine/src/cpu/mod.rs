//! The processors: what each has of its own, and how a floor above drives one.

mod apic;
mod area;
mod clock;
mod features;
mod idle;
mod interrupts;
mod ioapic;
mod segments;
mod start;

pub(crate) use apic::{Apic, end_of_interrupt, mask_pic};
pub(crate) use area::{AREA_MAGAZINES, CoreArea, this_core, with_vectors, without_area};
pub(crate) use clock::Clock;
pub use features::{entropy, features};
pub(crate) use interrupts::{Interrupts, vector};
pub(crate) use ioapic::{IoApic, listen_to_console};
pub(crate) use start::{Launch, set_up_core, start_others};

use alloc::sync::Arc;
use core::marker::PhantomData;

use vortex_units::{CoreId, Cycles};

use crate::memory::Space;
use crate::statics;

/// The most cores that are used.
pub const MAX_CORES: usize = vortex_tables::MAX_CORES;

/// A processor, as the code that runs on it holds it. There is one a core, and it stays
/// there.
pub struct Cpu {
    pub(crate) area: &'static mut CoreArea,
    pub(crate) apic: Apic,
    /// The space that is loaded, and of which generation.
    pub(crate) loaded: Option<(Arc<Space>, u64)>,
    /// When the timer will fire, if it is set.
    pub(crate) armed: Option<Cycles>,
    here: PhantomData<*mut ()>,
}

impl Cpu {
    pub(crate) fn new(area: &'static mut CoreArea, apic: Apic) -> Self {
        Self { area, apic, loaded: None, armed: None, here: PhantomData }
    }

    /// Which core this is.
    #[must_use]
    pub fn id(&self) -> CoreId {
        self.area.core
    }

    /// The time stamp counter: all cores' agree.
    #[must_use]
    pub fn now(&self) -> Cycles {
        now()
    }

    /// Something to wake other cores with, which may be kept elsewhere.
    #[must_use]
    pub fn poker(&self) -> Poker {
        Poker { apic: self.apic.clone() }
    }

    /// Gives up the address space that is loaded: it may be freed.
    pub fn unload(&mut self) {
        if self.loaded.take().is_some() {
            let root = statics::kernel_root.load(core::sync::atomic::Ordering::Relaxed);
            load_root(root);
        }
    }
}

/// The clock of a core, and a way to wake the others.
#[derive(Clone, Debug)]
pub struct Poker {
    apic: Apic,
}

impl Poker {
    /// The time stamp counter.
    #[must_use]
    pub fn now(&self) -> Cycles {
        now()
    }

    /// The whole megahertz of that counter.
    #[must_use]
    pub fn megahertz(&self) -> u64 {
        statics::PLATFORM
            .get()
            .and_then(|platform| platform.clock.get())
            .map_or(1_000, |clock| clock.megahertz)
    }

    /// Makes another core leave its idle wait or its user mode.
    pub fn poke(&self, core: CoreId) {
        let cores = statics::PLATFORM.get().map_or(&[][..], |platform| &platform.cores);
        if let Some(&id) = cores.get(core.index()) {
            self.apic.send(id, vector::POKE);
        }
    }
}

fn now() -> Cycles {
    // SAFETY: every x86-64 processor has the counter; user mode may read it too.
    Cycles::new(unsafe { core::arch::x86_64::_rdtsc() })
}

/// Loads a page table's root, which empties the TLB of all but the kernel's entries.
pub(crate) fn load_root(physical: u64) {
    // SAFETY: every root has the kernel's upper half, so what runs now stays mapped.
    unsafe { core::arch::asm!("mov cr3, {}", in(reg) physical, options(nostack, preserves_flags)) };
}
