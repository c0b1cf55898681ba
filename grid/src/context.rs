//! What a handler can do beside changing its own state: its outbox.
//!
//! Nothing a handler does takes effect before it returns: what it sends is written into
//! nodes reserved before it was dispatched, and delivered afterwards. So a handler cannot
//! be called back while it runs, and may hold its state mutably.

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_queues::Fifo;
use vortex_units::{ActivityId, Bytes, CoreId, Cycles, Frames, InstanceId, Micros};

use crate::binding::Label;
use crate::kept::{Keeping, Kept, Ticket};
use crate::kind::Family;
use crate::labels::Labels;
use crate::message::{Carries, Message, Port, wrap_request};
use crate::policy::Record;
use crate::pool::Pool;
use crate::request::{Aside, Envelope, Kind, ReplyError, Sealed, Trigger};
use crate::resource::{Rejection, Resource, Resume, Scope};
use crate::shared::Grid;
use crate::triggers::Triggers;

/// Why a handler could not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// More than the declared fan-out.
    FanOut,
    /// The dependency label is in use with another affinity label.
    LabelConflict,
    /// The causer's debt has reached its cap (law 2): its work is refused early.
    OverBudget,
    /// The causer is dying or gone: nobody pays for its requests any more.
    NoSuchActivity,
    /// The heap has no room for a trigger.
    NoMemory,
    /// The causer has as many requests outstanding as it may.
    NoRoom,
}

/// The part of a core that handlers work on.
pub(crate) struct Desk<M> {
    pub pool: Pool<M>,
    pub triggers: Triggers<M>,
    pub outbox: Fifo<Envelope<M>>,
    pub timers: Vec<(Cycles, Sealed<M>)>,
    pub records: Vec<Record>,
    pub later: Vec<(InstanceId, ActivityId, Record)>,
    pub kept: Keeping<M>,
    pub keeping: Option<Ticket>,
    pub answers: Vec<(Ticket, Option<M>)>,
    /// Kept requests that go on, and where.
    pub resumed: Vec<(Ticket, Option<Resume<M>>)>,
    /// What is to be no more.
    pub removed: Vec<Removed>,
    /// Cores to be woken.
    pub pokes: Vec<CoreId>,
    pub cancelled: Vec<Trigger>,
    /// Activities whose debt has reached its cap, and the slot whose scheduler says so.
    pub refused: Vec<(usize, ActivityId)>,
    /// What an activity uses in resources is charged to its own client, too.
    pub charge_through: bool,
    pub notes: Notes,
}

/// What a handler has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Removed {
    Instance(InstanceId),
    Activity(ActivityId),
}

/// What a handler says of its own run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes {
    pub bytes: Bytes,
    pub memory: Frames,
    pub causer: Option<ActivityId>,
    pub tokens: u32,
    /// It leaves more to be done than what it has sent.
    pub more: bool,
}

/// Consumption of an infrastructure run whose causer is not known yet: a part of that run,
/// to be billed back by whoever finds the causer ([`Context::bill`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Unbilled {
    pub(crate) instance: InstanceId,
    pub(crate) core: CoreId,
    pub(crate) run: u32,
}

/// The run of a handler.
pub struct Context<'a, M> {
    pub(crate) desk: &'a mut Desk<M>,
    pub(crate) grid: &'a Arc<Grid<M>>,
    pub(crate) activity: ActivityId,
    pub(crate) instance: InstanceId,
    /// Under what name it sends.
    pub(crate) as_sender: InstanceId,
    pub(crate) sender: InstanceId,
    pub(crate) answered: Option<Trigger>,
    pub(crate) labels: Labels,
    pub(crate) now: Cycles,
    pub(crate) core: CoreId,
    pub(crate) room: u32,
    pub(crate) epoch: u64,
    pub(crate) run: u32,
    pub(crate) scratch: u32,
    pub(crate) open_room: bool,
}

