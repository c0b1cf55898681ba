//! The memory multiplexor as a resource: who was rejected waits here, and what the multiplexor
//! says is to be done next is made requests of.
//!
//! For one who stands in its own way, at its hard limit or beyond its soft one, that is done in
//! requests of its own (`Go`): the search and the orders are at its place and on its bill, so
//! that what it costs to have too much slows down nobody else.
//!
//! For all others one request of the infrastructure's, which never ends, goes from step to step
//! (`Drive`); while there is nothing to be done it waits for an answer to another that is kept
//! (`Park`). Each of its runs is billed back to whom it was done for: an order to the one who
//! gives, the rest to the one who waits. So nobody's share delays who may have what it waits
//! for. It also tells those who stand in their own way when there is something to do for them
//! that they cannot know of, since another has brought it about.
//!
//! # Invariants
//! - It is at home on one core: whoever is kept here is answered there.
//! - Whoever changes something that a waiter may wait for says so (`Go`) after it has done it:
//!   either the next step sees it, or another step comes.
//! - Whoever has nothing more to do looks whether there is anything for others
//!   ([`Multiplexor::due`]), whom its last step may have helped.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use vortex_grid::{At, Context, Continuation, Kept, Labels, Outcome, Port, Resource, SendError};
use vortex_machine::{Frame, Use};
use vortex_memory::{Answer as Given, Cookie, Multiplexor, Order, Step, WaitError, WaiterId};
use vortex_units::{ActivityId, Micros};

use super::asr::MemoryRequest;
use super::late::{Entry, Late};
use super::orders::Reclaim;
use super::shown_orders::ReclaimShown;
use crate::files::FileRequest;
use crate::{Answer, Mail, System};

/// How long who is deep in debt is left alone before it is reminded that it waits, and for how
/// long it is left to a call to let go of a frame.
const LATER: Micros = Micros::new(1_000);
/// To the memory multiplexor.
pub enum ReclaimRequest {
    /// The infrastructure's own, from the beginning of the machine.
    Drive,
    /// There is nothing to be done now.
    Park,
    /// This activity was rejected: who asks waits for so many frames of it.
    Wait(ActivityId, u8),
    /// Something has changed, most likely for this activity: what is to be done is on its
    /// bill. In an activity's request: what is to be done for it, as far as it stands in its
    /// own way.
    Go(ActivityId),
    /// Who could not be reminded may be told now.
    Later,
}

/// The resource, on its one core.
pub struct Reclaimer {
    system: Arc<System>,
    waiting: BTreeMap<u64, Kept<Mail>>,
    late: Late<(Kept<Mail>, u8)>,
    next: u64,
    parked: Option<Kept<Mail>>,
    /// Something has changed since the last step.
    again: bool,
    /// By whom.
    causer: ActivityId,
    /// The driver is woken in a while.
    timer: bool,
}

type Left = Outcome<Mail, Reclaimer>;
type Cx<'a> = Context<'a, Mail>;

/// Tells the multiplexor's resource that something has changed for this activity, and maybe
/// for others, if there is anything to do.
pub(crate) fn go(system: &System, waits: ActivityId, cx: &mut Context<'_, Mail>) {
    if vortex_machine::multiplexor().is_some_and(|memory| has_work(memory) || memory.has_lent())
        && let Some(ports) = system.ports.get()
    {
        // Room for it is declared by all who send it.
        let _ = cx.send(ports.reclaimer, Labels::NONE, ReclaimRequest::Go(waits));
    }
}

/// Whether there is anything to do, for whomever.
fn has_work(memory: &Multiplexor) -> bool {
    let due = memory.due();
    due.others || due.alone
}

impl Resource<Mail> for Reclaimer {
    type Request = ReclaimRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 3;

