//! A resource on one core: its part of the resource, its scheduler, its queues.
//!
//! Queues are made on demand for each (activity, sender), beneath one share-holder an
//! activity; the scheduler sees the share-holders as its clients.
//!
//! # Invariants
//! - Touched by its core alone.
//! - A share-holder is `told` ready to the policy only while it has a request that may be
//!   dispatched, or until the policy finds that it has none.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_queues::Fifo;
use vortex_units::{ActivityId, Bytes, Cycles, InstanceId, Requests};

use crate::carried::Carried;
use crate::held::{HeldLabel, HeldLabels};
use crate::instance::Instance;
use crate::labels::Labels;
use crate::message::Message;
use crate::policy::{
    ClientId, QueueRef, Queues, Record, RecordKind, Reordering, RequestView, SchedulerCore,
};
use crate::request::{Envelope, Sealed};
use crate::resource::ErasedResource;
use crate::shards::Map;

/// What a share-holder has used and how long it waited, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Runs of handlers.
    pub runs: Requests,
    /// Their cycles.
    pub cycles: Cycles,
    /// Bytes that they moved.
    pub bytes: Bytes,
    /// Time from being queued to being dispatched, in sum.
    pub waited: Cycles,
    /// The longest of those times.
    pub longest_wait: Cycles,
    /// The longest run of a handler (law 5): without what a thread ran in user mode.
    pub longest_run: Cycles,
    /// What the request of that run was called ([`Message::name`]).
    pub longest_of: &'static str,
}

impl Usage {
    /// Another's, added to it.
    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.cycles += other.cycles;
        self.bytes += other.bytes;
        self.waited += other.waited;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        if other.longest_run > self.longest_run {
            (self.longest_run, self.longest_of) = (other.longest_run, other.longest_of);
        }
    }

    /// A run was longer than all before it.
    #[cold]
    pub(crate) fn note_longest<M: Message>(&mut self, ran: Cycles, body: Option<&M>) {
        self.longest_run = ran;
        self.longest_of = body.map_or("", Message::name);
    }
}

pub(crate) struct Queue<M> {
    pub sender: InstanceId,
    pub requests: Fifo<Envelope<M>>,
}

/// A share-holder: an activity at this resource on this core.
pub(crate) struct Holder<M> {
    pub activity: ActivityId,
    pub queues: Vec<Queue<M>>,
    pub queued: usize,
    turn: usize,
    pub suspended: bool,
    /// The policy believes it ready.
    pub told: bool,
    /// Its activity's own client at the multiplexor, charged with all that it uses
    /// (charge-through).
    pub own: Option<ClientId>,
    /// That client lends its turn while it waits here.
    pub lends: bool,
    /// Its activity owes so much that it must wait; the policy believes it suspended, or that
    /// it has nothing to do.
    pub indebted: bool,
    /// It waits for room for what its next request may send.
    pub starved: bool,
    /// It may once send beyond its room, having waited for it.
    pub overdraft: bool,
    pub usage: Usage,
    /// What it has used in this turn and no scheduler has been told of, if anything.
    pub owed: Record,
    pub owes: bool,
}

pub(crate) struct Slot<M: Message> {
    pub instance: Arc<Instance<M>>,
    pub resource: Box<dyn ErasedResource<M>>,
    /// The most that one run of its handler sends.
    pub fan_out: u32,
    pub scheduler: Box<dyn SchedulerCore>,
    /// What its clients consumed under earlier policies.
    pub carried: Carried,
    pub clients: Clients<M>,
    pub suspended: bool,
    /// The gate's epoch at which it was suspended: another one resumes it.
    pub resume_at: u64,
    /// Single requests without a label that were rejected with the label's scope.
    pub aside: Fifo<Envelope<M>>,
    /// Its scheduler has told the one above that it is ready.
    pub told: bool,
    /// A timer will ask its scheduler again.
    pub delayed: bool,
    pub parent: (usize, ClientId),
    /// No other core serves it, and it lives as long as the grid: where its requests go is not
    /// asked by label.
    pub is_alone: bool,
    /// It is one of its activity's own, beneath that one's client: a thread resource.
    pub is_activitys_own: bool,
    /// Whether its scheduler may be passed over within a turn.
    pub runs_on: bool,
}

