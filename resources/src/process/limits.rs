//! How many processes and threads an activity may have: what stops a fork bomb.
//!
//! Refused is with `EAGAIN`, before anything is copied. Calls that are being served at the
//! same time are not yet counted, so an activity may be beyond its limit by as many.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use vortex_units::{ActivityId, Bytes};

use super::resource::Processes;
use crate::System;
use crate::bill::ObjectKind;
use crate::quota::Quota;

/// What a thread takes of the kernel's memory: its control block with the registers, what
/// others see of it, its place in tables and its requests.
pub(super) const THREAD: Bytes = Bytes::new(4 << 10);
/// What a process takes beside its threads, descriptors and regions.
pub(super) const PROCESS: Bytes = Bytes::new(8 << 10);

/// An activity's limits; `None` is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Processes, those included that have ended and were not waited for.
    pub processes: Option<u32>,
    /// Threads of all its processes.
    pub threads: Option<u32>,
}

/// What an activity's processes may have together, and have.
pub struct Allowance {
    /// Whose it is.
    pub activity: ActivityId,
    /// What that is called.
    pub name: String,
    /// Whether its processes may begin others' (`control="all"`).
    pub controls: bool,
    /// Processes and threads.
    pub limits: Limits,
    /// How many threads there are.
    pub threads: Arc<AtomicU32>,
    /// Regions of their memory.
    pub mappings: Arc<Quota>,
    /// Real-time signals that wait.
    pub signals: Arc<Quota>,
}

impl System {
    /// What this activity's processes may have.
    #[must_use]
    pub fn allowance(&self, activity: ActivityId) -> Option<&Allowance> {
        self.limits.get()?.iter().find(|allowance| allowance.activity == activity)
    }

    /// The same by its name; the infrastructure has no processes.
    #[must_use]
    pub fn named(&self, name: &[u8]) -> Option<&Allowance> {
        let mut all = self.limits.get()?.iter();
        all.find(|own| own.activity != ActivityId::INFRASTRUCTURE && own.name.as_bytes() == name)
    }
}

impl Limits {
    /// Whether who has so many may have one thread more, as a process of its own or not.
    #[must_use]
    pub fn allow(&self, processes: u32, threads: u32, process: bool) -> bool {
        let below = |limit: Option<u32>, count| limit.is_none_or(|limit| count < limit);
        below(self.threads, threads) && (!process || below(self.processes, processes))
    }
}

impl Processes {
    /// Whether the activity may have one thread more, as a process of its own or not.
    /// `own` is the caller's `RLIMIT_NPROC`: as Linux counts a user's threads, all of the
    /// activity count.
    pub(super) fn may_grow(&self, activity: ActivityId, own: u64, process: bool) -> bool {
        let Some(allowance) = self.system.allowance(activity) else { return true };
        let threads = allowance.threads.load(Ordering::Acquire);
        let processes = self.records.count(activity);
        u64::from(threads) < own && allowance.limits.allow(processes, threads, process)
    }

    /// Whether there is kernel memory for it.
    pub(super) fn has_memory_for(activity: ActivityId, process: bool) -> bool {
        let bytes = if process { THREAD.saturating_add(PROCESS) } else { THREAD };
        vortex_machine::object_fits(activity, ObjectKind::Process, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_fits_is_allowed_and_no_more() {
        let none = Limits::default();
        assert!(none.allow(u32::MAX, u32::MAX, true));
        let limits = Limits { processes: Some(4), threads: Some(10) };
        assert!(limits.allow(3, 9, true));
        assert!(!limits.allow(4, 9, true));
        assert!(limits.allow(4, 9, false), "a thread is no process");
        assert!(!limits.allow(3, 10, false));
        assert!(!limits.allow(3, 10, true), "a process has a thread");
    }
}
