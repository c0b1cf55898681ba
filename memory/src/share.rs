//! Frames that several activities hold, or whose reclamation is directed elsewhere first.

use core::sync::atomic::Ordering;

use vortex_units::ActivityId;

use crate::Multiplexor;
use crate::account::Entry;
use crate::buddy::OF_HUGE;
use crate::cold::{Cold, Phase, WaiterId};
use crate::links::Link;
use crate::names::{Cookie, FrameId, HUGE, Rejected, ResourceId, Why};
use crate::record::{DOOMED, EARMARKED, HEAD, KERNEL, Left, ORDERED, RESERVE, Record, TAIL, USED};

/// What no further activity can hold.
pub(crate) const NEVER: u32 = DOOMED | HEAD | TAIL | RESERVE | EARMARKED | KERNEL;

/// One more holds a frame, which may be on its way back.
fn note_ordered(entry: &Entry, record: &Record) {
    if record.has(ORDERED) {
        entry.ordered.fetch_add(1, Ordering::AcqRel);
    }
}

impl Multiplexor {
    /// An activity holds the frame too, or once more. The first time it is charged the
    /// frame's full price (§2.3: who shares it can be seen by [`Multiplexor::sharers`]).
    ///
    /// # Errors
    /// [`Rejected`]; [`Why::NotHeld`] also where the frame is on its way back.
    pub fn join(&self, frame: FrameId, activity: ActivityId) -> Result<(), Rejected> {
        self.join_unless(frame, activity, NEVER | ORDERED)
    }

    /// The same, unless the frame is marked with one of these.
    pub(crate) fn join_unless(
        &self,
        frame: FrameId,
        activity: ActivityId,
        never: u32,
    ) -> Result<(), Rejected> {
        let rejected = |why| Rejected { activity, why };
        let entry = self.accounts.open_one(activity)?;
        let record = self.record(frame).ok_or(rejected(Why::NotHeld))?;
        let cold = &mut *self.cold.lock();
        let held = record.state() & (USED | never) == USED;
        let resource = record.resource().filter(|_| held).ok_or(rejected(Why::NotHeld))?;
        let place = activity.index() as u32;
        if record.owner() == place {
            record.holds.fetch_add(1, Ordering::AcqRel);
            return Ok(());
        }
        let once_more = |link| match link {
            Link::Sharer(who, holds) if who == place => Some(Link::Sharer(who, holds + 1)),
            _ => None,
        };
        if cold.links.change(record, once_more) {
            return Ok(());
        }
        if self.waiting.load(Ordering::Acquire) > 0 && entry.claim() <= entry.charged() {
            return Err(rejected(Why::Low));
        }
        self.charge_anywhere(entry, 1).map_err(rejected)?;
        if !cold.links.push(record, Link::Sharer(place, 1)) {
            self.available.fetch_add(entry.refund(1), Ordering::AcqRel);
            return Err(rejected(Why::Links));
        }
        self.blocks.mark(frame, place);
        entry.add(resource, 1);
        note_ordered(entry, record);
        Ok(())
    }

    /// As [`Multiplexor::join`], at the price of a frame that is earmarked for this waiter.
    ///
    /// # Errors
    /// [`Rejected`]; then the waiter still has what it had.
    pub fn join_earmarked(&self, waiter: WaiterId, frame: FrameId) -> Result<(), Rejected> {
        self.join_earmarked_unless(waiter, frame, NEVER | ORDERED)
    }

