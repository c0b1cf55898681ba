//! What transactions have changed is written: by a request of the infrastructure's for each file
//! system, so that none waits for another's disk, in the logic's order, each block on the bill of
//! who has changed it.
//!
//! A block that could not be sent for want of memory is sent again: only what the disk says of
//! it counts as its failure.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome, SendError, Trigger};
use vortex_storage::{MOST_BYTES, Memory, Operation as Does, Reply, VolumeRequest};
use vortex_units::{ActivityId, Micros};

use super::{After, Cx, Ext2, Next, Write};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Ext2Request, Mail};

/// Writes of a file system that are under way at a time.
pub(super) const BATCH: usize = 8;
/// What is done in one run, as bytes of blocks that are given out; looking for a block, or for the
/// one behind another, is at least so much, and sending them a part of what they are.
const RUN: usize = 4 * 1024;
const LOOK: usize = 1024;
const SENT: usize = 8;
const PAGE: usize = 4096;
/// How often what is dirty is written.
const TICK: Micros = Micros::new(5_000_000);

/// What the writer of a file system has under way.
pub struct Writing {
    of: MountId,
    under_way: VecDeque<(Trigger, Job)>,
    /// What could not be sent.
    stuck: VecDeque<Job>,
    /// What is to be sent when those behind it have been looked for.
    grows: Option<Vec<Write>>,
}

impl Writing {
    pub(super) fn of(of: MountId) -> Box<Self> {
        let (under_way, stuck) = (VecDeque::new(), VecDeque::new());
        Box::new(Self { of, under_way, stuck, grows: None })
    }
}

