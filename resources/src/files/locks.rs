//! flock(2), and fcntl(2) where it locks: waiting, and the deadlocks that come of it.

use alloc::collections::BTreeMap;

use vortex_abi::linux::general::{F_GETLK, F_OFD_GETLK, F_OFD_SETLKW, F_SETLKW};
use vortex_abi::{Errno, Fd};
use vortex_files::{FLOCK, LockOwner, Locked, Owner};

use super::request::FileCall;
use super::resource::{Done, FileSystem};
use crate::process::Pid;

/// How far a chain of waiting processes is followed, as on Linux.
const CHAIN: usize = 10;

/// Whose lock the threads of a process, by the number of its descriptors, wait for.
#[derive(Default)]
pub(super) struct LockWaits {
    by_owner: BTreeMap<(u64, Pid), LockOwner>,
    by_thread: BTreeMap<Pid, u64>,
}

impl LockWaits {
    fn add(&mut self, thread: Pid, owner: u64, on: LockOwner) {
        self.by_owner.insert((owner, thread), on);
        self.by_thread.insert(thread, owner);
    }

    /// A thread does not wait any more.
    pub fn remove(&mut self, thread: Pid) {
        if let Some(owner) = self.by_thread.remove(&thread) {
            self.by_owner.remove(&(owner, thread));
        }
    }

    /// A table of descriptors is gone: nobody waits with it.
    pub fn forget_owner(&mut self, owner: u64) {
        while let Some((thread, _)) = self.first(owner) {
            self.remove(thread);
        }
    }

    fn first(&self, owner: u64) -> Option<(Pid, LockOwner)> {
        let own = self.by_owner.range((owner, Pid(i32::MIN))..=(owner, Pid(i32::MAX)));
        own.map(|(&(_, thread), &on)| (thread, on)).next()
    }

    /// Whether who holds this lock waits, by way of others, for this process.
    fn is_deadlock(&self, owner: u64, on: LockOwner) -> bool {
        let mut at = on;
        for _ in 0..CHAIN {
            let LockOwner::Process(process) = at else { return false };
            if process == owner {
                return true;
            }
            match self.first(process) {
                Some((_, on)) => at = on,
                None => return false,
            }
        }
        false
    }
}

impl FileSystem {
    /// fcntl(2) with one of the requests that lock.
    pub(super) fn lock_range(
        &mut self,
        call: &FileCall,
        fd: Fd,
        request: u32,
        payer: Owner,
    ) -> Result<Done, Errno> {
        let open = self.open_of(call, fd)?;
        let flock = call.operands.bytes_of::<FLOCK>(0)?;
        let process = (call.files.0, call.thread.process.pid.0);
        if matches!(request, F_GETLK | F_OFD_GETLK) {
            let told = self.root.find_lock(open, request, &flock, process)?;
            call.operands.give(0, &told)?;
            return Ok(Done::Value(0));
        }
        self.lock_waits.remove(call.thread.tid);
        let (root, effects) = (&mut self.root, &mut self.effects);
        match root.lock_range(open, request, &flock, (process, payer), effects)? {
            Locked::Done => Ok(Done::Value(0)),
            Locked::Waits { key, on } => {
                if let (F_SETLKW, Some(on)) = (request, on) {
                    if self.lock_waits.is_deadlock(call.files.0, on) {
                        return Err(Errno::EDEADLK);
                    }
                    self.lock_waits.add(call.thread.tid, call.files.0, on);
                }
                debug_assert!(matches!(request, F_SETLKW | F_OFD_SETLKW));
                Ok(Done::Wait([key].into(), None))
            }
        }
    }

    /// flock(2).
    pub(super) fn lock_whole(
        &mut self,
        call: &FileCall,
        fd: Fd,
        operation: u32,
        payer: Owner,
    ) -> Result<Done, Errno> {
        let open = self.open_of(call, fd)?;
        match self.root.lock_whole(open, operation, payer, &mut self.effects)? {
            Locked::Done => Ok(Done::Value(0)),
            Locked::Waits { key, .. } => Ok(Done::Wait([key].into(), None)),
        }
    }
}
