//! What the machine beneath the resources needs: frames that lie side by side for the
//! kernel's heap, and frames whose handles it counts itself.

use core::sync::atomic::Ordering;

use vortex_units::{ActivityId, CoreId, Frames};

use crate::Multiplexor;
use crate::account::Entry;
use crate::buddy::HIGHEST;
use crate::cold::{WANTED, WaiterId};
use crate::names::{Account, Cookie, FrameId, Rejected, Why};
use crate::record::{KERNEL, LINKED, Left, USED};
use crate::share::NEVER;

impl Multiplexor {
    /// Takes so many frames side by side, for good and for the infrastructure.
    ///
    /// # Errors
    /// [`Rejected`] where there are not so many together.
    pub fn take_range(&self, account: Account, frames: Frames) -> Result<FrameId, Rejected> {
        let infrastructure = ActivityId::INFRASTRUCTURE;
        let rejected = |why| Rejected { activity: infrastructure, why };
        let count = frames.get().max(1);
        let order = count.next_power_of_two().trailing_zeros() as usize;
        if order > HIGHEST {
            return Err(rejected(Why::Fragmented));
        }
        let entry = self.accounts.open_one(infrastructure)?;
        self.charge_anywhere(entry, count).map_err(rejected)?;
        let mut pool = self.pool.lock();
        let Some(first) = pool.take(order) else {
            drop(pool);
            self.available.fetch_add(entry.refund(count), Ordering::AcqRel);
            return Err(rejected(Why::Fragmented));
        };
        // What the block has beyond what was asked for goes back.
        let end = first.get().saturating_add(1 << order);
        pool.add(first.get().saturating_add(count as u32), end);
        drop(pool);
        let parts = self.records.get(first.index()..).unwrap_or_default();
        for record in parts.iter().take(count as usize) {
            record.begin(infrastructure.index() as u32, account.resource, Cookie(0), KERNEL, 0);
        }
        entry.add(account.resource, count);
        Ok(first)
    }

    /// The last handle of a frame is gone that the machine has counted: as
    /// [`Multiplexor::leave`], for the activity that it was allocated for.
    ///
    /// # Errors
    /// [`Rejected`] if it is nobody's.
    pub fn leave_counted(&self, core: CoreId, frame: FrameId) -> Result<Left, Rejected> {
        let not_held = Rejected { activity: ActivityId::INFRASTRUCTURE, why: Why::NotHeld };
        let record = self.record(frame).filter(|record| record.has(USED)).ok_or(not_held)?;
        if record.has(LINKED) {
            // Whoever shares it has counted handles too, and they are gone.
            let cold = &mut *self.cold.lock();
            match cold.order_of(frame).map(|(place, _)| place) {
                Some(place) => self.complete(cold, place),
                None => self.free(cold, frame, record),
            }
            return Ok(Left::Freed);
        }
        let activity = self.accounts.name(record.owner()).ok_or(not_held)?;
        self.leave(core, frame, activity)
    }

    /// An activity has such a frame too: it is charged for it, once, until the last handle of
    /// all is gone. Its handles keep it, also where it is on its way back: then that ends
    /// without it. Where memory is low and this is done for one who has waited for some, a
    /// frame that is earmarked for it pays.
    ///
    /// # Errors
    /// [`Rejected`] where it gets no more.
    pub fn share_counted(
        &self,
        frame: FrameId,
        activity: ActivityId,
        served: Option<WaiterId>,
    ) -> Result<(), Rejected> {
        let record = self.record(frame).filter(|record| record.has(USED));
        let place = activity.index() as u32;
        if record.is_some_and(|record| record.owner() == place) {
            return Ok(());
        }
        let mut has = false;
        self.sharers(frame, |sharer, _| has |= sharer == activity);
        if has {
            return Ok(());
        }
        let joined = self.join_unless(frame, activity, NEVER);
        match (joined, served) {
            (Err(Rejected { why: Why::Low | Why::Hard, .. }), Some(waiter))
                if self.waits_for(waiter, activity) =>
            {
                self.join_earmarked_unless(waiter, frame, NEVER).or(joined)
            }
            _ => joined,
        }
    }

    fn waits_for(&self, waiter: WaiterId, activity: ActivityId) -> bool {
        self.cold.lock().waiter(waiter).is_some_and(|waiter| waiter.account.activity == activity)
    }

    /// Frames in all, and those that nobody has.
    #[must_use]
    pub fn counters(&self) -> (Frames, Frames) {
        let cached: u64 = self.magazines.iter().map(|magazine| magazine.lock().frames()).sum();
        (self.total, Frames::new(self.pool.lock().free() + cached))
    }

    /// Who is to give way to an activity for which nothing can be reclaimed: whoever is
    /// furthest beyond its soft limit. `None` if nobody is, or that is itself, or if what
    /// stands in its way is its own hard limit.
    #[must_use]
    pub fn in_the_way(&self, of: ActivityId) -> Option<ActivityId> {
        let standing = self.standing(of).ok()?;
        let few = Frames::new(WANTED as u64);
        if standing.is_full_for(few) {
            return None;
        }
        let over = self.accounts.iter().map(|entry| entry.standing().over());
        let (place, over) = (0..).zip(over).max_by_key(|&(_, over)| over)?;
        self.accounts.name(place).filter(|&other| !over.is_zero() && other != of)
    }

    /// By how much the kernel's heap can still grow.
    #[must_use]
    pub fn kernel_room(&self) -> Frames {
        let infrastructure = self.accounts.iter().next();
        let own =
            infrastructure.map_or(0, |entry| entry.claim() - entry.charged().min(entry.claim()));
        Frames::new(own.saturating_add(self.available.load(Ordering::Acquire)))
    }

    /// What all activities but the infrastructure are charged.
    #[must_use]
    pub fn charged_to_activities(&self) -> Frames {
        Frames::new(self.accounts.iter().skip(1).map(Entry::charged).sum())
    }
}
