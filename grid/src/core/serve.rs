//! Executing requests: the batch, the run, the accounts.

use vortex_units::{ActivityId, Cycles, Micros, Requests};

use super::bills::OPEN_RUNS;
use super::{Core, Due, Step};
use crate::context::{Context, Notes};
use crate::level::Level;
use crate::machine::Machine;
use crate::message::{Carries, Message};
use crate::policy::{Choice, ClientId, QueueRef, Record, RecordKind};
use crate::post::CoreState;
use crate::request::Sealed;
use crate::resource::Left;
use crate::trace::{How, Ran};

/// How serving one request went.
pub(super) enum Served {
    /// It ran.
    Ran,
    /// There was none that may run, or it may not run now.
    Nothing,
    /// A thread is to be entered.
    Entering(Cycles),
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Executes what the schedulers chose, and what follows on within the quantum.
    pub(super) fn serve(&mut self, slot: usize, choice: Choice) -> Step {
        self.begin_turn(slot);
        let batch = self.slots.get(slot).map_or(1, |entry| entry.instance.batch);
        for _ in 0..choice.batch.max(batch) {
            match self.serve_one(slot, choice.client, choice.queue) {
                Served::Ran => {}
                Served::Nothing => break,
                Served::Entering(limit) => return self.announce_entry(limit),
            }
        }
        if self.lent.is_some() {
            self.end_loan();
        }
        self.settle_unheld(slot, choice.client);
        self.go_on()
    }

    /// A thread has left user mode, at this time: its request goes on at once (law 5's one
    /// exception, which ends with that time).
    pub fn leave(&mut self, at: Cycles) -> Step {
        self.post.enter_boundary();
        self.post.wake();
        let since = at.max(self.ledger.last());
        if self.is_wanted() {
            self.turn.close();
        }
        let step = match self.entered.take() {
            None => self.go_on(),
            Some((slot, _, parcel)) if !self.is_of(slot, &parcel) => {
                // Its instance was removed meanwhile.
                self.user_span = Cycles::ZERO;
                self.worked_for(parcel.activity);
                self.refuse(parcel);
                self.go_on()
            }
            Some((slot, client, parcel)) if !self.has_nodes_for(slot) => {
                // No memory for what its handler may send: it goes on when there is.
                self.book_stay(slot, client, parcel.activity);
                self.enqueue(slot, parcel, true);
                self.go_on()
            }
            Some((slot, client, parcel)) => match self.run(slot, client, parcel, since) {
                Served::Entering(limit) => self.announce_entry(self.limit_of_rest(limit)),
                Served::Ran | Served::Nothing => {
                    self.settle_unheld(slot, client);
                    self.go_on()
                }
            },
        };
        self.post.leave_boundary();
        step
    }

    /// The request whose thread is in user mode, so that whoever drives the core can let
    /// that thread run. `None` outside of [`Step::Enter`].
    pub fn entered<T>(&mut self) -> Option<&mut T>
    where
        M: Carries<T>,
    {
        let (_, _, parcel) = self.entered.as_mut()?;
        Carries::<T>::get_mut(parcel.body.as_mut()?)
    }

    /// An interrupt has ended user mode at this time (§3.3.2); the thread is charged up to
    /// then. What has passed since is whose who poked this core; otherwise nobody's yet: it
    /// goes to the infrastructure. To be called before [`Core::leave`], once the interrupt
    /// is handled.
    pub fn interrupted(&mut self, at: Cycles) {
        let Some((slot, _, parcel)) = &self.entered else { return };
        let (activity, before) = (parcel.activity, self.ledger.last());
        let (span, total) = self.ledger.charge(activity, at.max(before));
        if self.recording.is_on()
            && let Some(entry) = self.slots.get(*slot)
        {
            let (instance, now) = (entry.instance.sender, self.ledger.last());
            self.recording.stayed(parcel, instance, self.run, before, now);
        }
        self.grid.activities().publish(activity, self.id, total);
        self.user_span = span;
        self.turn.close();
        let poker = self.post.take_poker().filter(|&who| self.grid.activities().takes_bills(who));
        self.worked_for(poker.unwrap_or(ActivityId::INFRASTRUCTURE));
    }

    fn is_of(&self, slot: usize, parcel: &Sealed<M>) -> bool {
        self.slots.get(slot).is_some_and(|entry| entry.instance.id == parcel.to)
    }

    fn has_nodes_for(&mut self, slot: usize) -> bool {
        let fan_out = self.slots.get(slot).map_or(0, |entry| entry.fan_out);
        self.desk.pool.reserve(fan_out)
    }