impl<M> Holder<M> {
    /// Queues a request, at its queue's end or its head. True if none was queued before.
    #[inline(always)]
    pub fn enqueue(&mut self, parcel: Sealed<M>, at_head: bool) -> bool {
        let sender = parcel.from;
        let requests = match self.queues.iter_mut().find(|queue| queue.sender == sender) {
            Some(queue) => &mut queue.requests,
            None => self.queue_for(sender),
        };
        if at_head {
            requests.push_front(parcel);
        } else {
            requests.push_back(parcel);
        }
        self.queued += 1;
        self.queued == 1
    }

    #[cold]
    fn queue_for(&mut self, sender: InstanceId) -> &mut Fifo<Envelope<M>> {
        &mut self.queues.push_mut(Queue { sender, requests: Fifo::new() }).requests
    }

    /// Takes the first request of the next sender's queue.
    #[inline]
    fn take_next(&mut self) -> Option<Sealed<M>> {
        let mut place = self.turn;
        for _ in 0..self.queues.len() {
            if place >= self.queues.len() {
                place = 0;
            }
            let queue = self.queues.get_mut(place)?;
            place += 1;
            if let Some(parcel) = queue.requests.pop_front() {
                self.turn = place;
                self.queued -= 1;
                return Some(parcel);
            }
        }
        None
    }
}

/// The share-holders of a slot and their queues: what a policy sees through [`Queues`].
pub(crate) struct Clients<M> {
    pub holders: Vec<Option<Holder<M>>>,
    by_activity: Vec<u32>,
    free: Vec<u32>,
    /// Labels with a request pending, or rejected with their own scope.
    pub held: HeldLabels,
    /// Affinity labels that are being rebound: only what has begun may run.
    pub sealed: Map<(ActivityId, u64), ()>,
    /// Requests that were merged into others: their nodes are to be given back.
    pub spent: Fifo<Envelope<M>>,
}

const NONE: u32 = u32::MAX;

impl<M: Message> Clients<M> {
    pub fn new() -> Self {
        Self {
            holders: Vec::new(),
            by_activity: Vec::new(),
            free: Vec::new(),
            held: HeldLabels::default(),
            sealed: Map::default(),
            spent: Fifo::new(),
        }
    }

    #[inline]
    pub fn find(&self, activity: ActivityId) -> Option<ClientId> {
        let client = *self.by_activity.get(activity.index())?;
        let holder = self.holders.get(client as usize)?.as_ref()?;
        (holder.activity == activity).then(|| ClientId::new(client))
    }

    #[inline]
    pub fn holder(&self, client: ClientId) -> Option<&Holder<M>> {
        self.holders.get(client.index())?.as_ref()
    }

    #[inline]
    pub fn holder_mut(&mut self, client: ClientId) -> Option<&mut Holder<M>> {
        self.holders.get_mut(client.index())?.as_mut()
    }

    /// Makes the share-holder of an activity.
    pub fn add(&mut self, activity: ActivityId) -> ClientId {
        if self.by_activity.len() <= activity.index() {
            self.by_activity.resize(activity.index() + 1, NONE);
        }
        let holder = Holder {
            activity,
            queues: Vec::new(),
            queued: 0,
            turn: 0,
            suspended: false,
            told: false,
            own: None,
            lends: false,
            indebted: false,
            starved: false,
            overdraft: false,
            usage: Usage::default(),
            owed: Record::new(RecordKind::BASIC),
            owes: false,
        };
        let client = match self.free.pop() {
            Some(client) => client,
            None => {
                self.holders.push(None);
                u32::try_from(self.holders.len() - 1).unwrap_or(NONE)
            }
        };
        if let Some(place) = self.holders.get_mut(client as usize) {
            *place = Some(holder);
        }
        if let Some(place) = self.by_activity.get_mut(activity.index()) {
            *place = client;
        }
        ClientId::new(client)
    }

    pub fn remove(&mut self, client: ClientId) -> Option<Holder<M>> {
        let holder = self.holders.get_mut(client.index())?.take()?;
        self.free.push(client.get());
        if let Some(place) = self.by_activity.get_mut(holder.activity.index())
            && *place == client.get()
        {
            *place = NONE;
        }
        Some(holder)
    }

