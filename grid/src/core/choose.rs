//! Choosing what runs next: from the multiplexor down to a queue.

use vortex_units::Cycles;

use super::{Core, Due, Timer};
use crate::level::Child;
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::{Choice, ClientId, Readiness};

impl<M: Message, P: Machine> Core<M, P> {
    /// Asks the multiplexor for a client, and on downwards, until a scheduler has named
    /// one of its share-holders. A scheduler that was believed ready and is not costs one
    /// more turn; every turn takes one client off the multiplexor's ready ones.
    pub(super) fn choose(&mut self) -> Option<(usize, Choice)> {
        loop {
            let slot = self.descend()?;
            let now = self.ledger.last();
            let chosen = self.slots.get_mut(slot).and_then(|entry| {
                entry.told = false;
                if entry.suspended {
                    return None;
                }
                let chosen = entry.scheduler.schedule(now, &mut entry.clients);
                // A policy is not trusted: nobody is not chosen.
                chosen.map(|choice| (choice, entry.clients.holder(choice.client).is_some()))
            });
            if self.slots.get(slot).is_some_and(|entry| !entry.clients.spent.is_empty()) {
                self.give_back_merged(slot);
            }
            if let Some((choice, true)) = chosen {
                self.untell(slot, choice.client);
                return Some((slot, choice));
            }
            self.settle_above(slot);
        }
    }

    /// Requests that the policy merged into others have ended.
    fn give_back_merged(&mut self, slot: usize) {
        loop {
            let spent = self.slots.get_mut(slot).and_then(|entry| entry.clients.spent.pop_front());
            let Some(parcel) = spent else { return };
            self.end(parcel, Err(crate::request::ReplyError::Unanswered));
        }
    }

    /// From the multiplexor to a resource; `None` when the multiplexor has nothing to run.
    fn descend(&mut self) -> Option<usize> {
        let now = self.ledger.last();
        let mut index = 0;
        loop {
            let Some(client) = self.levels.get_mut(index)?.choose(now) else {
                if index == 0 {
                    return None;
                }
                // A bus that wants to wait: start again at the top.
                self.refresh_level(index);
                index = 0;
                continue;
            };
            if !self.indebted.is_empty() {
                self.release_chosen(index, client);
            }
            let slots = &self.slots;
            let level = self.levels.get_mut(index)?;
            match level.children.get_mut(client.index()) {
                Some(Child::Slot(slot)) => {
                    if index == 0 {
                        self.turn.belongs_to(client, None);
                    }
                    return Some(*slot);
                }
                Some(Child::Level(below)) => {
                    self.turn.belongs_to(client, None);
                    index = *below;
                    if let Some(level) = self.levels.get_mut(index) {
                        level.told = false;
                    }
                }
                Some(Child::Activity { ready, last, waiting, activity, .. }) => {
                    self.turn.belongs_to(client, Some(*activity));
                    if let Some(slot) = ready.pop_front() {
                        if last.0 != slot {
                            *last = (slot, now + self.run_on);
                        }
                        return Some(slot);
                    }
                    // Of the resources in which it waits, the one that stands first.
                    let told = |&slot: &usize| slots.get(slot).is_some_and(|slot| slot.told);
                    if let Some(slot) = waiting.iter().copied().filter(told).min() {
                        self.lent = Some(client);
                        return Some(slot);
                    }
                    index = 0;
                }
                Some(Child::Nobody) | None => index = 0,
            }
        }
    }

    /// Whoever is chosen at the multiplexor is not ahead of its entitlement any more.
    #[cold]
    fn release_chosen(&mut self, level: usize, client: ClientId) {
        let child = self.levels.get(level).and_then(|level| level.children.get(client.index()));
        if let Some(&Child::Activity { activity, .. }) = child
            && self.indebted.contains(&activity)
        {
            self.release(activity);
        }
    }

    /// Tells the policy of a slot that a client may be dispatched, if it may.
    pub(super) fn tell(&mut self, slot: usize, client: ClientId) {
        self.tell_inlined(slot, client);
    }

