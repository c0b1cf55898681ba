//! Bindings and their change (§3.1.1), without breaking an order (law 6).
//!
//! A binding holds until it expires. Then only the core that has it, the *old* core, may
//! ask the scheduler anew. If the answer is another core, the *new* one:
//!
//! A label of which requests have begun (pending, kept, continued, entered) stays: they may
//! wait for others of their own label, which must then not be held elsewhere. Its binding is
//! extended a little. Otherwise:
//!
//! 1. The old core writes the new binding into the table, unsettled, and *seals* the
//!    label: nothing of what is queued here runs any more.
//! 2. Senders that look into the table from now on send to the new core, which *holds*
//!    what arrives. Senders that looked before are still sending to the old core: it waits
//!    until every core has passed a dispatch boundary, and takes in what they sent.
//! 3. Then the old core sends all that is queued, in order, and behind it *flushed*: one
//!    chain through one inbox.
//! 4. At *flushed*, the new core settles the binding and queues what it held, behind what
//!    was moved.
//!
//! So no request overtakes one of its label, and at no time may two cores run requests of
//! the label.

use alloc::vec::Vec;

use vortex_queues::Fifo;
use vortex_units::{Cycles, Micros};

use super::Core;
use crate::binding::{Bound, Label};
use crate::machine::Machine;
use crate::message::Message;
use crate::request::{Envelope, Kind, Sealed};

/// For how long a binding is extended while requests of its label have begun.
const EXTENSION: Micros = Micros::new(100);

/// A label on its way to another core.
pub(super) struct Move<M> {
    label: Label,
    to: Bound,
    /// The boundary counts of all cores when the table was written.
    boundaries: Vec<u64>,
    /// All senders that knew only the old core have been heard.
    quiet: bool,
    /// What *flushed* will be. On the activity's bill from the beginning: so it has a node
    /// in use, and is not reaped, until the label has arrived.
    flushed: Sealed<M>,
}

/// Queued requests that are looked through for a label.
const LOOKED: usize = 64;

impl<M: Message, P: Machine> Core<M, P> {
    /// The binding of a label whose copy here is missing or expired.
    #[cold]
    pub(super) fn current_binding(&mut self, label: Label) -> Option<Bound> {
        let now = self.ledger.last();
        let instance = self.grid.directory.get(label.instance)?;
        if instance.cores.is_empty() || instance.life.is_closed() {
            return None;
        }
        if instance.is_alone() {
            let core = instance.cores.first().copied()?;
            let bound = Bound { core, expires: None, settled: true, doomed: false };
            if core != self.id {
                self.remember(Label::of_all(label.instance), bound);
            }
            return Some(bound);
        }
        let grid = self.grid.clone();
        let mut made = false;
        let mut bound = grid.bindings.bind(label, || {
            made = true;
            grid.choose(&instance, label, now)
        });
        if made {
            grid.count_binding(&instance, bound.core, true);
            if instance.mortal && !instance.life.note(label.activity, label.affinity) {
                // Removed at this moment: whoever takes the binding out has counted it off.
                if let Some(core) = grid.bindings.remove(label) {
                    grid.count_binding(&instance, core, false);
                }
                return None;
            }
        }
        if bound.expired(now) && bound.core == self.id && bound.settled {
            bound = self.renew(label, bound);
        }
        if bound.settled && !bound.expired(now) {
            self.remember(label, bound);
        }
        Some(bound)
    }

    fn remember(&mut self, label: Label, bound: Bound) {
        const COPIES: usize = 16_384;
        if self.cache.len() >= COPIES {
            self.cache.clear();
        }
        self.cache.insert(label, bound);
    }

