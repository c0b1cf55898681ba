//! The simulated resource: so many cycles, bytes and frames a request, and what follows.
//!
//! # Invariants
//! - A run costs at most [`LONGEST_RUN`] (law 5): dearer requests are continued.
//! - What is allocated at a request's beginning is freed at its end.

use std::sync::Arc;

use vortex_config::{ResourceIndex, SimSend, Span};
use vortex_grid::policy::{Direction, Record, RecordKind};
use vortex_grid::{At, Context, Continuation, Outcome, Resource, Scope, SendError, Trigger};
use vortex_units::{ActivityId, Bytes, Cycles, Frames};

use crate::agenda::Agenda;
use crate::clock::Clock;
use crate::device::SimDevice;
use crate::door::Ports;
use crate::message::{BURST, SimMessage, Stage, UNKNOWN, WorkDone, WorkRequest};
use crate::random::Random;
use crate::tally::Tally;

/// The longest run of a handler: the 50,000 instructions of law 5 at one a cycle.
pub(crate) const LONGEST_RUN: Cycles = Cycles::new(50_000);

/// The records in which memory is reported.
const MEMORY: RecordKind = RecordKind(RecordKind::FIRST_FREE);

/// What a resource that sends may send in one run: requests, and bills.
pub(crate) const FAN_OUT: u32 = (BURST + UNKNOWN) as u32;

/// What is the same for all requests and cores of a simulated resource.
pub(crate) struct Plan {
    pub resource: ResourceIndex,
    pub cost: Span,
    pub bytes: Option<Bytes>,
    pub memory: Frames,
    pub bills_causer: bool,
    pub device: Option<SimDevice>,
    /// What it sends, and whether the causer becomes known somewhere below.
    pub sends: Vec<(SimSend, bool)>,
    pub ports: Ports,
    pub tally: Tally,
    pub agenda: Agenda,
}

/// A simulated resource on one core, which sends at most `FAN` in one run.
pub(crate) struct Work<const FAN: u32> {
    pub plan: Arc<Plan>,
    pub clock: Clock,
    pub random: Random,
}

type Left<const FAN: u32> = Outcome<SimMessage, Work<FAN>>;
type Cx<'a> = Context<'a, SimMessage>;

impl<const FAN: u32> Resource<SimMessage> for Work<FAN> {
    type Request = WorkRequest;
    type Reply = WorkDone;
    const FAN_OUT: u32 = FAN;

    fn handle(&mut self, request: &mut WorkRequest, cx: &mut Cx<'_>) -> Left<FAN> {
        self.clock.serve(cx.now(), self.plan.resource.0, cx.activity());
        self.go_on(request, cx)
    }
}

/// The routine at which every continued or pending request goes on.
struct Onward;

impl<const FAN: u32> Continuation<SimMessage, Work<FAN>> for Onward {
    fn resume(work: &mut Work<FAN>, request: &mut WorkRequest, cx: &mut Cx<'_>) -> Left<FAN> {
        work.clock.serve(cx.now(), work.plan.resource.0, cx.activity());
        if cx.reply::<WorkDone>().is_err() {
            work.plan.tally.fail(cx.activity());
        }
        work.go_on(request, cx)
    }
}

impl<const FAN: u32> Work<FAN> {
    fn go_on(&mut self, request: &mut WorkRequest, cx: &mut Cx<'_>) -> Left<FAN> {
        let causer = request
            .causer
            .filter(|_| self.plan.bills_causer && cx.activity() == ActivityId::INFRASTRUCTURE);
        if matches!(request.stage, Stage::New)
            && let Err(rejected) = self.begin(request, cx)
        {
            return rejected;
        }
        if let Some(causer) = causer {
            cx.bill_run(causer);
            for part in request.unbilled.iter_mut().filter_map(Option::take) {
                if cx.bill(part, causer).is_err() {
                    self.plan.tally.fail(causer);
                }
            }
        }
        if let Stage::Costing(left) = request.stage {
            let now = left.min(LONGEST_RUN);
            self.clock.spend(now);
            if now < left {
                request.stage = Stage::Costing(left - now);
                return Outcome::Continue(At::routine::<Onward>());
            }
            request.stage = Stage::Sending(0, 0);
        }
        if let Some(trigger) = request.awaited.iter_mut().find_map(Option::take) {
            return Outcome::Pending(trigger, At::routine::<Onward>());
        }
        self.send(request, causer, cx)
    }

