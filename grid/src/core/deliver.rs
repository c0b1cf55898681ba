//! Sending (§3.1, Figure 3(a)): find the core, find or make the queue, tell the scheduler.

use alloc::sync::Arc;

use vortex_units::{ActivityId, CoreId, InstanceId};

use super::Core;
use crate::binding::{Bound, Label};
use crate::carried::Carried;
use crate::change::Site;
use crate::context::Removed;
use crate::instance::{Instance, Parent};
use crate::level::{Child, Level};
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::{ClientId, ClientParams};
use crate::request::{Kind, ReplyError, Sealed};
use crate::slot::{Clients, Slot};

const NONE: u32 = u32::MAX;
/// No instance: of no slot.
pub(super) const NOBODY: (InstanceId, u32) = (InstanceId::OUTSIDE, NONE);

/// Where a request is to go.
pub(super) enum Place {
    Here(usize),
    There(CoreId),
    Nowhere,
}

impl<M: Message, P: Machine> Core<M, P> {
    /// Delivers what the handler has sent.
    pub(super) fn send_out(&mut self) {
        while let Some(parcel) = self.desk.outbox.pop_front() {
            self.deliver(parcel);
        }
        if ::core::mem::take(&mut self.desk.notes.more) {
            self.do_rest();
        }
    }

    /// What else the handler has left to be done.
    #[inline(never)]
    fn do_rest(&mut self) {
        while let Some((due, parcel)) = self.desk.timers.pop() {
            self.set_timer(due, super::Due::Request(parcel));
        }
        while let Some((instance, activity, mut record)) = self.desk.later.pop() {
            if let Some(slot) = self.slot(instance) {
                let client = self.holder(slot, activity);
                self.account(slot, client, activity, &mut record);
            }
        }
        while let Some(trigger) = self.desk.cancelled.pop() {
            let woken = self.desk.triggers.fire(trigger, Err(ReplyError::Cancelled));
            self.unblock(woken);
        }
        while let Some(removed) = self.desk.removed.pop() {
            self.end_what(removed);
        }
        while let Some(core) = self.desk.pokes.pop() {
            self.machine.poke(core);
        }
        while let Some((ticket, reply)) = self.desk.answers.pop() {
            self.answer(ticket, reply.ok_or(ReplyError::Unanswered));
        }
        // The last first, so that at the heads of their queues they are in their order.
        while let Some((ticket, resume)) = self.desk.resumed.pop() {
            self.go_on_with(ticket, resume);
        }
    }

    #[cold]
    fn end_what(&mut self, removed: Removed) {
        match removed {
            Removed::Instance(instance) => {
                self.grid.retire(instance);
            }
            Removed::Activity(activity) => {
                let (now, grid) = (self.ledger.last(), self.grid.clone());
                let whole = grid.activities().part_of(activity).map(|(whole, _)| whole);
                grid.kill(activity, now, |core| self.machine.poke(core));
                self.worked_for_whole(whole);
            }
        }
    }

    /// Delivers one request or control request, here or elsewhere.
    pub(super) fn deliver(&mut self, mut parcel: Sealed<M>) {
        match parcel.kind {
            Kind::Request => match self.place_of(&mut parcel) {
                Place::Here(slot) => {
                    if parcel.labels.dependency_label().is_some() && self.post.arrived() {
                        // What other cores have sent before this goes before it.
                        self.take_arrivals();
                    }
                    self.enqueue_new(slot, parcel);
                }
                Place::There(core) => self.transmit(core, parcel),
                Place::Nowhere => self.refuse(parcel),
            },
            Kind::Resume { core, .. } | Kind::BillBack { core } => {
                if core == self.id {
                    self.control(parcel);
                } else {
                    self.transmit(core, parcel);
                }
            }
            Kind::Moved | Kind::Flushed | Kind::Reply | Kind::Failure(_) => self.control(parcel),
        }
    }

    pub(super) fn transmit(&mut self, core: CoreId, mut parcel: Sealed<M>) {
        let now = self.ledger.last();
        parcel.queued_at = now;
        crate::sync::interleave();
        match self.grid.posts.get(core.index()) {
            Some(post) => {
                if post.deliver(parcel, now) {
                    self.machine.poke(core);
                }
            }
            None if matches!(parcel.kind, Kind::Request | Kind::Moved) => self.refuse(parcel),
            None => self.recycle(parcel),
        }
    }

    /// The slot of a resource, made when its first request comes.
    #[inline]
    pub(super) fn slot(&mut self, instance: InstanceId) -> Option<usize> {
        match self.by_instance.get(instance.index()) {
            Some(&(known, slot)) if known == instance => Some(slot as usize),
            _ => self.make_slot(instance),
        }
    }