    pub(super) fn announce_entry(&mut self, limit: Cycles) -> Step {
        let limit = self.limit_of_turn(limit);
        let patience = self.ledger.last() + self.patience;
        let limit = match self.next_due() {
            Some(due) => limit.min(due.saturating_sub(self.ledger.last()).max(Cycles::new(1))),
            None => limit,
        };
        if self.post.rest(CoreState::User, patience) {
            Step::Enter(limit)
        } else {
            // Something has come meanwhile: the thread gets its patience, no more.
            Step::Enter(limit.min(self.patience))
        }
    }

    /// Both schedulers learn whether the client, and the slot, have more to do.
    #[inline]
    pub(super) fn settle(&mut self, slot: usize, client: ClientId) {
        let holder = self.slots.get(slot).and_then(|entry| entry.clients.holder(client));
        if holder.is_some_and(|holder| holder.queued > 0 && !holder.told) {
            self.tell(slot, client);
        }
        self.settle_above(slot);
    }

    #[inline]
    pub(super) fn serve_one(
        &mut self,
        slot: usize,
        client: ClientId,
        named: Option<QueueRef>,
    ) -> Served {
        let Some(entry) = self.slots.get_mut(slot) else { return Served::Nothing };
        if entry.suspended {
            return Served::Nothing;
        }
        let fan_out = entry.fan_out;
        let Some(holder) = entry.clients.holder_mut(client) else { return Served::Nothing };
        if holder.suspended || holder.starved {
            return Served::Nothing;
        }
        let room = fan_out == 0
            || (self.grid.activities().has_room(holder.activity, fan_out)
                && self.desk.pool.reserve(fan_out));
        if !room || holder.overdraft {
            return self.serve_overdrawn(slot, client, named);
        }
        if named.is_none() && entry.instance.favours.is_some() {
            return self.serve_favoured(slot, client);
        }
        match entry.clients.take(client, named) {
            Some(parcel) => self.run(slot, client, parcel, self.ledger.last()),
            None => Served::Nothing,
        }
    }

    /// Serves the next of a share-holder's requests, of a sender that the resource favours if
    /// there is any.
    #[cold]
    fn serve_favoured(&mut self, slot: usize, client: ClientId) -> Served {
        let Some(entry) = self.slots.get_mut(slot) else { return Served::Nothing };
        let favours = entry.instance.favours;
        let is_favoured = |sender| {
            let instance = self.grid.directory.get(sender);
            instance.is_some_and(|instance| Some(instance.class) == favours)
        };
        let named = entry.clients.first_of(client, is_favoured);
        match entry.clients.take(client, named) {
            Some(parcel) => self.run(slot, client, parcel, self.ledger.last()),
            None => Served::Nothing,
        }
    }

    /// The client has no room for what its request may send, or has waited for it.
    #[cold]
    fn serve_overdrawn(
        &mut self,
        slot: usize,
        client: ClientId,
        named: Option<QueueRef>,
    ) -> Served {
        let Some(entry) = self.slots.get_mut(slot) else { return Served::Nothing };
        let fan_out = entry.fan_out;
        let Some(holder) = entry.clients.holder_mut(client) else { return Served::Nothing };
        let activity = holder.activity;
        let overdraft = ::core::mem::take(&mut holder.overdraft);
        if fan_out > 0
            && ((!overdraft && !self.grid.activities().has_room(activity, fan_out))
                || !self.desk.pool.reserve(fan_out))
        {
            self.starve(slot, client);
            return Served::Nothing;
        }
        let Some(entry) = self.slots.get_mut(slot) else { return Served::Nothing };
        match entry.clients.take(client, named) {
            Some(parcel) if overdraft && self.grid.activities().is_far_over(activity, fan_out) => {
                // Waiting has not helped, nor has going beyond the limit: refused, loudly.
                self.end(parcel, Err(crate::request::ReplyError::NoRoom));
                Served::Ran
            }
            Some(parcel) => self.run(slot, client, parcel, self.ledger.last()),
            None => Served::Nothing,
        }
    }

