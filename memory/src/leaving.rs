//! A frame that several activities have is wanted back from one of them: it leaves it to the
//! others, and what it was charged makes room.
//!
//! Each of them is charged the full price, so that of memory as much more is free as they are
//! charged together beyond one: who leaves a frame to others makes as much room as who gives
//! back one of its own, and nobody else loses anything. Nor need anybody count how often each
//! shows it: it has left it for the multiplexor first, and whoever serves the order takes it then
//! from all of its spaces. Who touches it again is charged again.

use core::sync::atomic::Ordering;

use vortex_units::ActivityId;

use crate::Multiplexor;
use crate::account::Entry;
use crate::cold::{Cold, OrderId, Ordered, Stale};
use crate::links::Link;
use crate::record::Record;

impl Multiplexor {
    /// An order ends: who is to give its frame leaves it to others who have it too, and the
    /// waiter gets another. False, with nothing done, where nobody else has it, or only the
    /// infrastructure; and where it is pinned.
    ///
    /// # Errors
    /// [`Stale`]: the order had ended already.
    pub fn leave_to_others(&self, id: OrderId, who: ActivityId) -> Result<bool, Stale> {
        let cold = &mut *self.cold.lock();
        let Ordered { frame, waiter, .. } = *cold.order(id)?;
        let record = self.record(frame).ok_or(Stale)?;
        let place = who.index() as u32;
        let parts = self.accounts.at(place).zip(record.resource());
        let Some((entry, resource)) = parts.filter(|_| record.pins() == 0) else {
            return Ok(false);
        };
        if !others_pay(cold, record, place) {
            return Ok(false);
        }
        self.withdraw(cold, usize::from(id.place));
        if !take_out(cold, record, place) {
            return Ok(false);
        }
        entry.subtract(resource, 1);
        let mut grants = entry.refund(1);
        cold.counts.left += 1;
        if let Some(waiter) = cold.waiter(waiter)
            && waiter.has() < waiter.wanted
            && let Ok(entry) = self.accounts.open_one(waiter.account.activity)
            && self.charge_with(entry, &mut grants)
        {
            // What is free may be in the cores' magazines.
            if self.pool.lock().free() == 0 {
                self.collect();
            }
            self.earmark_from_pool(waiter);
        }
        self.available.fetch_add(grants, Ordering::AcqRel);
        Ok(true)
    }

    /// Charges a frame with what others' charges have freed, and what is available if that is
    /// not enough. False if it may have no more.
    pub(crate) fn charge_with(&self, entry: &Entry, grants: &mut u64) -> bool {
        let charged = entry.charge(1, |need| {
            if *grants < need && self.take_available(need - *grants) {
                *grants = need;
            }
            *grants >= need
        });
        let Ok(spent) = charged else { return false };
        *grants -= spent;
        true
    }
}

/// Whether an activity, by its place, has a frame just once, and others pay for it who are not the
/// infrastructure.
fn others_pay(cold: &Cold, record: &Record, place: u32) -> bool {
    let infrastructure = ActivityId::INFRASTRUCTURE.index() as u32;
    let owner = (record.owner(), record.holds.load(Ordering::Acquire));
    let sharers = cold.links.of(record).filter_map(|link| match link {
        Link::Sharer(who, holds) => Some((who, holds)),
        Link::Redirect(..) | Link::Free => None,
    });
    let (mut once, mut others) = (false, false);
    for (who, holds) in core::iter::once(owner).chain(sharers) {
        once |= who == place && holds == 1;
        others |= who != place && who != infrastructure;
    }
    once && others
}

/// An activity, by its place, has the frame no more: another is its first, if it was that.
fn take_out(cold: &mut Cold, record: &Record, place: u32) -> bool {
    if record.owner() != place {
        return cold.links.take(record, |link| link == Link::Sharer(place, 1)).is_some();
    }
    let next = cold.links.take(record, |link| matches!(link, Link::Sharer(..)));
    let Some(Link::Sharer(next, holds)) = next else { return false };
    record.owner.store(next, Ordering::Relaxed);
    record.holds.store(holds, Ordering::Release);
    true
}