impl<M: Message> Context<'_, M> {
    /// The activity of the request: whatever is sent inherits it.
    #[must_use]
    pub fn activity(&self) -> ActivityId {
        self.activity
    }

    /// Who sent the request.
    #[must_use]
    pub fn sender(&self) -> InstanceId {
        self.sender
    }

    /// The labels that the request came with.
    #[must_use]
    pub fn labels(&self) -> Labels {
        self.labels
    }

    /// The core on which this runs.
    #[must_use]
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// When this run began.
    #[must_use]
    pub fn now(&self) -> Cycles {
        self.now
    }

    /// Writes a request into a node: all sends come through here.
    pub(crate) fn write(
        &mut self,
        to: InstanceId,
        activity: ActivityId,
        labels: Labels,
        message: M,
    ) -> Result<Sealed<M>, SendError> {
        if self.room == 0 {
            return Err(SendError::FanOut);
        }
        if let Some((dependency, affinity)) = labels.to_fix() {
            self.grid
                .bindings
                .fix(self.as_sender, activity, dependency, affinity)
                .map_err(|_| SendError::LabelConflict)?;
        }
        let mut parcel = self.desk.pool.take().ok_or(SendError::FanOut)?;
        self.room -= 1;
        self.grid.activities().charge(activity);
        parcel.kind = Kind::Request;
        parcel.to = to;
        parcel.from = self.as_sender;
        parcel.activity = activity;
        parcel.labels = labels;
        parcel.body = Some(message);
        Ok(parcel)
    }

    /// Sends with a trigger.
    pub(crate) fn ask(
        &mut self,
        to: InstanceId,
        labels: Labels,
        message: M,
    ) -> Result<Trigger, SendError> {
        self.ask_as(self.activity, to, labels, message)
    }

    pub(crate) fn ask_as(
        &mut self,
        activity: ActivityId,
        to: InstanceId,
        labels: Labels,
        message: M,
    ) -> Result<Trigger, SendError> {
        // The trigger first: without one nothing is sent.
        let trigger = self.desk.triggers.arm().ok_or(SendError::NoMemory)?;
        match self.write(to, activity, labels, message) {
            Ok(mut parcel) => {
                parcel.trigger = Some(trigger);
                self.desk.outbox.push_back(parcel);
                Ok(trigger)
            }
            Err(error) => {
                self.desk.triggers.disarm(trigger);
                Err(error)
            }
        }
    }

    /// Sends a request that nobody waits for.
    ///
    /// # Errors
    /// [`SendError`]; then nothing was sent.
    pub fn send<R>(
        &mut self,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<(), SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        self.send_as(self.activity, to, labels, request)
    }

    /// Sends it on this bill: who may is looked at before.
    pub(crate) fn send_as<R>(
        &mut self,
        activity: ActivityId,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<(), SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let parcel = self.write(to.instance(), activity, labels, wrap_request::<M, R>(request))?;
        self.desk.outbox.push_back(parcel);
        Ok(())
    }

    /// Sends a request with a trigger, for which this request or others can then wait.
    ///
    /// # Errors
    /// [`SendError`]; then nothing was sent.
    pub fn request<R>(
        &mut self,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<Trigger, SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        self.ask(to.instance(), labels, wrap_request::<M, R>(request))
    }

    /// Stops waiting: what waits for this trigger goes on with
    /// [`ReplyError::Cancelled`]. The request itself is served all the same, its reply
    /// dropped.
    pub fn cancel(&mut self, trigger: Trigger) {
        self.desk.cancelled.push(trigger);
        self.desk.notes.more = true;
    }

    /// Sends a request to be delivered after so long.
    ///
    /// # Errors
    /// [`SendError`]; then nothing will be.
    pub fn after<R>(
        &mut self,
        span: Micros,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<(), SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let parcel =
            self.write(to.instance(), self.activity, labels, wrap_request::<M, R>(request))?;
        let due = self.now + self.grid.frequency.cycles(span);
        self.desk.timers.push((due, parcel));
        self.desk.notes.more = true;
        Ok(())
    }

    /// The reply that unblocked this request: `Ok(None)` if it was not unblocked by one,
    /// or if another request that waited for the same trigger has taken it.
    ///
    /// # Errors
    /// [`ReplyError`] if the trigger fired without a reply of this type.
    pub fn reply<T>(&mut self) -> Result<Option<T>, ReplyError>
    where
        M: Carries<T>,
    {
        match self.raw_reply()? {
            None => Ok(None),
            Some(message) => message.unwrap().map(Some).ok_or(ReplyError::WrongType),
        }
    }

    pub(crate) fn raw_reply(&mut self) -> Result<Option<M>, ReplyError> {
        match self.answered {
            Some(trigger) => self.desk.triggers.take_reply(trigger),
            None => Ok(None),
        }
    }

    /// A rejection of this request. `cx.rejection` carries the epoch that was current
    /// before the handler ran, so that a resumption since then is not lost.
    #[must_use]
    pub fn rejection(&self, scope: Scope) -> Rejection {
        Rejection { scope, epoch: self.epoch }
    }

    /// Ends a suspension of this resource or another.
    ///
    /// # Errors
    /// [`SendError::FanOut`]: a resumption is one of the declared sends.
    pub fn resume<R>(
        &mut self,
        at: Port<R>,
        scope: Scope,
        of: ActivityId,
        labels: Labels,
        core: CoreId,
    ) -> Result<(), SendError> {
        if self.room == 0 {
            return Err(SendError::FanOut);
        }
        let mut parcel = self.desk.pool.take().ok_or(SendError::FanOut)?;
        self.room -= 1;
        self.grid.activities().charge(self.activity);
        if let Some(instance) = self.grid.directory.get(at.instance()) {
            instance.gate.advance();
        }
        parcel.kind = Kind::Resume { scope, core };
        parcel.aside = Aside::activity(of);
        parcel.to = at.instance();
        parcel.from = self.as_sender;
        parcel.activity = self.activity;
        parcel.labels = labels;
        self.desk.outbox.push_back(parcel);
        Ok(())
    }

    /// Ends the device-scope suspension of an instance, on all its cores: unlike
    /// [`Self::resume`] it sends nothing, and may not be refused.
    pub fn resume_everywhere<R>(&mut self, at: Port<R>) {
        let Some(instance) = self.grid.directory.get(at.instance()) else { return };
        instance.gate.advance();
        for core in &instance.cores {
            if let Some(post) = self.grid.posts.get(core.index())
                && post.call_attention(self.now, self.activity)
            {
                self.desk.pokes.push(*core);
                self.desk.notes.more = true;
            }
        }
    }

    /// Makes another core leave user mode, or its sleep, when this run has ended; what that
    /// costs there is on this activity's bill. One poke of a core is outstanding at most:
    /// where another is on its way already, that serves.
    pub fn poke(&mut self, core: CoreId) {
        if let Some(post) = self.grid.posts.get(core.index())
            && post.claim_poke(self.activity)
        {
            self.desk.pokes.push(core);
            self.desk.notes.more = true;
        }
    }

    /// Another instance of a family: at once, so that this run can send to it. `None` if
    /// there are as many as there can be.
    #[must_use]
    pub fn bear<R>(&mut self, family: &Family<M, R>) -> Option<Port<R>> {
        self.grid.bear(family)
    }

    /// An affinity label of an activity will not be used at an instance any more: it is
    /// bound to no core, and does not count there. What was sent with it must have ended. It
    /// may be of another part of the same activity, or its whole's.
    pub fn unbind<R>(&mut self, at: Port<R>, activity: ActivityId, affinity: u64) {
        if self.grid.activities().root(activity) != self.root() {
            return;
        }
        let label = Label { instance: at.instance(), activity, affinity };
        if let Some(core) = self.grid.bindings.remove(label) {
            self.grid.uncount(label, core);
        }
    }

    /// Removes an instance of a family when this run has ended: see [`Grid::remove`].
    pub fn remove<R>(&mut self, port: Port<R>) {
        self.desk.removed.push(Removed::Instance(port.instance()));
        self.desk.notes.more = true;
    }

    /// Adds bytes moved to this run's basic record.
    pub fn moved(&mut self, bytes: Bytes) {
        self.desk.notes.bytes = self.desk.notes.bytes.saturating_add(bytes);
    }

    /// Emits a further record of this run, of the resource's own type.
    pub fn record(&mut self, record: Record) {
        self.desk.records.push(record);
    }

    /// Emits a record of a request that was kept, whose consumption is known only now: how
    /// long the device took, say. It goes to the schedulers above the resource that keeps
    /// it, on this core, for the request's activity.
    pub fn record_later(&mut self, kept: &Kept<M>, record: Record) {
        self.desk.later.push((kept.instance(), kept.activity(), record));
        self.desk.notes.more = true;
    }

    /// Adds frames to this run's basic record. To be called where frames are allocated, not
    /// by the resource that asks for them.
    pub fn allocated(&mut self, frames: Frames) {
        self.desk.notes.memory = self.desk.notes.memory.saturating_add(frames);
    }

    /// This run was caused by `causer`: it is charged for all of it, and infrastructure
    /// credited. Only an infrastructure run can be billed back.
    pub fn bill_run(&mut self, causer: ActivityId) {
        self.desk.notes.causer = Some(causer);
    }

    /// Takes a part of this infrastructure run, to be billed back later; the run is
    /// divided evenly over the parts taken. `None` while too many earlier runs are not billed
    /// back yet: then what this one costs stays with infrastructure, or the work is dropped.
    pub fn unbilled(&mut self) -> Option<Unbilled> {
        if !self.open_room {
            return None;
        }
        self.desk.notes.tokens += 1;
        Some(Unbilled { instance: self.instance, core: self.core, run: self.run })
    }

    /// Bills back a part of an earlier run.
    ///
    /// # Errors
    /// [`SendError::FanOut`]: it is one of the declared sends.
    pub fn bill(&mut self, part: Unbilled, causer: ActivityId) -> Result<(), SendError> {
        if self.room == 0 {
            return Err(SendError::FanOut);
        }
        let mut parcel = self.desk.pool.take().ok_or(SendError::FanOut)?;
        self.room -= 1;
        self.grid.activities().charge(self.activity);
        parcel.kind = Kind::BillBack { core: part.core };
        parcel.aside = Aside::activity(causer);
        parcel.to = part.instance;
        parcel.from = self.as_sender;
        parcel.activity = self.activity;
        parcel.labels = Labels::NONE;
        parcel.ring = part.run;
        self.desk.outbox.push_back(parcel);
        Ok(())
    }
}
