//! Process groups and sessions.

use core::sync::atomic::Ordering;

use vortex_abi::Errno;

use super::request::ProcessCall;
use super::resource::Processes;

impl Processes {
    /// setpgid(2).
    pub(super) fn set_group(&self, call: &ProcessCall, pid: i32, group: i32) -> Result<u64, Errno> {
        if group < 0 || pid < 0 {
            return Err(Errno::EINVAL);
        }
        let caller = &call.thread.process;
        let process = self.find(call, pid)?;
        let child =
            self.records.get(&process.pid).is_some_and(|record| record.parent == caller.pid);
        if process.pid != caller.pid && !child {
            return Err(Errno::ESRCH);
        }
        let session = process.session.load(Ordering::Relaxed);
        if session == process.pid.0 || session != caller.session.load(Ordering::Relaxed) {
            return Err(Errno::EPERM);
        }
        let group = if group == 0 { process.pid.0 } else { group };
        let exists = self.records.values().any(|record| {
            let process = &record.process;
            process.group.load(Ordering::Relaxed) == group
                && process.session.load(Ordering::Relaxed) == session
        });
        if group != process.pid.0 && !exists {
            return Err(Errno::EPERM);
        }
        process.group.store(group, Ordering::Relaxed);
        Ok(0)
    }

    /// setsid(2).
    pub(super) fn new_session(&self, call: &ProcessCall) -> Result<u64, Errno> {
        let process = &call.thread.process;
        let pid = process.pid.0;
        let leads =
            self.records.values().any(|record| record.process.group.load(Ordering::Relaxed) == pid);
        if leads {
            return Err(Errno::EPERM);
        }
        process.group.store(pid, Ordering::Relaxed);
        process.session.store(pid, Ordering::Relaxed);
        Ok(pid as u64)
    }
}
