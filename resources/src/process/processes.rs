//! What the threads of a process share, and what others see of a thread.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU16, AtomicU32, Ordering};

use spin::Mutex;
use vortex_units::{ActivityId, CoreId};

use crate::files::FilesId;
use crate::memory::AddressSpace;

/// The number of a process or thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

/// A process. What is behind a lock is held for a few instructions only.
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// On whose bill it is.
    pub activity: ActivityId,
    /// Its parent's number; zero for one without.
    pub parent: AtomicI32,
    /// The number of its process group.
    pub group: AtomicI32,
    /// Its memory. A program that takes another's place brings its own.
    pub space: Mutex<Arc<AddressSpace>>,
    /// Its descriptors.
    pub files: FilesId,
    /// Its threads that have not ended.
    pub threads: Mutex<Vec<Arc<ThreadState>>>,
    /// How many.
    pub count: AtomicU32,
    /// It is ending: its threads do not return to user mode.
    pub ending: AtomicBool,
    /// How it ended, as wait(2) reports it.
    pub status: AtomicI32,
    /// Its program's name and path.
    pub program: Mutex<(Vec<u8>, Vec<u8>)>,
}

impl Process {
    /// Begins to end the process with this status; the first word counts. True for it.
    pub fn end(&self, status: i32) -> bool {
        let first = !self.ending.swap(true, Ordering::AcqRel);
        if first {
            self.status.store(status, Ordering::Release);
        }
        first
    }

    /// Whether it is ending.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Its memory.
    #[must_use]
    pub fn memory(&self) -> Arc<AddressSpace> {
        self.space.lock().clone()
    }

    /// Its program's name and path.
    #[must_use]
    pub fn name(&self) -> (Vec<u8>, Vec<u8>) {
        self.program.lock().clone()
    }
}

/// What others see of a thread, wherever its control block is.
pub struct ThreadState {
    /// Its number.
    pub tid: Pid,
    /// Its process.
    pub process: Arc<Process>,
    /// There is a reason not to wait: a signal, or the end of the process.
    pub interrupted: AtomicBool,
    /// The core that it is in user mode on, and one; zero if on none.
    pub running: AtomicU16,
}

impl ThreadState {
    /// A thread of a process.
    #[must_use]
    pub fn new(tid: Pid, process: Arc<Process>) -> Arc<Self> {
        let state = Arc::new(Self {
            tid,
            process,
            interrupted: AtomicBool::new(false),
            running: AtomicU16::new(0),
        });
        state.process.threads.lock().push(state.clone());
        state.process.count.fetch_add(1, Ordering::AcqRel);
        state
    }

    /// It enters user mode here, or has left it.
    pub fn set_running(&self, core: Option<CoreId>) {
        self.running.store(core.map_or(0, |core| core.get() + 1), Ordering::SeqCst);
    }

    /// Where it is in user mode.
    #[must_use]
    pub fn core(&self) -> Option<CoreId> {
        self.running.load(Ordering::SeqCst).checked_sub(1).map(CoreId::new)
    }

    /// It has written to a pipe that nobody reads.
    pub fn raise_pipe(&self) {
        const SIGPIPE: i32 = 13;
        self.process.end(SIGPIPE);
        self.interrupted.store(true, Ordering::Release);
    }
}
