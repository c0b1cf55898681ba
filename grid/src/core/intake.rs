//! What a core takes in between two choices: arrivals, control requests, timers, tokens
//! dropped elsewhere, activities that have died.

use crate::sync::Ordering;

use vortex_units::ActivityId;

use super::{Core, Due};
use crate::labels::Dependency;
use crate::machine::Machine;
use crate::message::{Message, Port};
use crate::policy::ClientId;
use crate::request::{Kind, ReplyError, Sealed};
use crate::resource::Scope;

impl<M: Message, P: Machine> Core<M, P> {
    pub(super) fn take_in(&mut self) {
        if self.post.arrived() {
            self.take_arrivals();
        }
        while self.early.front().is_some_and(|first| first.queued_at <= self.ledger.last()) {
            if let Some(parcel) = self.early.pop_front() {
                self.receive(parcel);
            }
        }
        if self.post.attention.load(Ordering::Relaxed) {
            self.attend();
        }
        while self.timers.peek().is_some_and(|timer| timer.0 <= self.ledger.last()) {
            if let Some(timer) = self.timers.pop() {
                self.due(timer.2);
            }
        }
        if !self.desk.refused.is_empty() {
            self.review_refused();
        }
        if !self.indebted.is_empty() {
            self.review_debts();
        }
        if !self.moves.is_empty() {
            self.progress_moves();
        }
    }

    pub(super) fn take_arrivals(&mut self) {
        let mut arrivals = self.post.take_arrivals();
        while let Some(parcel) = arrivals.pop_front() {
            if P::ARRIVALS_HAVE_TIMES && parcel.queued_at > self.ledger.last() {
                self.keep_early(parcel);
            } else {
                self.receive(parcel);
            }
        }
    }

    fn keep_early(&mut self, parcel: Sealed<M>) {
        let at = parcel.queued_at;
        let mut later = self.early.extract(|waiting| waiting.queued_at > at);
        self.early.push_back(parcel);
        self.early.append(&mut later);
    }

    /// Something came from another core.
    fn receive(&mut self, parcel: Sealed<M>) {
        match parcel.kind {
            Kind::Request => self.arrive(parcel),
            _ => self.control(parcel),
        }
    }

    /// Handles what is not a request of a resource, whether sent here or elsewhere.
    pub(super) fn control(&mut self, mut parcel: Sealed<M>) {
        match parcel.kind {
            Kind::Request => self.arrive(parcel),
            Kind::Moved => match self.slot(parcel.to) {
                Some(slot) => self.enqueue(slot, parcel, false),
                None => self.refuse(parcel),
            },
            Kind::Reply | Kind::Failure(_) => {
                let reply = match parcel.kind {
                    Kind::Failure(error) => Err(error),
                    _ => Ok(parcel.body.take()),
                };
                let mut woken = match parcel.trigger {
                    Some(trigger) => self.desk.triggers.fire(trigger, reply),
                    None => vortex_queues::Fifo::new(),
                };
                if self.recording.is_on() {
                    crate::trace::answered(&mut woken, parcel.aside);
                }
                self.recycle(parcel);
                self.unblock(woken);
            }
            Kind::Resume { scope, .. } => {
                let of = parcel.aside.of();
                if let Some(slot) = self.slot(parcel.to) {
                    match scope {
                        Scope::Device => self.resume_slot(slot),
                        Scope::Client => self.resume_client(slot, of),
                        Scope::Label => {
                            self.resume_labels(slot, of, parcel.labels.dependency_label());
                        }
                    }
                }
                self.recycle(parcel);
            }
            Kind::BillBack { .. } => {
                self.bill_part(&parcel, parcel.aside.of());
                self.recycle(parcel);
            }
            Kind::Flushed => {
                self.flushed(&parcel);
                self.recycle(parcel);
            }
        }
    }

    /// Bills back a part of an earlier run of infrastructure.
    fn bill_part(&mut self, parcel: &Sealed<M>, causer: ActivityId) {
        let run = parcel.ring;
        let Some(open) = self.open_runs.get_mut(&run).filter(|open| open.instance == parcel.to)
        else {
            return;
        };
        // Dividing what is left by the parts left shares out the remainder too.
        let part = open.record.divided(u64::from(open.parts));
        open.record = open.record.less(&part);
        open.parts -= 1;
        if open.parts == 0 {
            self.open_runs.remove(&run);
        }
        if let Some(slot) = self.slot(parcel.to) {
            self.bill_back(slot, &part, causer, run);
        }
    }

