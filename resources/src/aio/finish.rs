//! An operation has ended: its control block, its signal, who waits for it, and whose turn it is
//! then.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_grid::{At, Labels, Outcome};

use super::block::{self, Event};
use super::operation::{OpId, Way};
use super::owner::Key;
use super::request::AioRequest;
use super::resource::{AsyncIo, Cx, Next};
use super::waiters::Waiters;
use crate::Mail;
use crate::process::ProcessRequest;
use crate::process::signals::Info;

/// Who waits for an operation and is woken in the run that ends it.
const WOKEN: usize = 8;

impl AsyncIo {
    /// Ends an operation, in its own request's run.
    pub(super) fn finish(&mut self, id: OpId, result: Result<u64, Errno>, cx: &mut Cx<'_>) -> Next {
        self.settle(id, result, cx);
        Outcome::Done
    }

    /// Ends an operation.
    pub(super) fn settle(&mut self, id: OpId, result: Result<u64, Errno>, cx: &mut Cx<'_>) {
        let Some(operation) = self.operations.get_mut(id).filter(|it| it.result.is_none()) else {
            return;
        };
        operation.result = Some(result);
        if let Some(kept) = operation.kept.take() {
            let _ = cx.answer::<crate::Answer>(kept, None);
        }
        if let Some(pinned) = operation.told.take() {
            block::ended(&pinned, result, operation.shown);
        }
        operation.frames = Vec::new();
        let own = match operation.way {
            Way::Moved { files, fd, .. } => Some((files, fd)).zip(operation.stand_in.take()),
            Way::Cached { .. } => None,
        };
        let (key, fd, event) = (operation.of, operation.fd, operation.event);
        let (list, waiters) = (operation.list.take(), core::mem::take(&mut operation.waiters));
        if let Some(((files, own), thread)) = own {
            self.close_own(files, own, thread, cx);
            self.next_turn(key, fd, id, cx);
        }
        self.notify(key, event, cx);
        if let Some(list) = list {
            self.one_less(list, result.is_err(), cx);
        }
        self.wake_all(waiters, cx);
        if self.owners.get(&key).is_none_or(|owner| owner.ended) {
            self.forget(id, cx);
            self.end_owner(key, cx);
        }
    }

    /// It is not the turn of this operation any more: the next one's begins.
    fn next_turn(&mut self, key: Key, fd: i32, id: OpId, cx: &mut Cx<'_>) {
        let number = self.operations.get(id).map_or(0, |operation| operation.turn);
        let Some(owner) = self.owners.get_mut(&key) else { return };
        owner.step_out(fd, number);
        let Some(next) = owner.turn(fd) else { return };
        let kept = self.operations.get_mut(next).and_then(|operation| operation.kept.take());
        if let Some(kept) = kept {
            let _ = cx.go_on(kept, At::<Mail, Self>::beginning());
        }
    }

    /// What is to happen in the end happens.
    pub(super) fn notify(&mut self, key: Key, event: Event, cx: &mut Cx<'_>) {
        let Event::Signal(signal, value) = event else { return };
        let Some(owner) = self.owners.get(&key).filter(|owner| !owner.ended) else { return };
        let Some(ports) = self.system.ports.get() else { return };
        let info = Box::new(Info::of_operation(signal, owner.process.pid, value));
        let request = ProcessRequest::Notify(owner.process.clone(), info);
        let _ = cx.send(ports.process, Labels::NONE, request);
    }

    fn wake_all(&mut self, mut waiters: Waiters, cx: &mut Cx<'_>) {
        for waiter in core::iter::from_fn(|| waiters.take()).take(WOKEN) {
            self.wake(waiter, cx);
        }
        if !waiters.is_empty()
            && let Ok(own) = self.own()
        {
            let _ = cx.send(own, Labels::NONE, AioRequest::Wake(Box::new(waiters)));
        }
    }

    /// Some of those who have waited for what has ended.
    pub(super) fn wake_some(&mut self, waiters: &mut Waiters, cx: &mut Cx<'_>) -> Next {
        for _ in 0..WOKEN {
            let Some(waiter) = waiters.take() else { return Outcome::Done };
            self.wake(waiter, cx);
        }
        super::resource::again()
    }
}