    /// Finds room at the device, and memory; draws the cost.
    fn begin(&mut self, request: &mut WorkRequest, cx: &mut Cx<'_>) -> Result<(), Left<FAN>> {
        let plan = &self.plan;
        request.bytes = plan.bytes.unwrap_or(request.bytes);
        if let Some(device) = &plan.device
            && let Err(later) = device.admit(request.bytes, cx.now())
        {
            plan.agenda.resume(plan.resource.index(), later);
            return Err(Outcome::Rejected(cx.rejection(Scope::Device)));
        }
        cx.moved(request.bytes);
        if !plan.memory.is_zero() {
            plan.tally.allocate(cx.activity(), plan.resource.0, plan.memory);
            cx.record(Record { memory: plan.memory, ..Record::new(MEMORY) });
        }
        request.stage = Stage::Costing(self.random.draw(plan.cost));
        Ok(())
    }

    /// Sends the next few; after the last, ends the request.
    fn send(
        &mut self,
        request: &mut WorkRequest,
        causer: Option<ActivityId>,
        cx: &mut Cx<'_>,
    ) -> Left<FAN> {
        let Stage::Sending(mut place, mut sent) = request.stage else { return Outcome::Done };
        let plan = self.plan.clone();
        let mut burst = 0;
        while let Some((send, bills_below)) = plan.sends.get(usize::from(place)) {
            if sent >= send.count {
                (place, sent) = (place + 1, 0);
                continue;
            }
            if burst == BURST {
                break;
            }
            let mut onward = WorkRequest::new(send.bytes.unwrap_or(request.bytes), None);
            if *bills_below && causer.is_none() {
                Self::pass_on(request, &mut onward, cx);
            }
            match self.send_one(send, onward, causer, cx) {
                Ok(trigger) => {
                    if let Some(free) = request.awaited.get_mut(burst) {
                        *free = trigger;
                    }
                }
                Err(SendError::NoRoom | SendError::OverBudget) => {
                    plan.tally.refuse(causer.unwrap_or(cx.activity()))
                }
                Err(_) => plan.tally.fail(cx.activity()),
            }
            burst += 1;
            sent += 1;
        }
        request.stage = Stage::Sending(place, sent);
        if let Some(trigger) = request.awaited.iter_mut().find_map(Option::take) {
            return Outcome::Pending(trigger, At::routine::<Onward>());
        }
        if usize::from(place) < plan.sends.len() {
            return Outcome::Continue(At::routine::<Onward>());
        }
        self.finish(cx);
        Outcome::Reply(WorkDone)
    }

    /// What the request has cost goes with the one that will find the causer, and this run
    /// with it.
    fn pass_on(request: &mut WorkRequest, onward: &mut WorkRequest, cx: &mut Cx<'_>) {
        onward.causer = request.causer;
        if request.causer.is_none() || cx.activity() != ActivityId::INFRASTRUCTURE {
            return;
        }
        onward.unbilled = std::mem::take(&mut request.unbilled);
        if let Some(free) = onward.unbilled.iter_mut().find(|part| part.is_none()) {
            *free = cx.unbilled();
        }
    }

    fn send_one(
        &self,
        send: &SimSend,
        onward: WorkRequest,
        causer: Option<ActivityId>,
        cx: &mut Cx<'_>,
    ) -> Result<Option<Trigger>, SendError> {
        let to = self.plan.ports.get().and_then(|ports| ports.get(send.to.index()).copied());
        let Some(to) = to.flatten() else { return Ok(None) };
        let labels = cx.labels();
        match causer {
            Some(causer) => to.send_for(causer, cx, labels, onward).map(|()| None),
            None if send.wait => to.request(cx, labels, onward).map(Some),
            None => to.send(cx, labels, onward).map(|()| None),
        }
    }

    fn finish(&self, cx: &mut Cx<'_>) {
        let plan = &self.plan;
        if !plan.memory.is_zero() {
            plan.tally.free(cx.activity(), plan.resource.0, plan.memory);
            let direction = Direction::Credit;
            cx.record(Record { memory: plan.memory, direction, ..Record::new(MEMORY) });
        }
    }
}
