//! Debt (laws 2 and 3): who has used more than its entitlement, and owes all that may be
//! charged for it.
//!
//! A resource that is there for all ([`Parent::Service`](crate::Parent::Service)) has a share of
//! its own, so that what is asked of it is done soon; under charge-through whoever asks pays
//! with its own virtual time. But who has a hundred requests on their way has them done however
//! far ahead that is, and what is beyond the cap on debt would be forgiven. So at the cap its
//! requests there are held back, until half of the debt is worn off, or its own client is
//! chosen: then nobody else wants the core.
//!
//! Who is in debt for what it did not order (billed back) is refused new roots, until half of it
//! is worn off: by the work of others, or by the core's having nothing to do, or the resource's,
//! however busy the core is elsewhere. There a fluid server, which virtual time follows, would go
//! on with what is owed.
//!
//! # Invariants
//! - Held back are only those who lend their turns ([`Holder::lends`](crate::slot::Holder)):
//!   their own client is ready as long as they wait, so that virtual time goes on. That may
//!   have been chosen in vain before, while what they waited in could not decide; so it is
//!   said again when somebody is held back.
//! - A holder is `indebted` exactly while its activity is in `Core::indebted`.

use vortex_units::{ActivityId, Cycles, Micros};

use super::Core;
use crate::machine::Machine;
use crate::message::Message;
use crate::policy::ClientId;

/// The most that is owed: so much of a core (law 2).
const DEBT: Micros = Micros::new(100_000);
/// An idle time that is shorter wears off nothing.
const MOMENT: Micros = Micros::new(5_000);

/// A resource that refuses somebody, when it was looked at, and what it had used then.
pub(super) struct Quiet {
    slot: usize,
    used: Cycles,
    since: Cycles,
}

impl<M: Message, P: Machine> Core<M, P> {
    /// An activity's own client was charged with what it has used elsewhere.
    #[inline]
    pub(super) fn note_debt(&mut self, own: ClientId, activity: ActivityId) {
        let multiplexor = self.levels.first();
        if multiplexor.is_some_and(|level| level.scheduler.is_in_debt(own)) {
            self.hold_back(activity);
        }
    }

    /// Its requests wait from now on.
    #[cold]
    fn hold_back(&mut self, activity: ActivityId) {
        if activity == ActivityId::INFRASTRUCTURE || self.indebted.contains(&activity) {
            return;
        }
        self.indebted.push(activity);
        let (now, mut own) = (self.ledger.last(), None);
        for &place in &self.services {
            let Some(slot) = self.slots.get_mut(place) else { continue };
            let Some(client) = slot.clients.find(activity) else { continue };
            let Some(holder) = slot.clients.holder_mut(client).filter(|holder| holder.lends) else {
                continue;
            };
            holder.indebted = true;
            if holder.told {
                own = holder.own;
                slot.scheduler.client_suspended(client, now);
            }
        }
        if let (Some(own), Some(multiplexor)) = (own, self.levels.first_mut()) {
            multiplexor.scheduler.client_ready(own, now);
        }
    }

    /// Those whose debt has worn off enough go on.
    #[cold]
    pub(super) fn review_debts(&mut self) {
        let mut place = 0;
        while let Some(&activity) = self.indebted.get(place) {
            let owes = self.levels.first().is_some_and(|multiplexor| {
                let own = multiplexor.client_of(activity);
                own.is_some_and(|own| multiplexor.scheduler.is_in_debt(own))
            });
            if owes {
                place += 1;
            } else {
                self.release(activity);
            }
        }
    }

    /// An activity's own client was chosen, or its debt has worn off.
    #[cold]
    pub(super) fn release(&mut self, activity: ActivityId) {
        self.indebted.retain(|&indebted| indebted != activity);
        let now = self.ledger.last();
        let mut next = 0;
        while let Some(&place) = self.services.get(next) {
            next += 1;
            let Some(slot) = self.slots.get_mut(place) else { continue };
            let Some(client) = slot.clients.find(activity) else { continue };
            let Some(holder) = slot.clients.holder_mut(client) else { continue };
            if ::core::mem::take(&mut holder.indebted) && holder.told {
                slot.scheduler.client_ready(client, now);
                self.refresh_slot(place);
            }
        }
    }

