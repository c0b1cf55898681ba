//! The end of the kernel by its own fault: the message, and where it happened.
//!
//! Frames are followed by frame pointers; the addresses are symbolized on the host.

use core::fmt::{Display, Write};
use core::sync::atomic::Ordering;

use crate::power::{Status, power_off};
use crate::{boot, statics};

const DEPTH: usize = 32;

/// Prints the fault and a backtrace, and ends the machine.
pub fn die(what: &dyn Display) -> ! {
    let frame: u64;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack)) };
    die_at(what, None, frame)
}

pub(crate) fn die_at(what: &dyn Display, rip: Option<u64>, frame: u64) -> ! {
    x86_64::instructions::interrupts::disable();
    if statics::DEAD.swap(true, Ordering::SeqCst) {
        // Another core was first, or this one has failed to say why it fails.
        loop {
            x86_64::instructions::hlt();
        }
    }
    // The one who has the console may be this core itself.
    // SAFETY: all other cores that come here stop above; one in the middle of printing at
    // worst mixes its bytes with these.
    unsafe { statics::CONSOLE.force_unlock() };
    let mut console = statics::CONSOLE.lock();
    let _ = writeln!(console, "\npanic: {what}");
    if let Some(rip) = rip {
        let _ = writeln!(console, "  at {rip:#x}");
    }
    backtrace(frame, |address| {
        let _ = writeln!(console, "  at {address:#x}");
    });
    drop(console);
    power_off(Status::Failed(0x7f), true)
}

/// Calls `each` for the return addresses of the frames from this one on.
pub fn backtrace(mut frame: u64, mut each: impl FnMut(u64)) {
    for _ in 0..DEPTH {
        if !boot::is_kernel_stack(frame) || !frame.is_multiple_of(8) {
            return;
        }
        // SAFETY: an aligned address within a mapped kernel stack.
        let next = unsafe { (frame as *const u64).read() };
        // SAFETY: the same; stacks end with room for this.
        let back = unsafe { (frame as *const u64).wrapping_add(1).read() };
        if back == 0 {
            return;
        }
        each(back);
        if next <= frame {
            return;
        }
        frame = next;
    }
}
