//! The machine: the only floor that knows x86-64.
//!
//! It boots by PVH, starts every processor, builds page tables, keeps the frames of memory,
//! delivers traps and time, and lets threads run in user mode. Above it everything forbids
//! unsafe code; so its interface is safe, whatever the floors above do with it.
//!
//! # Invariants
//! - No interrupt is taken in kernel mode but where [`Cpu::idle`] and [`Cpu::poll`] let them
//!   in, and these only note them. That is what makes `&mut` state of a
//!   core sound.
//! - The kernel never dereferences a user address: user memory is reached through
//!   [`Frame`]s, by volatile copies.
//! - A frame is given out again only when no page table of any core can reach it.
#![no_std]

extern crate alloc;

mod boot;
mod cpu;
mod fault;
mod memory;
mod pci;
mod power;
mod rtc;
mod serial;
mod statics;
mod user;
mod virtio;

pub use boot::{Boot, CommandLine};
pub use cpu::{Cpu, MAX_CORES, Poker, entropy, features};
pub use fault::{backtrace, die};
pub use memory::{
    Access, Frame, HUGE_PAGE, Huge, Look, MapError, PAGE, Seen, Space, USER_END, Use, Wanted,
    Withdrawn, Work, charge_leaving, charge_object, force_object, free_tables, heap_counters,
    heap_rest, memory_counters, multiplex, multiplexor, object_fits, page_of, reclaiming,
    refund_object, with_earmarks,
};
pub use power::{Status, power_off};
pub use serial::{console_read, console_write};
pub use user::{Exit, Fault, FaultKind, Program, Registers, UserContext, save_vectors};
pub use virtio::{
    Broken, Buffer, Completion, Line, MOST_SEGMENTS, NotGiven, Piece, VirtQueue, VirtioDevice,
    VirtioError, VirtioKind, virtio_devices,
};

/// Names the kernel's main function: where [`Boot`] is handed over on the first core.
///
/// The one thing that cannot be said without a symbol: the boot code must find it.
#[cfg(target_os = "none")]
#[macro_export]
macro_rules! main {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "Rust" fn vortex_main(boot: $crate::Boot) -> ! {
            $main(boot)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::die(info)
        }
    };
}
