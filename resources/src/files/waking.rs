//! Calls that wait: how they are kept, and what they are told.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_files::WaitKey;
use vortex_grid::{At, Continuation, Labels, Outcome, Resource};
use vortex_units::Cycles;

use super::calls::Cx;
use super::request::{FileCall, FileRequest};
use super::resource::{Done, FileSystem, Next};
use super::waits::{Looked, Over, Then};
use crate::process::{Operands, Pid};
use crate::{Answer, Mail};

/// What a read or a write waited for may be there. Its buffers are pinned anew: if they are
/// not there by now, its thread makes the call again, and has them mended.
struct GoesOn;

impl Continuation<Mail, FileSystem> for GoesOn {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Call(call) = request else { return Outcome::Done };
        let space = call.space.clone().unwrap_or_else(|| call.thread.process.memory());
        match Operands::prepare(&space, call.call.operands()) {
            Ok(operands) => {
                call.operands = operands;
                files.handle(request, cx)
            }
            Err(_) => Outcome::Reply(Answer::Again(None, false)),
        }
    }
}

impl FileSystem {
    /// Keeps a call that would block, for these, or for what it watches; its buffers are not
    /// kept. Whoever sets the thread's flag first and sends the cancellation then is seen
    /// either here or by the cancellation.
    pub(super) fn wait(
        &mut self,
        call: &mut FileCall,
        keys: Option<Vec<WaitKey>>,
        deadline: Option<Cycles>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let tid = call.thread.tid;
        if call.thread.interrupted.load(Ordering::Acquire) {
            self.lock_waits.remove(tid);
            self.waits.end_watch(tid);
            return Outcome::Reply(self.interrupted(call, deadline));
        }
        let Some(kept) = cx.keep() else {
            self.lock_waits.remove(tid);
            self.waits.end_watch(tid);
            return Outcome::Reply(Answer::Call(Err(Errno::ENOMEM)));
        };
        let number = match keys {
            Some(keys) => {
                let then = call.then();
                self.waits.add(tid, kept, keys, deadline, then)
            }
            None => self.waits.keep_watch(tid, kept, deadline),
        };
        call.operands = Operands::default();
        if let (Some(deadline), Some(own)) = (deadline, self.own()) {
            let left = self.system.clock.until(deadline, cx.now());
            let request = FileRequest::Timeout(tid, number);
            if cx.after(left, own, Labels::NONE, request).is_err() {
                self.cancel(tid, cx);
            }
        }
        Outcome::Kept
    }

    /// What a call whose wait is ended by a signal answers.
    fn interrupted(&mut self, call: &FileCall, deadline: Option<Cycles>) -> Answer {
        if let Some(open) = call.opening {
            self.root.close(open, &mut self.effects);
        }
        match call.done {
            // It is closed, whatever has not arrived.
            0 if call.lingers.is_some() => Answer::Call(Ok(0)),
            0 => Answer::Interrupted(deadline),
            done => Answer::Call(Ok(done as u64)),
        }
    }

    /// Ends a thread's wait for a signal's sake.
    pub(super) fn cancel(&mut self, tid: Pid, cx: &mut Cx<'_>) {
        let Some(over) = self.end_wait(tid) else { return };
        let answer = match over.then {
            Then::Here(call) => self.interrupted(&call, over.deadline),
            Then::GoesOn | Then::Again => Answer::Interrupted(over.deadline),
            Then::Rest(done) => Answer::Call(Ok(done as u64)),
        };
        let _ = cx.answer(over.kept, Some(answer));
    }

    /// Takes away what is known of a thread's wait, if it has one: it is to be answered.
    fn end_wait(&mut self, tid: Pid) -> Option<Over> {
        self.lock_waits.remove(tid);
        self.waits.remove(tid)
    }

    /// Wakes those for whom something has changed, and those for whom these change something:
    /// in further runs, where they are many.
    pub(super) fn wake_all(&mut self, cx: &mut Cx<'_>) {
        self.note_wakes();
        for _ in 0..SLICE {
            if let Some((key, from)) = self.spreading.pop_front() {
                let next = self.root.spread(key, from, WATCHES, &mut self.effects);
                if let Some(next) = next {
                    self.spreading.push_front((key, next));
                }
                self.note_wakes();
                continue;
            }
            let Some(&(key, last)) = self.waking.front() else { return };
            match self.waits.first(key, last) {
                Looked::Waits(tid) => self.wake(tid, cx),
                Looked::Other => {}
                Looked::Nobody => drop(self.waking.pop_front()),
            }
            self.note_wakes();
        }
        let more = !self.waking.is_empty() || !self.spreading.is_empty();
        if more
            && !self.wakes
            && let Some(own) = self.own()
        {
            self.wakes = cx.send(own, Labels::NONE, FileRequest::Wake).is_ok();
        }
    }

    /// What has changed for those who wait for it.
    fn note_wakes(&mut self) {
        let last = self.waits.last();
        for &key in self.effects.wakes() {
            let known = self.waking.back() == Some(&(key, last));
            if !known && self.waits.has(key) {
                self.waking.push_back((key, last));
            }
            if self.root.is_watched(key.object) {
                self.spreading.push_back((key, 0));
            }
        }
        self.release_sockets();
        self.effects.clear();
    }

    /// Something that is no effect of a call has changed.
    pub(super) fn wake_for(&mut self, key: WaitKey) {
        self.waking.push_back((key, self.waits.last()));
        if self.root.is_watched(key.object) {
            self.spreading.push_back((key, 0));
        }
    }

    /// Ends a thread's wait, for what it waited for may be there: its call goes on, here or by
    /// its thread, or waits again.
    fn wake(&mut self, tid: Pid, cx: &mut Cx<'_>) {
        let Some(over) = self.end_wait(tid) else { return };
        let mut call = match over.then {
            Then::GoesOn => {
                let _ = cx.go_on(over.kept, At::routine::<GoesOn>());
                return;
            }
            Then::Again => {
                let _ = cx.answer(over.kept, Some(Answer::Again(over.deadline, false)));
                return;
            }
            Then::Rest(done) => {
                let _ = cx.answer(over.kept, Some(Answer::GoOn(done as u64)));
                return;
            }
            // It has opened one end of a FIFO: it goes on here.
            Then::Here(call) => call,
        };
        let result = match self.perform(&mut call, cx) {
            Ok(Done::Wait(keys, deadline)) => {
                self.waits.add(tid, over.kept, keys, deadline, Then::Here(call));
                return;
            }
            Ok(Done::Value(value)) => Ok(value),
            // The open of a FIFO asks no disk.
            Ok(
                Done::More
                | Done::Rest(_)
                | Done::Watched(_)
                | Done::Disk(_)
                | Done::Ask(_)
                | Done::Network(_),
            ) => Ok(call.done as u64),
            Err(error) => Err(error),
        };
        let _ = cx.answer(over.kept, Some(Answer::Call(result)));
    }
}

/// Threads that are woken in one run: each is an answer or a kept request to be delivered.
const SLICE: usize = 6;
/// Watches of sets that are told of a change at once.
const WATCHES: usize = 8;
