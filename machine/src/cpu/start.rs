//! Starting the other cores.

use alloc::boxed::Box;
use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};

use super::area::{CoreArea, without_area};
use super::{Apic, Cpu, clock, features};
use crate::memory::pointer;
use crate::statics;

/// The page at which other cores begin in real mode. `start.s` knows it.
const STARTUP_PAGE: u8 = 0x08;

/// What every core runs once all is set up.
pub(crate) struct Launch(pub Box<dyn Fn(Cpu) -> Infallible + Send + Sync>);

static STARTED: AtomicU32 = AtomicU32::new(1);

unsafe extern "C" {
    static ap_image: u8;
    static ap_image_end: u8;
}

/// Its physical address.
const STARTUP_ADDRESS: u64 = STARTUP_PAGE as u64 * 4096;

/// Starts the cores with these APIC numbers. Returns how many came, this one included.
pub(crate) fn start_others(ids: &[u32]) -> u32 {
    let image = &raw const ap_image;
    let length = (&raw const ap_image_end) as usize - image as usize;
    let from: *const u8 = pointer(image as u64);
    // SAFETY: the page is below 1 MiB, which nothing else uses; the image is mapped.
    unsafe { core::ptr::copy(from, pointer(STARTUP_ADDRESS), length) };
    for &id in ids {
        Apic::init(id);
    }
    clock::pause(10);
    let wanted = ids.len() as u32 + 1;
    // A second start-up message for who has not heard the first, as the manual has it.
    for _ in 0..2 {
        for &id in ids {
            if STARTED.load(Ordering::Acquire) < wanted {
                Apic::startup(id, STARTUP_PAGE);
            }
        }
        for _ in 0..500 {
            if STARTED.load(Ordering::Acquire) >= wanted {
                return wanted;
            }
            clock::pause(1);
        }
    }
    STARTED.load(Ordering::Acquire)
}

/// Sets up the core that this runs on.
pub(crate) fn set_up_core() -> Cpu {
    features::enable();
    let apic = Apic::enable();
    let id = Apic::id();
    let cores = statics::PLATFORM.get().map_or(&[][..], |platform| &platform.cores);
    let index = cores.iter().position(|&core| core == id).unwrap_or(0);
    let area = CoreArea::install(vortex_units::CoreId::new(index as u16));
    if let Some(interrupts) = statics::INTERRUPTS.get() {
        interrupts.load();
    }
    Cpu::new(area, apic)
}

/// Where every core comes to, on its own stack.
#[unsafe(no_mangle)]
extern "C" fn core_entry(slot: u32) -> ! {
    without_area();
    if slot == 0 {
        crate::boot::first_on_its_stack();
    }
    let cpu = set_up_core();
    STARTED.fetch_add(1, Ordering::AcqRel);
    loop {
        if let Some(launch) = statics::LAUNCH.get() {
            match (launch.0)(cpu) {}
        }
        core::hint::spin_loop();
    }
}
