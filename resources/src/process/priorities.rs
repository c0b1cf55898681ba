//! getpriority(2) and setpriority(2): how nice processes are to others of their activity.
//!
//! Who is nice has shorter timeslices: at 19 a twentieth. What an activity is entitled to no
//! niceness changes, and nobody has longer timeslices than others for being less nice than
//! zero. On Linux threads are nice, here their processes.

use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_abi::linux::general::{PRIO_PGRP, PRIO_PROCESS, PRIO_USER};

use super::processes::Process;
use super::request::ProcessCall;
use super::resource::Processes;

impl Processes {
    /// Calls for each process that these arguments mean.
    fn each_meant(
        &self,
        call: &ProcessCall,
        (which, who): (i32, i32),
        mut each: impl FnMut(&Process),
    ) -> Result<(), Errno> {
        let own = &call.thread.process;
        let group = if who == 0 { own.group.load(Ordering::Relaxed) } else { who };
        let pid = if who == 0 { own.pid.0 } else { who };
        let meant = |process: &Process| match u32::try_from(which) {
            Ok(PRIO_PROCESS) => process.pid.0 == pid,
            Ok(PRIO_PGRP) => process.group.load(Ordering::Relaxed) == group,
            // There is one user.
            _ => who == 0,
        };
        if !matches!(u32::try_from(which), Ok(PRIO_PROCESS | PRIO_PGRP | PRIO_USER)) {
            return Err(Errno::EINVAL);
        }
        let mut any = false;
        let alive = self.records.values().filter(|record| !record.zombie);
        for record in alive.filter(|record| meant(&record.process)) {
            any = true;
            each(&record.process);
        }
        if any { Ok(()) } else { Err(Errno::ESRCH) }
    }

    /// getpriority(2) answers with 20 less the niceness: the highest among them.
    pub(super) fn priority(&self, call: &ProcessCall, of: (i32, i32)) -> Result<u64, Errno> {
        let mut least = 19;
        self.each_meant(call, of, |process| {
            least = least.min(process.nice.load(Ordering::Relaxed));
        })?;
        Ok((20 - least) as u64)
    }

    /// setpriority(2).
    pub(super) fn set_priority(
        &self,
        call: &ProcessCall,
        of: (i32, i32),
        nice: i32,
    ) -> Result<u64, Errno> {
        let mut all = true;
        self.each_meant(call, of, |process| match call.thread.process.may_change(process) {
            true => process.nice.store(nice.clamp(-20, 19), Ordering::Relaxed),
            false => all = false,
        })?;
        if all { Ok(0) } else { Err(Errno::EPERM) }
    }
}
