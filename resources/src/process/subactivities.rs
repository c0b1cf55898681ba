//! Sub-activities: parts of an activity, to which a process binds threads of its own.
//!
//! ```text
//!   create ──► bind, away, bind … ──► close ──► the last thread and process in it have
//!                                               left ──► its whole has its share again
//! ```
//!
//! # Invariants
//! - A process binds only its own threads, and only to sub-activities that it has made.
//! - One that is closed has no handle any more, and no threads bound to it by one; a child
//!   process that was begun in it keeps it until it ends.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_grid::{Family, Part, Port, Undivided};
use vortex_units::ActivityId;

use super::Threads;
use super::limits::Limits;
use super::processes::{Pid, Process, ThreadState};
use super::request::ProcessCall;
use super::resource::{Cx, Processes};
use super::seat::Seat;
use crate::Mail;
use crate::quota::{Held, Quota};

/// Requests that a thread takes at most: itself, its call, that call's own request, a timer.
const NODES_OF_A_THREAD: u32 = 4;

/// A sub-activity, as PR knows it.
pub(super) struct SubActivity {
    /// The process that has made it.
    maker: Pid,
    family: Family<Mail, Threads>,
    /// Threads that it has: those bound to it, and those of the processes in it.
    threads: Arc<Quota>,
    /// Threads bound to it by its handle.
    bound: u32,
    /// Processes that were begun in it.
    processes: u32,
    most_processes: Option<u32>,
    closed: bool,
}

/// What a process calls a sub-activity: another one in its place has another name.
fn handle_of(activity: ActivityId) -> u64 {
    u64::from(activity.generation()) << 32 | activity.index() as u64
}

fn activity_of(handle: u64) -> ActivityId {
    ActivityId::new(handle as u32, (handle >> 32) as u32)
}

fn limit(most: u32) -> Option<u32> {
    (most != 0).then_some(most)
}

impl Processes {
    /// A part of the caller's activity, with so many thousandths of what that is entitled to.
    pub(super) fn create_subactivity(
        &mut self,
        call: &ProcessCall,
        (thousandths, requests): (u32, u32),
        limits: Limits,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        let process = &call.thread.process;
        if process.is_ending() {
            return Err(Errno::EAGAIN);
        }
        if process.base != process.activity {
            // A part is not divided further.
            return Err(Errno::EPERM);
        }
        let ports = self.system.ports.get().ok_or(Errno::EAGAIN)?;
        let family = ports.threads_of(process.activity).ok_or(Errno::EAGAIN)?;
        let part = Part { thousandths, nodes: limit(requests) };
        let activity = cx.divide(process.activity, part).map_err(|why| match why {
            Undivided::Share => Errno::EINVAL,
            Undivided::TooMany | Undivided::NoWhole => Errno::EAGAIN,
        })?;
        // A thread for which there would be no room when it waits is refused.
        let room = cx.activities().most_nodes(activity) / NODES_OF_A_THREAD;
        let most = limits.threads.map_or(room, |most| most.min(room));
        let made = SubActivity {
            maker: process.pid,
            family: cx.branch(family, activity),
            threads: Quota::new(Some(most)),
            bound: 0,
            processes: 0,
            most_processes: limits.processes,
            closed: false,
        };
        self.subactivities.insert(handle_of(activity), made);
        Ok(handle_of(activity))
    }

    /// The sub-activity of this name, if it is this process's.
    fn subactivity_of(&self, process: &Process, handle: u64) -> Result<&SubActivity, Errno> {
        let found = self.subactivities.get(&handle).filter(|found| !found.closed);
        let found = found.ok_or(Errno::EBADF)?;
        if found.maker == process.pid { Ok(found) } else { Err(Errno::EPERM) }
    }

    /// Binds a thread of the caller's process to a sub-activity, or to none.
    pub(super) fn bind_thread(
        &mut self,
        call: &ProcessCall,
        handle: u64,
        tid: i32,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        let process = call.thread.process.clone();
        let thread = match tid {
            0 => call.thread.clone(),
            _ => process.threads.lock().get(Pid(tid)).ok_or(Errno::ESRCH)?,
        };
        let seat = if handle == 0 {
            self.seat_in(&process, process.base, process.own)?
        } else {
            self.subactivity_of(&process, handle)?;
            let activity = activity_of(handle);
            let port = self.home(&process, activity, cx)?;
            self.seat_in(&process, activity, port)?
        };
        let before = thread.seat.lock().clone().ok_or(Errno::ESRCH)?;
        if before.activity == seat.activity {
            return Ok(0);
        }
        self.count_bound(&process, seat.activity, true);
        self.count_bound(&process, before.activity, false);
        *thread.seat.lock() = Some(seat);
        thread.turned.store(true, Ordering::SeqCst);
        // A thread that waits goes there when its wait is over.
        if let Some(core) = thread.core()
            && core != cx.core()
        {
            cx.poke(core);
        }
        Ok(0)
    }

    /// Closes a sub-activity to which no thread is bound.
    pub(super) fn close_subactivity(
        &mut self,
        call: &ProcessCall,
        handle: u64,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        if self.subactivity_of(&call.thread.process, handle)?.bound > 0 {
            return Err(Errno::EBUSY);
        }
        self.close(handle, cx);
        Ok(0)
    }

    /// A process has ended, or runs another program: nobody knows the handles any more.
    pub(super) fn close_subactivities(&mut self, maker: Pid, cx: &mut Cx<'_>) {
        let all = self.subactivities.iter().filter(|(_, made)| made.maker == maker);
        let handles: Vec<u64> = all.map(|(&handle, _)| handle).collect();
        for handle in handles {
            self.close(handle, cx);
        }
    }