    /// The same, where a request is sent.
    #[inline(always)]
    pub(super) fn tell_inlined(&mut self, slot: usize, client: ClientId) {
        let now = self.ledger.last();
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if !entry.clients.is_ready(client) {
            return;
        }
        let Some(holder) = entry.clients.holder_mut(client) else { return };
        if !holder.told {
            holder.told = true;
            self.turn.told(holder.activity);
            let indebted = holder.indebted;
            if !indebted {
                entry.scheduler.client_ready(client, now);
            }
            if let Some(own) = holder.own.filter(|_| holder.lends)
                && let Some(multiplexor) = self.levels.first_mut()
            {
                multiplexor.lend(own, slot, now);
                if indebted {
                    // It may have been chosen in vain (`debt.rs`).
                    multiplexor.scheduler.client_ready(own, now);
                }
            }
        }
        if !entry.told {
            self.refresh_slot(slot);
        }
    }

    /// Tells the scheduler above a slot if the slot can now decide.
    pub(super) fn refresh_slot(&mut self, slot: usize) {
        let now = self.ledger.last();
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if entry.told || entry.suspended {
            return;
        }
        match entry.scheduler.poll_ready(now) {
            Readiness::Idle => {}
            Readiness::Now => {
                entry.told = true;
                let (level, client) = entry.parent;
                if let Some(above) = self.levels.get_mut(level) {
                    above.line_up(client, slot, now);
                }
                self.ready_above(level, client);
            }
            Readiness::After(span) => {
                if !entry.delayed {
                    entry.delayed = true;
                    let due = now + self.grid.frequency.cycles(span);
                    self.set_timer(due, Due::Slot(slot));
                }
            }
        }
    }

    #[inline]
    fn ready_above(&mut self, level: usize, client: ClientId) {
        let now = self.ledger.last();
        if let Some(above) = self.levels.get_mut(level) {
            above.scheduler.client_ready(client, now);
        }
        if level > 0 {
            self.refresh_level(level);
        }
    }

    pub(super) fn refresh_level(&mut self, index: usize) {
        let now = self.ledger.last();
        let Some(level) = self.levels.get_mut(index) else { return };
        let Some((above, client)) = level.parent else { return };
        if level.told {
            return;
        }
        match level.readiness(now) {
            Readiness::Idle => {}
            Readiness::Now => {
                level.told = true;
                self.ready_above(above, client);
            }
            Readiness::After(span) => {
                if !level.delayed {
                    level.delayed = true;
                    let due = now + self.grid.frequency.cycles(span);
                    self.set_timer(due, Due::Level(index));
                }
            }
        }
    }

    /// After a slot has run, or turned out to have nothing: whoever is still ready above
    /// it is told so again.
    #[inline]
    pub(super) fn settle_above(&mut self, slot: usize) {
        let Some(entry) = self.slots.get(slot) else { return };
        let (level, client) = entry.parent;
        if !entry.told {
            self.refresh_slot(slot);
        }
        let others_ready = match self.levels.get(level).and_then(|l| l.children.get(client.index()))
        {
            Some(Child::Activity { ready, waiting, .. }) => {
                !waiting.is_empty() || !ready.is_empty()
            }
            _ => false,
        };
        if others_ready {
            self.ready_above(level, client);
        } else if level > 0 {
            self.refresh_level(level);
        }
        if self.lent.is_some() {
            self.settle_lent();
        }
    }

    /// A client that has lent its turn and has more to lend is ready again.
    fn settle_lent(&mut self) {
        let Some(client) = self.lent.take() else { return };
        let level = self.levels.first();
        if let Some(Child::Activity { waiting, .. }) =
            level.and_then(|level| level.children.get(client.index()))
            && !waiting.is_empty()
        {
            self.ready_above(0, client);
        }
    }

    /// The policy no longer believes this client ready.
    #[inline]
    pub(super) fn untell(&mut self, slot: usize, client: ClientId) {
        let now = self.ledger.last();
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let Some(holder) = entry.clients.holder_mut(client) else { return };
        if ::core::mem::take(&mut holder.told)
            && let Some(own) = holder.own.filter(|_| holder.lends)
            && let Some(multiplexor) = self.levels.first_mut()
        {
            multiplexor.lend_no_more(own, slot, now);
        }
    }

    pub(super) fn set_timer(&mut self, due: Cycles, what: Due<M>) {
        self.timer_number += 1;
        self.timers.push(Timer(due, self.timer_number, what));
    }
}
