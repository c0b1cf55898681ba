//! Orders of the memory multiplexor, as ASR serves them: a page is taken out of the space, or
//! the family of spaces, that has it, and written to the swap volume; then its frame is free.
//!
//! ```text
//!  New ─┬─ its program has given it up ──────────────► Dropping ──► given back
//!       ├─ the space alone has it ──────────────────► Gathering ──► written, given back
//!       ├─ others have it too ──► Counting ──┬─ all ──────▲
//!       │                                    └─ not all: a call, or nobody: refused
//!       └─ a call has it ──► later again
//! ```
//!
//! An order concerns a frame by the name of a page: what was there when it was named may have
//! gone, or moved; then it is refused. It is served at any time beside all else that ASR does
//! to the space, so all of it is looked at again under the tables' lock (`away.rs`).

use alloc::sync::Arc;

use vortex_grid::{At, Context, Continuation, Labels, Outcome, Trigger};
use vortex_machine::{Access, Frame, Withdrawn, page_of};
use vortex_memory::{Answer as Given, Information, Multiplexor, Order};
use vortex_units::ActivityId;

use super::asr::AddressSpaces;
use super::asr::MemoryRequest;
use super::faults::poke;
use super::space::AddressSpace;
use super::swap::{Place, Write};
use crate::Mail;
use crate::storage::{DiskReply, VolumeRequest};

/// Spaces that are looked at in one run.
const SLICE: usize = 16;
/// How often all are gone over for a page that a call has got meanwhile: longer than one has its
/// buffers that does not wait.
const ROUNDS: u32 = 1_000;

/// An order, and how far it has come.
pub struct Reclaim {
    order: Order,
    step: Step,
    /// The frame, once it is out of a space.
    held: Option<Frame>,
    /// Where its contents go.
    place: Option<Arc<Place>>,
    /// The space that it was taken out of last: some cores may still reach it there.
    left: Option<Arc<AddressSpace>>,
    /// How often all spaces were gone over in vain.
    rounds: u32,
    /// A call still has the frame while it is written.
    lent: bool,
}

enum Step {
    New,
    /// Of the first so many handles, spaces with a lower number are counted: so many have it.
    Counting {
        handles: u32,
        from: u64,
        count: u32,
    },
    /// It was taken out of those with a lower number.
    Gathering(u64),
    /// It is out of the space that gave it up.
    Dropping,
}

impl Reclaim {
    /// One that has not begun.
    #[must_use]
    pub fn new(order: Order) -> Self {
        let step = Step::New;
        Self { order, step, held: None, place: None, left: None, rounds: 0, lent: false }
    }
}

/// What is done with an order in a run.
enum Done {
    /// Not all.
    Again,
    /// The frame is free: the multiplexor knows.
    Back,
    /// Storage is to be asked to write it.
    Ask(VolumeRequest),
    Answer(Given),
}

impl AddressSpaces {
    /// Serves an order for a slice: on the bill of whoever gives.
    pub(super) fn reclaim(
        &self,
        reclaim: &mut Reclaim,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        if cx.activity() == ActivityId::INFRASTRUCTURE {
            cx.bill_run(reclaim.order.bill);
        }
        let Some(memory) = vortex_machine::multiplexor() else { return Outcome::Done };
        if let Some(space) = &reclaim.left {
            if !space.space.is_current() {
                poke(space, cx);
                return Outcome::Continue(At::beginning());
            }
            reclaim.left = None;
        }
        match vortex_machine::reclaiming(|| self.take(memory, reclaim)) {
            Done::Again => return Outcome::Continue(At::beginning()),
            Done::Back => self.end_order(reclaim.order, None, cx),
            Done::Ask(asks) => return self.ask(reclaim, asks, cx),
            Done::Answer(answer) => self.end_order(reclaim.order, Some(answer), cx),
        }
        Outcome::Done
    }

