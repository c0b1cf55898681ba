//! flock(2), and fcntl(2) where it locks: waiting, and the deadlocks that come of it.

use vortex_abi::linux::general::{F_GETLK, F_OFD_GETLK, F_OFD_SETLKW, F_SETLKW};
use vortex_abi::{Errno, Fd};
use vortex_files::{FLOCK, LockOwner, Locked};

use super::request::FileCall;
use super::resource::{Done, FileSystem};

/// How far a chain of waiting processes is followed, as on Linux.
const CHAIN: usize = 10;

/// Whose lock a process waits for.
#[derive(Clone, Copy)]
pub(super) struct LockWait {
    owner: LockOwner,
    on: LockOwner,
}

impl FileSystem {
    /// fcntl(2) with one of the requests that lock.
    pub(super) fn lock_range(
        &mut self,
        call: &FileCall,
        fd: Fd,
        request: u32,
    ) -> Result<Done, Errno> {
        let open = self.open_of(call, fd)?;
        let flock = call.operands.bytes_of::<FLOCK>(0)?;
        let process = (call.files.0, call.thread.process.pid.0);
        if matches!(request, F_GETLK | F_OFD_GETLK) {
            let told = self.root.find_lock(open, request, &flock, process)?;
            call.operands.give(0, &told)?;
            return Ok(Done::Value(0));
        }
        self.lock_waits.remove(&call.thread.tid);
        match self.root.lock_range(open, request, &flock, process, &mut self.effects)? {
            Locked::Done => Ok(Done::Value(0)),
            Locked::Waits { key, on } => {
                if let (F_SETLKW, Some(on)) = (request, on) {
                    let owner = LockOwner::Process(call.files.0);
                    if self.is_deadlock(owner, on) {
                        return Err(Errno::EDEADLK);
                    }
                    self.lock_waits.insert(call.thread.tid, LockWait { owner, on });
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
    ) -> Result<Done, Errno> {
        let open = self.open_of(call, fd)?;
        match self.root.lock_whole(open, operation, &mut self.effects)? {
            Locked::Done => Ok(Done::Value(0)),
            Locked::Waits { key, .. } => Ok(Done::Wait([key].into(), None)),
        }
    }

    /// Whether who holds this lock waits, by way of others, for this process.
    fn is_deadlock(&self, owner: LockOwner, on: LockOwner) -> bool {
        let mut at = on;
        for _ in 0..CHAIN {
            if at == owner {
                return true;
            }
            match self.lock_waits.values().find(|wait| wait.owner == at) {
                Some(wait) => at = wait.on,
                None => return false,
            }
        }
        false
    }

    /// A table of descriptors is gone: nobody waits with it.
    pub(super) fn forget_lock_waits(&mut self, files: u64) {
        self.lock_waits.retain(|_, wait| wait.owner != LockOwner::Process(files));
    }
}
