//! The threads of a process that have not ended, by their numbers: so that many are gone over a
//! slice at a time, whoever comes or goes meanwhile.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::processes::{Pid, ThreadState};

/// The threads.
#[derive(Default)]
pub struct Tasks(BTreeMap<Pid, Arc<ThreadState>>);

impl Tasks {
    /// One more.
    pub(super) fn add(&mut self, thread: Arc<ThreadState>) {
        self.0.insert(thread.tid, thread);
    }

    /// One has ended.
    pub(super) fn remove(&mut self, tid: Pid) {
        self.0.remove(&tid);
    }

    /// The one with this number.
    #[must_use]
    pub fn get(&self, tid: Pid) -> Option<Arc<ThreadState>> {
        self.0.get(&tid).cloned()
    }

    /// The one with the lowest number, which mostly is the process's own.
    #[must_use]
    pub fn first(&self) -> Option<Arc<ThreadState>> {
        self.0.first_key_value().map(|(_, thread)| thread.clone())
    }

    /// Does something with each: a few instructions.
    pub(super) fn each(&self, each: impl FnMut(&Arc<ThreadState>)) {
        self.0.values().for_each(each);
    }

    /// So many, from a number on.
    #[must_use]
    pub fn from(&self, tid: Pid, most: usize) -> Vec<Arc<ThreadState>> {
        self.0.range(tid..).take(most).map(|(_, thread)| thread.clone()).collect()
    }
}