    #[cold]
    fn make_slot(&mut self, instance: InstanceId) -> Option<usize> {
        let entry = self.grid.directory.get(instance)?;
        let place = entry.place_of(self.id)?;
        let parent = *entry.parents.get(place)?;
        if matches!(parent, Parent::Activity) && self.grid.activities().is_gone(entry.owner) {
            return None;
        }
        if !entry.life.enter(place) {
            return None;
        }
        let slot = self.slots.next();
        let is_own = matches!(parent, Parent::Activity);
        let is_service = matches!(parent, Parent::Service(_));
        // The policy may have been exchanged since; who shares load is as it was made.
        let exchanged = self.grid.changes.policy(Site::Resource(entry.class), self.id);
        let policy = exchanged.as_ref().unwrap_or(&entry.scheduler);
        let (runs_on, scheduler) = (policy.allows_run_on(), policy.init_core(self.id));
        let parent = self.attach(slot, &entry, parent)?;
        let resource = entry.make(self.id);
        self.slots.insert(Slot {
            fan_out: resource.fan_out(),
            resource,
            scheduler,
            carried: Carried::default(),
            is_alone: entry.is_alone(),
            instance: entry,
            clients: Clients::new(),
            suspended: false,
            resume_at: 0,
            aside: vortex_queues::Fifo::new(),
            told: false,
            delayed: false,
            parent,
            is_activitys_own: is_own,
            // One activity's own has one client only.
            runs_on: parent.0 == 0 && (is_own || runs_on),
        });
        if is_service {
            self.services.push(slot);
        }
        if self.by_instance.len() <= instance.index() {
            self.by_instance.resize(instance.index() + 1, NOBODY);
        }
        if let Some(entry) = self.by_instance.get_mut(instance.index()) {
            *entry = (instance, u32::try_from(slot).unwrap_or(NONE));
        }
        Some(slot)
    }

    /// Makes the slot a client of whom it requests time from.
    fn attach(
        &mut self,
        slot: usize,
        instance: &Arc<Instance<M>>,
        parent: Parent,
    ) -> Option<(usize, ClientId)> {
        let changed = |written| {
            let site = Site::Resource(instance.class);
            self.grid.changes.standing(site, self.id).unwrap_or(written)
        };
        match parent {
            Parent::Multiplexor(standing) | Parent::Service(standing) => {
                let standing = changed(standing);
                let level = self.levels.first_mut()?;
                Some((0, level.add(Child::Slot(slot), &standing.into())))
            }
            Parent::Activity => {
                let params = self.own_params(instance.owner);
                let multiplexor = self.levels.first_mut()?;
                let client = multiplexor.add_activity(&params);
                multiplexor.join(client);
                Some((0, client))
            }
            Parent::Scheduler(bus, standing) => {
                let standing = changed(standing);
                self.attach_bus(bus)?;
                let level = self.levels.get_mut(bus + 1)?;
                Some((bus + 1, level.add(Child::Slot(slot), &standing.into())))
            }
        }
    }

    /// Makes a bus a client of whom it requests from, once.
    fn attach_bus(&mut self, bus: usize) -> Option<()> {
        let level = bus + 1;
        if self.levels.get(level)?.parent.is_some() {
            return Some(());
        }
        let (above, standing) = match self.grid.buses.get(bus)?.parent {
            Parent::Multiplexor(standing) | Parent::Service(standing) => (0, standing),
            // A parent comes before its children: no circle can be built.
            Parent::Scheduler(above, standing) if above < bus => {
                self.attach_bus(above)?;
                (above + 1, standing)
            }
            Parent::Scheduler(..) | Parent::Activity => return None,
        };
        let changed = self.grid.changes.standing(Site::Bus(bus), self.id);
        let standing = changed.unwrap_or(standing);
        let client = self.levels.get_mut(above)?.add(Child::Level(level), &standing.into());
        let level: &mut Level = self.levels.get_mut(level)?;
        level.parent = Some((above, client));
        Some(())
    }

    /// The share-holder of an activity at a slot, made when its first request comes.
    #[inline]
    pub(super) fn holder(&mut self, slot: usize, activity: ActivityId) -> ClientId {
        let found = self.slots.get(slot).and_then(|entry| entry.clients.find(activity));
        found.unwrap_or_else(|| self.make_holder(slot, activity))
    }

    #[cold]
    fn make_holder(&mut self, slot: usize, activity: ActivityId) -> ClientId {
        let Some(entry) = self.slots.get_mut(slot) else { return ClientId::new(NONE) };
        let all = self.grid.activities();
        let mut params = all.params(activity, entry.instance.class, self.id);
        params.beside = all.part_of(activity).and_then(|(whole, _)| entry.clients.find(whole));
        let client = entry.clients.add(activity);
        entry.scheduler.add_client(client, &params);
        let params = self.own_params(activity);
        if self.desk.charge_through
            && activity != ActivityId::INFRASTRUCTURE
            && let Some(multiplexor) = self.levels.first_mut()
            && let Some(entry) = self.slots.get_mut(slot)
        {
            let own = multiplexor.add_activity(&params);
            // The choice of a bus is not passed over; an activity's own instances are its
            // client's already.
            let lends = entry.parent.0 == 0
                && matches!(multiplexor.children.get(entry.parent.1.index()), Some(Child::Slot(_)));
            if let Some(holder) = entry.clients.holder_mut(client) {
                (holder.own, holder.lends) = (Some(own), lends);
                let is_service = self.services.contains(&slot);
                holder.indebted = lends && is_service && self.indebted.contains(&activity);
            }
        }
        client
    }

