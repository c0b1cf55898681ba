//! Process groups and sessions.

use core::sync::atomic::Ordering;

use vortex_abi::Errno;

use super::request::ProcessCall;
use super::resource::Processes;

impl Processes {
    /// setpgid(2).
    pub(super) fn set_group(
        &mut self,
        call: &ProcessCall,
        pid: i32,
        group: i32,
    ) -> Result<u64, Errno> {
        if group < 0 || pid < 0 {
            return Err(Errno::EINVAL);
        }
        let caller = &call.thread.process;
        let process = self.find(call, pid)?;
        let child =
            self.records.get(process.pid).is_some_and(|record| record.parent() == caller.pid);
        if process.pid != caller.pid && !child {
            return Err(Errno::ESRCH);
        }
        let session = process.session.load(Ordering::Relaxed);
        if session == process.pid.0 || session != caller.session.load(Ordering::Relaxed) {
            return Err(Errno::EPERM);
        }
        let group = if group == 0 { process.pid.0 } else { group };
        // A group is of one session.
        let exists = self
            .records
            .member(group)
            .is_some_and(|member| member.process.session.load(Ordering::Relaxed) == session);
        if group != process.pid.0 && !exists {
            return Err(Errno::EPERM);
        }
        self.records.set_group(process.pid, group);
        Ok(0)
    }

    /// setsid(2).
    pub(super) fn new_session(&mut self, call: &ProcessCall) -> Result<u64, Errno> {
        let process = &call.thread.process;
        let pid = process.pid.0;
        if self.records.member(pid).is_some() {
            return Err(Errno::EPERM);
        }
        self.records.set_group(process.pid, pid);
        process.session.store(pid, Ordering::Relaxed);
        Ok(pid as u64)
    }
}
