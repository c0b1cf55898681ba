//! What transactions have changed is written: by one request of the infrastructure's, in the
//! logic's order, each block on the bill of who has changed it.
//!
//! A block that could not be sent for want of memory is sent again: only what the disk says of
//! it counts as its failure.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome, SendError, Trigger};
use vortex_storage::{Memory, Operation as Does, Reply, VolumeRequest};
use vortex_units::{ActivityId, Micros};

use super::{After, Cx, Ext2, Next, Write};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Ext2Request, Mail};

/// Writes under way at a time.
pub(super) const BATCH: usize = 8;
/// How often what is dirty is written.
const TICK: Micros = Micros::new(5_000_000);

/// What the writer has under way.
#[derive(Default)]
pub struct Writing {
    under_way: VecDeque<(Trigger, MountId, Job)>,
    /// What could not be sent.
    stuck: VecDeque<(MountId, Job)>,
}

enum Job {
    Block(Write),
    /// Which flush.
    Flush(u64),
}

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// Time has passed: what is dirty is written.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_, M>) -> After<M, F> {
        self.all = true;
        let Some(port) = self.wiring.ports.get().map(|ports| ports.ext2) else {
            return Outcome::Done;
        };
        if cx.after(TICK, port, Labels::NONE, Ext2Request::Tick).is_err() {
            self.wiring.tell(format_args!("metadata is not written by itself any more"));
        }
        if !self.has_writer {
            let writer = Ext2Request::WriteBack(Box::default());
            self.has_writer = cx.send(port, Labels::NONE, writer).is_ok();
        }
        self.wake_writer(cx);
        Outcome::Done
    }

    pub(super) fn wake_writer(&mut self, cx: &mut Cx<'_, M>) {
        if let Some(kept) = self.writer.take() {
            // Kept here, by this resource.
            let _ = cx.go_on(kept, At::<M, Self>::beginning());
        }
    }

    /// A transaction waits until something is written.
    pub(super) fn wait_for_writes(&mut self, id: MountId, cx: &mut Cx<'_, M>) -> After<M, F> {
        let failed = |error| Outcome::Reply(Err(error));
        let Some(mount) = self.mounts.get_mut(&id) else { return failed(Errno::ENODEV) };
        let room = mount.waiting.try_reserve(1).is_ok();
        let Some(kept) = room.then(|| cx.keep()).flatten() else { return failed(Errno::ENOMEM) };
        mount.waiting.push(kept);
        self.wake_writer(cx);
        Outcome::Kept
    }

    /// The writer: sends what may be sent, and waits for the first of it.
    pub(super) fn write_back(&mut self, writing: &mut Writing, cx: &mut Cx<'_, M>) -> After<M, F> {
        let again = self.fill(writing, cx);
        if let Some((trigger, ..)) = writing.under_way.front() {
            return Outcome::Pending(*trigger, At::routine::<Wrote>());
        }
        if again {
            return Outcome::Continue(At::beginning());
        }
        let waits = self.mounts.values().any(|mount| !mount.waiting.is_empty());
        if writing.stuck.is_empty() && waits {
            if !self.all {
                // What is urgent is not enough.
                self.all = true;
                return Outcome::Continue(At::beginning());
            }
            // Nothing is left that they could wait for.
            self.all = false;
            let ids: alloc::vec::Vec<MountId> = self.mounts.keys().copied().collect();
            ids.into_iter().for_each(|id| self.wake(id, cx));
        } else if writing.stuck.is_empty() {
            self.all = false;
        }
        let Some(kept) = cx.keep() else {
            self.has_writer = false;
            return Outcome::Done;
        };
        self.writer = Some(kept);
        Outcome::Kept
    }

    /// Sends as much as may be under way. Whether there may be more at once.
    fn fill(&mut self, writing: &mut Writing, cx: &mut Cx<'_, M>) -> bool {
        while writing.under_way.len() < BATCH {
            let Some((id, job)) = writing.stuck.pop_front() else { break };
            if !self.send(id, job, writing, cx) {
                return false;
            }
        }
        let mut again = false;
        let ids: alloc::vec::Vec<MountId> = self.mounts.keys().copied().collect();
        for id in ids {
            while writing.under_way.len() < BATCH {
                let Some(mount) = self.mounts.get_mut(&id) else { break };
                let job = match mount.logic.next_write(!self.all) {
                    Next::Write(write) => Job::Block(write),
                    Next::Flush => {
                        mount.flushes = mount.flushes.saturating_add(1);
                        Job::Flush(mount.flushes)
                    }
                    Next::Again => {
                        again = true;
                        break;
                    }
                    Next::Nothing => break,
                };
                if !self.send(id, job, writing, cx) {
                    return false;
                }
            }
        }
        again
    }

    fn send(&mut self, id: MountId, job: Job, writing: &mut Writing, cx: &mut Cx<'_, M>) -> bool {
        match self.ask(id, &job, cx) {
            Some(trigger) => {
                writing.under_way.push_back((trigger, id, job));
                true
            }
            None => {
                writing.stuck.push_back((id, job));
                false
            }
        }
    }

    fn ask(&self, id: MountId, job: &Job, cx: &mut Cx<'_, M>) -> Option<Trigger> {
        let (mounted, ports) = self.wiring.mounted(id).zip(self.wiring.ports.get())?;
        let volume = mounted.volume;
        let request = |operation, block: u32, data| {
            let block = u64::from(block).saturating_mul(u64::from(mounted.sectors));
            VolumeRequest::Blocks { volume, operation, block, data }
        };
        let Job::Block(write) = job else {
            let flush = request(Does::Flush, 0, F::Memory::none());
            return cx.request(ports.volumes, Labels::NONE, flush).ok();
        };
        let data = |write: &Write| {
            let data = F::Memory::own(write.bytes.len())?;
            (data.write(&write.bytes) == write.bytes.len()).then_some(data)
        };
        cx.moved(vortex_units::Bytes::new(write.bytes.len() as u64));
        cx.bill_run(write.by);
        let first = request(Does::Write, write.block, data(write)?);
        match cx.request_for(write.by, ports.volumes, Labels::NONE, first) {
            Ok(trigger) => Some(trigger),
            // Who has changed it is gone, or may have no more now: but others wait for what
            // comes behind it in the order.
            Err(SendError::NoSuchActivity | SendError::OverBudget | SendError::NoRoom) => {
                let request = request(Does::Write, write.block, data(write)?);
                cx.request_for(ActivityId::INFRASTRUCTURE, ports.volumes, Labels::NONE, request)
                    .ok()
            }
            Err(_) => None,
        }
    }

    /// The first of what is under way has come to its end.
    fn wrote(&mut self, writing: &mut Writing, result: Result<(), Errno>, cx: &mut Cx<'_, M>) {
        let Some((_, id, job)) = writing.under_way.pop_front() else { return };
        if result == Err(Errno::ENOMEM) {
            writing.stuck.push_back((id, job));
            return;
        }
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        match job {
            Job::Block(write) => mount.logic.written(write.block, result),
            Job::Flush(number) => {
                if result.is_ok() {
                    mount.flushed = mount.flushed.max(number);
                }
                mount.logic.flushed(result);
            }
        }
        if let Err(error) = result {
            self.wiring.tell(format_args!("metadata could not be written: {error:?}"));
        }
        self.wake(id, cx);
    }
}

/// Storage has answered.
struct Wrote;

impl<M: Mail<F>, F: PageFrame> Continuation<M, Ext2<M, F>> for Wrote {
    fn resume(ext2: &mut Ext2<M, F>, request: &mut Ext2Request, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Ext2Request::WriteBack(writing) = request else { return Outcome::Done };
        let result = super::mounts::result(cx.reply::<Reply<F::Memory>>());
        ext2.wrote(writing, result, cx);
        ext2.write_back(writing, cx)
    }
}
