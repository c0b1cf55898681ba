//! Pages with the swap resource that a program will need (`MADV_WILLNEED`): read into their places,
//! where the next touch finds them, or an order that asks for their frames back.
//!
//! That is done by requests of their own, each for a few pages, one after the other, on the bill of
//! whoever gave the advice: the program, and all else that is done to its space, goes on meanwhile.
//! Nothing waits for memory for that: where there is none, or a page cannot be read, it is left to be
//! touched.

use alloc::boxed::Box;
use alloc::sync::Arc;

use vortex_grid::{At, Context, Continuation, Labels, Outcome};
use vortex_machine::{Frame, PAGE};
use vortex_units::ActivityId;

use super::asr::{AddressSpaces, MemoryRequest};
use super::orders::transferred;
use super::shared::{Coming, Had, Shared};
use super::space::AddressSpace;
use super::swap::{Place, Read};
use crate::Mail;
use crate::storage::VolumeRequest;

type Left = Outcome<Mail, AddressSpaces>;

const PAGE_U64: u64 = PAGE as u64;
/// Pages that are read in one run, of a volume in memory.
const SLICE: usize = 8;
/// Pages that one request reads.
const BLOCK: u64 = 16;

/// Pages that are read ahead, and how far that has come.
pub struct Ahead {
    of: Of,
    /// From where on and up to where, as what they are of counts.
    at: u64,
    end: u64,
    /// What is being read.
    reading: Option<Reading>,
}

/// What they are pages of.
enum Of {
    /// A space: by addresses.
    Space(Arc<AddressSpace>),
    /// Memory of several processes: by numbers, for an activity.
    Shared(Arc<Shared>, ActivityId),
}

/// A page that is being read.
enum Reading {
    /// Of a space, to where.
    Own(u64, Arc<Place>, Frame),
    /// Of memory of several processes.
    Shared(Coming),
}

/// What comes next.
enum Next {
    /// Storage is to be asked for this.
    Ask(VolumeRequest, Reading),
    /// A page is there, or cannot be.
    Passed,
    None,
}

impl Ahead {
    fn next(&mut self) -> Next {
        match &self.of {
            Of::Space(space) => {
                let mut pages = [0];
                if space.away.next_some(self.at, self.end, &mut pages) == 0 {
                    return Next::None;
                }
                let [page] = pages;
                self.at = page.saturating_add(PAGE_U64);
                let Some(place) = space.away.place(page) else { return Next::Passed };
                match place.read_ahead() {
                    Some(Ok(Read::Ask(request, frame))) => {
                        return Next::Ask(request, Reading::Own(page, place, frame));
                    }
                    Some(Ok(Read::Here(frame))) => {
                        space.away.keep_ahead(space, page, (&place, frame));
                    }
                    _ => {}
                }
            }
            Of::Shared(shared, owner) => {
                let Some(page) = shared.next_away(self.at, self.end) else { return Next::None };
                self.at = page.saturating_add(1);
                if let Ok(Had::Asks(request, coming)) = shared.frame(page, *owner, true) {
                    return Next::Ask(request, Reading::Shared(coming));
                }
            }
        }
        Next::Passed
    }
}

impl AddressSpaces {
    /// Has pages read that are away from an address on: some. Where to go on, if any were there.
    pub(super) fn want_away(
        &self,
        space: &AddressSpace,
        at: u64,
        end: u64,
        cx: &mut Context<'_, Mail>,
    ) -> Option<u64> {
        let mut pages = [0];
        if space.away.next_some(at, end, &mut pages) == 0 {
            return None;
        }
        let [first] = pages;
        let last = first.saturating_add(BLOCK * PAGE_U64).min(end);
        let of = Of::Space(AddressSpace::of(space.space.owner(), space.number)?);
        self.send_ahead(of, (first, last), cx).then_some(last)
    }

    /// The same of memory of several processes, in a region that begins at the first address with
    /// this byte of it.
    pub(super) fn want_shared(
        &self,
        space: &AddressSpace,
        shared: &Arc<Shared>,
        (start, from): (u64, u64),
        (at, end): (u64, u64),
        cx: &mut Context<'_, Mail>,
    ) -> Option<u64> {
        let page = |address: u64| from.saturating_add(address.saturating_sub(start)) / PAGE_U64;
        let first = shared.next_away(page(at), page(end))?;
        let last = first.saturating_add(BLOCK).min(page(end));
        let of = Of::Shared(shared.clone(), space.space.owner());
        let next = at.saturating_add(last.saturating_sub(page(at)).saturating_mul(PAGE_U64));
        self.send_ahead(of, (first, last), cx).then_some(next)
    }

    /// Whether pages are read by a request of their own: advice that need not be taken.
    fn send_ahead(&self, of: Of, (at, end): (u64, u64), cx: &mut Context<'_, Mail>) -> bool {
        let ahead = MemoryRequest::Ahead(Box::new(Ahead { of, at, end, reading: None }));
        let ports = self.system.ports.get();
        ports.is_some_and(|ports| cx.send(ports.memory, Labels::NONE, ahead).is_ok())
    }

    /// Asks storage for the next page, or ends.
    pub(super) fn ahead(&self, ahead: &mut Ahead, cx: &mut Context<'_, Mail>) -> Left {
        // Of a volume in memory a page is there at once.
        for _ in 0..SLICE {
            match ahead.next() {
                Next::Ask(request, reading) => {
                    let asked = self.ask_storage(cx.activity(), request, cx);
                    let Some(trigger) = asked else { return Outcome::Done };
                    ahead.reading = Some(reading);
                    return Outcome::Pending(trigger, At::routine::<HasRead>());
                }
                Next::Passed => {}
                Next::None => return Outcome::Done,
            }
        }
        Outcome::Continue(At::beginning())
    }
}

/// Storage has read a page, or could not.
struct HasRead;

impl Continuation<Mail, AddressSpaces> for HasRead {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Ahead(ahead) = request else { return Outcome::Done };
        let good = transferred(cx);
        match (ahead.reading.take().filter(|_| good), &ahead.of) {
            (Some(Reading::Own(page, place, frame)), Of::Space(space)) => {
                space.away.keep_ahead(space, page, (&place, frame));
            }
            (Some(Reading::Shared(coming)), _) => coming.arrive(),
            _ => {}
        }
        spaces.ahead(ahead, cx)
    }
}
