//! The memory multiplexor as a resource: who was rejected waits here, and what the multiplexor
//! says is to be done next is made requests of.
//!
//! One request of the infrastructure's, which never ends, goes from step to step (`Drive`);
//! while there is nothing to be done it waits for an answer to another that is kept (`Park`).
//! Each of its runs is billed back to whom it was done for: an order to the one who gives, the
//! rest to the one who waits. What is ordered of the waiter itself is sent as its own request,
//! at its own place; what is ordered of another is served at the infrastructure's, so that
//! nobody's share delays who waits, and billed back run by run.
//!
//! # Invariants
//! - It is at home on one core: whoever is kept here is answered there.
//! - Whoever changes something that a waiter may wait for says so (`Go`) after it has done it:
//!   either the next step sees it, or another step comes.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use vortex_grid::{At, Context, Continuation, Kept, Labels, Outcome, Resource};
use vortex_machine::Use;
use vortex_memory::{Answer as Given, Cookie, Multiplexor, Order, Step, WaitError, WaiterId};
use vortex_units::ActivityId;

use super::asr::MemoryRequest;
use super::file_orders::ReclaimFile;
use super::orders::Reclaim;
use crate::files::FileRequest;
use crate::{Answer, Mail, System};

/// Steps in one run: each looks at no more than 256 frames.
const STEPS: usize = 4;

/// To the memory multiplexor.
pub enum ReclaimRequest {
    /// The infrastructure's own, from the beginning of the machine.
    Drive,
    /// There is nothing to be done now.
    Park,
    /// This activity was rejected: who asks waits for so many frames of it.
    Wait(ActivityId, u8),
    /// Something has changed: what is to be done for that is on this activity's bill.
    Go(ActivityId),
}

/// The resource, on its one core.
pub struct Reclaimer {
    system: Arc<System>,
    waiting: BTreeMap<u64, Kept<Mail>>,
    /// Those for whom the multiplexor has no place yet, in the order of their coming.
    late: VecDeque<(Kept<Mail>, ActivityId, u8)>,
    next: u64,
    parked: Option<Kept<Mail>>,
    /// Something has changed since the last step.
    again: bool,
    /// By whom.
    causer: ActivityId,
}

type Left = Outcome<Mail, Reclaimer>;
type Cx<'a> = Context<'a, Mail>;

/// Tells the multiplexor's resource that something has changed, if that is anything to it.
pub(crate) fn go(system: &System, causer: ActivityId, cx: &mut Context<'_, Mail>) {
    let due = vortex_machine::multiplexor().is_some_and(Multiplexor::is_due);
    if due && let Some(ports) = system.ports.get() {
        // Room for it is declared by all who send it.
        let _ = cx.send(ports.reclaimer, Labels::NONE, ReclaimRequest::Go(causer));
    }
}

impl Resource<Mail> for Reclaimer {
    type Request = ReclaimRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 2;

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
                if self.late.try_reserve(1).is_err() {
                    return Outcome::Reply(Answer::Room(None));
                }
                let Some(kept) = cx.keep() else { return Outcome::Reply(Answer::Room(None)) };
                self.wake(cx.activity(), cx);
                self.late.push_back((kept, *owner, *frames));
                Outcome::Kept
            }
            ReclaimRequest::Go(causer) => {
                if cx.activity() == ActivityId::INFRASTRUCTURE {
                    cx.bill_run(*causer);
                }
                self.wake(*causer, cx);
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
            late: VecDeque::new(),
            next: 0,
            parked: None,
            again: false,
            causer: ActivityId::INFRASTRUCTURE,
        }
    }

    fn wake(&mut self, causer: ActivityId, cx: &mut Cx<'_>) {
        self.causer = causer;
        match self.parked.take() {
            // It was kept on this core.
            Some(kept) => drop(cx.answer(kept, Some(Answer::Room(None)))),
            None => self.again = true,
        }
    }

    /// Those who have come wait at the multiplexor, as many as it has places for.
    fn enter(&mut self, memory: &Multiplexor, cx: &mut Cx<'_>) {
        while let Some((kept, owner, frames)) = self.late.pop_front() {
            self.next += 1;
            match memory.wait(Use::Page.account(owner), Cookie(self.next), usize::from(frames)) {
                Ok(_) => drop(self.waiting.insert(self.next, kept)),
                Err(WaitError::Full) => {
                    self.late.push_front((kept, owner, frames));
                    return;
                }
                Err(_) => drop(cx.answer(kept, Some(Answer::Room(None)))),
            }
        }
    }

    fn drive(&mut self, cx: &mut Cx<'_>) -> Left {
        let own = self.system.ports.get().map(|ports| ports.reclaimer);
        let (Some(memory), Some(own)) = (vortex_machine::multiplexor(), own) else {
            return Outcome::Done;
        };
        self.again = false;
        self.enter(memory, cx);
        for _ in 0..STEPS {
            match memory.step() {
                Step::Idle => {
                    cx.bill_run(self.causer);
                    return match cx.request(own, Labels::NONE, ReclaimRequest::Park) {
                        Ok(trigger) => Outcome::Pending(trigger, At::routine::<Driven>()),
                        Err(_) => Outcome::Continue(At::routine::<Driven>()),
                    };
                }
                Step::Again => {
                    memory.first_waiting().inspect(|&waiter| cx.bill_run(waiter));
                }
                Step::Order(order) => {
                    self.pass(memory, order, cx);
                    break;
                }
                Step::Ready(waiter, activity, token) => {
                    self.answer(token, Some(waiter), activity, cx);
                    break;
                }
                Step::Nothing(_, activity, token) => {
                    self.answer(token, None, activity, cx);
                    break;
                }
            }
        }
        Outcome::Continue(At::routine::<Driven>())
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

    /// Sends an order to whom it goes: as the waiter's own request, where it is its own frame.
    fn pass(&self, memory: &Multiplexor, order: Order, cx: &mut Cx<'_>) {
        cx.bill_run(order.bill);
        let Some(ports) = self.system.ports.get() else { return };
        let own = order.bill == order.place;
        // As the giver's request, or where that cannot be as the infrastructure's.
        let sent = if order.to == Use::File.resource() {
            let request = || FileRequest::Reclaim(order);
            own && cx.send_for(order.bill, ports.files, Labels::NONE, request()).is_ok()
                || cx.send(ports.files, Labels::NONE, request()).is_ok()
        } else {
            let request = || match order.to == Use::Mapping.resource() {
                true => MemoryRequest::ReclaimFile(ReclaimFile::new(order)),
                false => MemoryRequest::Reclaim(Reclaim::new(order)),
            };
            own && cx.send_for(order.bill, ports.memory, Labels::NONE, request()).is_ok()
                || cx.send(ports.memory, Labels::NONE, request()).is_ok()
        };
        if !sent {
            let _ended = memory.answer(order.id, Given::Refused);
        }
    }
}
