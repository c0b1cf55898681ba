//! What the threads of a process share, and the table of all processes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use spin::Mutex;
use vortex_units::ActivityId;

use crate::memory::AddressSpace;

/// The number of a process or thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

/// A process.
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// On whose bill it is.
    pub activity: ActivityId,
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// Its threads that have not ended.
    pub threads: AtomicU32,
    /// It is ending: its threads do not return to user mode.
    pub ending: AtomicBool,
    /// As wait(2) reports it.
    pub status: AtomicI32,
}

impl Process {
    /// Begins to end the process with this status; the first word counts.
    pub fn end(&self, status: i32) {
        if !self.ending.swap(true, Ordering::AcqRel) {
            self.status.store(status, Ordering::Release);
        }
    }

    /// Whether it is ending.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }
}

/// All processes, by number.
#[derive(Default)]
pub struct ProcessTable(Mutex<Table>);

#[derive(Default)]
struct Table {
    processes: BTreeMap<Pid, Arc<Process>>,
    last: i32,
}

/// Numbers wrap here, as Linux's `pid_max` on 64 bits.
const PID_MAX: i32 = 4_194_304;

impl ProcessTable {
    /// A number that no process has; threads take theirs here too.
    pub fn number(&self) -> Pid {
        let mut table = self.0.lock();
        loop {
            table.last = if table.last >= PID_MAX { 1 } else { table.last + 1 };
            let pid = Pid(table.last);
            if !table.processes.contains_key(&pid) {
                return pid;
            }
        }
    }

    /// Takes a process in.
    pub fn insert(&self, process: Arc<Process>) {
        self.0.lock().processes.insert(process.pid, process);
    }

    /// Forgets a process.
    pub fn remove(&self, pid: Pid) -> Option<Arc<Process>> {
        self.0.lock().processes.remove(&pid)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().processes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
