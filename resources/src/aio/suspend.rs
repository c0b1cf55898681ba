//! Calls that wait until operations have ended.
//!
//! # Invariants
//! A thread has at most one wait here, known by its number. A wait is answered exactly once.

use alloc::collections::BTreeMap;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_grid::{At, Kept, Labels, Outcome};
use vortex_units::{Cycles, Nanos};

use super::request::{AioCall, AioRequest, Stage};
use super::resource::{AsyncIo, Cx, Next, again, reply};
use crate::files::timespec;
use crate::process::Pid;
use crate::{Answer, Mail};

/// The most control blocks in one call.
pub(super) const LIST: u32 = 1024;
/// Those that are looked at in one run.
const LOOKS: usize = 64;

/// A thread's wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    pub(super) tid: Pid,
    pub(super) number: u64,
}

/// What becomes of a call when what it waits for has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It is done.
    Done,
    /// It looks again.
    Again,
}

struct Wait {
    number: u64,
    /// Nothing while it is only about to wait.
    kept: Option<Kept<Mail>>,
    /// What it is to wait for has come meanwhile.
    hit: bool,
    then: Then,
    deadline: Option<Cycles>,
}

/// The threads that wait.
#[derive(Default)]
pub(super) struct Waits {
    by_thread: BTreeMap<Pid, Wait>,
    number: u64,
}

impl Waits {
    /// A thread is about to wait: those that it waits for are to be told.
    pub fn begin(&mut self, tid: Pid, then: Then) -> Waiter {
        self.number += 1;
        let number = self.number;
        let wait = Wait { number, kept: None, hit: false, then, deadline: None };
        self.by_thread.insert(tid, wait);
        Waiter { tid, number }
    }

    /// What a thread is about to wait for, if it is.
    pub fn of(&self, tid: Pid) -> Option<Waiter> {
        self.by_thread.get(&tid).map(|wait| Waiter { tid, number: wait.number })
    }

    /// It does not wait.
    pub fn forget(&mut self, tid: Pid) {
        self.by_thread.remove(&tid);
    }
}

impl AsyncIo {
    /// aio_suspend: returns when one of these has ended, or is none.
    pub(super) fn suspend(
        &mut self,
        call: &mut AioCall,
        count: u32,
        limited: bool,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Errno> {
        let (tid, activity) = (call.thread.tid, cx.root());
        if count > LIST {
            return Err(Errno::EINVAL);
        }
        let from = match call.stage {
            Stage::Looking(from) => from,
            _ => {
                if limited && call.deadline.is_none() {
                    let span = timespec(&call.operands.bytes_of::<16>(1)?)?;
                    let clock = self.system.clock;
                    call.deadline = Some(clock.after(cx.now(), Nanos::new(span)));
                }
                self.waits.begin(tid, Then::Done);
                0
            }
        };
        let Some(waiter) = self.waits.of(tid) else { return Err(Errno::EINTR) };
        let (list, key) = (call.operands.buffer(0)?, call.key());
        let end = from.saturating_add(LOOKS).min(count as usize);
        for at in from..end {
            let mut bytes = [0; 8];
            list.read(at * 8, &mut bytes);
            let block = u64::from_le_bytes(bytes);
            if block == 0 {
                continue;
            }
            let known = self.owners.get(&key).and_then(|owner| owner.operations.get(&block));
            let operation = known.copied().and_then(|id| self.operations.get_mut(id));
            match operation.filter(|operation| operation.result.is_none()) {
                Some(operation) => {
                    let waits = |other: Waiter| self.waits.of(other.tid) == Some(other);
                    let added = operation.waiters.add(waiter, activity, waits);
                    if added.is_err() {
                        self.waits.forget(tid);
                    }
                    added?;
                }
                None => {
                    self.waits.forget(tid);
                    return Ok(reply(Ok(0)));
                }
            }
        }
        if end < count as usize {
            call.stage = Stage::Looking(end);
            return Ok(again());
        }
        if call.deadline.is_some_and(|deadline| deadline <= cx.now()) {
            let hit = self.waits.by_thread.get(&tid).is_some_and(|wait| wait.hit);
            self.waits.forget(tid);
            return if hit { Ok(reply(Ok(0))) } else { Err(Errno::EAGAIN) };
        }
        self.wait(call, cx)
    }

    /// Keeps a call that is about to wait, unless what it waits for has come, or a signal.
    /// Whoever sends that sets the thread's flags first, and then looks whether it waits here.
    pub(super) fn wait(&mut self, call: &mut AioCall, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        let thread = call.thread.clone();
        let tid = thread.tid;
        let deadline = call.deadline;
        thread.waits_for_operations.store(true, Ordering::SeqCst);
        let Some(wait) = self.waits.by_thread.get_mut(&tid) else { return Err(Errno::EINTR) };
        let next = match (wait.hit, wait.then) {
            (true, Then::Done) => Some(reply(Ok(0))),
            (true, Then::Again) => Some(again()),
            _ if thread.interrupted.load(Ordering::SeqCst) => {
                Some(Outcome::Reply(Answer::Interrupted(deadline)))
            }
            _ => None,
        };
        if let Some(next) = next {
            thread.waits_for_operations.store(false, Ordering::SeqCst);
            self.waits.forget(tid);
            return Ok(next);
        }
        let number = wait.number;
        let Some(kept) = cx.keep() else {
            self.waits.forget(tid);
            return Err(Errno::ENOMEM);
        };
        (wait.kept, wait.deadline) = (Some(kept), deadline);
        // What it waits for may be long in coming.
        call.operands = crate::process::Operands::default();
        if let (Some(deadline), Ok(own)) = (deadline, self.own()) {
            let left = self.system.clock.until(deadline, cx.now());
            let request = AioRequest::Timeout(Waiter { tid, number });
            if cx.after(left, own, Labels::NONE, request).is_err() {
                self.interrupt(tid, cx);
            }
        }
        Ok(Outcome::Kept)
    }

    /// What a thread waits for has come, if it still does.
    pub(super) fn wake(&mut self, waiter: Waiter, cx: &mut Cx<'_>) {
        let Some(wait) = self.waits.by_thread.get_mut(&waiter.tid) else { return };
        if wait.number != waiter.number {
            return;
        }
        let Some(kept) = wait.kept.take() else {
            wait.hit = true;
            return;
        };
        let then = wait.then;
        self.waits.forget(waiter.tid);
        let _ = match then {
            Then::Done => cx.answer(kept, Some(Answer::Call(Ok(0)))),
            Then::Again => cx.go_on(kept, At::<Mail, Self>::beginning()),
        };
    }

    /// A signal ends a thread's wait.
    pub(super) fn interrupt(&mut self, tid: Pid, cx: &mut Cx<'_>) {
        let Some(wait) = self.waits.by_thread.get_mut(&tid) else { return };
        let Some(kept) = wait.kept.take() else { return };
        let deadline = wait.deadline;
        self.waits.forget(tid);
        let _ = cx.answer(kept, Some(Answer::Interrupted(deadline)));
    }

    /// A wait's time is over.
    pub(super) fn expire(&mut self, waiter: Waiter, cx: &mut Cx<'_>) {
        let Some(wait) = self.waits.by_thread.get_mut(&waiter.tid) else { return };
        if wait.number != waiter.number {
            return;
        }
        if let Some(kept) = wait.kept.take() {
            self.waits.forget(waiter.tid);
            let _ = cx.answer(kept, Some(Answer::Call(Err(Errno::EAGAIN))));
        }
    }
}