    /// What an activity's own client at the multiplexor is to have.
    pub(super) fn own_params(&self, activity: ActivityId) -> ClientParams {
        let all = self.grid.activities();
        let multiplexor = self.levels.first();
        let whole = all.part_of(activity).map(|(whole, _)| whole);
        let beside = whole.zip(multiplexor).and_then(|(whole, above)| above.client_of(whole));
        ClientParams { beside, ..all.params(activity, crate::entitlement::MULTIPLEXOR, self.id) }
    }

    /// Puts a request that was sent here into its queue: its wait begins.
    #[inline]
    pub(super) fn enqueue_new(&mut self, slot: usize, mut parcel: Sealed<M>) {
        parcel.queued_at = self.ledger.last();
        self.put(slot, parcel, false);
    }

    /// Puts a request into its queue, behind the others or before them, and tells the
    /// scheduler. Its wait goes on from where it was sent.
    pub(super) fn enqueue(&mut self, slot: usize, parcel: Sealed<M>, at_head: bool) {
        self.put(slot, parcel, at_head);
    }

    #[inline(always)]
    fn put(&mut self, slot: usize, mut parcel: Sealed<M>, at_head: bool) {
        parcel.kind = Kind::Request;
        if !at_head {
            parcel.ring = self.ring.position();
        }
        let activity = parcel.activity;
        let client = self.holder(slot, activity);
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let Some(holder) = entry.clients.holder_mut(client) else { return };
        holder.enqueue(parcel, at_head);
        let follows = self.following == Some(activity)
            && !holder.told
            && !entry.suspended
            && entry.clients.is_ready(client)
            && self.turn.follow(activity, entry, (slot, client), self.ledger.last());
        if !follows {
            self.tell_inlined(slot, client);
        }
    }

    /// Where a request is to run, by its labels and the bindings.
    #[inline]
    fn place_of(&mut self, parcel: &mut Sealed<M>) -> Place {
        let label = Label {
            instance: parcel.to,
            activity: parcel.activity,
            affinity: match parcel.labels.affinity_label() {
                Some(affinity) => affinity,
                None => return self.place_unlabelled(parcel),
            },
        };
        if let Some(place) = self.place_alone(parcel.to) {
            return place;
        }
        let now = self.ledger.last();
        let bound = match self.cache.get(&label) {
            Some(bound) if !bound.expired(now) => *bound,
            _ => match self.current_binding(label) {
                Some(bound) => bound,
                None => return Place::Nowhere,
            },
        };
        if bound.core != self.id {
            return Place::There(bound.core);
        }
        parcel.may_move = bound.expires.is_some();
        if !bound.settled {
            // This core will hold it, as it does what arrives from others.
            return Place::There(self.id);
        }
        self.slot(parcel.to).map_or(Place::Nowhere, Place::Here)
    }

    /// A resource that one core serves for good has no bindings: there is nothing to choose,
    /// and labels come and go, as connections do.
    fn place_alone(&self, to: InstanceId) -> Option<Place> {
        match self.by_instance.get(to.index()) {
            Some(&(known, slot)) if known == to => {
                let slot = slot as usize;
                self.slots.get(slot)?.is_alone.then_some(Place::Here(slot))
            }
            _ => self.cache.get(&Label::of_all(to)).map(|bound| Place::There(bound.core)),
        }
    }

    /// Without labels: here if the resource is here, else wherever its scheduler wants the
    /// activity. No order is at stake, so this binding is this core's own.
    fn place_unlabelled(&mut self, parcel: &Sealed<M>) -> Place {
        if let Some(slot) = self.slot(parcel.to) {
            return Place::Here(slot);
        }
        let label = Label {
            instance: parcel.to,
            activity: parcel.activity,
            affinity: parcel.activity.index() as u64,
        };
        let now = self.ledger.last();
        let key = Label { affinity: u64::MAX, ..label };
        if let Some(bound) = self.cache.get(&key).filter(|bound| !bound.expired(now)) {
            return Place::There(bound.core);
        }
        let Some(instance) = self.grid.directory.get(parcel.to) else { return Place::Nowhere };
        if instance.cores.is_empty() {
            return Place::Nowhere;
        }
        let bound: Bound = self.grid.choose(&instance, label, now);
        self.cache.insert(key, bound);
        Place::There(bound.core)
    }
}