    /// The client has no room for what its request may send: it waits, nobody else.
    fn starve(&mut self, slot: usize, client: ClientId) {
        self.account_turn();
        let now = self.ledger.last();
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.scheduler.client_suspended(client, now);
            if let Some(holder) = entry.clients.holder_mut(client) {
                holder.starved = true;
            }
        }
        self.untell(slot, client);
        if self.starved.is_empty() {
            let due = now + self.grid.frequency.cycles(Micros::new(1_000));
            self.set_timer(due, Due::Starved);
        }
        self.starved.push((slot, client));
    }

    /// Lets the handler run, and does all that follows from it. What is bounded (law 5) has
    /// gone on since the last reading, or since its thread left user mode.
    fn run(
        &mut self,
        slot: usize,
        client: ClientId,
        mut parcel: Sealed<M>,
        since: Cycles,
    ) -> Served {
        let Some(entry) = self.slots.get_mut(slot) else { return Served::Nothing };
        let began = self.ledger.last();
        let activity = parcel.activity;
        let waited = began.saturating_sub(parcel.queued_at);
        let first_time = !parcel.begun;
        if first_time {
            self.ring.explain(activity, parcel.ring, waited);
        }
        self.run = self.run.wrapping_add(1);
        self.desk.notes = Notes::default();
        let answered = parcel.answered;
        let mut cx = Context {
            room: entry.fan_out,
            epoch: entry.instance.gate.epoch(),
            instance: entry.instance.id,
            as_sender: entry.instance.sender,
            desk: &mut self.desk,
            grid: &self.grid,
            activity,
            sender: parcel.from,
            answered,
            labels: parcel.labels,
            now: began,
            core: self.id,
            run: self.run,
            scratch: parcel.scratch,
            open_room: self.open_runs.len() < OPEN_RUNS,
        };
        let left = match parcel.resume.take() {
            Some(resume) => resume(&mut *entry.resource, &mut parcel, &mut cx),
            None => entry.resource.dispatch(&mut parcel, &mut cx),
        };
        parcel.scratch = cx.scratch;
        let now = self.machine.now();
        let (span, total) = self.ledger.charge(activity, now);
        self.grid.activities().publish(activity, self.id, total);
        // What was charged when an interrupt ended user mode is of this run too.
        let span = span + ::core::mem::take(&mut self.user_span);
        self.ring.note(activity, span);
        if self.recording.is_on() {
            let (instance, began) = (entry.instance.sender, cx.now);
            let how = match answered {
                _ if first_time => How::Began,
                Some(_) => How::Resumed,
                None => How::WentOn,
            };
            let (core, run, ended) = (self.id, self.run, now);
            let ran = Ran { instance, activity, core, run, began, since, ended, waited, how };
            self.recording.ran(&mut self.desk, &mut parcel, &ran);
        }
        if first_time && let Some(affinity) = parcel.labels.affinity_label() {
            self.grid.bindings.ran(affinity, self.id);
        }
        if let Some(trigger) = answered {
            self.desk.triggers.ran(trigger);
            parcel.answered = None;
        }
        let mut record = Record::new(RecordKind::BASIC);
        record.cycles = span;
        record.bytes = self.desk.notes.bytes;
        record.memory = self.desk.notes.memory;
        // A rejected request has not been served; its wait goes on.
        let served = first_time && !matches!(left, Left::Rejected(_));
        record.requests = Requests::new(u64::from(served));
        let held = !self.run_on.is_zero() && self.turn.hold((slot, client));
        if let Some(holder) = entry.clients.holder_mut(client) {
            let usage = &mut holder.usage;
            usage.runs += record.requests;
            usage.cycles += span;
            usage.bytes += record.bytes;
            if served {
                usage.waited += waited;
                usage.longest_wait = usage.longest_wait.max(waited);
            }
            let ran = now.saturating_sub(since);
            if ran > usage.longest_run {
                usage.note_longest(ran, parcel.body.as_ref());
            }
            if held {
                holder.owed.absorb(&record);
                holder.owes = true;
            }
        }
        if !held {
            self.account_run(slot, client, activity, &mut record);
        }
        if !self.desk.records.is_empty() {
            self.account_turn();
            self.account_extras(slot, client);
        }
        if activity == ActivityId::INFRASTRUCTURE {
            self.settle_notes(slot, record);
        }
        self.following = (!self.run_on.is_zero()).then_some(activity);
        let entering = self.finish(slot, client, parcel, left);
        self.send_out();
        self.following = None;
        match entering {
            Some(limit) => Served::Entering(limit),
            None => Served::Ran,
        }
    }

    /// Gives the record of what was served to those whom it concerns. Those above the slot it
    /// does not concern where an activity has gone on there in its own turn: its client pays,
    /// and the resource's keeps its share for what it is chosen for.
    #[inline]
    pub(super) fn account_run(
        &mut self,
        slot: usize,
        client: ClientId,
        activity: ActivityId,
        record: &mut Record,
    ) {
        let now = self.ledger.last();
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if self.turn.was_chosen(activity, slot, entry) {
            return self.account(slot, client, activity, record);
        }
        entry.scheduler.resource_record(client, record, now);
        let own = entry.clients.holder(client).and_then(|holder| holder.own);
        let above = entry.parent.1;
        self.charge_through((own, activity), above, RecordKind::IN_TURN, record);
    }

    /// Gives a record to the slot's scheduler, to those above it, and under charge-through
    /// to the activity's own client at the multiplexor.
    #[inline]
    pub(super) fn account(
        &mut self,
        slot: usize,
        client: ClientId,
        activity: ActivityId,
        record: &mut Record,
    ) {
        let now = self.ledger.last();
        let Some(entry) = self.slots.get_mut(slot) else { return };
        entry.scheduler.resource_record(client, record, now);
        let own = entry.clients.holder(client).and_then(|holder| holder.own);
        let above = charge_above(&mut self.levels, entry.parent, record, now);
        if self.desk.charge_through {
            self.charge_through((own, activity), above, RecordKind::THROUGH, record);
        }
    }

    /// Gives the records that the resource has added to the same schedulers.
    #[cold]
    fn account_extras(&mut self, slot: usize, client: ClientId) {
        let now = self.ledger.last();
        let Some(entry) = self.slots.get_mut(slot) else { return };
        for extra in self.desk.records.drain(..) {
            entry.scheduler.resource_record(client, &extra, now);
            charge_above(&mut self.levels, entry.parent, &extra, now);
        }
    }

    /// Advances the virtual time of the activity's own client.
    #[inline]
    fn charge_through(
        &mut self,
        (own, activity): (Option<ClientId>, ActivityId),
        charged: ClientId,
        through: RecordKind,
        record: &mut Record,
    ) {
        if let Some(lender) = self.lent {
            return self.charge_lent((own, activity), charged, lender, record);
        }
        let now = self.ledger.last();
        let Some(multiplexor) = self.levels.first_mut() else { return };
        let own = own.or_else(|| multiplexor.client_of(activity));
        if let Some(own) = own.filter(|&own| own != charged) {
            let kind = ::core::mem::replace(&mut record.kind, through);
            multiplexor.charge(own, record, now);
            record.kind = kind;
            self.note_debt(own, activity);
        }
    }

    /// The same in a lent turn: it is its lender's, whomever the resource served with it. Else who
    /// lends without end would let the resource have the whole core.
    #[inline]
    fn charge_lent(
        &mut self,
        (own, activity): (Option<ClientId>, ActivityId),
        charged: ClientId,
        lender: ClientId,
        record: &mut Record,
    ) {
        let now = self.ledger.last();
        let Some(multiplexor) = self.levels.first_mut() else { return };
        let own = own.or_else(|| multiplexor.client_of(activity));
        let kind = ::core::mem::replace(&mut record.kind, RecordKind::IN_TURN);
        if own != Some(lender) {
            self.charge_both((own, activity), charged, lender, *record);
            record.kind = kind;
            return;
        }
        if lender != charged {
            multiplexor.charge(lender, record, now);
        }
        record.kind = kind;
        self.note_debt(lender, activity);
    }

    /// The same where the resource has served somebody else with it.
    #[cold]
    fn charge_both(
        &mut self,
        (own, activity): (Option<ClientId>, ActivityId),
        charged: ClientId,
        lender: ClientId,
        mut record: Record,
    ) {
        let now = self.ledger.last();
        let Some(multiplexor) = self.levels.first_mut() else { return };
        if lender != charged {
            record.kind = RecordKind::IN_TURN;
            multiplexor.charge(lender, &record, now);
        }
        if let Some(own) = own.filter(|&own| own != charged) {
            record.kind = RecordKind::THROUGH;
            multiplexor.charge(own, &record, now);
            self.note_debt(own, activity);
        }
    }
}

/// Gives a record to all schedulers above a slot. Returns its client at the last of them.
#[inline]
fn charge_above(
    levels: &mut [Level],
    parent: (usize, ClientId),
    record: &Record,
    now: Cycles,
) -> ClientId {
    let (mut index, mut above) = parent;
    while let Some(level) = levels.get_mut(index) {
        level.charge(above, record, now);
        match level.parent {
            Some(next) => (index, above) = next,
            None => break,
        }
    }
    above
}
