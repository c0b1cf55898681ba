//! What goes by way of the file resource: writes, syncs, and reads of all that is not a file on a
//! disk. ASR is the source of a write and the sink of a read: it brings the frames of the buffer.
//!
//! An operation reads and writes through a descriptor of its own, and in the name of a thread of
//! its own that never runs: so it waits as a thread waits, and is interrupted as one is.

use alloc::boxed::Box;

use vortex_abi::{Errno, Fd, Files, In, Out, Span};
use vortex_grid::{At, Continuation, Outcome};
use vortex_machine::Access;

use super::copy::Part;
use super::operation::{Kind, OpId, Way};
use super::request::AioRequest;
use super::resource::{AsyncIo, Cx, Next, again};
use crate::files::{FileCall, FileRequest};
use crate::process::Operands;
use crate::{Answer, Mail};

/// Bytes that are moved at once.
const PIECE: u64 = 64 << 10;

impl AsyncIo {
    /// The next piece of it.
    pub(super) fn transfer(&mut self, id: OpId, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        let operation = self.operations.get(id).ok_or(Errno::EIO)?;
        if operation.cancelled {
            return Err(Errno::ECANCELED);
        }
        let Way::Moved { fd, stream, .. } = operation.way else { return Err(Errno::EIO) };
        let left = operation.buffer.length.saturating_sub(operation.done).min(PIECE);
        let address = operation.buffer.address.saturating_add(operation.done);
        let span = Span::new(address, left);
        let place = operation.at.saturating_add_unsigned(operation.done);
        let (call, access) = call(operation.kind, fd, stream, span, place);
        let mut operands = Operands::default();
        if let Some(access) = access {
            match self.part(id, span, access, cx)? {
                Part::Here(pinned) => operands.set(0, pinned),
                Part::Asked(trigger) => {
                    return Ok(Outcome::Pending(trigger, At::routine::<Mended>()));
                }
            }
        }
        let operation = self.operations.get_mut(id).ok_or(Errno::EIO)?;
        let Way::Moved { files, .. } = operation.way else { return Err(Errno::EIO) };
        let thread = operation.stand_in.clone().ok_or(Errno::EIO)?;
        let owner = self.owners.get(&operation.of).ok_or(Errno::ECANCELED)?;
        operation.showing = left;
        let mut call = FileCall::new(call, operands, thread, files);
        call.space = Some(owner.space.clone());
        let request = FileRequest::Call(Box::new(call));
        let trigger = cx.request(self.ports()?.files, id.labels(), request);
        let trigger = trigger.map_err(|_| Errno::EAGAIN)?;
        Ok(Outcome::Pending(trigger, At::routine::<Moved>()))
    }

    /// So much is moved.
    fn has_moved(&mut self, id: OpId, bytes: u64, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        let operation = self.operations.get_mut(id).ok_or(Errno::EIO)?;
        let stream = matches!(operation.way, Way::Moved { stream: true, .. });
        if let Kind::Sync(_) = operation.kind {
            return Ok(self.finish(id, Ok(0), cx));
        }
        operation.done = operation.done.saturating_add(bytes);
        let all = operation.done >= operation.buffer.length || bytes == 0;
        // A pipe takes all that is written, by and by, and gives what it has.
        let over = match stream {
            true => all || operation.kind == Kind::Read,
            false => all || bytes < operation.showing,
        };
        let done = operation.done;
        Ok(if over { self.finish(id, Ok(done), cx) } else { again() })
    }

    fn moved(&mut self, id: OpId, answer: Option<Answer>, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        let operation = self.operations.get(id).ok_or(Errno::EIO)?;
        match answer {
            Some(Answer::Call(Ok(bytes)) | Answer::GoOn(bytes)) => self.has_moved(id, bytes, cx),
            Some(Answer::Call(Err(error)) | Answer::Failed(error)) => Err(error),
            Some(Answer::Again(..)) => Ok(again()),
            Some(Answer::Interrupted(_)) if !operation.cancelled => Ok(again()),
            Some(Answer::Interrupted(_)) => Err(Errno::ECANCELED),
            _ => Err(Errno::EIO),
        }
    }
}

/// The call that moves a piece, and what it does with the buffer, if it has one.
fn call(kind: Kind, fd: Fd, stream: bool, span: Span, offset: i64) -> (Files, Option<Access>) {
    let count = span.length;
    match (kind, stream) {
        (Kind::Read, true) => (Files::Read { fd, buffer: Out(span), count }, Some(Access::Write)),
        (Kind::Read, false) => {
            (Files::Pread64 { fd, buffer: Out(span), count, offset }, Some(Access::Write))
        }
        (Kind::Write, true) => (Files::Write { fd, buffer: In(span), count }, Some(Access::Read)),
        (Kind::Write, false) => {
            (Files::Pwrite64 { fd, buffer: In(span), count, offset }, Some(Access::Read))
        }
        (Kind::Sync(true), _) => (Files::Fdatasync { fd }, None),
        (Kind::Sync(false), _) => (Files::Fsync { fd }, None),
    }
}

/// The file resource has answered.
struct Moved;

impl Continuation<Mail, AsyncIo> for Moved {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        let AioRequest::Run(id) = request else { return Outcome::Done };
        let answer = cx.reply::<Answer>().unwrap_or(None);
        let next = aio.moved(*id, answer, cx);
        next.unwrap_or_else(|error| aio.fail(*id, error, cx))
    }
}

/// A page of the buffer is there, or cannot be.
struct Mended;

impl Continuation<Mail, AsyncIo> for Mended {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        let AioRequest::Run(id) = request else { return Outcome::Done };
        let next = match aio.brought(*id, cx) {
            true => aio.transfer(*id, cx),
            false => Err(Errno::EFAULT),
        };
        next.unwrap_or_else(|error| aio.fail(*id, error, cx))
    }
}
