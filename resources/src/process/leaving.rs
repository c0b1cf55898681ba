//! What PR does when a thread has ended, and when its process has with it.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_grid::Labels;

use super::processes::{Pid, Process, ThreadState};
use super::resource::{Cx, Processes};
use super::signals::{Ended, Signal};
use crate::Answer;
use crate::files::FileRequest;
use crate::memory::{AddressSpace, MemoryRequest};

impl Processes {
    /// A thread has ended. Returns the process if others of it must be told to.
    pub(super) fn ended(
        &mut self,
        thread: &Arc<ThreadState>,
        cx: &mut Cx<'_>,
    ) -> Option<Arc<Process>> {
        let process = thread.process.clone();
        process.threads.lock().remove(thread.tid);
        // It does not count any more where it was bound.
        cx.unbind(process.own, thread.tid.0 as u64);
        let left = process.count.fetch_sub(1, Ordering::AcqRel) - 1;
        if left > 0 {
            if left == 1 {
                // An execve(2) may wait to be alone.
                self.waits.alone(process.pid, cx);
            }
            let first = process.is_ending() && !process.told.swap(true, Ordering::AcqRel);
            return first.then_some(process);
        }
        // Its last thread's request has ended: nothing is there any more.
        cx.remove(process.own);
        let ports = self.system.ports.get()?;
        let _ = cx.send(ports.files, Labels::NONE, FileRequest::Drop(process.files));
        self.leave_memory(&process.memory(), process.pid, cx);
        self.alarms.remove(&process.pid);
        self.timers.drop_all(process.pid);
        drop(process.running.lock().take());
        self.orphan_children(process.pid);
        self.bury(&process, cx);
        if self.system.processes.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The machine may have nothing more to do: its first core looks.
            cx.poke(vortex_units::CoreId::new(0));
        }
        None
    }

    /// The children of an ended process are nobody's; those that have ended are forgotten.
    fn orphan_children(&mut self, pid: Pid) {
        let registry = &self.system.registry;
        self.records.retain(|&child, record| {
            let orphan = record.parent == pid;
            if orphan {
                record.parent = Pid(0);
                record.process.parent.store(1, Ordering::Relaxed);
            }
            let gone = orphan && record.zombie;
            if gone {
                registry.remove(child);
            }
            !gone
        });
    }

    /// Nobody waits for this process any more.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.records.remove(&pid);
        self.system.registry.remove(pid);
    }

    /// An ended process waits for its parent, if that wants to know.
    fn bury(&mut self, process: &Arc<Process>, cx: &mut Cx<'_>) {
        let status = process.status.load(Ordering::Acquire);
        let how = match Signal::new(status & 0x7f) {
            Some(signal) => Ended::Killed(signal),
            None => Ended::Exited((status >> 8) as u8),
        };
        let parent = self.records.get(&process.pid).map_or(Pid(0), |record| record.parent);
        let wants = self.records.get(&parent);
        let wants = wants.is_some_and(|record| !record.process.actions.lock().forgets_children());
        if let Some(record) = self.records.get_mut(&process.pid) {
            record.zombie = true;
        }
        self.changed(process, how, cx);
        if !wants {
            self.forget(process.pid);
        }
    }

    /// A process does not use its memory any more.
    pub(super) fn leave_memory(&mut self, space: &Arc<AddressSpace>, pid: Pid, cx: &mut Cx<'_>) {
        if let Some(waiting) =
            self.records.get_mut(&pid).and_then(|record| record.borrowed_from.take())
        {
            self.waits.finish(waiting, Answer::Call(Ok(pid.0 as u64)), cx);
        }
        if space.users.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let Some(ports) = self.system.ports.get() else { return };
        let labels = Labels::flow(space.number);
        // Its frames are given back by ASR, a slice at a time.
        let _ =
            cx.send(ports.memory, labels, MemoryRequest::Release { space: space.clone(), at: 0 });
    }
}
