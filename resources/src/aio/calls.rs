//! What an operation's state is told by, and its result taken with.

use alloc::sync::Arc;
use core::ops::Range;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome, Trigger};

use super::operation::OpId;
use super::owner::Key;
use super::request::{AioCall, AioRequest, Stage};
use super::resource::{AsyncIo, Cx, Next, reply};
use crate::memory::{AddressSpace, MemoryRequest, Windowing};

impl AsyncIo {
    /// The operation of a control block.
    fn of_block(&self, key: Key, block: u64) -> Result<OpId, Errno> {
        let owner = self.owners.get(&key).ok_or(Errno::EINVAL)?;
        owner.operations.get(&block).copied().ok_or(Errno::EINVAL)
    }

    /// aio_error: as POSIX has it, the error is the value.
    pub(super) fn error(&self, key: Key, block: u64) -> Result<u64, Errno> {
        let operation = self.operations.get(self.of_block(key, block)?).ok_or(Errno::EINVAL)?;
        Ok(match operation.result {
            None => u64::from(Errno::EINPROGRESS.number()),
            Some(Ok(_)) => 0,
            Some(Err(error)) => u64::from(error.number()),
        })
    }

    /// aio_return: the operation is forgotten, and when its window is gone the result is there.
    pub(super) fn take_result(
        &mut self,
        call: &mut AioCall,
        block: u64,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Errno> {
        let key = call.key();
        let id = self.of_block(key, block)?;
        let operation = self.operations.get_mut(id).ok_or(Errno::EINVAL)?;
        let result = operation.result.ok_or(Errno::EINVAL)?;
        let window = operation.window.take();
        self.forget(id, cx);
        let Some(pages) = window else { return Ok(reply(result)) };
        match self.hide(&call.space.clone(), &pages, cx) {
            Ok(trigger) => {
                call.stage = Stage::Hiding(result, pages);
                Ok(Outcome::Pending(trigger, At::routine::<Hidden>()))
            }
            Err(_) => {
                self.send_clear(key, pages, cx);
                Ok(reply(result))
            }
        }
    }

    /// Asks ASR to take a window away.
    fn hide(
        &self,
        space: &Arc<AddressSpace>,
        pages: &Range<usize>,
        cx: &mut Cx<'_>,
    ) -> Result<Trigger, Errno> {
        let hide = Windowing::hide(space.clone(), pages.start as u32, pages.len() as u32);
        let labels = Labels::flow(space.number);
        let trigger = cx.request(self.ports()?.memory, labels, MemoryRequest::Window(hide));
        trigger.map_err(|_| Errno::EAGAIN)
    }

    /// A window goes, and nobody waits for that.
    pub(super) fn send_clear(&mut self, key: Key, pages: Range<usize>, cx: &mut Cx<'_>) {
        // Of a process that has ended all goes.
        let lives = self.owners.get(&key).is_some_and(|owner| !owner.ended);
        if lives && let Ok(own) = self.own() {
            let _ = cx.send(own, Labels::NONE, AioRequest::Clear(key, pages));
        }
    }

    pub(super) fn clear(&mut self, key: Key, pages: &Range<usize>, cx: &mut Cx<'_>) -> Next {
        let Some(owner) = self.owners.get(&key) else { return Outcome::Done };
        match self.hide(&owner.space.clone(), pages, cx) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Hidden>()),
            Err(_) => super::resource::again(),
        }
    }
}

/// A window is gone: its places are free.
struct Hidden;

impl Continuation<crate::Mail, AsyncIo> for Hidden {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, _: &mut Cx<'_>) -> Next {
        let (key, pages, next) = match request {
            AioRequest::Clear(key, pages) => (*key, pages.clone(), Outcome::Done),
            AioRequest::Call(call) => {
                let key = call.key();
                match core::mem::take(&mut call.stage) {
                    Stage::Hiding(result, pages) => (key, pages, reply(result)),
                    _ => return reply(Err(Errno::EIO)),
                }
            }
            _ => return Outcome::Done,
        };
        if let Some(owner) = aio.owners.get_mut(&key) {
            owner.windows.give(&pages);
        }
        next
    }
}
