//! Copying a space for a child (fork), a slice at a time; where there is no memory for that, it
//! waits.

use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_grid::{At, Context, Continuation, Labels, Outcome};

use super::asr::{AddressSpaces, MemoryRequest};
use super::away::Full;
use super::faults::poke;
use super::pages::share;
use super::room::with_room;
use super::space::AddressSpace;
use crate::{Answer, Mail};

type Left = Outcome<Mail, AddressSpaces>;

/// A copy that has come so far has all pages that were in tables; from there on pages count
/// that are with the swap resource.
const KEPT: u64 = 1 << 63;

/// How far a run has come.
enum Done {
    Slice,
    All(Arc<AddressSpace>),
    NoMemory,
    /// There can be no more regions.
    Refused,
}

/// What was waited for is there, or there is nothing to be had.
struct HasRoom;

impl Continuation<Mail, AddressSpaces> for HasRoom {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let done = with_room(&spaces.system, cx, |_| copy(request));
        let left = spaces.copied(request, done, cx);
        spaces.served(request, left, cx)
    }
}

/// Copies a slice, of the regions first and then of the pages. What was copied before memory
/// ran out is copied again: it is the same.
fn copy(request: &mut MemoryRequest) -> Done {
    let MemoryRequest::Copy { from, to, regions, at, hot, .. } = request else {
        return Done::Refused;
    };
    let space = match to {
        Some(space) => space.clone(),
        None => {
            let Some(space) = AddressSpace::new(from.space.owner()) else {
                return Done::NoMemory;
            };
            *space.heap.lock() = *from.heap.lock();
            *space.arguments.lock() = *from.arguments.lock();
            from.bounds.copy_to(&space.bounds);
            *to = Some(space.clone());
            space
        }
    };
    if let Some(from_here) = *regions {
        // Nobody else knows of it: it has no regions meanwhile, so that no lock is held twice.
        let mut copied = core::mem::take(&mut *space.regions.lock());
        *regions = from.regions.lock().fork_some(from_here, &mut copied);
        *space.regions.lock() = copied;
        if regions.is_some() {
            return Done::Slice;
        }
        if !space.bill_mappings_as(from) {
            return Done::Refused;
        }
    }
    match share(from, &space, *at, *hot) {
        Ok(Some(next)) => *at = next,
        Ok(None) => match from.away.copy_to(&space, at.saturating_sub(KEPT)) {
            Ok(Some(next)) => *at = KEPT + next,
            Ok(None) => {
                *at = u64::MAX;
                return Done::All(space);
            }
            Err(Full) => return Done::NoMemory,
        },
        Err(_) => return Done::NoMemory,
    }
    Done::Slice
}

impl AddressSpaces {
    /// Copies a slice of a space.
    pub(super) fn copy(&self, request: &mut MemoryRequest, cx: &mut Context<'_, Mail>) -> Left {
        let done = copy(request);
        self.copied(request, done, cx)
    }

    fn copied(&self, request: &mut MemoryRequest, done: Done, cx: &mut Context<'_, Mail>) -> Left {
        let MemoryRequest::Copy { from, to, waited, .. } = request else { return Outcome::Done };
        match done {
            Done::Slice => {
                waited.renew();
                Outcome::Continue(At::beginning())
            }
            // Until no thread of the parent writes to what is shared now, the child does not
            // begin.
            Done::All(space) if from.space.is_current() => Outcome::Reply(Answer::Space(Ok(space))),
            Done::All(_) => {
                poke(from, cx);
                Outcome::Continue(At::beginning())
            }
            Done::NoMemory => match waited.wait(&self.system, from.space.owner(), cx) {
                Some(room) => Outcome::Pending(room, At::routine::<HasRoom>()),
                None => self.not_copied(to.take(), cx),
            },
            Done::Refused => self.not_copied(to.take(), cx),
        }
    }

    /// What was copied so far goes a slice at a time, too.
    fn not_copied(&self, to: Option<Arc<AddressSpace>>, cx: &mut Context<'_, Mail>) -> Left {
        if let (Some(space), Some(ports)) = (to, self.system.ports.get()) {
            let labels = Labels::flow(space.number);
            let since = self.system.maps.leaves();
            let release = MemoryRequest::Release { space, at: 0, since };
            if cx.send(ports.memory, labels, release).is_err() {
                self.system.maps.has_left(since);
            }
        }
        Outcome::Reply(Answer::Space(Err(Errno::ENOMEM)))
    }
}