    /// Nothing stands in the way of any request here: the first of each queue may run.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.held.is_empty() && self.sealed.is_empty()
    }

    fn may_run(&self, envelope: &Envelope<M>) -> bool {
        if let Some(affinity) = envelope.labels.affinity_label()
            && !envelope.begun
            && self.sealed.contains_key(&(envelope.activity, affinity))
        {
            return false;
        }
        match envelope.labels.dependency_label() {
            None => true,
            Some(dependency) => !self.held.contains(&HeldLabel {
                activity: envelope.activity,
                sender: envelope.from,
                dependency,
            }),
        }
    }

    /// The position of the first request of a queue that may be dispatched.
    fn first(&self, queue: &Queue<M>) -> Option<usize> {
        if self.is_free() {
            return (!queue.requests.is_empty()).then_some(0);
        }
        queue.requests.iter().position(|envelope| self.may_run(envelope))
    }

    /// Whether the share-holder has a request that may be dispatched.
    #[inline]
    pub fn is_ready(&self, client: ClientId) -> bool {
        self.holder(client).is_some_and(|holder| {
            !holder.suspended
                && !holder.starved
                && holder.queued > 0
                && (self.is_free() || self.any_may_run(holder))
        })
    }

    fn any_may_run(&self, holder: &Holder<M>) -> bool {
        holder.queues.iter().any(|queue| self.first(queue).is_some())
    }

    /// The first queue of a share-holder that has something to dispatch, and whose sender is
    /// meant.
    pub fn first_of(
        &self,
        client: ClientId,
        is_meant: impl Fn(InstanceId) -> bool,
    ) -> Option<QueueRef> {
        let queues = self.holder(client)?.queues.iter().enumerate();
        let mut meant =
            queues.filter(|(_, queue)| self.first(queue).is_some() && is_meant(queue.sender));
        let (place, _) = meant.next()?;
        Some(QueueRef(
            u64::from(client.get()) << PLACE_BITS | u64::from(u32::try_from(place).ok()?),
        ))
    }

    /// Takes the next request of a share-holder: from the queue that the policy named, or
    /// from the next sender's.
    #[inline]
    pub fn take(&mut self, client: ClientId, named: Option<QueueRef>) -> Option<Sealed<M>> {
        if named.is_some() || !self.is_free() {
            return self.take_among(client, named);
        }
        self.holder_mut(client)?.take_next()
    }

    #[inline(never)]
    fn take_among(&mut self, client: ClientId, named: Option<QueueRef>) -> Option<Sealed<M>> {
        let holder = self.holder(client)?;
        let count = holder.queues.len();
        let (place, position) = match named {
            Some(queue) => {
                let place = place_in(queue);
                (place, self.first(holder.queues.get(place)?)?)
            }
            None if count == 1 => (0, self.first(holder.queues.first()?)?),
            None => (0..count).find_map(|step| {
                let turn = holder.turn + step;
                let place = if turn < count { turn } else { turn - count };
                Some((place, self.first(holder.queues.get(place)?)?))
            })?,
        };
        let holder = self.holder_mut(client)?;
        holder.turn = if place + 1 < count { place + 1 } else { 0 };
        holder.queued -= 1;
        holder.queues.get_mut(place)?.requests.remove(position)
    }

    pub fn hold(&mut self, envelope: &Envelope<M>) {
        if let Some(label) = held_label(envelope) {
            self.held.hold(label);
        }
    }

    pub fn unhold(&mut self, label: HeldLabel) {
        self.held.unhold(&label);
    }

    fn queue_of(&self, queue: QueueRef) -> Option<&Queue<M>> {
        self.holders.get(holder_of(queue))?.as_ref()?.queues.get(place_in(queue))
    }

    fn queue_of_mut(&mut self, queue: QueueRef) -> Option<&mut Queue<M>> {
        self.holders.get_mut(holder_of(queue))?.as_mut()?.queues.get_mut(place_in(queue))
    }
}

pub(crate) fn held_label<M>(envelope: &Envelope<M>) -> Option<HeldLabel> {
    let dependency = envelope.labels.dependency_label()?;
    Some(HeldLabel { activity: envelope.activity, sender: envelope.from, dependency })
}

// A `QueueRef` is a share-holder's place and a queue's place within it.
const PLACE_BITS: u32 = 32;

