//! Reads of files whose pages FCR has (§4.3): FCR is the source, ASR the sink.
//!
//! ```text
//!  READ ─► FCR ─► READ_DONE: frames ─► WRITE ─► ASR ─► WRITE_DONE: where they are seen ─┐
//!    ▲                                                                                  │
//!    └────────────────────────── more of it ◄───────────────────────────────────────────┘
//! ```
//!
//! Pages that will be wanted next FCR fetches ahead by itself, as for all who read in order.

use alloc::vec::Vec;

use vortex_abi::{Errno, Span};
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_machine::{Access, PAGE, USER_END};

use super::operation::{OpId, Way};
use super::request::AioRequest;
use super::resource::{AsyncIo, Cx, Next};
use crate::cache::{CacheReply, CacheRequest};
use crate::memory::{AddressSpace, MemoryRequest, Windowing};
use crate::{Answer, Mail};

const PAGE_U64: u64 = PAGE as u64;
/// Pages that FCR is asked for at once.
const AT_ONCE: u64 = 16;
/// Pages that one operation has a window for: who reads more at once has it copied.
const WINDOW: u64 = 256;
/// How often pages that FCR has fetched may be gone again.
pub(super) const TRIES: u32 = 1024;

/// Where an operation is.
struct Here {
    /// In the file.
    from: u64,
    /// Bytes that are still to come.
    left: u64,
}

/// Pages that so many bytes from there on lie in.
fn pages(from: u64, bytes: u64) -> (u64, u64) {
    (from / PAGE_U64, from.saturating_add(bytes).div_ceil(PAGE_U64))
}

/// Whether a program may write to all of a buffer, as far as its regions say.
fn is_writable(space: &AddressSpace, span: Span) -> bool {
    let end = span.address.checked_add(span.length).filter(|&end| end <= USER_END);
    let writes = |region: &crate::memory::Region| region.access == Access::Write;
    end.is_some_and(|end| space.regions.lock().all(span.address, end, writes))
}

impl AsyncIo {
    fn here(&self, id: OpId) -> Option<Here> {
        let operation = self.operations.get(id)?;
        let Way::Cached { file, .. } = &operation.way else { return None };
        let at = u64::try_from(operation.at).ok()?;
        let all = operation.buffer.length.min(file.size().saturating_sub(at));
        Some(Here {
            from: at.saturating_add(operation.done),
            left: all.saturating_sub(operation.done),
        })
    }

    /// READ: asks FCR for what comes next; if there is nothing, the operation has ended.
    pub(super) fn read(&mut self, id: OpId, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        let Here { from, left } = self.here(id).ok_or(Errno::EIO)?;
        let operation = self.operations.get_mut(id).ok_or(Errno::EIO)?;
        if left == 0 {
            let done = operation.done;
            return Ok(self.finish(id, Ok(done), cx));
        }
        if operation.cancelled {
            return Err(Errno::ECANCELED);
        }
        let (first, end) = pages(from, left);
        if operation.done == 0 && operation.window.is_none() && !operation.copies {
            let owner = self.owners.get_mut(&operation.of).ok_or(Errno::ECANCELED)?;
            let count = end.saturating_sub(first);
            let window = (count <= WINDOW).then(|| owner.windows.take(count as usize)).flatten();
            if window.is_some() && !is_writable(&owner.space, operation.buffer) {
                operation.window = window;
                return Err(Errno::EFAULT);
            }
            operation.copies = window.is_none();
            operation.window = window;
        }
        let Way::Cached { file, tray } = &operation.way else { return Err(Errno::EIO) };
        let page = u32::try_from(first).map_err(|_| Errno::EFBIG)?;
        let count = end.saturating_sub(first).min(AT_ONCE) as u32;
        let request = CacheRequest::read(file.clone(), page, count, tray.clone());
        let below = self.system.file_systems.get().and_then(|below| below.ports.get());
        let cache = below.ok_or(Errno::EIO)?.cache;
        let trigger = cx.request(cache, id.labels(), request).map_err(|_| Errno::EAGAIN)?;
        Ok(Outcome::Pending(trigger, At::routine::<Read>()))
    }