    fn handle(&mut self, request: &mut ReclaimRequest, cx: &mut Cx<'_>) -> Left {
        match request {
            ReclaimRequest::Drive => self.drive(cx),
            ReclaimRequest::Park => {
                cx.bill_run(self.causer);
                if self.again {
                    return Outcome::Reply(Answer::Room(None));
                }
                self.parked = cx.keep();
                if self.parked.is_some() { Outcome::Kept } else { Outcome::Done }
            }
            ReclaimRequest::Wait(owner, frames) => {
                let (owner, frames) = (*owner, *frames);
                let (Some(ports), Some(memory)) =
                    (self.system.ports.get(), vortex_machine::multiplexor())
                else {
                    return Outcome::Done;
                };
                self.system.swap.get().inspect(|volume| volume.look_again());
                let go = ReclaimRequest::Go(owner);
                if cx.send(ports.reclaimer, Labels::NONE, go).is_err() {
                    return Outcome::Reply(Answer::Room(None));
                }
                let Some(kept) = cx.keep() else { return Outcome::Reply(Answer::Room(None)) };
                if let Err((kept, _)) = self.late.push(owner, (kept, frames)) {
                    drop(cx.answer(kept, Some(Answer::Room(None))));
                }
                self.late.look_again();
                // Those for whom there was no time in this run come with the next step.
                self.enter(memory, cx);
                Outcome::Kept
            }
            ReclaimRequest::Go(waits) => {
                let waits = *waits;
                if cx.activity() == ActivityId::INFRASTRUCTURE {
                    cx.bill_run(waits);
                    self.wake(waits, cx);
                    return Outcome::Done;
                }
                self.go_alone(waits, cx)
            }
            ReclaimRequest::Later => {
                self.timer = false;
                let Some(memory) = vortex_machine::multiplexor() else { return Outcome::Done };
                memory.forget_reminders();
                memory.try_lent(Frame::handles);
                let causer = memory.first_waiting().unwrap_or(ActivityId::INFRASTRUCTURE);
                cx.bill_run(causer);
                self.wake(causer, cx);
                Outcome::Done
            }
        }
    }
}

/// There is something to be done.
struct Driven;

impl Continuation<Mail, Reclaimer> for Driven {
    fn resume(reclaimer: &mut Reclaimer, _: &mut ReclaimRequest, cx: &mut Cx<'_>) -> Left {
        reclaimer.drive(cx)
    }
}

impl Reclaimer {
    /// The multiplexor's resource, with nobody waiting.
    #[must_use]
    pub fn new(system: Arc<System>) -> Self {
        Self {
            system,
            waiting: BTreeMap::new(),
            late: Late::new(),
            next: 0,
            parked: None,
            again: false,
            causer: ActivityId::INFRASTRUCTURE,
            timer: false,
        }
    }

    fn wake(&mut self, causer: ActivityId, cx: &mut Cx<'_>) {
        self.causer = causer;
        self.late.look_again();
        match self.parked.take() {
            // It was kept on this core.
            Some(kept) => drop(cx.answer(kept, Some(Answer::Room(None)))),
            None => self.again = true,
        }
    }

    /// Those who have come wait at the multiplexor, as many as it has places for: some in a run.
    /// Whether those are all.
    fn enter(&mut self, memory: &Multiplexor, cx: &mut Cx<'_>) -> bool {
        if memory.take_vacancy() {
            self.late.look_again();
        }
        let Self { late, waiting, next, .. } = self;
        let all = late.enter(|owner, (kept, frames)| {
            *next += 1;
            match memory.wait(Use::Page.account(owner), Cookie(*next), usize::from(frames)) {
                Ok(_) => drop(waiting.insert(*next, kept)),
                Err(WaitError::Full) => return Entry::NoPlace((kept, frames)),
                Err(_) => drop(cx.answer(kept, Some(Answer::Room(None)))),
            }
            Entry::Gone
        });
        memory.note_late(!late.is_empty());
        all
    }

    fn drive(&mut self, cx: &mut Cx<'_>) -> Left {
        let own = self.system.ports.get().map(|ports| ports.reclaimer);
        let (Some(memory), Some(own)) = (vortex_machine::multiplexor(), own) else {
            return Outcome::Done;
        };
        self.again = false;
        let all = self.enter(memory, cx);
        match memory.step_for_others() {
            Step::Idle if !all => cx.bill_run(self.causer),
            Step::Idle => {
                if self.remind(memory, own, cx) {
                    return Outcome::Continue(At::routine::<Driven>());
                }
                if memory.has_lent() {
                    self.look_later(own, cx);
                }
                cx.bill_run(self.causer);
                return match cx.request(own, Labels::NONE, ReclaimRequest::Park) {
                    Ok(trigger) => Outcome::Pending(trigger, At::routine::<Driven>()),
                    Err(_) => Outcome::Continue(At::routine::<Driven>()),
                };
            }
            Step::Again => {
                memory.first_waiting().inspect(|&waiter| cx.bill_run(waiter));
            }
            step => self.perform(memory, step, cx),
        }
        Outcome::Continue(At::routine::<Driven>())
    }