    /// This core's binding has expired: asks the scheduler again, and begins to move the
    /// label if it is to go elsewhere.
    fn renew(&mut self, label: Label, old: Bound) -> Bound {
        if self.moves.iter().any(|moving| moving.label == label) {
            return old;
        }
        let now = self.ledger.last();
        if self.begun.contains_key(&label) {
            // What has begun may wait for requests of its own label: they must not be held
            // elsewhere. The label stays until none has.
            let soon = now + self.grid.frequency.cycles(EXTENSION);
            let bound = Bound { expires: Some(soon), ..old };
            self.grid.bindings.rebind(label, bound);
            return bound;
        }
        let Some(instance) = self.grid.directory.get(label.instance) else { return old };
        let mut bound = self.grid.choose(&instance, label, now);
        if bound.core == self.id {
            self.grid.bindings.rebind(label, bound);
            return bound;
        }
        let Some(flushed) = self.desk.pool.extra() else { return old };
        self.grid.activities().charge(label.activity);
        bound.settled = false;
        self.grid.bindings.rebind(label, bound);
        self.grid.count_binding(&instance, self.id, false);
        self.grid.count_binding(&instance, bound.core, true);
        self.cache.remove(&label);
        if let Some(slot) = self.slot(label.instance)
            && let Some(entry) = self.slots.get_mut(slot)
        {
            entry.clients.sealed.insert((label.activity, label.affinity), ());
        }
        let boundaries = self.grid.posts.iter().map(|post| post.boundary()).collect();
        self.moves.push(Move { label, to: bound, boundaries, quiet: false, flushed });
        bound
    }

    /// Forgets bindings of this core that have expired and that nothing here needs: some of
    /// them each time. Where very much of its activity is queued at its resource, a label counts
    /// as needed.
    pub(super) fn sweep_bindings(&mut self, part: usize) {
        let now = self.ledger.last();
        let Self { grid, slots, by_instance, begun, held, early, .. } = &*self;
        let is = |label: &Label, envelope: &Envelope<M>| {
            envelope.to == label.instance
                && envelope.activity == label.activity
                && envelope.labels.affinity_label() == Some(label.affinity)
        };
        let queued = |label: &Label| {
            let known = by_instance.get(label.instance.index());
            let slot = known.filter(|known| known.0 == label.instance);
            let Some(slot) = slot.and_then(|known| slots.get(known.1 as usize)) else {
                return false;
            };
            let client = slot.clients.find(label.activity);
            let holder = client.and_then(|client| slot.clients.holder(client));
            slot.aside.iter().any(|envelope| is(label, envelope))
                || holder.is_some_and(|holder| {
                    let mut all = holder.queues.iter().flat_map(|queue| queue.requests.iter());
                    holder.queued > LOOKED || all.any(|envelope| is(label, envelope))
                })
        };
        let removed = grid.bindings.sweep(part, self.id, now, |label| {
            begun.contains_key(label)
                || held.contains_key(label)
                || queued(label)
                || early.iter().any(|envelope| is(label, envelope))
        });
        for (label, core) in removed {
            self.cache.remove(&label);
            self.grid.uncount(label, core);
        }
        // Copies of bindings that are others' to sweep.
        self.cache.retain_some(|bound| !bound.expired(now));
    }

    /// A request has come from another core.
    pub(super) fn arrive(&mut self, mut parcel: Sealed<M>) {
        let Some(slot) = self.slot(parcel.to) else {
            // Not configured here: the sender's copy was of another time.
            self.forward(parcel);
            return;
        };
        let Some(affinity) = parcel.labels.affinity_label() else {
            self.enqueue(slot, parcel, false);
            return;
        };
        if self.slots.get(slot).is_some_and(|entry| entry.is_alone) {
            self.enqueue(slot, parcel, false);
            return;
        }
        let label = Label { instance: parcel.to, activity: parcel.activity, affinity };
        let now = self.ledger.last();
        parcel.may_move = true;
        if let Some(bound) = self.cache.get(&label)
            && bound.core == self.id
            && !bound.expired(now)
        {
            parcel.may_move = bound.expires.is_some();
            self.enqueue(slot, parcel, false);
            return;
        }
        if self.moves.iter().any(|moving| moving.label == label) {
            // Late for a label that is being moved: it goes along.
            self.enqueue(slot, parcel, false);
            return;
        }
        match self.current_binding(label) {
            Some(bound) if bound.core == self.id && !bound.settled => {
                self.held.entry(label).or_default().push_back(parcel);
            }
            Some(bound) if bound.core == self.id => self.enqueue(slot, parcel, false),
            Some(_) if self.moves.iter().any(|moving| moving.label == label) => {
                self.enqueue(slot, parcel, false);
            }
            _ => self.forward(parcel),
        }
    }

    fn forward(&mut self, parcel: Sealed<M>) {
        let bound = parcel.labels.affinity_label().and_then(|affinity| {
            let label = Label { instance: parcel.to, activity: parcel.activity, affinity };
            self.grid.bindings.lookup(label)
        });
        match bound {
            Some(bound) if bound.core != self.id => self.transmit(bound.core, parcel),
            _ => self.refuse(parcel),
        }
    }

