//! The ledger of a core: law 1, conservation.
//!
//! # Invariants
//! At every instant, as integers: time elapsed since the core started = the sum over
//! activities (infrastructure is one of them) + idle + host. It holds by construction:
//! time is one chain of readings, each reading ends an interval that is booked whole and
//! begins the next. [`Ledger::audit`] recomputes the sum.

use alloc::vec::Vec;

use vortex_units::{ActivityId, Cycles};

/// What a core's time went to.
#[derive(Debug)]
pub struct Ledger {
    start: Cycles,
    last: Cycles,
    /// By activity index; the dead keep what they used under `departed`.
    activities: Vec<Cycles>,
    departed: Cycles,
    idle: Cycles,
    host: Cycles,
}

/// The ledger does not balance: a defect of the toolkit, never of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// Time that has passed.
    pub elapsed: Cycles,
    /// Time that was booked.
    pub booked: Cycles,
}

impl Ledger {
    pub(crate) fn new(start: Cycles, capacity: usize) -> Self {
        Self {
            start,
            last: start,
            activities: alloc::vec![Cycles::ZERO; capacity],
            departed: Cycles::ZERO,
            idle: Cycles::ZERO,
            host: Cycles::ZERO,
        }
    }

    /// The reading that ended the last interval.
    #[must_use]
    pub fn last(&self) -> Cycles {
        self.last
    }

    fn interval(&mut self, now: Cycles) -> Cycles {
        let span = now.saturating_sub(self.last);
        self.last += span;
        span
    }

    /// Books the interval that ends now to an activity; returns its length and the
    /// activity's new total.
    pub(crate) fn charge(&mut self, activity: ActivityId, now: Cycles) -> (Cycles, Cycles) {
        let span = self.interval(now);
        match self.activities.get_mut(activity.index()) {
            Some(total) => {
                *total += span;
                (span, *total)
            }
            None => {
                self.departed += span;
                (span, self.departed)
            }
        }
    }

    /// Books the interval that ends now to nobody: the core had nothing to do.
    pub(crate) fn idle(&mut self, now: Cycles) {
        let span = self.interval(now);
        self.idle += span;
    }

    /// Books the interval that ends now to the hypervisor.
    pub(crate) fn host(&mut self, now: Cycles) {
        let span = self.interval(now);
        self.host += span;
    }

    /// Moves consumption to the one who caused it. Moves at most what there is; returns
    /// what was moved.
    pub(crate) fn transfer(&mut self, from: ActivityId, to: ActivityId, span: Cycles) -> Cycles {
        let available = self.used(from);
        let moved = if span < available { span } else { available };
        let (Some(_), Some(_)) =
            (self.activities.get(from.index()), self.activities.get(to.index()))
        else {
            return Cycles::ZERO;
        };
        if let Some(total) = self.activities.get_mut(from.index()) {
            *total -= moved;
        }
        if let Some(total) = self.activities.get_mut(to.index()) {
            *total += moved;
        }
        moved
    }

    /// Closes the account of a dead activity, so that its place starts from zero.
    pub(crate) fn close(&mut self, activity: ActivityId) {
        if let Some(total) = self.activities.get_mut(activity.index()) {
            self.departed += ::core::mem::take(total);
        }
    }

    /// The same for a part of another activity: what it used is on that one's bill.
    pub(crate) fn hand_on(&mut self, part: ActivityId, whole: ActivityId) {
        let used = self.used(part);
        self.transfer(part, whole, used);
        self.close(part);
    }

    /// What an activity, infrastructure included, has used.
    #[must_use]
    pub fn used(&self, activity: ActivityId) -> Cycles {
        self.activities.get(activity.index()).copied().unwrap_or_default()
    }

    /// What activities used that are dead now.
    #[must_use]
    pub fn departed(&self) -> Cycles {
        self.departed
    }

    /// Time with nothing to do.
    #[must_use]
    pub fn idle_time(&self) -> Cycles {
        self.idle
    }

    /// Time that the hypervisor took.
    #[must_use]
    pub fn host_time(&self) -> Cycles {
        self.host
    }

    /// Time since the start, up to the last reading.
    #[must_use]
    pub fn elapsed(&self) -> Cycles {
        self.last - self.start
    }

    /// Recomputes the sum.
    ///
    /// # Errors
    /// [`Imbalance`] if it is not the time elapsed, to the cycle.
    pub fn audit(&self) -> Result<(), Imbalance> {
        let booked =
            self.activities.iter().copied().sum::<Cycles>() + self.departed + self.idle + self.host;
        let elapsed = self.elapsed();
        if booked == elapsed { Ok(()) } else { Err(Imbalance { elapsed, booked }) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