enum Job {
    /// Adjacent blocks on one bill, at most 32 KB of them (footnote 12).
    Blocks(Vec<Write>),
    /// Which flush.
    Flush(u64),
}

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// Time has passed: what is dirty is written.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Some(port) = self.wiring.ports.get().map(|ports| ports.ext2) else {
            return Outcome::Done;
        };
        if cx.after(TICK, port, Labels::NONE, Ext2Request::Tick).is_err() {
            self.wiring.tell(format_args!("metadata is not written by itself any more"));
        }
        self.make_daemon(cx);
        let ids: Vec<MountId> = self.mounts.keys().copied().collect();
        for id in ids {
            if let Some(mount) = self.mounts.get_mut(&id) {
                if mount.due.is_none() {
                    mount.due = mount.logic.close_round();
                }
                mount.press();
            }
            self.wake_writer(id, cx);
        }
        Outcome::Done
    }

    /// A file system's writer looks again, and is made where there is none.
    pub(super) fn wake_writer(&mut self, id: MountId, cx: &mut Cx<'_, M>) {
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        if let Some(kept) = mount.writer.take() {
            // Kept here, by this resource.
            let _ = cx.go_on(kept, At::<M, Self>::beginning());
        } else if !mount.has_writer {
            mount.asks_writer = true;
            self.want_writer(cx);
        }
    }

    /// A transaction waits until something is written.
    pub(super) fn wait_for_writes(&mut self, id: MountId, cx: &mut Cx<'_, M>) -> After<M, F> {
        let failed = |error| Outcome::Reply(Err(error));
        let Some(mount) = self.mounts.get_mut(&id) else { return failed(Errno::ENODEV) };
        let room = mount.waiting.try_reserve(1).is_ok();
        let Some(kept) = room.then(|| cx.keep()).flatten() else { return failed(Errno::ENOMEM) };
        mount.waiting.push(kept);
        self.wake_writer(id, cx);
        Outcome::Kept
    }

    /// The writer: sends what may be sent, and waits for the first of it.
    pub(super) fn write_back(&mut self, writing: &mut Writing, cx: &mut Cx<'_, M>) -> After<M, F> {
        if matches!(self.fill(writing, cx), Filled::Much) {
            return Outcome::Continue(At::beginning());
        }
        if let Some((trigger, ..)) = writing.under_way.front() {
            return Outcome::Pending(*trigger, At::routine::<Wrote>());
        }
        let id = writing.of;
        let Some(mount) = self.mounts.get_mut(&id) else { return Outcome::Done };
        if writing.stuck.is_empty() {
            let waits = !mount.waiting.is_empty() || !mount.easing.is_empty();
            if waits && !mount.all {
                // What is urgent is not enough.
                mount.press();
                return Outcome::Continue(At::beginning());
            }
            mount.all = false;
            if waits {
                // Nothing is left that they could wait for.
                self.wake(id, cx);
                self.let_go_on(id, true, cx);
            }
        }
        let Some(mount) = self.mounts.get_mut(&id) else { return Outcome::Done };
        mount.writer = cx.keep();
        mount.has_writer = mount.writer.is_some();
        if mount.has_writer { Outcome::Kept } else { Outcome::Done }
    }

    /// Sends as much as may be under way, and some in a run.
    fn fill(&mut self, writing: &mut Writing, cx: &mut Cx<'_, M>) -> Filled {
        let mut left = RUN;
        let id = writing.of;
        if !self.mounts.contains_key(&id) {
            (writing.stuck, writing.grows) = (VecDeque::new(), None);
            return Filled::All;
        }
        while writing.under_way.len() < BATCH {
            if left == 0 {
                return Filled::Much;
            }
            if let Some(blocks) = writing.grows.take() {
                let (blocks, more) = self.grow(id, blocks);
                if more > 0 {
                    left = left.saturating_sub(more.max(LOOK));
                    writing.grows = Some(blocks);
                } else {
                    writing.stuck.push_back(Job::Blocks(blocks));
                }
            } else if let Some(job) = writing.stuck.pop_front() {
                let costs = LOOK.max(job.bytes() / SENT);
                if costs > left && left < RUN {
                    writing.stuck.push_front(job);
                    return Filled::Much;
                }
                left = left.saturating_sub(costs);
                if !self.send(job, writing, cx) {
                    return Filled::All;
                }
            } else {
                left = left.saturating_sub(LOOK);
                match self.next_of(id, cx) {
                    Some(Next::Write(write)) => {
                        left = left.saturating_sub(write.bytes.len().saturating_sub(LOOK));
                        writing.grows = Some(alloc::vec![write]);
                    }
                    Some(Next::Flush) => {
                        let number = self.mounts.get(&id).map_or(0, |mount| mount.flushes);
                        writing.stuck.push_back(Job::Flush(number));
                    }
                    // It has done what may be done in one run.
                    Some(Next::Again) => return Filled::Much,
                    Some(Next::Nothing) | None => return Filled::All,
                }
            }
        }
        Filled::All
    }

    /// What is to be written next of a file system. Who waits looks again as soon as it is known
    /// what the last flush has made to last.
    fn next_of(&mut self, id: MountId, cx: &mut Cx<'_, M>) -> Option<Next> {
        let mount = self.mounts.get_mut(&id).filter(|mount| !mount.gone)?;
        let next = mount.logic.next_write(!mount.all);
        if matches!(next, Next::Flush) {
            mount.flushes = mount.flushes.saturating_add(1);
            // What has changed since somebody waited for all is not what it waited for.
            mount.all = false;
        }
        if matches!(next, Next::Again) || !core::mem::take(&mut mount.settles) {
            return Some(next);
        }
        self.wake(id, cx);
        self.let_go_on(id, false, cx);
        let mount = self.mounts.get_mut(&id)?;
        if !mount.is_behind() {
            return Some(next);
        }
        mount.press();
        Some(if matches!(next, Next::Nothing) { Next::Again } else { next })
    }

    /// Looks for the block behind these; how many bytes came.
    fn grow(&mut self, id: MountId, mut blocks: Vec<Write>) -> (Vec<Write>, usize) {
        let bytes = size_of(&blocks);
        let last = blocks.last().map(|write| (write.block, write.by, write.bytes.len()));
        let behind = last.and_then(|(block, by, size)| {
            let room = bytes.saturating_add(size) <= MOST_BYTES && blocks.try_reserve(1).is_ok();
            let mount = self.mounts.get_mut(&id).filter(|_| room)?;
            mount.logic.next_behind(block, by)
        });
        let more = behind.as_ref().map_or(0, |write| write.bytes.len());
        blocks.extend(behind);
        (blocks, more)
    }

    fn send(&mut self, job: Job, writing: &mut Writing, cx: &mut Cx<'_, M>) -> bool {
        match self.ask(writing.of, &job, cx) {
            Some(trigger) => {
                writing.under_way.push_back((trigger, job));
                true
            }
            None => {
                writing.stuck.push_back(job);
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
        let blocks = match job {
            Job::Blocks(blocks) => blocks,
            Job::Flush(_) => {
                let flush = request(Does::Flush, 0, F::Memory::none());
                return cx.request(ports.volumes, Labels::NONE, flush).ok();
            }
        };
        let (first, by) = blocks.first().map(|write| (write.block, write.by))?;
        cx.moved(vortex_units::Bytes::new(job.bytes() as u64));
        cx.bill_run(by);
        let write = request(Does::Write, first, memory::<F>(blocks)?);
        match cx.request_for(by, ports.volumes, Labels::NONE, write) {
            Ok(trigger) => Some(trigger),
            // Who has changed it is gone, or may have no more now: but others wait for what
            // comes behind it in the order.
            Err(SendError::NoSuchActivity | SendError::OverBudget | SendError::NoRoom) => {
                let write = request(Does::Write, first, memory::<F>(blocks)?);
                cx.request_for(ActivityId::INFRASTRUCTURE, ports.volumes, Labels::NONE, write).ok()
            }
            Err(_) => None,
        }
    }

    /// The first of what is under way has come to its end.
    fn wrote(&mut self, writing: &mut Writing, result: Result<(), Errno>, cx: &mut Cx<'_, M>) {
        let id = writing.of;
        let Some((_, job)) = writing.under_way.pop_front() else { return };
        if result == Err(Errno::ENOMEM) {
            writing.stuck.push_back(job);
            return;
        }
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        match job {
            Job::Blocks(blocks) => {
                blocks.iter().for_each(|write| mount.logic.written(write.block, result));
            }
            Job::Flush(number) => {
                if result.is_ok() {
                    mount.flushed = mount.flushed.max(number);
                }
                mount.logic.flushed(result);
                mount.settles = true;
            }
        }
        if let Err(error) = result {
            self.wiring.tell(format_args!("metadata could not be written: {error:?}"));
            self.wake(id, cx);
            self.let_go_on(id, true, cx);
        }
    }
}

/// How much was sent.
enum Filled {
    /// All that may be now.
    All,
    /// As much as one run does.
    Much,
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Blocks(blocks) => size_of(blocks),
            Self::Flush(_) => 0,
        }
    }
}

