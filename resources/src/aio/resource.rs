//! The resource.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use vortex_abi::{Aio, Errno};
use vortex_grid::{At, Context, Continuation, Outcome, Port, Resource};

use super::list::Lists;
use super::operation::{OpId, Operation, Operations, Way};
use super::owner::{Key, Owner};
use super::request::{AioCall, AioRequest, Stage};
use super::suspend::Waits;
use crate::files::AioOpened;
use crate::{Answer, Mail, Ports, System};

/// The resource. It is at home on one core.
pub struct AsyncIo {
    pub(super) system: Arc<System>,
    pub(super) operations: Operations,
    pub(super) owners: BTreeMap<Key, Owner>,
    pub(super) waits: Waits,
    pub(super) lists: Lists,
}

pub(super) type Next = Outcome<Mail, AsyncIo>;
pub(super) type Cx<'a> = Context<'a, Mail>;

/// A call's answer.
pub(super) fn reply(result: Result<u64, Errno>) -> Next {
    Outcome::Reply(Answer::Call(result))
}

impl Resource<Mail> for AsyncIo {
    type Request = AioRequest;
    type Reply = Answer;
    /// An operation's end: a signal, its list's, its descriptor, and who waits beyond a few.
    const FAN_OUT: u32 = 8;

    fn handle(&mut self, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        match request {
            AioRequest::Call(call) => self.call(call, cx),
            AioRequest::Run(id) => self.run(*id, cx),
            AioRequest::Wake(waiters) => self.wake_some(waiters, cx),
            AioRequest::Clear(key, pages) => self.clear(*key, pages, cx),
            AioRequest::Cancel(tid) => {
                self.interrupt(*tid, cx);
                Outcome::Done
            }
            AioRequest::Timeout(waiter) => {
                self.expire(*waiter, cx);
                Outcome::Done
            }
            AioRequest::End(pid, space, from) => {
                self.end(Key { pid: *pid, space: *space }, from, cx)
            }
        }
    }
}

impl AsyncIo {
    /// The resource.
    #[must_use]
    pub fn new(system: Arc<System>) -> Self {
        Self {
            system,
            operations: Operations::default(),
            owners: BTreeMap::new(),
            waits: Waits::default(),
            lists: Lists::default(),
        }
    }

    pub(super) fn ports(&self) -> Result<&Ports, Errno> {
        self.system.ports.get().ok_or(Errno::EAGAIN)
    }

    pub(super) fn own(&self) -> Result<Port<Self>, Errno> {
        self.ports().map(|ports| ports.aio)
    }

    fn call(&mut self, call: &mut AioCall, cx: &mut Cx<'_>) -> Next {
        let done = match call.call {
            Aio::AioRead { .. } | Aio::AioWrite { .. } | Aio::AioFsync { .. } => {
                self.submit(call, cx)
            }
            Aio::AioError { block } => self.error(call.key(), block).map(|value| reply(Ok(value))),
            Aio::AioReturn { block } => self.take_result(call, block, cx),
            Aio::AioSuspend { count, timeout, .. } => {
                self.suspend(call, count, timeout.is_some(), cx)
            }
            Aio::AioCancel { fd, block } => self.cancel(call, fd.0, block, cx),
            Aio::LioListio { mode, count, event, .. } => {
                self.list(call, (mode, count, event.is_some()), cx)
            }
        };
        done.unwrap_or_else(|error| reply(Err(error)))
    }

    /// An operation begins, or goes on.
    fn run(&mut self, id: OpId, cx: &mut Cx<'_>) -> Next {
        // Nobody wants it any more.
        let Some(operation) = self.operations.get(id).filter(|it| it.result.is_none()) else {
            return Outcome::Done;
        };
        if operation.cancelled && !operation.begun {
            return self.finish(id, Err(Errno::ECANCELED), cx);
        }
        let waits = operation.is_in_turn() && !operation.begun && !self.has_turn(id, operation);
        if waits {
            let Some(kept) = cx.keep() else { return self.finish(id, Err(Errno::EAGAIN), cx) };
            if let Some(operation) = self.operations.get_mut(id) {
                operation.kept = Some(kept);
            }
            return Outcome::Kept;
        }
        let Some(operation) = self.operations.get_mut(id) else { return Outcome::Done };
        operation.begun = true;
        let next = match operation.way {
            Way::Cached { .. } => self.read(id, cx),
            Way::Moved { .. } => self.transfer(id, cx),
        };
        next.unwrap_or_else(|error| self.fail(id, error, cx))
    }

    fn has_turn(&self, id: OpId, operation: &Operation) -> bool {
        let owner = self.owners.get(&operation.of);
        owner.and_then(|owner| owner.turn(operation.fd)) == Some(id)
    }

    /// An operation fails: what is done counts.
    pub(super) fn fail(&mut self, id: OpId, error: Errno, cx: &mut Cx<'_>) -> Next {
        let done = self.operations.get(id).map_or(0, |operation| operation.done);
        self.finish(id, if done > 0 { Ok(done) } else { Err(error) }, cx)
    }
}

/// The file resource has said what a call is about.
pub(super) struct Opened;

impl Continuation<Mail, AsyncIo> for Opened {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        let AioRequest::Call(call) = request else { return Outcome::Done };
        let opened = match cx.reply::<Answer>() {
            Ok(Some(Answer::Opened(opened))) => opened,
            _ => Err(Errno::EAGAIN),
        };
        match core::mem::take(&mut call.stage) {
            Stage::Opening(wanted) => aio.opened(call, *wanted, opened, cx),
            Stage::Cancelling(cancelling) => match opened {
                Ok(AioOpened::There) => {
                    call.stage = Stage::Cancelling(cancelling);
                    aio.cancel_some(call, cx)
                }
                Ok(_) => reply(Err(Errno::EAGAIN)),
                Err(error) => reply(Err(error)),
            },
            _ => reply(Err(Errno::EAGAIN)),
        }
    }
}

/// A request goes on from its beginning.
pub(super) fn again() -> Next {
    Outcome::Continue(At::beginning())
}