    fn attend(&mut self) {
        self.post.attention.store(false, Ordering::Relaxed);
        crate::sync::fence(Ordering::SeqCst);
        loop {
            let ticket = self.post.graveyard.lock().pop();
            let Some(ticket) = ticket else { break };
            self.answer(ticket, Err(ReplyError::Dropped));
        }
        let mut index = 0;
        while let Some(&slot) = self.suspended_slots.get(index) {
            let resumed = self
                .slots
                .get(slot)
                .is_none_or(|entry| entry.instance.gate.epoch() != entry.resume_at);
            if resumed {
                self.suspended_slots.swap_remove(index);
                self.resume_slot(slot);
            } else {
                index += 1;
            }
        }
        while let Some((activity, payer)) = self.post.take_reweighed() {
            self.reweigh(activity, payer);
        }
        self.move_on();
        while let Some((word, payer)) = self.post.take_word() {
            self.heed(word, payer);
        }
        loop {
            let departed = self.post.departed.lock().pop();
            let Some(activity) = departed else { break };
            self.close(activity);
        }
    }

    /// Ends a suspension on this core, from outside of any handler.
    pub fn resume_here<R>(&mut self, at: Port<R>, scope: Scope, of: ActivityId) {
        let Some(slot) = self.slot(at.instance()) else { return };
        if let Some(entry) = self.slots.get(slot) {
            entry.instance.gate.advance();
        }
        match scope {
            Scope::Device => self.resume_slot(slot),
            Scope::Client => self.resume_client(slot, of),
            Scope::Label => self.resume_labels(slot, of, None),
        }
    }

    fn resume_slot(&mut self, slot: usize) {
        self.suspended_slots.retain(|&suspended| suspended != slot);
        let now = self.ledger.last();
        if let Some(entry) = self.slots.get_mut(slot)
            && ::core::mem::take(&mut entry.suspended)
        {
            let (level, above) = entry.parent;
            self.turn.contest(entry.parent);
            if let Some(level) = self.levels.get_mut(level) {
                level.suspend(above, false, now);
            }
        }
        self.refresh_slot(slot);
    }