    /// The same, unless the frame is marked with one of these.
    pub(crate) fn join_earmarked_unless(
        &self,
        waiter: WaiterId,
        frame: FrameId,
        never: u32,
    ) -> Result<(), Rejected> {
        let cold = &mut *self.cold.lock();
        let none = Rejected { activity: ActivityId::INFRASTRUCTURE, why: Why::NotHeld };
        let waiting = cold.waiter(waiter).ok_or(none)?;
        let activity = waiting.account.activity;
        let rejected = |why| Rejected { activity, why };
        let earmark = waiting.earmarks.iter().flatten().next().copied();
        let earmark = earmark.ok_or(rejected(Why::NotHeld))?;
        let record = self.record(frame).ok_or(rejected(Why::NotHeld))?;
        let held = record.state() & (USED | never) == USED;
        let place = activity.index() as u32;
        let is_its = |link| matches!(link, Link::Sharer(who, _) if who == place);
        if !held || record.owner() == place || cold.links.of(record).any(is_its) {
            return Err(rejected(Why::NotHeld));
        }
        if !cold.links.push(record, Link::Sharer(place, 1)) {
            return Err(rejected(Why::Links));
        }
        self.blocks.mark(frame, place);
        // The charge stays; what it was for changes.
        let entry = self.accounts.find(activity)?;
        let given = self.record(earmark);
        if let (Some(to), Some(from)) = (record.resource(), given.and_then(Record::resource)) {
            entry.subtract(from, 1);
            entry.add(to, 1);
        }
        note_ordered(entry, record);
        if let Some(waiting) = cold.waiter(waiter)
            && let Some(earmarked) = waiting.earmarks.iter_mut().find(|one| **one == Some(earmark))
        {
            *earmarked = None;
        }
        if let Some(given) = given {
            given.state.store(0, Ordering::Release);
        }
        self.pool.lock().give(earmark, 0);
        Ok(())
    }

    /// The activities that hold a frame, and how often each.
    pub fn sharers(&self, frame: FrameId, mut each: impl FnMut(ActivityId, u32)) {
        let Some(record) = self.record(frame).filter(|record| record.has(USED)) else { return };
        let cold = self.cold.lock();
        if let Some(owner) = self.accounts.name(record.owner()) {
            each(owner, record.holds.load(Ordering::Relaxed));
        }
        for link in cold.links.of(record) {
            if let Link::Sharer(place, holds) = link
                && let Some(activity) = self.accounts.name(place)
            {
                each(activity, holds);
            }
        }
    }

    /// From now on, reclamation of the frame goes to this resource first (§3.2): the one who
    /// asked last is asked first.
    ///
    /// # Errors
    /// [`Why::Links`] where the table is full: then the frame must not be used so.
    pub fn redirect(&self, frame: FrameId, to: ResourceId, cookie: Cookie) -> Result<(), Rejected> {
        let rejected = |why| Rejected { activity: ActivityId::INFRASTRUCTURE, why };
        let record = self.record(frame).ok_or(rejected(Why::NotHeld))?;
        let cold = &mut *self.cold.lock();
        if record.state() & (USED | ORDERED | DOOMED) != USED {
            return Err(rejected(Why::NotHeld));
        }
        let pushed = cold.links.push(record, Link::Redirect(to, cookie));
        if pushed { Ok(()) } else { Err(rejected(Why::Links)) }
    }

    /// The resource has no more to do with the frame. False if reclamation was not directed
    /// to it.
    pub fn undirect(&self, frame: FrameId, of: ResourceId, cookie: Cookie) -> bool {
        let Some(record) = self.record(frame) else { return false };
        let is_it = |link| link == Link::Redirect(of, cookie);
        self.cold.lock().links.take(record, is_it).is_some()
    }

    /// Unpins a frame: what waits for its last pin goes on.
    pub fn unpin(&self, frame: FrameId) {
        let Some(record) = self.record(frame) else { return };
        if record.pins.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        if !record.has(ORDERED | DOOMED) {
            return;
        }
        let cold = &mut *self.cold.lock();
        if record.pins() > 0 {
            return;
        }
        let doomed = record.has(DOOMED);
        match cold.order_of(frame).map(|(place, order)| (place, order.phase, order)) {
            Some((place, phase, _)) if doomed || phase == Phase::Given => {
                self.complete(cold, place);
            }
            Some((_, Phase::Parked, order)) => order.phase = Phase::Unparked,
            Some(_) => {}
            None if doomed => self.free(cold, frame, record),
            None => {}
        }
    }

