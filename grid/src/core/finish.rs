//! How a request leaves its handler, and how it ends.

use vortex_queues::Fifo;
use vortex_units::Cycles;

use super::Core;
use crate::binding::Label;
use crate::kept::Ticket;
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::ClientId;
use crate::request::{Envelope, Kind, ReplyError, Sealed, Trigger};
use crate::resource::{Left, Rejection, Resume, Scope};
use crate::slot::held_label;

impl<M: Message, P: Machine> Core<M, P> {
    /// Does what the handler's outcome asks. `Some` if a thread is to be entered.
    pub(super) fn finish(
        &mut self,
        slot: usize,
        client: ClientId,
        mut parcel: Sealed<M>,
        left: Left<M>,
    ) -> Option<Cycles> {
        let keeping = self.desk.keeping.take();
        match left {
            Left::Done => self.end(parcel, Err(ReplyError::Unanswered)),
            Left::Reply(reply) => self.end(parcel, Ok(reply)),
            Left::NotMine => self.end(parcel, Err(ReplyError::Refused)),
            Left::Rejected(rejection) => self.reject(slot, client, parcel, rejection),
            Left::Pending(trigger, resume) => {
                parcel.resume = resume;
                self.begin(&mut parcel);
                self.wait(slot, trigger, parcel);
            }
            Left::Continue(resume) => {
                parcel.resume = resume;
                self.begin(&mut parcel);
                self.enqueue(slot, parcel, true);
            }
            Left::Kept => {
                self.begin(&mut parcel);
                match keeping {
                    Some(ticket) => {
                        if let Err(parcel) = self.desk.kept.put(ticket, parcel) {
                            self.end(parcel, Err(ReplyError::Dropped));
                        }
                    }
                    None => self.end(parcel, Err(ReplyError::Dropped)),
                }
                return None;
            }
            Left::Enter(limit, resume) => {
                parcel.resume = resume;
                self.begin(&mut parcel);
                self.entered = Some((slot, client, parcel));
                return Some(limit);
            }
        }
        if let Some(ticket) = keeping {
            // Opened and not used.
            drop(self.desk.kept.take(ticket));
        }
        None
    }

    /// From now on this core must finish the request, whatever becomes of its label's
    /// binding.
    #[inline]
    fn begin(&mut self, parcel: &mut Sealed<M>) {
        if !::core::mem::replace(&mut parcel.begun, true) && parcel.may_move {
            self.count_begun(parcel);
        }
    }

    fn wait(&mut self, slot: usize, trigger: Trigger, parcel: Sealed<M>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        // Law 6: what is ordered behind it waits until it has ended, not only begun.
        entry.clients.hold(&parcel);
        if let Err(parcel) = self.desk.triggers.wait(trigger, parcel) {
            if let Some(label) = held_label(&parcel)
                && let Some(entry) = self.slots.get_mut(slot)
            {
                entry.clients.unhold(label);
            }
            self.enqueue(slot, parcel, true);
        }
    }

    /// A rejected request returns to the head of its queue; what the scope names is
    /// suspended, unless it was resumed since the handler looked (law 7).
    fn reject(&mut self, slot: usize, client: ClientId, parcel: Sealed<M>, rejection: Rejection) {
        self.account_turn();
        let now = self.ledger.last();
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if entry.instance.gate.epoch() == rejection.epoch {
            match rejection.scope {
                Scope::Device => {
                    entry.suspended = true;
                    entry.resume_at = rejection.epoch;
                    self.suspended_slots.push(slot);
                    let (level, above) = entry.parent;
                    if let Some(level) = self.levels.get_mut(level) {
                        level.suspend(above, true, now);
                    }
                }
                Scope::Client => {
                    entry.scheduler.client_suspended(client, now);
                    if let Some(holder) = entry.clients.holder_mut(client) {
                        holder.suspended = true;
                    }
                    self.untell(slot, client);
                }
                Scope::Label => {
                    if parcel.labels.dependency_label().is_some() {
                        entry.clients.hold(&parcel);
                        self.rejected_labels.extend(held_label(&parcel).map(|label| (slot, label)));
                    } else {
                        // Only this request waits: in the pending queue of its client.
                        entry.aside.push_back(parcel);
                        return;
                    }
                }
            }
        }
        self.enqueue(slot, parcel, true);
    }

