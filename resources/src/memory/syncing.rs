//! msync(2) of files on disks: FCR writes what their mappings have changed.

use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_grid::{At, Context, Continuation, Labels, Outcome};

use super::asr::{AddressSpaces, MemoryRequest, Rest};
use crate::cache::{CacheReply, CacheRequest, CachedFile};
use crate::{Answer, Mail};

type Left = Outcome<Mail, AddressSpaces>;

impl AddressSpaces {
    /// Asks FCR to write a file, and waits.
    pub(super) fn sync(
        &self,
        file: Arc<CachedFile>,
        rest: &mut Rest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let ports = self.system.file_systems.get().and_then(|wiring| wiring.ports.get());
        rest.syncing = Some((file.clone(), file.errors()));
        let asked =
            ports.map(|to| cx.request(to.cache, Labels::NONE, CacheRequest::sync(file, false)));
        match asked {
            Some(Ok(trigger)) => Outcome::Pending(trigger, At::routine::<HasSynced>()),
            _ => Outcome::Reply(Answer::Call(Err(Errno::ENOMEM))),
        }
    }
}

/// A file is written, or cannot be.
struct HasSynced;

impl Continuation<Mail, AddressSpaces> for HasSynced {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Call { space, call, stage, rest, .. } = request else {
            return Outcome::Done;
        };
        let syncing = rest.as_mut().and_then(|rest| rest.syncing.take());
        let written = syncing.map_or(Ok(()), |(file, mut errors)| file.check(&mut errors));
        let done = match cx.reply::<CacheReply>() {
            Ok(Some(CacheReply::Done(done))) => done.and(written),
            Ok(_) => Err(Errno::EIO),
            Err(_) => Err(Errno::ENOMEM),
        };
        let left = match done {
            Ok(()) => spaces.call(space, call, stage, rest, cx),
            Err(error) => Outcome::Reply(Answer::Call(Err(error))),
        };
        spaces.served(request, left, cx)
    }
}