    /// Does what is to be done for an activity that stands in its own way, in its own request.
    fn go_alone(&mut self, activity: ActivityId, cx: &mut Cx<'_>) -> Left {
        let Some(memory) = vortex_machine::multiplexor() else { return Outcome::Done };
        let all = self.enter(memory, cx);
        if !self.step_alone(memory, activity, cx) {
            return Outcome::Continue(At::beginning());
        }
        if !all || has_work(memory) || memory.has_lent() && !self.timer {
            self.wake(activity, cx);
        }
        Outcome::Done
    }

    /// Tells one who stands in its own way that there is something to do for it. One that is
    /// in debt learns of it later. Who cannot be told, since it is at its end, or all that it
    /// may have on their way wait here, has it done on its bill: nobody else would ever do it.
    /// False if there is nobody to tell.
    fn remind(&mut self, memory: &Multiplexor, own: Port<Self>, cx: &mut Cx<'_>) -> bool {
        let Some(activity) = memory.remind() else { return false };
        cx.bill_run(activity);
        let told = cx.send_for(activity, own, Labels::NONE, ReclaimRequest::Go(activity));
        if let Err(SendError::NoSuchActivity | SendError::NoRoom) = told {
            let _idle = self.step_alone(memory, activity, cx);
            return true;
        }
        if told.is_err() {
            self.look_later(own, cx);
        }
        if told.is_err() && !self.timer {
            memory.forget_reminders();
        }
        true
    }

    /// In a while all of it is looked at again.
    fn look_later(&mut self, own: Port<Self>, cx: &mut Cx<'_>) {
        if !self.timer {
            self.timer = cx.after(LATER, own, Labels::NONE, ReclaimRequest::Later).is_ok();
        }
    }

    /// A step for an activity that stands in its own way, which looks at no more than 256
    /// frames. Whether there is no more to do.
    fn step_alone(&mut self, memory: &Multiplexor, activity: ActivityId, cx: &mut Cx<'_>) -> bool {
        let step = memory.step_alone(activity);
        let idle = matches!(step, Step::Idle);
        self.perform(memory, step, cx);
        idle
    }

    fn perform(&mut self, memory: &Multiplexor, step: Step, cx: &mut Cx<'_>) {
        match step {
            Step::Idle | Step::Again => {}
            Step::Order(order) => self.pass(memory, order, cx),
            Step::Ready(waiter, activity, token) => {
                self.answer(token, Some(waiter), activity, cx);
            }
            Step::Nothing(_, activity, token) => self.answer(token, None, activity, cx),
        }
    }

    fn answer(
        &mut self,
        token: Cookie,
        waiter: Option<WaiterId>,
        activity: ActivityId,
        cx: &mut Cx<'_>,
    ) {
        cx.bill_run(activity);
        if let Some(kept) = self.waiting.remove(&token.0) {
            drop(cx.answer(kept, Some(Answer::Room(waiter))));
        }
    }

    /// Sends an order to whom it goes.
    fn pass(&self, memory: &Multiplexor, order: Order, cx: &mut Cx<'_>) {
        cx.bill_run(order.bill);
        let Some(ports) = self.system.ports.get() else { return };
        // What spaces show goes to ASR first, whether or not it was redirected there (once it was
        // there it is not any more, and may be shown anew).
        let shown = Frame::handles(order.frame) > 1;
        let sent = if order.to == Use::File.resource() && !shown {
            cx.send(ports.files, Labels::NONE, FileRequest::Reclaim(order))
        } else if order.to == Use::Cache.resource() && !shown {
            cx.send(ports.files, Labels::NONE, FileRequest::ReclaimCached(order))
        } else {
            let request = match order.to == Use::Page.resource() {
                true => MemoryRequest::Reclaim(Reclaim::new(order)),
                false => MemoryRequest::ReclaimShown(ReclaimShown::new(order)),
            };
            cx.send(ports.memory, Labels::NONE, request)
        };
        if sent.is_err() {
            let _ended = memory.answer(order.id, Given::Refused);
        }
    }
}
