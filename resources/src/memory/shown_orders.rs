//! Orders for pages that many spaces show, as ASR serves them (§3.2: the chain of holders).
//!
//! The frame of a file's page is the file resource's, who allocated it; since it was mapped
//! first its reclamation is directed to ASR. That takes the page out of every space that shows
//! it, and passes the order on; the file resource forgets the frame, or keeps it if a call or a
//! fault has got it meanwhile. What is touched again is made again from the file.
//!
//! The frame of a page of a file on a disk is FCR's. Its order comes here first as long as anybody
//! beside FCR has it, and then goes to FCR, which writes the page if it must and gives it up.
//!
//! Memory that processes share is ASR's own: when no space shows the page any more it goes to
//! the swap resource, from where the next one that is touched brings it back.
//!
//! What other activities have too is left to them (`Multiplexor::leave_to_others`): first it is
//! on their bills alone, then it is taken from the spaces of who is to give, and from no others'.
//! So who has shown it without being charged for it since shows it no more: a fault that was
//! charged before, and puts the page later, sees that its space was changed.

use alloc::sync::Arc;

use vortex_fs::PageName;
use vortex_grid::{At, Context, Continuation, Labels, Outcome};
use vortex_machine::{Frame, Use, Withdrawn};
use vortex_memory::{Answer as Given, Order};
use vortex_units::ActivityId;

use super::asr::{AddressSpaces, MemoryRequest};
use super::faults::poke;
use super::orders::{look_through, transferred};
use super::reclaimer::go;
use super::regions::Source;
use super::shared::{Leaving, Shared};
use super::space::AddressSpace;
use super::swap::Place;
use super::windows::has_windows;
use crate::Mail;
use crate::cache::Wiring;
use crate::files::{FileRequest, Pages};
use crate::storage::VolumeRequest;

/// Spaces, and regions of all of them together, that are looked at in one run.
const SLICE: usize = 16;
const REGIONS: usize = 256;

/// An order for such a page, and how far it has come.
pub struct ReclaimShown {
    order: Order,
    /// The space to look at next, by its activity's place and its number, and from which
    /// address on.
    at: (usize, u64, u64),
    /// The space that it was taken out of last: some cores may still reach it there.
    left: Option<(Arc<AddressSpace>, Frame)>,
    /// What a disk is writing, and to where.
    writing: Option<(Frame, Arc<Place>)>,
    /// Whether it was looked at whether others have it.
    begun: bool,
    /// It is left to others: the place of the activity from whose spaces alone it is taken.
    only: Option<usize>,
}

impl ReclaimShown {
    /// One that has not begun.
    #[must_use]
    pub fn new(order: Order) -> Self {
        let (at, left, writing) = ((0, 0, 0), None, None);
        Self { order, at, left, writing, begun: false, only: None }
    }

    /// Leaves the page to others who have it, if who is to give can know where he shows it.
    fn begin(&mut self) {
        if core::mem::replace(&mut self.begun, true) {
            return;
        }
        let bill = self.order.bill;
        let hidden = self.order.to == Use::Cache.resource() && has_windows(bill);
        let left = || {
            let memory = vortex_machine::multiplexor()?;
            memory.leave_to_others(self.order.id, bill).ok().filter(|left| *left)
        };
        if !hidden && left().is_some() {
            self.only = Some(bill.index());
            self.at = (bill.index(), 0, 0);
        }
    }

    /// What it is a page of, and which.
    fn source(&self, files: Option<&Arc<Wiring>>) -> Option<(Source, u64)> {
        let name = self.order.cookie.0;
        if [Use::Shared, Use::Overlay].map(|of| of.resource()).contains(&self.order.to) {
            let (shared, page) = Shared::named(name)?;
            return Some((Source::Shared(shared), page));
        }
        if self.order.to == Use::Cache.resource() {
            let PageName { file, page } = PageName::of_cookie(name);
            return Some((Source::Cached(files?.files.numbered(file)?), u64::from(page)));
        }
        let (pages, page) = Pages::of(name)?;
        Some((Source::File(pages), page))
    }

    /// Takes the page out of the spaces that come next. Whether that were all.
    fn take(&mut self, files: Option<&Arc<Wiring>>) -> bool {
        let Some((source, index)) = self.source(files) else { return true };
        // Who may write it has it together with the others.
        let shared = matches!(source, Source::Shared(_) | Source::Cached(_));
        let mut left = REGIONS;
        for _ in 0..SLICE {
            if left == 0 {
                break;
            }
            let (owner, number, at) = self.at;
            let Some(space) = AddressSpace::after(owner, number) else { return true };
            let own = (space.space.owner().index(), space.number);
            if self.only.is_some_and(|only| own.0 != only) {
                return true;
            }
            let from = if own == (owner, number) { at } else { 0 };
            if self.only.is_some() && from == 0 {
                space.changed();
            }
            let layout = space.layout();
            let (found, next) = space.regions.lock().showing(&source, index, from, &mut left);
            self.at = match next {
                Some(next) => (own.0, own.1, next),
                None => (own.0, own.1.saturating_add(1), 0),
            };
            let Some(page) = found else { continue };
            let holds = || layout.holds();
            let frame = self.order.frame;
            let taken = space.space.withdraw(page, frame, shared, holds, || space.changed());
            if let Withdrawn::Taken(frame) = taken {
                self.left = Some((space, frame));
                return false;
            }
            // Regions were changed meanwhile: who does not pay for it keeps it nowhere.
            if self.only.is_some() && space.space.has(page, frame) {
                self.at = (own.0, own.1, page);
                return false;
            }
        }
        false
    }
}

