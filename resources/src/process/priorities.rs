//! getpriority(2) and setpriority(2): how nice processes are to others of their activity.
//!
//! Who is nice has shorter timeslices: at 19 a twentieth. What an activity is entitled to no
//! niceness changes, and nobody has longer timeslices than others for being less nice than
//! zero. On Linux threads are nice, here their processes.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_abi::linux::general::{PRIO_PGRP, PRIO_PROCESS, PRIO_USER};
use vortex_grid::{At, Outcome};

use super::processes::{Pid, Process};
use super::request::{Extra, ProcessCall, Scan};
use super::resource::{Next, Processes, reply};

/// Processes that are looked at in one run.
const SLICE: usize = 32;

impl Processes {
    /// Calls for each process that these arguments mean, a slice at a time. Nothing if there
    /// are more.
    fn each_meant(
        &self,
        call: &mut ProcessCall,
        (which, who): (i32, i32),
        mut each: impl FnMut(&Process, &mut Scan),
    ) -> Result<Option<Scan>, Errno> {
        let own = call.thread.process.clone();
        let group = if who == 0 { own.group.load(Ordering::Relaxed) } else { who };
        let pid = if who == 0 { own.pid.0 } else { who };
        let mut scan = call.scan();
        let some = match u32::try_from(which) {
            Ok(PRIO_PROCESS) => self.records.process(Pid(pid)).into_iter().collect(),
            Ok(PRIO_PGRP) => self.records.from(Some(group), Pid(scan.from), SLICE),
            // There is one user.
            Ok(PRIO_USER) if who == 0 => self.records.from(None, Pid(scan.from), SLICE),
            Ok(PRIO_USER) => Vec::new(),
            _ => return Err(Errno::EINVAL),
        };
        for process in &some {
            scan.from = process.pid.0.saturating_add(1);
            if self.records.get(process.pid).is_some_and(|record| !record.is_zombie()) {
                scan.any = true;
                each(process, &mut scan);
            }
        }
        if some.len() == SLICE {
            call.extra = Extra::Scan(scan);
            return Ok(None);
        }
        if scan.any { Ok(Some(scan)) } else { Err(Errno::ESRCH) }
    }

    /// getpriority(2) answers with 20 less the niceness: the highest among them.
    pub(super) fn priority(&self, call: &mut ProcessCall, of: (i32, i32)) -> Next {
        let seen = self.each_meant(call, of, |process, scan| {
            scan.nice = scan.nice.min(process.nice.load(Ordering::Relaxed));
        });
        match seen {
            Ok(None) => Outcome::Continue(At::beginning()),
            Ok(Some(scan)) => reply(Ok((20 - scan.nice) as u64)),
            Err(error) => reply(Err(error)),
        }
    }

    /// setpriority(2).
    pub(super) fn set_priority(&self, call: &mut ProcessCall, of: (i32, i32), nice: i32) -> Next {
        let own = call.thread.process.clone();
        let set = self.each_meant(call, of, |process, scan| match own.may_change(process) {
            true => process.nice.store(nice.clamp(-20, 19), Ordering::Relaxed),
            false => scan.refused = true,
        });
        match set {
            Ok(None) => Outcome::Continue(At::beginning()),
            Ok(Some(scan)) => reply(if scan.refused { Err(Errno::EPERM) } else { Ok(0) }),
            Err(error) => reply(Err(error)),
        }
    }
}