    fn resume_client(&mut self, slot: usize, activity: ActivityId) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let Some(client) = entry.clients.find(activity) else { return };
        if let Some(holder) = entry.clients.holder_mut(client) {
            holder.suspended = false;
        }
        self.tell(slot, client);
    }

    /// Resumes one dependency label of an activity, or all of them and what was set aside.
    fn resume_labels(&mut self, slot: usize, activity: ActivityId, only: Option<Dependency>) {
        let mut index = 0;
        while let Some(&(of, label)) = self.rejected_labels.get(index) {
            if of == slot
                && label.activity == activity
                && only.is_none_or(|dependency| dependency == label.dependency)
            {
                self.rejected_labels.swap_remove(index);
                if let Some(entry) = self.slots.get_mut(slot) {
                    entry.clients.unhold(label);
                }
            } else {
                index += 1;
            }
        }
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let mut aside = match only {
            None => entry.aside.extract(|envelope| envelope.activity == activity),
            Some(_) => vortex_queues::Fifo::new(),
        };
        let mut reversed = vortex_queues::Fifo::new();
        while let Some(parcel) = aside.pop_front() {
            reversed.push_front(parcel);
        }
        while let Some(parcel) = reversed.pop_front() {
            self.enqueue(slot, parcel, true);
        }
        let found = self.slots.get(slot).and_then(|entry| entry.clients.find(activity));
        if let Some(client) = found {
            self.tell(slot, client);
        }
    }

    fn due(&mut self, what: Due<M>) {
        match what {
            Due::Request(parcel) => self.deliver(parcel),
            Due::Slot(slot) => {
                if let Some(entry) = self.slots.get_mut(slot) {
                    entry.delayed = false;
                }
                self.refresh_slot(slot);
            }
            Due::Level(level) => {
                if let Some(entry) = self.levels.get_mut(level) {
                    entry.delayed = false;
                }
                self.refresh_level(level);
            }
            Due::Starved => {
                for (slot, client) in ::core::mem::take(&mut self.starved) {
                    self.feed(slot, client);
                }
            }
        }
    }

    /// A client that had no room has waited: it may go on, and once beyond its room, so
    /// that requests which wait for each other's room cannot wait for ever.
    fn feed(&mut self, slot: usize, client: ClientId) {
        if let Some(holder) =
            self.slots.get_mut(slot).and_then(|entry| entry.clients.holder_mut(client))
        {
            holder.starved = false;
            holder.overdraft = true;
        }
        self.tell(slot, client);
    }

    /// Gives a node's bill back; the last one of a zombie ends it.
    #[inline]
    pub(super) fn discharge(&mut self, activity: ActivityId) {
        if self.grid.activities().discharge(activity) {
            self.reap(activity);
        }
    }

    #[cold]
    fn reap(&mut self, activity: ActivityId) {
        let (now, grid) = (self.ledger.last(), self.grid.clone());
        let whole = grid.activities().part_of(activity).map(|(whole, _)| whole);
        grid.reap(activity, now, |core| self.machine.poke(core));
        self.worked_for_whole(whole);
    }

    /// What was done since the last reading was for a part of this activity that ends: it is
    /// on the whole's bill.
    pub(super) fn worked_for_whole(&mut self, whole: Option<ActivityId>) {
        if let Some(whole) = whole.filter(|whole| self.grid.activities().takes_bills(*whole)) {
            self.worked_for(whole);
        }
    }

    /// Tells this core's policies what an activity is entitled to now, on this one's bill.
    fn reweigh(&mut self, activity: ActivityId, payer: ActivityId) {
        self.account_turn();
        let (now, core, grid) = (self.ledger.last(), self.id, self.grid.clone());
        if let Some((whole, _)) = grid.activities().part_of(activity)
            && !grid.activities().is_alive(activity)
        {
            self.bequeath(activity, whole);
        }
        let params = |class| grid.activities().params(activity, class, core);
        let mut delayed = alloc::vec::Vec::new();
        for (place, slot) in self.slots.places_mut() {
            if let Some(client) = slot.clients.find(activity) {
                let params = params(slot.instance.class);
                slot.scheduler.client_reweighed(client, &params, now);
                if slot.delayed {
                    delayed.push(place);
                }
            }
        }
        // Whoever waits for a limit may wait for less now.
        delayed.into_iter().for_each(|slot| self.ask_again(slot));
        if let Some(multiplexor) = self.levels.first_mut()
            && let Some(client) = multiplexor.client_of(activity)
        {
            let params = params(crate::entitlement::MULTIPLEXOR);
            multiplexor.scheduler.client_reweighed(client, &params, now);
        }
        if grid.activities().takes_bills(payer) {
            self.worked_for(payer);
        }
    }

    /// The instances of a dead activity's own are dead: others' requests there are refused.
    fn bury(&mut self, activity: ActivityId) {
        for slot in self.slots.places_of(|slot| slot.instance.is_part_of(activity)) {
            self.give_up(slot);
        }
    }

    /// A part of an activity is ending, or gone: what it is ahead of its entitlement here, and
    /// was charged, is its whole's from now on.
    fn bequeath(&mut self, part: ActivityId, whole: ActivityId) {
        let now = self.ledger.last();
        for slot in self.slots.places_of(|slot| slot.clients.find(part).is_some()) {
            let mortal = self.slots.get(slot).is_none_or(|entry| entry.instance.mortal);
            if mortal {
                continue;
            }
            let heir = self.holder(slot, whole);
            let Some(entry) = self.slots.get_mut(slot) else { continue };
            let Some(client) = entry.clients.find(part) else { continue };
            entry.scheduler.client_inherits(heir, client, now);
            entry.carried.hand_on(client, heir);
            let used = entry.clients.holder_mut(client);
            let used = used.map(|holder| ::core::mem::take(&mut holder.usage));
            if let (Some(used), Some(holder)) = (used, entry.clients.holder_mut(heir)) {
                holder.usage.add(&used);
            }
        }
        let params = self.own_params(whole);
        if let Some(multiplexor) = self.levels.first_mut()
            && let Some(client) = multiplexor.client_of(part)
        {
            let heir = multiplexor.add_activity(&params);
            multiplexor.scheduler.client_inherits(heir, client, now);
            multiplexor.carried.hand_on(client, heir);
        }
    }

    /// Closes this core's accounts of an activity that is gone: the ledger shows zero.
    fn close(&mut self, activity: ActivityId) {
        let whole = self.grid.activities().part_of(activity).map(|(whole, _)| whole);
        let whole = whole.filter(|whole| self.grid.activities().takes_bills(*whole));
        self.bury(activity);
        if let Some(whole) = whole {
            self.bequeath(activity, whole);
        }
        for slot in self.slots.iter_mut() {
            if let Some(client) = slot.clients.find(activity) {
                slot.scheduler.remove_client(client);
                slot.carried.forget(client);
                drop(slot.clients.remove(client));
            }
        }
        for level in &mut self.levels {
            level.remove_activity(activity);
        }
        match whole {
            Some(whole) => {
                self.past.bequeath(activity, whole);
                self.grid.activities().hand_on(activity, self.ledger.used(activity));
                self.ledger.hand_on(activity, whole);
                self.grid.activities().publish(whole, self.id, self.ledger.used(whole));
            }
            None => {
                self.past.forget(activity);
                self.ledger.close(activity);
            }
        }
        self.cache.retain(|label| label.activity != activity);
        let cores = u32::try_from(self.grid.cores()).unwrap_or(u32::MAX);
        let owned = self.grid.directory.owned_by(activity);
        if self.grid.activities().closed(activity, cores) {
            // No core has a part of any of them.
            for instance in owned {
                let _ = self.grid.directory.free(instance.id);
            }
            if let Some(whole) = whole {
                self.grid.reweigh(whole, whole);
            }
        }
        self.worked_for_whole(whole);
    }
}
