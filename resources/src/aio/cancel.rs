//! aio_cancel. What has not begun ends at once; what waits in the file resource is interrupted
//! there, as a thread is by a signal; what is on its way between memory and a disk is waited for.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use vortex_abi::{Errno, Fd};
use vortex_grid::{At, Labels, Outcome as Left};

use super::operation::OpId;
use super::owner::Key;
use super::request::{AioCall, Stage};
use super::resource::{self, AsyncIo, Cx, Opened, again, reply};
use super::suspend::{Then, Waiter};
use crate::files::{AioOpen, AioWant, FileRequest};
use crate::process::Pid;

/// Operations looked at in one run.
const LOOKS: usize = 64;

type Outcome = resource::Next;

const CANCELED: u64 = 0;
const NOT_CANCELED: u64 = 1;
const ALL_DONE: u64 = 2;

/// What there is to be ended.
enum Next {
    One(OpId),
    /// More is to be looked at.
    More,
    None,
}

/// How far a call has come.
#[derive(Default)]
pub(super) struct Cancelling {
    /// The control block to look at next.
    from: u64,
    /// One that it waits for.
    waits_for: Option<OpId>,
    /// Some ended before their time, some did not.
    ended: bool,
    went_on: bool,
}

impl AsyncIo {
    pub(super) fn cancel(
        &mut self,
        call: &mut AioCall,
        fd: i32,
        block: u64,
        cx: &mut Cx<'_>,
    ) -> Result<Outcome, Errno> {
        if let Stage::Cancelling(_) = call.stage {
            return Ok(self.cancel_some(call, cx));
        }
        let known = self.owners.get(&call.key()).and_then(|owner| owner.operations.get(&block));
        if let Some(operation) = known.and_then(|id| self.operations.get(*id))
            && operation.fd != fd
        {
            return Err(Errno::EINVAL);
        }
        // It has to be a descriptor.
        let files = call.thread.process.files;
        let open = AioOpen { files, table: None, fd, want: AioWant::Nothing };
        let request = FileRequest::Aio(Box::new(open));
        let trigger = cx.request(self.ports()?.files, Labels::NONE, request);
        let trigger = trigger.map_err(|_| Errno::EAGAIN)?;
        call.stage = Stage::Cancelling(Cancelling::default());
        Ok(Left::Pending(trigger, At::routine::<Opened>()))
    }

    /// Ends some of those that are meant.
    pub(super) fn cancel_some(&mut self, call: &mut AioCall, cx: &mut Cx<'_>) -> Outcome {
        let vortex_abi::Aio::AioCancel { fd: Fd(fd), block } = call.call else {
            return reply(Err(Errno::EINVAL));
        };
        let key = call.key();
        let Stage::Cancelling(mut cancelling) = core::mem::take(&mut call.stage) else {
            return reply(Err(Errno::EAGAIN));
        };
        if let Some(id) = cancelling.waits_for.take() {
            match self.operations.get(id).and_then(|operation| operation.result) {
                Some(Err(Errno::ECANCELED)) => cancelling.ended = true,
                // Its result may have been taken, too.
                _ => cancelling.went_on = true,
            }
        }
        // One is ended in a run: it may have much to tell.
        match self.next_of(key, (fd, block), &mut cancelling.from) {
            Next::One(id) => {
                if !self.end_early(id, cx) {
                    cancelling.waits_for = Some(id);
                    return self.wait_for(id, call, cancelling, cx);
                }
                cancelling.ended = true;
            }
            Next::More => {}
            Next::None => {
                return reply(Ok(match (cancelling.went_on, cancelling.ended) {
                    (true, _) => NOT_CANCELED,
                    (false, true) => CANCELED,
                    (false, false) => ALL_DONE,
                }));
            }
        }
        call.stage = Stage::Cancelling(cancelling);
        again()
    }

    /// The call goes on when this has ended.
    fn wait_for(
        &mut self,
        id: OpId,
        call: &mut AioCall,
        cancelling: Cancelling,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        call.stage = Stage::Cancelling(cancelling);
        let Some(operation) = self.operations.get_mut(id).filter(|it| it.result.is_none()) else {
            return again();
        };
        let waiter = self.waits.begin(call.thread.tid, Then::Again);
        let waits = |other: Waiter| self.waits.of(other.tid) == Some(other);
        if let Err(error) = operation.waiters.add(waiter, cx.root(), waits) {
            self.waits.forget(waiter.tid);
            return reply(Err(error));
        }
        self.wait(call, cx).unwrap_or_else(|error| reply(Err(error)))
    }

    /// The next operation that has not ended: on this descriptor, and of this block if one is
    /// given.
    fn next_of(&self, key: Key, (fd, block): (i32, u64), from: &mut u64) -> Next {
        let Some(owner) = self.owners.get(&key) else { return Next::None };
        let mut looks = LOOKS;
        for (&at, &id) in owner.operations.range(*from..) {
            if looks == 0 {
                *from = at;
                return Next::More;
            }
            looks -= 1;
            let meant = block == 0 || at == block;
            let operation = self.operations.get(id).filter(|it| meant && it.result.is_none());
            if operation.is_some_and(|operation| operation.fd == fd) {
                *from = at.saturating_add(1);
                return Next::One(id);
            }
        }
        *from = u64::MAX;
        Next::None
    }
    /// Ends an operation before its time, if it has not begun: true. If it has, it is told to
    /// end, and does as soon as it can.
    pub(super) fn end_early(&mut self, id: OpId, cx: &mut Cx<'_>) -> bool {
        let Some(operation) = self.operations.get_mut(id) else { return false };
        if operation.result.is_some() {
            return false;
        }
        operation.cancelled = true;
        if !operation.begun {
            self.settle(id, Err(Errno::ECANCELED), cx);
            return true;
        }
        if let Some(thread) = &operation.stand_in
            && let Some(ports) = self.system.ports.get()
        {
            thread.interrupted.store(true, Ordering::SeqCst);
            let cancel = FileRequest::Cancel(Pid(id.stand_in()));
            let _ = cx.send(ports.files, Labels::NONE, cancel);
        }
        false
    }
}