    fn close(&mut self, handle: u64, cx: &mut Cx<'_>) {
        if let Some(made) = self.subactivities.get_mut(&handle) {
            made.closed = true;
        }
        self.review(activity_of(handle), cx);
    }

    /// Ends a sub-activity that is closed, when nobody is in it any more.
    pub(super) fn review(&mut self, activity: ActivityId, cx: &mut Cx<'_>) {
        let handle = handle_of(activity);
        let Some(made) = self.subactivities.get(&handle) else { return };
        if !made.closed || made.bound > 0 || made.processes > 0 || made.threads.held() > 0 {
            return;
        }
        if let Some(maker) = self.records.get(made.maker) {
            maker.process.homes.lock().retain(|home| home.activity != activity);
        }
        self.subactivities.remove(&handle);
        // Its thread resources go with it.
        cx.end(activity);
    }

    /// The thread resource of a process in a sub-activity.
    fn home(
        &self,
        process: &Process,
        activity: ActivityId,
        cx: &mut Cx<'_>,
    ) -> Result<Port<Threads>, Errno> {
        let found = process.homes.lock().iter().find(|home| home.activity == activity).cloned();
        if let Some(home) = found {
            return Ok(home.port);
        }
        let made = self.subactivities.get(&handle_of(activity)).ok_or(Errno::EBADF)?;
        let port = cx.bear(&made.family).ok_or(Errno::EAGAIN)?;
        process.homes.lock().push(Seat::new(activity, port));
        Ok(port)
    }

    /// A thread resource for a process that is begun on this activity's bill.
    pub(super) fn thread_resource(
        &self,
        activity: ActivityId,
        cx: &mut Cx<'_>,
    ) -> Result<Port<Threads>, Errno> {
        let ports = self.system.ports.get().ok_or(Errno::EAGAIN)?;
        let family = match self.subactivities.get(&handle_of(activity)) {
            Some(made) => &made.family,
            None => ports.threads_of(activity).ok_or(Errno::EAGAIN)?,
        };
        cx.bear(family).ok_or(Errno::EAGAIN)
    }

    /// A seat for a thread of this process, if there is room for another.
    pub(super) fn seat_in(
        &self,
        process: &Process,
        activity: ActivityId,
        port: Port<Threads>,
    ) -> Result<Arc<Seat>, Errno> {
        let Some(made) = self.subactivities.get(&handle_of(activity)) else {
            return Ok(process.seat.clone());
        };
        let mut counted = Held::of(made.threads.clone());
        if counted.take() { Ok(Seat::counted(activity, port, counted)) } else { Err(Errno::EAGAIN) }
    }

    /// A seat beside another's: for a thread that it has made.
    pub(super) fn seat_beside(&self, thread: &ThreadState) -> Result<Arc<Seat>, Errno> {
        let seat = thread.seat.lock().clone().ok_or(Errno::EAGAIN)?;
        self.seat_in(&thread.process, seat.activity, seat.port)
    }

    /// One thread more, or less, of this process is bound there; in its own activity none is.
    pub(super) fn count_bound(&mut self, process: &Process, activity: ActivityId, more: bool) {
        if activity == process.base {
            return;
        }
        if let Some(made) = self.subactivities.get_mut(&handle_of(activity)) {
            made.bound =
                if more { made.bound.saturating_add(1) } else { made.bound.saturating_sub(1) };
        }
    }

    /// Whether another process may be begun in this activity, as far as it is a part.
    pub(super) fn takes_process(&self, activity: ActivityId) -> bool {
        self.subactivities.get(&handle_of(activity)).is_none_or(|made| {
            made.most_processes.is_none_or(|most| made.processes < most) && made.threads.has_room(1)
        })
    }

    /// One process more, or less, is in this activity.
    pub(super) fn count_process(&mut self, activity: ActivityId, more: bool) {
        if let Some(made) = self.subactivities.get_mut(&handle_of(activity)) {
            made.processes = if more {
                made.processes.saturating_add(1)
            } else {
                made.processes.saturating_sub(1)
            };
        }
    }

    /// A thread has ended: its seat is free.
    pub(super) fn give_up_seat(&mut self, thread: &ThreadState, cx: &mut Cx<'_>) {
        let process = &thread.process;
        // It does not count any more where it was bound to a core.
        let affinity = thread.tid.0 as u64;
        cx.unbind(process.own, process.base, affinity);
        let homes = process.homes.lock().clone();
        for home in &homes {
            cx.unbind(home.port, home.activity, affinity);
        }
        let Some(seat) = thread.seat.lock().take() else { return };
        let activity = seat.activity;
        drop(seat);
        self.count_bound(process, activity, false);
        // It may have ended in another than it was bound to last.
        for home in homes {
            self.review(home.activity, cx);
        }
    }

    /// A process's last thread has ended: none of its thread resources is needed any more.
    pub(super) fn give_up_homes(&mut self, process: &Process, cx: &mut Cx<'_>) {
        cx.remove(process.own);
        for home in core::mem::take(&mut *process.homes.lock()) {
            cx.remove(home.port);
        }
        self.close_subactivities(process.pid, cx);
        self.count_process(process.base, false);
        self.review(process.base, cx);
    }
}

/// A process goes on, wherever its threads run.
pub(super) fn resume(process: &Process, cx: &mut Cx<'_>) {
    cx.resume_everywhere(process.own);
    let homes = process.homes.lock().clone();
    for home in &homes {
        cx.resume_everywhere(home.port);
    }
}
