//! All processes by their numbers, for whoever looks at them elsewhere than at PR.
//!
//! PR alone changes it. Its lock is held for one look-up, or for a few steps of a listing.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;

use super::processes::{Pid, Process};

/// Processes told at once.
const STEP: usize = 16;

/// The processes that have not been waited for.
#[derive(Default)]
pub struct Registry {
    all: Mutex<BTreeMap<Pid, Arc<Process>>>,
    /// Cycles in user mode of those that are gone.
    used_by_gone: AtomicU64,
}

impl Registry {
    /// There is one more.
    pub(super) fn add(&self, process: Arc<Process>) {
        self.all.lock().insert(process.pid, process);
    }

    /// One is gone.
    pub(super) fn remove(&self, pid: Pid) {
        // What it still has is freed without the lock.
        let gone = self.all.lock().remove(&pid);
        let used = gone.map_or(0, |gone| gone.used.load(Ordering::Relaxed));
        self.used_by_gone.fetch_add(used, Ordering::Relaxed);
    }

    /// The process with this number.
    #[must_use]
    pub fn get(&self, pid: Pid) -> Option<Arc<Process>> {
        self.all.lock().get(&pid).cloned()
    }

    /// Cycles in user mode of those that are gone.
    #[must_use]
    pub fn used_by_gone(&self) -> u64 {
        self.used_by_gone.load(Ordering::Relaxed)
    }

    /// The numbers of all, in order.
    #[must_use]
    pub fn numbers(&self) -> Vec<Pid> {
        let mut all: Vec<Pid> = Vec::new();
        loop {
            let next = all.last().map_or(Pid(0), |last| Pid(last.0.saturating_add(1)));
            let before = all.len();
            all.extend(self.all.lock().range(next..).take(STEP).map(|(&pid, _)| pid));
            if all.len() == before {
                return all;
            }
        }
    }
}