    fn take(&self, memory: &Multiplexor, reclaim: &mut Reclaim) -> Done {
        let Order { id, frame, cookie, bill, .. } = reclaim.order;
        let (number, page) = page_of(cookie.0);
        let refused = Done::Answer(Given::Refused);
        match reclaim.step {
            Step::New => {
                if memory.waiter_of(id).is_err() {
                    return refused;
                }
                let space = AddressSpace::of(bill, number);
                space.as_ref().inspect(|space| look_through(memory, space));
                let handles = Frame::handles(frame);
                let alone = handles == 1;
                if let Some(space) = space.as_ref().filter(|_| alone)
                    && let Some(held) = self.given_up(space, page, frame)
                {
                    (reclaim.held, reclaim.left) = (Some(held), Some(space.clone()));
                    reclaim.step = Step::Dropping;
                    return Done::Again;
                }
                // What a program may write no other space has: a call has it.
                let is_own = |space: &Arc<AddressSpace>| {
                    let found = space.space.get(page);
                    found.is_some_and(|(of, access)| of.id() == frame && access == Access::Write)
                };
                if !alone && space.as_ref().is_some_and(is_own) {
                    return Done::Answer(Given::Pinned { handles });
                }
                reclaim.step = match alone {
                    true => Step::Gathering(number),
                    false => Step::Counting { handles, from: 0, count: 0 },
                };
                // What was read ahead is with the swap resource still.
                let ahead = |space: &Arc<AddressSpace>| space.away.forget_ahead(page, frame);
                if alone && space.as_ref().is_some_and(ahead) {
                    return Done::Back;
                }
                let has = space.is_some_and(|space| space.space.has(page, frame));
                if alone && (!has || !self.place(reclaim)) { refused } else { Done::Again }
            }
            Step::Counting { handles, from, mut count } => {
                let mut next = from;
                for _ in 0..SLICE {
                    let Some(space) = AddressSpace::first(bill, next) else {
                        let all = count > 0 && count == Frame::handles(frame);
                        reclaim.step = Step::Gathering(0);
                        return match all {
                            true if self.place(reclaim) => Done::Again,
                            // Those who show it are not all that have it: a call has it.
                            false if count > 0 => Done::Answer(Given::Pinned { handles }),
                            _ => refused,
                        };
                    };
                    count += u32::from(space.space.has(page, frame));
                    next = space.number.saturating_add(1);
                }
                reclaim.step = Step::Counting { handles, from: next, count };
                Done::Again
            }
            Step::Gathering(from) => gather(reclaim, from),
            Step::Dropping => {
                // A frame that is dropped goes where it was ordered to.
                reclaim.held = None;
                Done::Back
            }
        }
    }

