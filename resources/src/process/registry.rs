//! All processes by their numbers, for whoever looks at them elsewhere than at PR.
//!
//! PR alone changes it. Its lock is held for one look-up, or for a few steps of a listing.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

use super::processes::{Pid, Process};

/// Processes told at once.
const STEP: usize = 16;

/// The processes that have not been waited for.
#[derive(Default)]
pub struct Registry(Mutex<BTreeMap<Pid, Arc<Process>>>);

impl Registry {
    /// There is one more.
    pub(super) fn add(&self, process: Arc<Process>) {
        self.0.lock().insert(process.pid, process);
    }

    /// One is gone.
    pub(super) fn remove(&self, pid: Pid) {
        let gone = self.0.lock().remove(&pid);
        // What it still has is freed without the lock.
        drop(gone);
    }

    /// The process with this number.
    #[must_use]
    pub fn get(&self, pid: Pid) -> Option<Arc<Process>> {
        self.0.lock().get(&pid).cloned()
    }

    /// The numbers of all, in order.
    #[must_use]
    pub fn numbers(&self) -> Vec<Pid> {
        let mut all: Vec<Pid> = Vec::new();
        loop {
            let next = all.last().map_or(Pid(0), |last| Pid(last.0.saturating_add(1)));
            let before = all.len();
            all.extend(self.0.lock().range(next..).take(STEP).map(|(&pid, _)| pid));
            if all.len() == before {
                return all;
            }
        }
    }
}