    /// A request has ended. Its answer, if anyone waits for one, travels in its own node.
    pub(super) fn end(&mut self, mut parcel: Sealed<M>, answer: Result<M, ReplyError>) {
        self.end_label(&mut parcel);
        if parcel.trigger.is_none() {
            self.recycle(parcel);
        } else {
            self.send_answer(parcel, answer);
        }
    }

    /// Its labels have one request less to wait for.
    #[inline]
    fn end_label(&mut self, parcel: &mut Sealed<M>) {
        if let Some((dependency, _)) = parcel.labels.to_fix() {
            self.grid.bindings.unfix(parcel.from, parcel.activity, dependency);
        }
        if ::core::mem::take(&mut parcel.begun) && parcel.may_move {
            self.uncount_begun(parcel);
        }
    }

    fn count_begun(&mut self, parcel: &Sealed<M>) {
        if let Some(label) = label_of(parcel) {
            match self.begun.get_mut(&label) {
                Some(count) => *count += 1,
                None => self.begun.insert(label, 1),
            }
        }
    }

    fn uncount_begun(&mut self, parcel: &Sealed<M>) {
        if let Some(label) = label_of(parcel)
            && let Some(count) = self.begun.get_mut(&label)
        {
            *count -= 1;
            if *count == 0 {
                self.begun.remove(&label);
            }
        }
    }

    fn send_answer(&mut self, mut parcel: Sealed<M>, answer: Result<M, ReplyError>) {
        match answer {
            Ok(reply) => {
                parcel.body = Some(reply);
                parcel.kind = Kind::Reply;
            }
            Err(error) => {
                parcel.body = None;
                parcel.kind = Kind::Failure(error);
            }
        }
        let home = parcel.home_core();
        if home == self.id {
            self.control(parcel);
        } else {
            self.transmit(home, parcel);
        }
    }

    /// A request that cannot be delivered ends at once.
    pub(super) fn refuse(&mut self, parcel: Sealed<M>) {
        self.end(parcel, Err(ReplyError::Refused));
    }

    /// Answers a kept request.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Result<M, ReplyError>) {
        if let Some(mut parcel) = self.desk.kept.take(ticket) {
            self.recording.caused(&mut parcel, self.id, self.run);
            self.end(parcel, answer);
        }
    }

    /// Puts a kept request back into its queue, to go on there.
    pub(super) fn go_on_with(&mut self, ticket: Ticket, resume: Option<Resume<M>>) {
        let Some(mut parcel) = self.desk.kept.take(ticket) else { return };
        self.recording.caused(&mut parcel, self.id, self.run);
        match self.slot(parcel.to) {
            Some(slot) => {
                parcel.resume = resume;
                self.enqueue(slot, parcel, true);
            }
            None => self.refuse(parcel),
        }
    }

    /// Gives an empty node back to its pool, and the bill with it.
    #[inline(always)]
    pub(super) fn recycle(&mut self, parcel: Sealed<M>) {
        let activity = parcel.activity;
        self.desk.pool.give_back(parcel);
        self.discharge(activity);
    }

    /// Requests that waited for a trigger go back to the head of their queues.
    pub(super) fn unblock(&mut self, mut woken: Fifo<Envelope<M>>) {
        // The last first, so that they end up in their order.
        let mut reversed = Fifo::new();
        while let Some(parcel) = woken.pop_front() {
            reversed.push_front(parcel);
        }
        while let Some(parcel) = reversed.pop_front() {
            let Some(slot) = self.slot(parcel.to) else {
                self.refuse(parcel);
                continue;
            };
            if let Some(label) = held_label(&parcel)
                && let Some(entry) = self.slots.get_mut(slot)
            {
                entry.clients.unhold(label);
            }
            self.enqueue(slot, parcel, true);
        }
    }
}

fn label_of<M>(parcel: &Sealed<M>) -> Option<Label> {
    let affinity = parcel.labels.affinity_label()?;
    Some(Label { instance: parcel.to, activity: parcel.activity, affinity })
}