    /// READ_DONE: what FCR has handed over goes to the sink.
    fn has_read(&mut self, id: OpId, cx: &mut Cx<'_>) -> Result<Next, Errno> {
        let Here { from, left } = self.here(id).ok_or(Errno::EIO)?;
        let operation = self.operations.get_mut(id).ok_or(Errno::EIO)?;
        let Way::Cached { tray, .. } = &operation.way else { return Err(Errno::EIO) };
        let frames = tray.take();
        let bytes = (frames.len() as u64 * PAGE_U64).saturating_sub(from % PAGE_U64).min(left);
        if bytes == 0 {
            // The file was cut, or its pages are gone again.
            operation.faults = operation.faults.saturating_add(1);
            return if operation.faults > TRIES { Err(Errno::EIO) } else { self.read(id, cx) };
        }
        operation.showing = bytes;
        if operation.copies {
            operation.frames = frames;
            return self.copy(id, cx);
        }
        let window = operation.window.clone().ok_or(Errno::EIO)?;
        let owner = self.owners.get(&operation.of).ok_or(Errno::ECANCELED)?;
        let begun = (operation.at as u64) / PAGE_U64;
        let place = window.start as u64 + (from / PAGE_U64).saturating_sub(begun);
        let frames: Vec<_> = frames.into_iter().map(|frame| frame.0).collect();
        let show = Windowing::show(owner.space.clone(), place as u32, frames);
        let labels = Labels::flow(owner.space.number);
        let request = MemoryRequest::Window(show);
        let trigger = cx.request(self.ports()?.memory, labels, request);
        let trigger = trigger.map_err(|_| Errno::EAGAIN)?;
        Ok(Outcome::Pending(trigger, At::routine::<Shown>()))
    }

    /// WRITE_DONE: the program sees it, or cannot.
    fn has_shown(
        &mut self,
        id: OpId,
        shown: Result<u64, Errno>,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Errno> {
        let Here { from, .. } = self.here(id).ok_or(Errno::EIO)?;
        let operation = self.operations.get_mut(id).ok_or(Errno::EIO)?;
        match shown {
            Ok(address) => {
                operation.shown.get_or_insert(address.saturating_add(from % PAGE_U64));
                operation.done = operation.done.saturating_add(operation.showing);
            }
            // Then it is copied, from its beginning.
            Err(_) => {
                let (key, window) = (operation.of, operation.window.take());
                (operation.copies, operation.done, operation.shown) = (true, 0, None);
                if let Some(window) = window {
                    self.send_clear(key, window, cx);
                }
            }
        }
        self.read(id, cx)
    }
}

/// FCR has answered.
struct Read;

impl Continuation<Mail, AsyncIo> for Read {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        let AioRequest::Run(id) = request else { return Outcome::Done };
        let read = match cx.reply::<CacheReply>() {
            Ok(Some(CacheReply::Done(done))) => done,
            Ok(_) => Err(Errno::EIO),
            Err(_) => Err(Errno::EAGAIN),
        };
        let next = read.and_then(|()| aio.has_read(*id, cx));
        next.unwrap_or_else(|error| aio.fail(*id, error, cx))
    }
}

/// ASR has answered.
struct Shown;

impl Continuation<Mail, AsyncIo> for Shown {
    fn resume(aio: &mut AsyncIo, request: &mut AioRequest, cx: &mut Cx<'_>) -> Next {
        let AioRequest::Run(id) = request else { return Outcome::Done };
        let shown = match cx.reply::<Answer>() {
            Ok(Some(Answer::Call(shown))) => shown,
            _ => Err(Errno::EAGAIN),
        };
        let next = aio.has_shown(*id, shown, cx);
        next.unwrap_or_else(|error| aio.fail(*id, error, cx))
    }
}
