//! Where there is no window: what FCR has handed over is copied to the program's buffer, whose
//! frames are ASR's to bring.

use vortex_abi::{Errno, Span};
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_machine::{Access, PAGE};
use vortex_units::Bytes;

use super::operation::OpId;
use super::read::TRIES;
use super::request::AioRequest;
use super::resource::{AsyncIo, Cx, Next, again};
use crate::cache::{CacheReply, CacheRequest};
use crate::memory::{MemoryRequest, Patience, Pinned, Unpinned, Wanted, pin, wanted};
use crate::{Answer, Mail};

/// Bytes that are copied at once, by way of the stack: a frame is never a slice.
const PIECE: usize = 512;

/// A part of an operation's buffer, or why it is not there yet.
pub(super) enum Part {
    /// Here it is.
    Here(Pinned),
    /// A page of it is being brought.
    Asked(vortex_grid::Trigger),
}

impl AsyncIo {
    /// The frames of a part of an operation's buffer: as they are, or ASR is asked for one that
    /// is not there.
    pub(super) fn part(
        &mut self,
        id: OpId,
        span: Span,
        access: Access,
        cx: &mut Cx<'_>,
    ) -> Result<Part, Errno> {
        let operation = self.operations.get_mut(id).ok_or(Errno::EIO)?;
        let owner = self.owners.get(&operation.of).ok_or(Errno::ECANCELED)?;
        let (address, access) = match pin(&owner.space, span, access) {
            Ok(pinned) => return Ok(Part::Here(pinned)),
            Err(Unpinned::Address) => return Err(Errno::EFAULT),
            Err(Unpinned::NoMemory) => return Err(Errno::ENOMEM),
            Err(Unpinned::Fault(address, access)) => (address, access),
        };
        operation.faults = operation.faults.saturating_add(1);
        if operation.faults > TRIES {
            return Err(Errno::EFAULT);
        }
        let space = owner.space.clone();
        if let Some(Wanted { file, page, write }) = wanted(&space, address, access) {
            // Of a file on a disk: FCR brings it, as for who touches it.
            operation.fetching = true;
            let request = match write {
                true => CacheRequest::map_write(file, page),
                false => CacheRequest::fault(file, page, None),
            };
            let below = self.system.file_systems.get().and_then(|below| below.ports.get());
            let cache = below.ok_or(Errno::EFAULT)?.cache;
            let trigger = cx.request(cache, Labels::NONE, request);
            return trigger.map(Part::Asked).map_err(|_| Errno::EAGAIN);
        }
        let labels = Labels::flow(space.number);
        let waited = Patience::default();
        let (reading, filling, short) = (None, None, false);
        let fault =
            MemoryRequest::Fault { space, address, access, waited, reading, filling, short };
        let trigger = cx.request(self.ports()?.memory, labels, fault);
        trigger.map(Part::Asked).map_err(|_| Errno::EAGAIN)
    }

    /// Whether the page is there that was asked for.
    pub(super) fn brought(&mut self, id: OpId, cx: &mut Cx<'_>) -> bool {
        let Some(operation) = self.operations.get_mut(id) else { return false };
        if core::mem::take(&mut operation.fetching) {
            let fetched = cx.reply::<CacheReply>();
            return matches!(
                fetched,
                Ok(Some(CacheReply::Done(Ok(())) | CacheReply::Prepared(Ok(_))))
            );
        }
        matches!(cx.reply::<Answer>(), Ok(Some(Answer::Fault(Ok(())))))
    }

    /// Copies what is there for it; then it goes on.
    pub(super) fn copy(&mut self, id: OpId, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        let operation = self.operations.get(id).ok_or(Errno::EIO)?;
        let (done, bytes) = (operation.done, operation.showing);
        let from = (operation.at as u64).saturating_add(done);
        let span = Span::new(operation.buffer.address.saturating_add(done), bytes);
        let pinned = match self.part(id, span, Access::Write, cx)? {
            Part::Here(pinned) => pinned,
            Part::Asked(trigger) => {
                return Ok(Outcome::Pending(trigger, At::routine::<Mended>()));
            }
        };
        let operation = self.operations.get_mut(id).ok_or(Errno::EIO)?;
        let frames = core::mem::take(&mut operation.frames);
        let (mut at, mut within) = (0, (from % PAGE as u64) as usize);
        let mut piece = [0; PIECE];
        for frame in &frames {
            while within < PAGE && at < bytes as usize {
                let count = PIECE.min(PAGE - within).min(bytes as usize - at);
                let part = piece.get_mut(..count).unwrap_or_default();
                frame.0.read(within, part);
                pinned.write(at, part);
                within += count;
                at += count;
            }
            within = 0;
        }
        cx.moved(Bytes::new(bytes));
        operation.done = done.saturating_add(bytes);
        // More of it is another run's.
        Ok(again())
    }
}

/// A page of the buffer is there, or cannot be.
struct Mended;

impl Continuation<Mail, AsyncIo> for Mended {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        let AioRequest::Run(id) = request else { return Outcome::Done };
        let next = match aio.brought(*id, cx) {
            true => aio.copy(*id, cx),
            false => Err(Errno::EFAULT),
        };
        next.unwrap_or_else(|error| aio.fail(*id, error, cx))
    }
}
