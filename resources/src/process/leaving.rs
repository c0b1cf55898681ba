//! What PR does when a thread has ended, and when its process has with it.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_grid::Labels;
use vortex_units::ActivityId;

use super::processes::{Pid, Process, ThreadState};
use super::records::Record;
use super::request::ProcessRequest;
use super::resource::{Cx, Processes};
use super::signals::{Ended, Signal};
use crate::Answer;
use crate::aio::AioRequest;
use crate::files::FileRequest;
use crate::memory::{AddressSpace, MemoryRequest};

/// Children, and timers, that go in one run.
const SLICE: usize = 4;

impl Processes {
    /// A thread has ended: what is to be done for that in further runs.
    pub(super) fn ended(
        &mut self,
        thread: &Arc<ThreadState>,
        cx: &mut Cx<'_>,
    ) -> Option<ProcessRequest> {
        let process = thread.process.clone();
        process.threads.lock().remove(thread.tid);
        process.all_threads.fetch_sub(1, Ordering::AcqRel);
        self.threads.remove(&thread.tid);
        self.give_up_seat(thread, cx);
        let left = process.count.fetch_sub(1, Ordering::AcqRel) - 1;
        if left > 0 {
            if left == 1 {
                // An execve(2) may wait to be alone.
                self.waits.alone(process.pid, cx);
            }
            let first = process.is_ending() && !process.told.swap(true, Ordering::AcqRel);
            // The others of it are told to.
            return first.then_some(ProcessRequest::Interrupt(process, Pid(0), None));
        }
        // Its last thread's request has ended: nothing is there any more.
        self.give_up_homes(&process, cx);
        let ports = self.system.ports.get()?;
        let bill = bill(process.activity, cx);
        let files = FileRequest::Drop(process.files);
        let _ = cx.send_within(bill, ports.files, Labels::NONE, files);
        self.end_operations(&process, &process.memory(), cx);
        self.leave_memory(&process.memory(), process.pid, cx);
        self.alarms.remove(&process.pid);
        drop(process.running.lock().take());
        self.bury(&process, cx);
        Some(ProcessRequest::Orphans(process.pid))
    }

    /// The asynchronous operations of a process, with this memory, end.
    pub(super) fn end_operations(&self, process: &Process, space: &AddressSpace, cx: &mut Cx<'_>) {
        if process.operates.swap(false, Ordering::AcqRel)
            && let Some(ports) = self.system.ports.get()
        {
            let end = AioRequest::End(process.pid, space.number, 0);
            let _ = cx.send_within(bill(process.activity, cx), ports.aio, Labels::NONE, end);
        }
    }

    /// The children of an ended process are nobody's; those that have ended are forgotten. Its
    /// timers go. True if there are more.
    pub(super) fn orphan_some(&mut self, pid: Pid, cx: &mut Cx<'_>) -> bool {
        let mut more = self.timers.drop_some(pid, SLICE);
        for _ in 0..SLICE {
            let Some(child) = self.records.child(pid) else { break };
            self.records.set_parent(child, Pid(0));
            if self.records.get(child).is_some_and(Record::is_zombie) {
                self.forget(child);
            }
        }
        more |= self.records.has_child(pid, None);
        if !more && self.system.processes.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The machine may have nothing more to do: its first core looks.
            cx.poke(vortex_units::CoreId::new(0));
        }
        more
    }

    /// Nobody waits for this process any more.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.records.remove(pid);
        self.system.registry.remove(pid);
    }

    /// An ended process waits for its parent, if that wants to know.
    fn bury(&mut self, process: &Arc<Process>, cx: &mut Cx<'_>) {
        let status = process.status.load(Ordering::Acquire);
        let how = match Signal::new(status & 0x7f) {
            Some(signal) => Ended::Killed(signal),
            None => Ended::Exited((status >> 8) as u8),
        };
        let parent = self.records.get(process.pid).map_or(Pid(0), Record::parent);
        let wants = self.records.get(parent);
        let wants = wants.is_some_and(|record| !record.process.actions.lock().forgets_children());
        self.records.bury(process.pid);
        self.changed(process, how, cx);
        if !wants {
            self.forget(process.pid);
        }
    }

    /// A process does not use its memory any more.
    pub(super) fn leave_memory(&mut self, space: &Arc<AddressSpace>, pid: Pid, cx: &mut Cx<'_>) {
        if let Some(waiting) = self.records.take_borrower(pid) {
            self.waits.finish(waiting, Answer::Call(Ok(pid.0 as u64)), cx);
        }
        if space.users.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let Some(ports) = self.system.ports.get() else { return };
        let labels = Labels::flow(space.number);
        // Its frames are given back by ASR, a slice at a time, on the bill that they are on.
        let bill = bill(space.space.owner(), cx);
        let since = self.system.maps.leaves();
        let release = MemoryRequest::Release { space: space.clone(), at: 0, since };
        if cx.send_within(bill, ports.memory, labels, release).is_err() {
            self.system.maps.has_left(since);
        }
    }
}

/// On whose bill that is done which is to be done for this activity: a sub-activity that ends
/// does not wait for it. Where there is no room, on the caller's.
fn bill(activity: ActivityId, cx: &Cx<'_>) -> ActivityId {
    if cx.admits(activity) { activity } else { cx.activity() }
}
