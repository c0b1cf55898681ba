//! All the state that hardware or the language forces to be global, in one place.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use spin::{Mutex, Once};
use vortex_tables::Leftover;

use crate::boot::Platform;
use crate::cpu::{Interrupts, Launch, MAX_CORES};
use crate::memory::{Counts, FreeFrames, Heap, Machine, Magazines, Rest};
use crate::serial::Console;

/// The kernel's heap: `alloc` knows one, global allocator.
#[cfg_attr(target_os = "none", global_allocator)]
pub(crate) static HEAP: Heap = Heap::new();

/// What each core keeps of it for itself.
pub(crate) static MAGAZINES: [Magazines; MAX_CORES] = [const { Magazines::empty() }; MAX_CORES];

/// What of the heap is on nobody's bill.
pub(crate) static REST: Rest = Rest::none();

/// The frames that nobody has, and not the multiplexor: shared by all cores.
pub(crate) static FREE: Mutex<FreeFrames> = Mutex::new(FreeFrames::none());

/// Who may have a frame; from when the kernel has read its configuration.
pub(crate) static MEMORY: Once<vortex_memory::Multiplexor> = Once::new();

/// For whom each core works who has waited for memory: one more than its number.
pub(crate) static SERVED: [AtomicU64; MAX_CORES] = [const { AtomicU64::new(0) }; MAX_CORES];

/// Whether each core is at work on giving memory back.
pub(crate) static RECLAIMS: [AtomicBool; MAX_CORES] = [const { AtomicBool::new(false) }; MAX_CORES];

/// Tables of spaces that are gone.
pub(crate) static LEFT: Leftover<Machine> = Leftover::none();

/// How many hold each frame, written once at boot.
pub(crate) static COUNTS: Once<Counts> = Once::new();

/// The console's device: a panic must reach it from anywhere.
pub(crate) static CONSOLE: Mutex<Console> = Mutex::new(Console::none());

/// What the firmware said, written once at boot.
pub(crate) static PLATFORM: Once<Platform> = Once::new();

/// The interrupt descriptor table, which all cores load.
pub(crate) static INTERRUPTS: Once<Interrupts> = Once::new();

/// What the other cores do when they have started.
pub(crate) static LAUNCH: Once<Launch> = Once::new();

/// Whether a core has died: then the others stop.
pub(crate) static DEAD: AtomicBool = AtomicBool::new(false);

/// The physical address of the kernel's page table, which starting cores load.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data")]
pub(crate) static kernel_root: AtomicU64 = AtomicU64::new(0);

/// The next kernel stack to be taken by a starting core.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data")]
pub(crate) static next_stack: AtomicU32 = AtomicU32::new(1);
