//! For whom there is something to be done, and who has to be told of it.
//!
//! What is done for those who stand in their own way is done in requests of their own. Mostly
//! these come by themselves: whoever ends an order goes on for its waiter. But an order's end,
//! or what one gives up, can be something to others too; so whoever finds nothing more to do
//! looks here.
//!
//! # Invariants
//! - For whom something is due, a step does something ([`Multiplexor::step`]): it ends the
//!   wait, earmarks, orders, goes on searching, or finds that there is nothing until an order
//!   ends; then it is due no more.
//! - A waiter that was reminded is not due for reminding until it is served.

use vortex_units::ActivityId;

use crate::Multiplexor;
use crate::cold::{Cold, Ordered, Phase, Waiter};

/// For whom there is something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// For some who stand in their own way, and were not reminded ([`Multiplexor::remind`]).
    pub alone: bool,
    /// For somebody else ([`Multiplexor::step_for_others`]).
    pub others: bool,
}

/// How a waiter's activity stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stands {
    /// It has an account.
    open: bool,
    /// Beyond its soft limit.
    pub beyond: bool,
    /// In its own way: beyond it, or at its hard limit when that was looked at last.
    pub alone: bool,
    /// At its hard limit now.
    full: bool,
}

impl Multiplexor {
    /// One whose activity is at its end stands in nobody's way: the infrastructure answers it.
    pub(crate) fn stands(&self, waiter: &Waiter) -> Stands {
        let Ok(entry) = self.accounts.open_one(waiter.account.activity) else {
            return Stands::default();
        };
        let beyond = !entry.standing().over().is_zero();
        Stands { open: true, beyond, alone: beyond || waiter.own, full: entry.is_full() }
    }

    /// Whether a step would find anything to do: who only waits for orders that are under way
    /// needs none.
    #[must_use]
    pub fn due(&self) -> Due {
        let cold = &*self.cold.lock();
        // What was ordered for one that waits no more is anybody's to end.
        let mut unparked = cold.orders.iter().flatten().filter(|it| it.phase == Phase::Unparked);
        let is_nobodys = |order: &Ordered| cold.waiters.iter().all(|it| it.id != order.waiter);
        let left = unparked.any(is_nobodys);
        let mut due = Due { others: cold.late && cold.vacancy || left, alone: false };
        for waiter in &cold.waiters {
            let stands = self.stands(waiter);
            if cold.is_due(waiter, stands) {
                due.alone |= stands.alone && !waiter.reminded;
                due.others |= !stands.alone;
            }
        }
        due
    }

    /// An activity that stands in its own way, for whom there is something to do, and who was
    /// not told of it since it has last done something. So nobody is told twice, and nobody
    /// waits for another to be told first.
    #[must_use]
    pub fn remind(&self) -> Option<ActivityId> {
        let cold = &mut *self.cold.lock();
        let waiter = cold.waiters.iter().find(|waiter| {
            let stands = self.stands(waiter);
            stands.alone && !waiter.reminded && cold.is_due(waiter, stands)
        })?;
        let activity = waiter.account.activity;
        let own = cold.waiters.iter_mut().filter(|waiter| waiter.account.activity == activity);
        own.for_each(|waiter| waiter.reminded = true);
        Some(activity)
    }

    /// Who was reminded may not have been told: they are to be reminded again.
    pub fn forget_reminders(&self) {
        self.cold.lock().waiters.iter_mut().for_each(|waiter| waiter.reminded = false);
    }
}

impl Cold {
    /// Whether there is anything to do for a waiter; what that is, `serve` does.
    fn is_due(&self, waiter: &Waiter, stands: Stands) -> bool {
        let mut orders = self.orders.iter().flatten();
        let own = |order: &Ordered| order.waiter == waiter.id && order.phase == Phase::Unparked;
        if orders.any(own) {
            return true;
        }
        if waiter.told || !stands.open {
            return !stands.open;
        }
        let missing = waiter.wanted - waiter.has();
        // Where it looks changes with the limit it stands at.
        let exhausted = waiter.exhausted && waiter.own == stands.full;
        missing == 0 || !exhausted && self.takes_order(waiter.id, missing)
    }
}
