//! Pages that a program says it does not need: their contents (`MADV_FREE`), not soon again
//! (`MADV_COLD`), or not for long (`MADV_PAGEOUT`).
//!
//! What is given up stays as it is until its frame is asked back, and then goes without the swap
//! volume; a write to it, by the program or by a call, takes it back. Of what is not needed soon it
//! is forgotten that it was used, so that it is asked for first. What is not needed for long leaves
//! at once, as by the multiplexor's orders (`orders.rs`), on the bill of whoever says so.

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_grid::{At, Context, Continuation, Outcome};
use vortex_machine::{Frame, Withdrawn, Work};
use vortex_memory::FrameId;

use super::asr::{AddressSpaces, MemoryRequest, Rest};
use super::faults::poke;
use super::orders::transferred;
use super::pages::take_away;
use super::space::AddressSpace;
use super::swap::{Place, Write};
use crate::Mail;

type Left = Outcome<Mail, AddressSpaces>;

/// Pages that are taken out in one run, and written in one.
const SLICE: usize = 8;

/// What is not needed of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unneeded {
    /// What is in them.
    Contents,
    /// They, not soon again.
    Later,
    /// They, for so long that they may leave now.
    Soon,
}

/// Pages that leave: out of the tables, and not written yet.
#[derive(Default)]
pub(super) struct Leaving {
    taken: Vec<(Frame, Arc<Place>)>,
    /// What a disk is writing, and to where.
    writing: Option<(Frame, Arc<Place>)>,
}

/// How far pages have left.
pub(super) enum PagedOut {
    /// Up to here.
    Some(u64),
    /// The call waits, or is to go on in another run.
    Waits(Left),
    /// As far as they can.
    All,
}

impl AddressSpaces {
    /// Takes this frame from its page, if the program has given that up and not written to it since.
    pub(super) fn given_up(
        &self,
        space: &AddressSpace,
        page: u64,
        frame: FrameId,
    ) -> Option<Frame> {
        let layout = space.layout();
        space.space.withdraw_given_up(page, frame, || layout.holds())
    }

    /// A slice of pages is not needed soon, or what is in it not at all. Where to go on, if not
    /// done.
    pub(super) fn unneed(
        &self,
        space: &AddressSpace,
        at: u64,
        end: u64,
        how: Unneeded,
    ) -> Option<u64> {
        let memory = vortex_machine::multiplexor();
        let mut work = Work::default();
        if how != Unneeded::Contents {
            let each = |frame| memory.map_or((), |memory| memory.forget_use(frame));
            return space.space.forget_use(at, end, &mut work, each);
        }
        let each = |frame| memory.map_or((), |memory| memory.unneed(frame));
        let give_up = |at, end| Ok(space.space.give_up(at, end, &mut work, each));
        // What was with the swap resource is nowhere any more.
        take_away(at, end, give_up, |at, end| space.away.discard(at, end))
    }

    /// A slice of pages leaves.
    pub(super) fn page_out(
        &self,
        space: &AddressSpace,
        (at, end): (u64, u64),
        rest: &mut Rest,
        cx: &mut Context<'_, Mail>,
    ) -> PagedOut {
        if !rest.leaving.taken.is_empty() {
            return match self.write_some(space, &mut rest.leaving, cx) {
                Some(left) => PagedOut::Waits(left),
                None => PagedOut::Some(at),
            };
        }
        if at >= end || rest.leaving.taken.try_reserve(SLICE).is_err() {
            return PagedOut::All;
        }
        let mut pages = [0; SLICE];
        let (count, next) = space.space.list(at, end, &mut pages);
        for &page in pages.iter().take(count) {
            // Where a child has it too it stays, as on Linux.
            let sole = space.space.look(page).filter(|look| look.sole).map(|look| look.frame.id());
            let own = space.region(page).is_some_and(|(_, region)| region.is_own());
            let Some(frame) = sole.filter(|_| own) else { continue };
            let volume = self.system.swap.get();
            let Some(place) = volume.and_then(|volume| volume.place(space.space.owner())) else {
                // There is no room for more.
                return PagedOut::Some(end);
            };
            let place = Arc::new(place);
            if let Withdrawn::Taken(frame) = space.away.leave(space, page, frame, &place) {
                rest.leaving.taken.push((frame, place));
            }
        }
        PagedOut::Some(next.unwrap_or(end))
    }

    /// Writes what was taken out, when no core can change it any more. `None` when all is written.
    fn write_some(
        &self,
        space: &AddressSpace,
        leaving: &mut Leaving,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Left> {
        if !space.space.is_current() {
            poke(space, cx);
            return Some(Outcome::Continue(At::beginning()));
        }
        while let Some((frame, place)) = leaving.taken.pop() {
            // What cannot be written is kept as it is.
            if let Write::Ask(request, frame) = place.write(frame) {
                match self.ask_storage(space.space.owner(), request, cx) {
                    Some(trigger) => {
                        leaving.writing = Some((frame, place));
                        return Some(Outcome::Pending(trigger, At::routine::<HasWritten>()));
                    }
                    None => drop(place.written(frame, false)),
                }
            }
        }
        None
    }
}

/// Storage has written a page, or could not.
struct HasWritten;

impl Continuation<Mail, AddressSpaces> for HasWritten {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let good = transferred(cx);
        let MemoryRequest::Call { space, call, stage, rest, .. } = request else {
            return Outcome::Done;
        };
        let writing = rest.as_mut().and_then(|rest| rest.leaving.writing.take());
        if let Some((frame, place)) = writing {
            let _kept = place.written(frame, good);
        }
        let left = spaces.call(space, call, stage, rest, cx);
        spaces.served(request, left, cx)
    }
}
