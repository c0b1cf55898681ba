//! Giving up a core's part of an instance that was removed.

use vortex_queues::Fifo;

use super::Core;
use super::deliver::NOBODY;
use super::renew::Place;
use crate::binding::Label;
use crate::machine::Machine;
use crate::message::Message;

impl<M: Message, P: Machine> Core<M, P> {
    /// Gives up this core's parts of the instances that were removed: on the bills of their
    /// activities, not of whoever happens to be served next.
    #[cold]
    pub(super) fn give_up_retired(&mut self) {
        for (instance, labels) in self.post.take_retired() {
            for &(activity, affinity) in labels.iter() {
                self.cache.remove(&Label { instance, activity, affinity });
            }
            let entry = self.grid.directory.get(instance);
            let known = self.by_instance.get(instance.index());
            if let Some(&(_, slot)) = known.filter(|(known, _)| *known == instance) {
                self.give_up(slot as usize);
            }
            let Some(entry) = entry else { continue };
            if entry.life.left() {
                self.grid.forget(instance);
            }
            self.worked_for(entry.owner);
        }
    }

    /// Gives up a slot. What is still queued in it is refused: whoever waits for an answer
    /// gets an error. What is pending, kept or entered is refused when it goes on.
    pub(super) fn give_up(&mut self, slot: usize) {
        let now = self.ledger.last();
        let clients = self.slots.get(slot).map_or(0, |entry| entry.clients.holders.len());
        for client in (0..clients).filter_map(|client| u32::try_from(client).ok()) {
            self.untell(slot, crate::policy::ClientId::new(client));
        }
        let Some(mut entry) = self.slots.remove(slot) else { return };
        if let Some(known) = self.by_instance.get_mut(entry.instance.id.index()) {
            *known = NOBODY;
        }
        self.past.add(&entry);
        let (level, above) = entry.parent;
        if let Some(level) = self.levels.get_mut(level) {
            level.part(above, slot, entry.suspended, now);
        }
        self.services.retain(|&other| other != slot);
        self.suspended_slots.retain(|&other| other != slot);
        self.rejected_labels.retain(|(of, _)| *of != slot);
        self.starved.retain(|(of, _)| *of != slot);
        self.moving.retain(|(of, _)| *of != Place::Slot(slot));
        self.desk.refused.retain(|(of, _)| *of != slot);
        self.turn.forget(slot);
        let mut refused: Fifo<_> = Fifo::new();
        refused.append(&mut entry.aside);
        for holder in entry.clients.holders.iter_mut().flatten() {
            for queue in &mut holder.queues {
                refused.append(&mut queue.requests);
            }
        }
        while let Some(parcel) = refused.pop_front() {
            self.refuse(parcel);
        }
    }
}