    /// Whoever's debt has worn off enough is taken in again.
    pub(super) fn review_refused(&mut self) {
        self.wear_off_quiet();
        let mut refused = ::core::mem::take(&mut self.desk.refused);
        refused.retain(|&(slot, activity)| self.is_in_debt(slot, activity));
        self.desk.refused = refused;
    }

    /// Whether a scheduler here says that the activity should be refused early.
    pub(super) fn is_in_debt(&self, slot: usize, activity: ActivityId) -> bool {
        let entry = self.slots.get(slot);
        let here = entry.is_some_and(|entry| {
            let client = entry.clients.find(activity);
            client.is_some_and(|client| entry.scheduler.is_in_debt(client))
        });
        here || self.levels.first().is_some_and(|multiplexor| {
            let own = multiplexor.client_of(activity);
            own.is_some_and(|own| multiplexor.scheduler.is_in_debt(own))
        })
    }

    /// Where a resource has had little to do for a moment, and has nothing to do now, nobody was
    /// kept waiting there by what anybody owes there: not for as long as it has served nobody.
    #[cold]
    fn wear_off_quiet(&mut self) {
        let now = self.ledger.last();
        let frequency = self.grid.frequency;
        let (cap, moment) = (frequency.cycles(DEBT), frequency.cycles(MOMENT));
        let refused = &self.desk.refused;
        self.quiet.retain(|quiet| refused.iter().any(|&(slot, _)| slot == quiet.slot));
        for &(slot, _) in refused {
            let known = self.quiet.iter().position(|quiet| quiet.slot == slot);
            let since = known.and_then(|place| self.quiet.get(place)).map(|quiet| quiet.since);
            let span = now.saturating_sub(since.unwrap_or(now));
            if known.is_some() && span < moment {
                continue;
            }
            let Some(entry) = self.slots.get_mut(slot) else { continue };
            let holders = || entry.clients.holders.iter().flatten();
            let used = holders().fold(Cycles::ZERO, |sum, holder| sum + holder.usage.cycles);
            let waits = holders().any(|holder| holder.queued > 0);
            let seen = Quiet { slot, used, since: now };
            if let Some(quiet) = known.and_then(|place| self.quiet.get_mut(place)) {
                let served = used.saturating_sub(quiet.used);
                *quiet = seen;
                if !waits {
                    entry.scheduler.core_idle(span.saturating_sub(served), cap, now);
                }
            } else if self.quiet.try_reserve(1).is_ok() {
                self.quiet.push(seen);
            }
        }
    }

    /// The core had nothing to do for this long: nobody was kept waiting by what anybody owes.
    /// Only while somebody is refused, so that it costs nothing otherwise; and only where it was
    /// long, for those who wait for memory or a disk leave the core idle too, for a moment.
    #[cold]
    pub(super) fn wear_off(&mut self, idle: Cycles) {
        let (cap, now) = (self.grid.frequency.cycles(DEBT), self.ledger.last());
        if idle < self.grid.frequency.cycles(MOMENT) {
            return;
        }
        if let Some(multiplexor) = self.levels.first_mut() {
            multiplexor.scheduler.core_idle(idle, cap, now);
        }
        // What was idle counts once.
        self.quiet.iter_mut().for_each(|quiet| quiet.since = now);
        for (place, &(slot, _)) in self.desk.refused.iter().enumerate() {
            let told = self.desk.refused.iter().take(place).any(|&(other, _)| other == slot);
            if !told && let Some(entry) = self.slots.get_mut(slot) {
                entry.scheduler.core_idle(idle, cap, now);
            }
        }
    }
}