fn size_of(blocks: &[Write]) -> usize {
    blocks.iter().map(|write| write.bytes.len()).sum()
}

/// Their bytes, as the device reads them.
fn memory<F: PageFrame>(blocks: &[Write]) -> Option<F::Memory> {
    let mut left = size_of(blocks);
    let mut blocks = blocks.iter();
    let mut all = F::Memory::none();
    while left > 0 {
        let page = F::Memory::own(left.min(PAGE))?;
        let mut at: usize = 0;
        while at < left.min(PAGE) {
            let write = blocks.next()?;
            let bytes = write.bytes.len();
            let part = page.part(at, bytes)?;
            (part.write(&write.bytes) == bytes).then_some(())?;
            at = at.saturating_add(bytes);
        }
        if !all.join(&page) {
            return None;
        }
        left = left.saturating_sub(at);
    }
    Some(all)
}

/// Storage has answered.
struct Wrote;

impl<M: Mail<F>, F: PageFrame> Continuation<M, Ext2<M, F>> for Wrote {
    fn resume(ext2: &mut Ext2<M, F>, request: &mut Ext2Request, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Ext2Request::WriteBack(writing) = request else { return Outcome::Done };
        let result = super::mounts::result(cx.reply::<Reply<F::Memory>>());
        ext2.wrote(writing, result, cx);
        // The rest of what it does has a run of its own.
        Outcome::Continue(At::beginning())
    }
}
