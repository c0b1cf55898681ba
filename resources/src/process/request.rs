//! What the process resource is asked for.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi as abi;
use vortex_machine::UserContext;

use vortex_units::{ActivityId, Cycles};

use super::begin::Start;
use super::futex::Key;
use super::futexes::Waking;
use super::operands::Operands;
use super::processes::{Pid, Process, ThreadState};
use super::seat::Seat;
use super::signals::{Info, Signal, SignalSet, Stack};
use super::timers::TimerId;
use crate::files::Image;
use crate::memory::{AddressSpace, Loading, Patience, Program, Words};

/// What some calls bring beside operands.
pub enum Extra {
    /// Nothing.
    None,
    /// What a child gets of its parent's thread.
    Child(Box<Child>),
    /// What a program is begun with.
    Exec(Box<Exec>),
    /// How far a futex's wake has come.
    Futex(Waking),
    /// A program whose stack is being written.
    Load(Box<Taking>),
    /// Processes that are gone over.
    Scan(Scan),
}

/// What a program is begun with.
#[derive(Default)]
pub struct Exec {
    /// Its arguments and its environment.
    pub words: Words,
    /// The interpreter of a script, its argument, and the script: they come first, in place of
    /// the first argument.
    pub before: Vec<Vec<u8>>,
    /// How many interpreters of scripts were put before the arguments.
    pub depth: u32,
    /// The program, while the interpreter that it wants to be loaded by is asked for.
    pub program: Option<Box<Image>>,
    /// All that is to be loaded, when it is found.
    pub(super) found: Option<Found>,
    /// How often it has waited for memory.
    pub(super) waited: Patience,
}

/// The files of a program that is to be loaded.
pub struct Found {
    /// Its own.
    pub(super) image: Arc<Image>,
    /// Its interpreter's, if it wants one.
    pub(super) interpreter: Option<Arc<Image>>,
    /// Its name and path.
    pub(super) name: (Vec<u8>, Vec<u8>),
    /// Its file, which nobody may write meanwhile.
    pub(super) running: Option<Arc<()>>,
}

/// How far some processes are gone over.
#[derive(Clone, Copy, Default)]
pub struct Scan {
    /// The number of the next.
    pub(super) from: i32,
    /// Some were meant.
    pub(super) any: bool,
    /// It was done for some.
    pub(super) done: bool,
    /// It may not be done for some.
    pub(super) refused: bool,
    /// The least niceness.
    pub(super) nice: i32,
}

/// A program that takes another's place.
pub struct Taking {
    /// It.
    pub(super) loading: Loading,
    /// It, when its stack is written.
    pub(super) program: Option<Program>,
    /// Its name and path.
    pub(super) name: (Vec<u8>, Vec<u8>),
    /// Its file, which nobody may write meanwhile.
    pub(super) running: Option<Arc<()>>,
    /// How often it has waited for memory.
    pub(super) waited: Patience,
}

/// What a child gets of its parent's thread.
pub struct Child {
    /// Its registers.
    pub context: UserContext,
    /// What it blocks.
    pub blocked: SignalSet,
    /// Its stack for handlers.
    pub stack: Stack,
}

/// A system call, as the stub prepares it.
pub struct ProcessCall {
    /// Which.
    pub call: abi::Process,
    /// What it works on.
    pub operands: Operands,
    /// Whose it is.
    pub thread: Arc<ThreadState>,
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// Until when it waits, if it was made before.
    pub deadline: Option<Cycles>,
    /// Whether that time is over.
    pub expired: bool,
    /// What else it brings.
    pub extra: Extra,
}

impl ProcessCall {
    /// How far it has gone over processes.
    pub(super) fn scan(&self) -> Scan {
        match self.extra {
            Extra::Scan(scan) => scan,
            _ => Scan { nice: 19, ..Scan::default() },
        }
    }
}

/// To PR.
pub enum ProcessRequest {
    /// Begin a process with a program.
    Start(Box<Start>),
    /// A system call.
    Call(Box<ProcessCall>),
    /// A thread has ended; futexes there are to be woken.
    Ended(Arc<ThreadState>, Vec<Key>),
    /// All threads of a process, from a number on, must look up from what they do. If one is
    /// named, that goes on, and the others end.
    Interrupt(Arc<Process>, Pid, Option<Pid>),
    /// A signal was sent to a process of many threads: those from a number on are looked at.
    Look(Arc<Process>, Signal, Pid),
    /// An asynchronous operation of this process has ended, and it wants to be told so.
    Notify(Arc<Process>, Box<Info>),
    /// A wait's time is over.
    Timeout(Pid, u64),
    /// A timer's time has come.
    Timer(TimerId, u64),
    /// A process's alarm rings.
    Alarm(Pid, u64),
    /// A process has ended: its children and its timers are still to be seen to.
    Orphans(Pid),
    /// Threads of this process, from one on, wait for a child, and one has changed its state.
    Changed(Pid, Pid),
    /// A key of the terminal signals the processes of this group, from a number on; all if there
    /// is none.
    Key(i32, Signal, Pid),
    /// A thread has found this process stopped.
    Stopped(Arc<Process>),
    /// A thread has left its seat for another.
    Left(Option<Arc<Seat>>),
    /// There is no memory to be had, and this activity has more than it should: its largest
    /// process ends. Answered is whether one does.
    Shrink(ActivityId),
    /// A process has used so much time that something is due.
    Used(Arc<Process>),
}

impl ProcessRequest {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Call(call) => call.call.name(),
            Self::Ended(..) => "ended",
            Self::Interrupt(..) => "interrupt",
            Self::Look(..) => "look",
            Self::Notify(..) => "notify",
            Self::Timeout(..) => "timeout",
            Self::Timer(..) => "timer",
            Self::Alarm(..) => "alarm",
            Self::Orphans(_) => "orphans",
            Self::Changed(..) => "changed",
            Self::Key(..) => "key",
            Self::Stopped(_) => "stopped",
            Self::Left(_) => "left",
            Self::Shrink(_) => "shrink",
            Self::Used(_) => "used",
        }
    }
}