impl AddressSpaces {
    /// Serves an order for a slice, and passes it on when no space shows the page any more.
    pub(super) fn reclaim_shown(
        &self,
        reclaim: &mut ReclaimShown,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        if cx.activity() == ActivityId::INFRASTRUCTURE {
            cx.bill_run(reclaim.order.bill);
        }
        if let Some((space, _)) = &reclaim.left {
            if !space.space.is_current() {
                poke(space, cx);
                return Outcome::Continue(At::beginning());
            }
            if let Some(memory) = vortex_machine::multiplexor() {
                look_through(memory, space);
            }
            reclaim.left = None;
        }
        reclaim.begin();
        let files = self.system.file_systems.get();
        if !reclaim.take(files) {
            return Outcome::Continue(At::beginning());
        }
        if reclaim.only.is_some() {
            go(&self.system, reclaim.order.place, cx);
            return Outcome::Done;
        }
        match reclaim.source(files) {
            Some((Source::Shared(shared), page)) => {
                let order = reclaim.order;
                let place = || self.system.swap.get().and_then(|volume| volume.place(order.bill));
                let leaves = || shared.leave(page, order.frame, place);
                let answer = match vortex_machine::reclaiming(leaves) {
                    Leaving::Left => None,
                    Leaving::Stays => Some(refusal(order)),
                    Leaving::Failed => Some(Given::Failed),
                    Leaving::Asks(request, frame, place) => {
                        reclaim.writing = Some((frame, place));
                        return self.write_shared(reclaim, request, cx);
                    }
                };
                self.end_order(order, answer, cx);
            }
            _ => self.pass_on(reclaim.order, cx),
        }
        Outcome::Done
    }

    /// Asks storage to write a page that processes share, and waits: on the bill of whoever gives.
    fn write_shared(
        &self,
        reclaim: &mut ReclaimShown,
        asks: VolumeRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        match self.ask_storage(reclaim.order.bill, asks, cx) {
            Some(trigger) => Outcome::Pending(trigger, At::routine::<Written>()),
            None => {
                self.wrote_shared(reclaim, false, cx);
                Outcome::Done
            }
        }
    }

    /// The page is written, or cannot be: then it is kept as it is.
    fn wrote_shared(&self, reclaim: &mut ReclaimShown, good: bool, cx: &mut Context<'_, Mail>) {
        let Some((frame, place)) = reclaim.writing.take() else { return };
        let answer = if place.written(frame, good) { None } else { Some(Given::Failed) };
        self.end_order(reclaim.order, answer, cx);
    }

    /// The next of those who hold a page is asked; if there is none, it stays.
    fn pass_on(&self, order: Order, cx: &mut Context<'_, Mail>) {
        let next = if order.to == Use::Cache.resource() {
            Some(FileRequest::ReclaimCached(order))
        } else if order.to == Use::File.resource() {
            Some(FileRequest::Reclaim(order))
        } else {
            vortex_machine::multiplexor()
                .and_then(|memory| memory.forward(order.id).ok()?)
                .map(FileRequest::Reclaim)
        };
        let passed = next
            .zip(self.system.ports.get())
            .is_some_and(|(next, ports)| cx.send(ports.files, Labels::NONE, next).is_ok());
        if !passed {
            self.end_order(order, Some(Given::Refused), cx);
        }
    }

    /// An order ends with this answer, or with the frame, of which the multiplexor knows. Who
    /// waits goes on.
    pub(super) fn end_order(
        &self,
        order: Order,
        answer: Option<Given>,
        cx: &mut Context<'_, Mail>,
    ) {
        if let Some((answer, memory)) = answer.zip(vortex_machine::multiplexor()) {
            // One that has ended meanwhile is nobody's.
            let _ended = memory.answer(order.id, answer);
        }
        go(&self.system, order.place, cx);
    }
}

/// What is answered for a page that no space shows any more and that stays all the same: if a call
/// has it, it is asked for again when it has another number of handles.
pub(crate) fn refusal(order: Order) -> Given {
    match Frame::handles(order.frame) {
        handles @ 2.. => Given::Pinned { handles },
        _ => Given::Refused,
    }
}

/// Storage has written a page, or could not.
struct Written;

impl Continuation<Mail, AddressSpaces> for Written {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, AddressSpaces> {
        let MemoryRequest::ReclaimShown(reclaim) = request else { return Outcome::Done };
        if cx.activity() == ActivityId::INFRASTRUCTURE {
            cx.bill_run(reclaim.order.bill);
        }
        let good = transferred(cx);
        spaces.wrote_shared(reclaim, good, cx);
        Outcome::Done
    }
}