    /// Asks storage for something on this bill. `None` where it cannot be asked.
    pub(super) fn ask_storage(
        &self,
        bill: ActivityId,
        asks: VolumeRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Trigger> {
        let ports = self.system.disks.get()?.wiring.ports.get()?;
        cx.request_for(bill, ports.volumes, Labels::NONE, asks).ok()
    }

    /// Asks storage to write the page, and waits: on the bill of whoever gives.
    fn ask(
        &self,
        reclaim: &mut Reclaim,
        asks: VolumeRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        match self.ask_storage(reclaim.order.bill, asks, cx) {
            Some(trigger) => Outcome::Pending(trigger, At::routine::<Written>()),
            None => {
                self.wrote(reclaim, false, cx);
                Outcome::Done
            }
        }
    }

    /// The page is written, or cannot be.
    fn wrote(&self, reclaim: &mut Reclaim, good: bool, cx: &mut Context<'_, Mail>) {
        let (held, place) = (reclaim.held.take(), &reclaim.place);
        let free = match (held, place) {
            (Some(held), Some(place)) => place.written(held, good),
            _ => true,
        };
        let answer = match (free, reclaim.lent) {
            (false, _) => Some(Given::Failed),
            (true, true) => Some(Given::Refused),
            (true, false) => None,
        };
        self.end_order(reclaim.order, answer, cx);
    }

    /// A place for the page. False where there is none.
    fn place(&self, reclaim: &mut Reclaim) -> bool {
        let place = self.system.swap.get().and_then(|volume| volume.place(reclaim.order.bill));
        reclaim.place = place.map(Arc::new);
        reclaim.place.is_some()
    }
}

/// Takes the page out of the next space that has it; writes it, when none has it any more.
fn gather(reclaim: &mut Reclaim, from: u64) -> Done {
    let Order { frame, cookie, bill, .. } = reclaim.order;
    let refused = Done::Answer(Given::Refused);
    let Some(place) = &reclaim.place else { return refused };
    if reclaim.held.as_ref().is_some_and(Frame::is_sole)
        && let Some(held) = reclaim.held.take()
    {
        // A frame that is dropped goes where it was ordered to.
        return match place.write(held) {
            Write::Done(true) => Done::Back,
            Write::Done(false) => Done::Answer(Given::Failed),
            Write::Ask(request, held) => {
                reclaim.held = Some(held);
                Done::Ask(request)
            }
        };
    }
    let (_, page) = page_of(cookie.0);
    let mut next = from;
    for _ in 0..SLICE {
        let Some(space) = AddressSpace::first(bill, next) else {
            reclaim.step = Step::Gathering(0);
            return match reclaim.held.take() {
                None => refused,
                // A call that waits may have it for as long as it likes, and does not change it:
                // it is kept as it is, and the frame is free when that call has ended. For that
                // nobody waits.
                Some(held) if reclaim.rounds >= ROUNDS => match place.write(held) {
                    Write::Done(true) => refused,
                    Write::Done(false) => Done::Answer(Given::Failed),
                    Write::Ask(request, held) => {
                        reclaim.held = Some(held);
                        reclaim.lent = true;
                        Done::Ask(request)
                    }
                },
                // Whoever still has it is at work on it: its call, or a fault that is looked at.
                held => {
                    reclaim.held = held;
                    reclaim.rounds += 1;
                    Done::Again
                }
            };
        };
        next = space.number.saturating_add(1);
        match space.away.leave(&space, page, frame, place) {
            Withdrawn::Taken(taken) => {
                reclaim.held = Some(taken);
                reclaim.left = Some(space);
                break;
            }
            Withdrawn::Busy if reclaim.held.is_none() => {
                let handles = Frame::handles(frame);
                return Done::Answer(Given::Pinned { handles });
            }
            Withdrawn::Busy | Withdrawn::Gone => {}
        }
    }
    reclaim.step = Step::Gathering(next);
    Done::Again
}

/// Storage has written a page, or could not.
struct Written;

impl Continuation<Mail, AddressSpaces> for Written {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, AddressSpaces> {
        let MemoryRequest::Reclaim(reclaim) = request else { return Outcome::Done };
        if cx.activity() == ActivityId::INFRASTRUCTURE {
            cx.bill_run(reclaim.order.bill);
        }
        let good = transferred(cx);
        spaces.wrote(reclaim, good, cx);
        Outcome::Done
    }
}

/// Whether storage has written a page, or read it.
pub(super) fn transferred(cx: &mut Context<'_, Mail>) -> bool {
    // What it gives back names the frame too: it must be gone before the frame can be free.
    match cx.reply::<DiskReply>() {
        Ok(Some(DiskReply::Data(data, result))) => {
            drop(data);
            result.is_ok()
        }
        _ => false,
    }
}

/// Tells the multiplexor how a slice of a space's pages was used (§3.2: information records).
pub(super) fn look_through(memory: &Multiplexor, space: &AddressSpace) {
    use core::sync::atomic::Ordering::Relaxed;
    let at = space.looked.load(Relaxed);
    let next = space.space.look_through(at, vortex_machine::USER_END, |seen| {
        let (accessed, modified) = (seen.accessed, seen.modified);
        memory.inform(seen.frame, Information { accessed, modified });
    });
    space.looked.store(next.unwrap_or(0), Relaxed);
}