    /// Leaves a frame that is not plainly the activity's alone.
    pub(crate) fn leave_shared(
        &self,
        frame: FrameId,
        activity: ActivityId,
    ) -> Result<Left, Rejected> {
        let rejected = Rejected { activity, why: Why::NotHeld };
        let record = self.record(frame).ok_or(rejected)?;
        let cold = &mut *self.cold.lock();
        if record.state() & (USED | DOOMED | TAIL | EARMARKED | KERNEL) != USED {
            return Err(rejected);
        }
        let place = activity.index() as u32;
        if record.owner() == place {
            if record.holds.load(Ordering::Acquire) > 1 {
                record.holds.fetch_sub(1, Ordering::AcqRel);
                return Ok(Left::Held);
            }
            let is_sharer = |link| matches!(link, Link::Sharer(..));
            let Some(Link::Sharer(next, holds)) = cold.links.take(record, is_sharer) else {
                return Ok(self.leave_last(cold, frame, record));
            };
            self.refund(record, place);
            record.owner.store(next, Ordering::Relaxed);
            record.holds.store(holds, Ordering::Release);
            return Ok(Left::Held);
        }
        let once_less = |link| match link {
            Link::Sharer(who, holds) if who == place && holds > 1 => {
                Some(Link::Sharer(who, holds - 1))
            }
            _ => None,
        };
        if cold.links.change(record, once_less) {
            return Ok(Left::Held);
        }
        let is_it = |link| link == Link::Sharer(place, 1);
        cold.links.take(record, is_it).ok_or(rejected)?;
        self.refund(record, place);
        Ok(Left::Held)
    }

    fn leave_last(&self, cold: &mut Cold, frame: FrameId, record: &Record) -> Left {
        if record.pins() > 0 {
            record.set(DOOMED);
            // The last pin may have gone meanwhile, before it could see the mark.
            if record.pins() > 0 {
                return Left::Pinned;
            }
        }
        match cold.order_of(frame).map(|(place, _)| place) {
            Some(place) => self.complete(cold, place),
            None => self.free(cold, frame, record),
        }
        Left::Freed
    }

    /// An activity, by its place, has left a frame that others still hold.
    fn refund(&self, record: &Record, place: u32) {
        let (Some(entry), Some(resource)) = (self.accounts.at(place), record.resource()) else {
            return;
        };
        entry.subtract(resource, 1);
        if record.has(ORDERED) {
            entry.ordered.fetch_sub(1, Ordering::AcqRel);
        }
        self.available.fetch_add(entry.refund(1), Ordering::AcqRel);
    }

    /// The frame is nobody's any more; its holders are refunded.
    pub(crate) fn free(&self, cold: &mut Cold, frame: FrameId, record: &Record) {
        let huge = record.has(HEAD);
        let grants = self.release(cold, record);
        if huge {
            let parts = self.records.get(frame.index()..).unwrap_or_default();
            for part in parts.iter().take(HUGE.get() as usize) {
                part.state.store(0, Ordering::Release);
            }
        }
        self.pool.lock().give(frame, if huge { OF_HUGE } else { 0 });
        self.available.fetch_add(grants, Ordering::AcqRel);
    }

    /// Takes the frame from all who hold it. Returns the grants that this frees.
    pub(crate) fn release(&self, cold: &mut Cold, record: &Record) -> u64 {
        let state = record.state();
        let frames = if state & HEAD != 0 { HUGE.get() } else { 1 };
        let resource = record.resource();
        let mut grants = 0;
        let mut refund = |place: u32| {
            let (Some(entry), Some(resource)) = (self.accounts.at(place), resource) else { return };
            entry.subtract(resource, frames);
            if state & ORDERED != 0 {
                entry.ordered.fetch_sub(1, Ordering::AcqRel);
            }
            if state & RESERVE == 0 {
                grants += entry.refund(frames);
            }
        };
        refund(record.owner());
        while let Some(link) = cold.links.take(record, |_| true) {
            if let Link::Sharer(place, _) = link {
                refund(place);
            }
        }
        if state & RESERVE != 0 {
            self.reserve.fetch_add(1, Ordering::AcqRel);
        }
        record.state.store(0, Ordering::Release);
        grants
    }
}