    /// Goes on with the labels that are moving away, as far as it is possible now. Called
    /// after the inbox was taken in.
    pub(super) fn progress_moves(&mut self) {
        let mut index = 0;
        while index < self.moves.len() {
            let Some(moving) = self.moves.get_mut(index) else { break };
            if !moving.quiet {
                let passed = self
                    .grid
                    .posts
                    .iter()
                    .zip(&moving.boundaries)
                    .all(|(post, &count)| post.core() == self.id || post.passed(count));
                // The inbox is taken in once more before anything is moved: what they had
                // sent is then here.
                moving.quiet = passed;
                index += 1;
                continue;
            }
            let label = moving.label;
            let early = self.early.iter().any(|envelope| concerns(envelope, &label));
            if self.begun.contains_key(&label) || early {
                index += 1;
                continue;
            }
            let moving = self.moves.swap_remove(index);
            self.hand_over(moving);
        }
    }

    fn hand_over(&mut self, moving: Move<M>) {
        let Move { label, to, mut flushed, .. } = moving;
        let slot = self.slot(label.instance);
        let mut moved = slot.map_or_else(Fifo::new, |slot| self.extract(slot, &label));
        while let Some(mut parcel) = moved.pop_front() {
            parcel.kind = Kind::Moved;
            self.transmit(to.core, parcel);
        }
        flushed.kind = Kind::Flushed;
        flushed.to = label.instance;
        flushed.from = label.instance;
        flushed.activity = label.activity;
        flushed.labels = crate::Labels::affinity(label.affinity);
        self.transmit(to.core, flushed);
        let Some(slot) = slot else { return };
        if let Some(client) =
            self.slots.get(slot).and_then(|entry| entry.clients.find(label.activity))
        {
            self.tell(slot, client);
        }
    }

    /// Unseals a label and takes all its requests out of the queues, in order.
    fn extract(&mut self, slot: usize, label: &Label) -> Fifo<Envelope<M>> {
        let mut moved: Fifo<Envelope<M>> = Fifo::new();
        let Some(entry) = self.slots.get_mut(slot) else { return moved };
        entry.clients.sealed.remove(&(label.activity, label.affinity));
        let client = entry.clients.find(label.activity);
        if let Some(holder) = client.and_then(|client| entry.clients.holder_mut(client)) {
            for queue in &mut holder.queues {
                moved.append(&mut queue.requests.extract(|e| concerns(e, label)));
            }
            holder.queued -= moved.len();
        }
        // Labels rejected here start afresh there.
        self.rejected_labels.retain(|(of, held)| {
            let goes =
                *of == slot && moved.iter().any(|e| crate::slot::held_label(e) == Some(*held));
            if goes {
                entry.clients.unhold(*held);
            }
            !goes
        });
        let mut aside = entry.aside.extract(|envelope| concerns(envelope, label));
        moved.append(&mut aside);
        moved
    }

    /// All that the old core had is here: the binding is settled.
    pub(super) fn flushed(&mut self, parcel: &Sealed<M>) {
        let Some(affinity) = parcel.labels.affinity_label() else { return };
        let label = Label { instance: parcel.to, activity: parcel.activity, affinity };
        if let Some(bound) = self.grid.bindings.lookup(label) {
            let bound = Bound { settled: true, ..bound };
            self.grid.bindings.rebind(label, bound);
            self.remember(label, bound);
        }
        let mut held = self.held.remove(&label).unwrap_or_default();
        let slot = self.slot(label.instance);
        while let Some(parcel) = held.pop_front() {
            match slot {
                Some(slot) => self.enqueue(slot, parcel, false),
                None => self.refuse(parcel),
            }
        }
    }

    /// While it waits for the other cores, this core looks around often. What waits for
    /// requests that have begun here goes on when they do.
    pub(super) fn move_due(&self) -> Option<Cycles> {
        self.moves
            .iter()
            .any(|moving| !moving.quiet || !self.begun.contains_key(&moving.label))
            .then(|| self.ledger.last() + self.grid.frequency.cycles(Micros::new(5)))
    }
}

fn concerns<M>(envelope: &Envelope<M>, label: &Label) -> bool {
    envelope.to == label.instance
        && envelope.activity == label.activity
        && envelope.labels.affinity_label() == Some(label.affinity)
        && matches!(envelope.kind, Kind::Request)
}
