//! Calls that wait: how they are kept, and what they are told.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_files::WaitKey;
use vortex_grid::{Labels, Outcome};
use vortex_units::Cycles;

use super::calls::Cx;
use super::request::{FileCall, FileRequest};
use super::resource::{Done, FileSystem, Next};
use super::waits::{Looked, Over};
use crate::Answer;
use crate::process::Pid;

impl FileSystem {
    /// Keeps a call that would block, for these, or for what it watches. Whoever sets the thread's flag first and sends the
    /// cancellation then is seen either here or by the cancellation.
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
                let begun = (call.go_on_here(), call.done);
                self.waits.add(tid, kept, keys, deadline, begun)
            }
            None => self.waits.keep_watch(tid, kept, deadline),
        };
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
            0 => Answer::Interrupted(deadline),
            done => Answer::Call(Ok(done as u64)),
        }
    }

    /// Ends a thread's wait for a signal's sake.
    pub(super) fn cancel(&mut self, tid: Pid, cx: &mut Cx<'_>) {
        let Some(over) = self.end_wait(tid) else { return };
        let answer = match (over.begun, over.done) {
            (Some(call), _) => self.interrupted(&call, over.deadline),
            (None, 0) => Answer::Interrupted(over.deadline),
            (None, done) => Answer::Call(Ok(done as u64)),
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
            let Some(&(key, last)) = self.waking.front() else { return };
            match self.waits.first(key, last) {
                Looked::Waits(tid) => self.wake(tid, cx),
                Looked::Other => {}
                Looked::Nobody => drop(self.waking.pop_front()),
            }
            self.note_wakes();
        }
        if !self.waking.is_empty()
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
        }
        self.effects.clear();
    }

    /// Something that is no effect of a call has changed.
    pub(super) fn wake_for(&mut self, key: WaitKey) {
        self.waking.push_back((key, self.waits.last()));
    }

    /// Lets a thread try again.
    fn wake(&mut self, tid: Pid, cx: &mut Cx<'_>) {
        let Some(over) = self.end_wait(tid) else { return };
        let Some(mut call) = over.begun else {
            let answer = match over.done {
                0 => Answer::Again(over.deadline, false),
                done => Answer::GoOn(done as u64),
            };
            let _ = cx.answer(over.kept, Some(answer));
            return;
        };
        // It has opened one end of a FIFO: it goes on here.
        let result = match self.perform(&mut call, cx) {
            Ok(Done::Wait(keys, deadline)) => {
                self.waits.add(tid, over.kept, keys, deadline, (Some(call), 0));
                return;
            }
            Ok(Done::Value(value)) => Ok(value),
            Ok(Done::More | Done::Watched(_)) => Ok(call.done as u64),
            Err(error) => Err(error),
        };
        let _ = cx.answer(over.kept, Some(Answer::Call(result)));
    }
}

/// Threads that are woken in one run: each is an answer to be delivered.
const SLICE: usize = 6;
