//! From the loader's hands to the kernel's main function.
//!
//! In order: what the loader says; frames; the kernel's map; firmware tables; this core on
//! its own stack; the clocks; the other cores; `main`.

mod loader;
mod platform;

use alloc::boxed::Box;
use alloc::string::String;
use core::convert::Infallible;
use core::sync::atomic::Ordering;

use spin::Mutex;
use vortex_units::{Cycles, Nanos};

use crate::cpu::{
    Clock, Cpu, Interrupts, Launch, Poker, listen_to_console, load_root, mask_pic, set_up_core,
    start_others, without_area,
};
use crate::memory::{self, STACK_AREA, STACK_STRIDE};
use crate::{fault, statics};
use loader::Loaded;
pub(crate) use platform::Platform;

#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("start.s"), options(att_syntax));
#[cfg(target_os = "none")]
core::arch::global_asm!(include_str!("../user/trap.s"), options(att_syntax));

unsafe extern "C" {
    #[cfg(target_os = "none")]
    fn pvh_start() -> !;
    fn first_core() -> !;
}

#[cfg(target_os = "none")]
pvh::xen_elfnote_phys32_entry!(pvh_start);

unsafe extern "Rust" {
    fn vortex_main(boot: Boot) -> !;
}

/// What the loader gave, from the boot stack to the first core's own.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

/// The machine, as `main` is given it.
pub struct Boot {
    /// The kernel's command line.
    pub command_line: CommandLine,
    /// The module that the loader has put into memory, if any.
    pub module: Option<&'static [u8]>,
    /// How many cores run.
    pub cores: u16,
    /// The counter's reading when the loader handed over.
    pub began: Cycles,
    cpu: Cpu,
}

/// Words, separated by spaces: `key=value`, or a key alone.
#[derive(Clone, Debug, Default)]
pub struct CommandLine(String);

impl CommandLine {
    /// The value of a key; empty for a key alone.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut words = self.0.split_ascii_whitespace();
        words.find_map(|word| match word.split_once('=') {
            Some((name, value)) => (name == key).then_some(value),
            None => (word == key).then_some(""),
        })
    }

    /// All words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }
}

impl Boot {
    /// Whole megahertz of the time stamp counter.
    #[must_use]
    pub fn megahertz(&self) -> u64 {
        self.cpu.poker().megahertz()
    }

    /// Something to wake cores with.
    #[must_use]
    pub fn poker(&self) -> Poker {
        self.cpu.poker()
    }

    /// The time of day, since 1970, about now.
    #[must_use]
    pub fn time_of_day(&self) -> Nanos {
        crate::rtc::now()
    }

    /// Whether the machine is to end by QEMU's debug exit (`exit=debug`).
    #[must_use]
    pub fn debug_exit(&self) -> bool {
        self.command_line.get("exit") == Some("debug")
    }

    /// Lets every core run this, the first one included. Does not return.
    pub fn launch(self, run: impl Fn(Cpu) -> Infallible + Send + Sync + 'static) -> ! {
        let launch = statics::LAUNCH.call_once(|| Launch(Box::new(run)));
        match (launch.0)(self.cpu) {}
    }
}

/// On the boot stack, under the boot tables.
#[unsafe(no_mangle)]
extern "C" fn boot_first(start_info: u64) -> ! {
    // SAFETY: reads the counter.
    let began = Cycles::new(unsafe { core::arch::x86_64::_rdtsc() });
    without_area();
    statics::CONSOLE.lock().open();
    let Some(loaded) = Loaded::read(start_info, began) else {
        fault::die(&"the loader's start information is not PVH's")
    };
    let top = loaded.give_frames();
    if memory::set_up_frames(top).is_none() {
        fault::die(&"memory is too small: no room for the counts of frames");
    }
    // The firmware's tables need a heap, and the boot tables reach 4 GiB: enough for both.
    let mut platform = Platform::find(loaded.rsdp(), loaded.memory());
    platform.cores.truncate(crate::cpu::MAX_CORES);
    let count = platform.cores.len() as u32;
    let root = memory::build_kernel_map(top, count, |at| loaded.is_memory(at, at + (2 << 20)));
    let Some(root) = root else { fault::die(&"memory is too small: no room for the kernel's map") };
    statics::kernel_root.store(root, Ordering::SeqCst);
    statics::PLATFORM.call_once(|| platform);
    *LOADED.lock() = Some(loaded);
    load_root(root);
    // SAFETY: the stacks are mapped now.
    unsafe { first_core() }
}

/// On the first core's own stack, under the kernel's map.
pub(crate) fn first_on_its_stack() -> ! {
    let Some(mut loaded) = LOADED.lock().take() else { fault::die(&"started twice") };
    statics::INTERRUPTS.call_once(Interrupts::new);
    mask_pic();
    let cpu = set_up_core();
    let clock = Clock::measure();
    let platform = statics::PLATFORM.get();
    if let Some(platform) = platform {
        platform.clock.call_once(|| clock);
    }
    listen_to_console();
    let others = platform.map_or(&[][..], |platform| platform.cores.get(1..).unwrap_or(&[]));
    let cores = start_others(others);
    if cores as usize != others.len() + 1 {
        fault::die(&format_args!("of {} cores only {cores} have started", others.len() + 1));
    }
    let boot = Boot {
        command_line: CommandLine(loaded.take_command_line()),
        module: loaded.module(),
        cores: cores as u16,
        began: loaded.began,
        cpu,
    };
    // SAFETY: `main!` has defined it with this signature.
    unsafe { vortex_main(boot) }
}

/// Whether an address lies in a kernel stack.
pub(crate) fn is_kernel_stack(address: u64) -> bool {
    let end = STACK_AREA + STACK_STRIDE * crate::cpu::MAX_CORES as u64;
    (STACK_AREA..end).contains(&address)
        && address % STACK_STRIDE >= STACK_STRIDE - memory::STACK_SIZE
        && address % STACK_STRIDE < STACK_STRIDE - 16
}
