//! All processes by their numbers, for whoever looks at them elsewhere than at PR.
//!
//! PR alone changes it. Its lock is held for one look-up, or for a slice of a listing.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

use super::processes::{Pid, Process};

/// The processes that have not been waited for.
#[derive(Default)]
pub struct Registry {
    all: Mutex<BTreeMap<Pid, Arc<Process>>>,
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
        drop(gone);
    }

    /// The process with this number.
    #[must_use]
    pub fn get(&self, pid: Pid) -> Option<Arc<Process>> {
        self.all.lock().get(&pid).cloned()
    }

    /// How many there are, and the last one's number.
    #[must_use]
    pub fn count(&self) -> (usize, Pid) {
        let all = self.all.lock();
        (all.len(), all.last_key_value().map_or(Pid(0), |(&pid, _)| pid))
    }

    /// So many numbers, in order, from one on.
    #[must_use]
    pub fn numbers(&self, from: Pid, most: usize) -> Vec<Pid> {
        self.all.lock().range(from..).take(most).map(|(&pid, _)| pid).collect()
    }
}
