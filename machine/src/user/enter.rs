//! Letting a thread run, and how it comes back.

use alloc::sync::Arc;

use vortex_units::Cycles;
use x86_64::VirtAddr;
use x86_64::registers::control::Cr2;
use x86_64::registers::model_specific::{FsBase, KernelGsBase};
use x86_64::registers::segmentation::{FS, Segment64};

use super::context::{Registers, UserContext};
use crate::cpu::{Cpu, features, load_root, vector};
use crate::memory::{Space, USER_END};

/// Why a thread has left user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It makes a system call.
    Call,
    /// Its time is over.
    Expired,
    /// The core is wanted for something else.
    Interrupted,
    /// It has done what it may not.
    Fault(Fault),
}

/// An exception of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub kind: FaultKind,
    /// The processor's error code.
    pub code: u64,
    /// For a page fault, the address; else that of the instruction.
    pub address: u64,
}

/// Kinds of exceptions, as Linux tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No page there, or not for that.
    Page {
        /// It was a write.
        write: bool,
        /// It was an instruction fetch.
        execute: bool,
        /// The page is there, with other rights.
        present: bool,
    },
    /// Division by zero or overflow.
    Divide,
    /// A single step or a debug register.
    Debug,
    /// `int3`.
    Breakpoint,
    /// No such instruction.
    InvalidOpcode,
    /// x87 or SIMD floating point.
    FloatingPoint,
    /// Unaligned access with the check on.
    Alignment,
    /// A stack segment fault.
    Stack,
    /// All else: a privileged instruction, a non-canonical address.
    Protection,
}

/// A program whose next instruction is where none can be.
fn astray(context: &UserContext) -> Option<Exit> {
    let address = context.registers().rip;
    let fault = Fault { kind: FaultKind::Protection, code: 0, address };
    (address >= USER_END).then_some(Exit::Fault(fault))
}

unsafe extern "C" {
    fn enter_user(context: *mut Registers) -> u32;
}

/// What runs in user mode, as the machine sees it.
pub trait Program {
    /// Its registers.
    fn context(&mut self) -> &mut UserContext;

    /// Its memory.
    fn space(&self) -> &Arc<Space>;

    /// It has made a system call, at this time. True if that is done: then it goes on at
    /// once. For calls that change no more than the integer registers and memory: its vector
    /// state, the bases of its segments and its space stay loaded meanwhile.
    fn call(&mut self, at: Cycles) -> bool;

    /// It has faulted, at this time. True if the cause is mended: then it goes on at once, with
    /// its space as it is by then.
    fn mend(&mut self, fault: &Fault, at: Cycles) -> bool;
}

impl Cpu {
    /// Lets a program run until it leaves, for at most this long. Returns why it left; at
    /// what time, [`Cpu::left_at`] says.
    pub fn enter(&mut self, program: &mut impl Program, limit: Cycles) -> Exit {
        if let Some(astray) = astray(program.context()) {
            return astray;
        }
        self.poll();
        if self.area.pending.iter().any(|&word| word != 0) {
            return Exit::Interrupted;
        }
        let until = self.now() + limit;
        self.arm(until);
        self.load(program.space());
        let context = program.context();
        if self.area.vectors_of != context.number {
            context.vectors.load();
            self.area.vectors_of = context.number;
        }
        self.load_bases(context);
        loop {
            let exit = self.stay(program, until);
            // SAFETY: the program has left user mode, and before it enters again its space is
            // loaded.
            unsafe { program.space().leave(self.area.core.index()) };
            match exit {
                Exit::Fault(fault) if program.mend(&fault, self.left_at()) => {
                    self.load(program.space())
                }
                _ => {
                    self.save_bases(program.context());
                    return exit;
                }
            }
        }
    }

    /// The program runs and makes calls that are done at once. It counts as in user mode all
    /// the while: an interrupt that comes during a call, a poke because its space has changed
    /// among them, is taken on the way back, before the program's next instruction.
    fn stay(&mut self, program: &mut impl Program, until: Cycles) -> Exit {
        loop {
            let context = program.context();
            // SAFETY: the context's registers are a program's (see `set_registers` and what
            // the processor saved); its space is loaded and has the kernel's upper half.
            let by = unsafe { enter_user((&raw mut *context).cast()) };
            if by != 0 {
                return self.trapped(context, until);
            }
            if !program.call(self.left_at()) {
                return Exit::Call;
            }
            if let Some(astray) = astray(program.context()) {
                return astray;
            }
        }
    }

    /// When the last thread left user mode.
    #[must_use]
    pub fn left_at(&self) -> Cycles {
        Cycles::new(self.area.stamp)
    }

    fn load(&mut self, space: &Arc<Space>) {
        let generation = space.enter(self.area.core.index());
        if let Some((loaded, at)) = &mut self.loaded
            && Arc::ptr_eq(loaded, space)
        {
            if *at != generation {
                load_root(space.root());
                *at = generation;
            }
            return;
        }
        load_root(space.root());
        self.loaded = Some((space.clone(), generation));
    }

    fn load_bases(&mut self, context: &UserContext) {
        let base = VirtAddr::new_truncate(context.fs_base);
        if features().fsgsbase {
            // SAFETY: the feature is on; the kernel does not use %fs.
            unsafe { FS::write_base(base) };
        } else {
            FsBase::write(base);
        }
        if context.gs_base != self.area.user_gs {
            KernelGsBase::write(VirtAddr::new_truncate(context.gs_base));
            self.area.user_gs = context.gs_base;
        }
    }

    /// With FSGSBASE a program sets its bases itself.
    fn save_bases(&mut self, context: &mut UserContext) {
        if features().fsgsbase {
            context.fs_base = FS::read_base().as_u64();
            let gs: u64;
            // SAFETY: between the two swaps %gs is the program's; no interrupt is taken in
            // the kernel, and an NMI does not use it.
            unsafe {
                core::arch::asm!("swapgs", "rdgsbase {}", "swapgs", out(reg) gs, options(nostack, preserves_flags))
            };
            context.gs_base = gs;
            self.area.user_gs = gs;
        }
    }

    fn trapped(&mut self, context: &UserContext, until: Cycles) -> Exit {
        let number = self.area.vector as u8;
        let code = self.area.error;
        if number >= vector::FIRST {
            self.area.note(number);
            if number != vector::SPURIOUS {
                crate::cpu::end_of_interrupt();
            }
            self.note_timer();
            return if self.left_at() >= until { Exit::Expired } else { Exit::Interrupted };
        }
        let kind = match number {
            0 => FaultKind::Divide,
            1 => FaultKind::Debug,
            3 => FaultKind::Breakpoint,
            6 => FaultKind::InvalidOpcode,
            16 | 19 => FaultKind::FloatingPoint,
            17 => FaultKind::Alignment,
            12 => FaultKind::Stack,
            vector::PAGE_FAULT => {
                let kind = FaultKind::Page {
                    write: code & 2 != 0,
                    execute: code & 16 != 0,
                    present: code & 1 != 0,
                };
                return Exit::Fault(Fault { kind, code, address: Cr2::read_raw() });
            }
            _ => FaultKind::Protection,
        };
        Exit::Fault(Fault { kind, code, address: context.registers().rip })
    }
}

/// Saves the vector registers of a thread that will not be the next to run on this core. To
/// be called on the core that the thread has just left, wherever it goes then.
pub fn save_vectors(context: &mut UserContext) {
    crate::cpu::with_vectors(|vectors_of| {
        if *vectors_of == context.number {
            context.vectors.save();
            // It may go on at another core, and come back here with other contents.
            *vectors_of = 0;
        }
    });
}
