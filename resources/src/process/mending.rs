//! Pages that a thread, or its call, has touched and that cannot be had in its own run.
//!
//! ```text
//!  mend ─┬─ a page of a file on a disk, not in the cache ──► FCR fetches it ─┬─► touched again
//!        │                                                    │ no memory    │
//!        └─ all else ──► ASR mends it, or waits for memory ◄──┘ ─────────────┘
//! ```
//!
//! Only the thread waits for a disk: ASR goes on with its space meanwhile.

use vortex_abi::Errno;
use vortex_grid::{At, Labels, Outcome};
use vortex_machine::Access;

use super::thread::Thread;
use super::threads::{Cx, Next, ThreadReady, Threads};
use crate::cache::{CacheReply, CacheRequest};
use crate::memory::{FaultError, MemoryRequest, Patience, Wanted, wanted};
use crate::{Answer, Mail};

const SIGKILL: i32 = 9;

/// What has come of it; or what is to be returned with, since it is waited for more.
type Touched = Result<Result<(), FaultError>, Next>;

impl Threads {
    /// Asks for a page.
    pub(super) fn mend(
        &mut self,
        ready: &mut ThreadReady,
        address: u64,
        access: Access,
        at: At<Mail, Self>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let Some(thread) = ready.thread() else { return Outcome::Done };
        vortex_machine::save_vectors(&mut thread.context);
        let fetched = match wanted(&thread.space, address, access) {
            Some(wanted) => self.fetch(wanted, cx),
            None => return self.ask_memory(ready, (address, access, false), at, cx),
        };
        match fetched {
            Some(trigger) => {
                thread.fetching = Some((address, access));
                Outcome::Pending(trigger, at)
            }
            None => self.kill(ready, SIGKILL, cx),
        }
    }

    /// Asks FCR for a page of a file.
    fn fetch(&self, wanted: Wanted, cx: &mut Cx<'_>) -> Option<vortex_grid::Trigger> {
        let ports = self.system.file_systems.get()?.ports.get()?;
        let Wanted { file, page, write } = wanted;
        let request = match write {
            true => CacheRequest::map_write(file, page),
            false => CacheRequest::fault(file, page, None),
        };
        cx.request(ports.cache, Labels::NONE, request).ok()
    }

    /// Asks ASR for a page; of a file on a disk only where it is short of memory.
    fn ask_memory(
        &mut self,
        ready: &mut ThreadReady,
        (address, access, short): (u64, Access, bool),
        at: At<Mail, Self>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let (Some(ports), Some(thread)) = (self.system.ports.get(), ready.thread()) else {
            return Outcome::Done;
        };
        let space = thread.space.clone();
        let labels = Labels::flow(space.number);
        let (waited, reading, filling) = (Patience::default(), None, None);
        let request =
            MemoryRequest::Fault { space, address, access, waited, reading, filling, short };
        match cx.request(ports.memory, labels, request) {
            Ok(trigger) => Outcome::Pending(trigger, at),
            Err(_) => self.kill(ready, SIGKILL, cx),
        }
    }

    /// What became of a page that was asked for; `Err` where the thread waits once more, and
    /// goes on there.
    pub(super) fn touched(
        &mut self,
        ready: &mut ThreadReady,
        at: At<Mail, Self>,
        cx: &mut Cx<'_>,
    ) -> Touched {
        let fetching = ready.thread().and_then(|thread: &mut Thread| thread.fetching.take());
        let Some((address, access)) = fetching else {
            return match cx.reply::<Answer>() {
                Ok(Some(Answer::Fault(mended))) => Ok(mended),
                _ => Ok(Err(FaultError::NoMemory)),
            };
        };
        match cx.reply::<CacheReply>() {
            Ok(Some(CacheReply::Done(Ok(())) | CacheReply::Prepared(Ok(_)))) => Ok(Ok(())),
            Ok(Some(
                CacheReply::Done(Err(Errno::ENOMEM)) | CacheReply::Prepared(Err(Errno::ENOMEM)),
            ))
            | Err(_) => Err(self.ask_memory(ready, (address, access, true), at, cx)),
            _ => Ok(Err(FaultError::Device)),
        }
    }
}
