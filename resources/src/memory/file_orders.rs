//! Orders for pages of files that were mapped, as ASR serves them (§3.2: the chain of holders).
//!
//! Such a frame is the file resource's, who allocated it; since it was mapped first its
//! reclamation is directed to ASR. That takes the page out of every space that shows it, and
//! passes the order on; the file resource forgets the frame, or keeps it if a call or a fault
//! has got it meanwhile. What is touched again is made again from the file.

use alloc::sync::Arc;

use vortex_grid::{At, Context, Labels, Outcome};
use vortex_machine::{Frame, Withdrawn};
use vortex_memory::{Answer as Given, Order};
use vortex_units::ActivityId;

use super::asr::AddressSpaces;
use super::faults::poke;
use super::orders::look_through;
use super::reclaimer::go;
use super::space::AddressSpace;
use crate::Mail;
use crate::files::{FileRequest, Pages};

/// Spaces, and regions of them, that are looked at in one run.
const SLICE: usize = 16;
const REGIONS: usize = 256;

/// An order for a page of a file, and how far it has come.
pub struct ReclaimFile {
    order: Order,
    /// The space to look at next, by its activity's place and its number, and from which
    /// address on.
    at: (usize, u64, u64),
    /// The space that it was taken out of last: some cores may still reach it there.
    left: Option<(Arc<AddressSpace>, Frame)>,
}

impl ReclaimFile {
    /// One that has not begun.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self { order, at: (0, 0, 0), left: None }
    }

    /// Takes the page out of the spaces that come next. Whether that were all.
    fn take(&mut self) -> bool {
        let Some((pages, index)) = Pages::of(self.order.cookie.0) else { return true };
        for _ in 0..SLICE {
            let (owner, number, at) = self.at;
            let Some(space) = AddressSpace::after(owner, number) else { return true };
            let own = (space.space.owner().index(), space.number);
            let from = if own == (owner, number) { at } else { 0 };
            let layout = space.layout();
            let (found, next) = space.regions.lock().showing(&pages, index, from, REGIONS);
            self.at = match next {
                Some(next) => (own.0, own.1, next),
                None => (own.0, own.1.saturating_add(1), 0),
            };
            let Some(page) = found else { continue };
            let holds = || layout.holds();
            let frame = self.order.frame;
            let taken = space.space.withdraw(page, frame, holds, || space.changed());
            if let Withdrawn::Taken(frame) = taken {
                self.left = Some((space, frame));
                return false;
            }
        }
        false
    }
}

impl AddressSpaces {
    /// Serves an order for a slice, and passes it on when no space shows the page any more.
    pub(super) fn reclaim_file(
        &self,
        reclaim: &mut ReclaimFile,
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
        if !reclaim.take() {
            return Outcome::Continue(At::beginning());
        }
        let (Some(memory), Some(ports)) = (vortex_machine::multiplexor(), self.system.ports.get())
        else {
            return Outcome::Done;
        };
        let id = reclaim.order.id;
        let next = memory.forward(id).ok().flatten();
        let passed = next.is_some_and(|next| {
            cx.send(ports.files, Labels::NONE, FileRequest::Reclaim(next)).is_ok()
        });
        if !passed {
            // It has ended meanwhile, or there is nobody to pass it on to.
            let _ended = memory.answer(id, Given::Refused);
            go(&self.system, reclaim.order.place, cx);
        }
        Outcome::Done
    }
}