fn place_in(queue: QueueRef) -> usize {
    (queue.0 & ((1 << PLACE_BITS) - 1)) as usize
}

fn holder_of(queue: QueueRef) -> usize {
    (queue.0 >> PLACE_BITS) as usize
}

impl<M: Message> Queues for Clients<M> {
    fn len(&self, client: ClientId) -> usize {
        self.holder(client).map_or(0, |holder| holder.queued)
    }

    fn queue(&self, client: ClientId, place: usize) -> Option<(QueueRef, InstanceId)> {
        let holder = self.holder(client)?;
        let mut filled =
            holder.queues.iter().enumerate().filter(|(_, queue)| !queue.requests.is_empty());
        let (index, queue) = filled.nth(place)?;
        let index = u32::try_from(index).ok()?;
        let named = u64::from(client.get()) << PLACE_BITS | u64::from(index);
        Some((QueueRef(named), queue.sender))
    }

    fn read(&self, queue: QueueRef, position: usize) -> Option<RequestView> {
        let envelope = self.queue_of(queue)?.requests.iter().nth(position)?;
        let body = envelope.body.as_ref();
        Some(RequestView {
            sender: envelope.from,
            queued_at: envelope.queued_at,
            dependency: envelope.labels.dependency_label(),
            position: body.map_or(0, Message::position),
            size: body.map_or(Bytes::ZERO, Message::size),
        })
    }

    fn reorder(&mut self, queue: QueueRef, position: usize) -> Result<(), Reordering> {
        let queue = self.queue_of_mut(queue).ok_or(Reordering::NoSuchPlace)?;
        let moved: Labels =
            queue.requests.iter().nth(position).ok_or(Reordering::NoSuchPlace)?.labels;
        let overtakes = |earlier: &Envelope<M>| {
            earlier.labels.dependency_label().is_some()
                && earlier.labels.dependency_label() == moved.dependency_label()
        };
        if queue.requests.iter().take(position).any(overtakes) {
            return Err(Reordering::BreaksLabel);
        }
        let parcel = queue.requests.remove(position).ok_or(Reordering::NoSuchPlace)?;
        queue.requests.push_front(parcel);
        Ok(())
    }

    fn merge(&mut self, queue: QueueRef, position: usize) -> Result<(), Reordering> {
        let requests: &Fifo<Envelope<M>> =
            &self.queue_of(queue).ok_or(Reordering::NoSuchPlace)?.requests;
        let mut pair = requests.iter().skip(position);
        let (first, second) = pair.next().zip(pair.next()).ok_or(Reordering::NoSuchPlace)?;
        // Whoever waits for an answer of its own, or has begun, stays by itself.
        let alone = |envelope: &Envelope<M>| envelope.trigger.is_some() || envelope.begun;
        if alone(first) || alone(second) || first.labels != second.labels {
            return Err(Reordering::NotMergeable);
        }
        drop(pair);
        let holder = holder_of(queue);
        let requests = &mut self.queue_of_mut(queue).ok_or(Reordering::NoSuchPlace)?.requests;
        let mut later = requests.remove(position + 1).ok_or(Reordering::NoSuchPlace)?;
        let mut first = requests.remove(position).ok_or(Reordering::NoSuchPlace)?;
        let merged = match (first.body.as_mut(), later.body.take()) {
            (Some(body), Some(message)) => body.absorb(message),
            (_, None) => Ok(()),
            (None, Some(message)) => Err(message),
        };
        // Both go back to where they were; the one taken in leaves through `spent`.
        let mut before = Fifo::new();
        for _ in 0..position {
            if let Some(parcel) = requests.pop_front() {
                before.push_back(parcel);
            }
        }
        let outcome = match merged {
            Ok(()) => {
                requests.push_front(first);
                Ok(later)
            }
            Err(message) => {
                later.body = Some(message);
                requests.push_front(later);
                requests.push_front(first);
                Err(Reordering::NotMergeable)
            }
        };
        before.append(requests);
        ::core::mem::swap(requests, &mut before);
        let spent = outcome?;
        self.spent.push_back(spent);
        if let Some(holder) = self.holders.get_mut(holder).and_then(Option::as_mut) {
            holder.queued -= 1;
        }
        Ok(())
    }
}
