//! The ready clients, and the one in service, while they are few: a short array, looked through.
//!
//! On most cores a handful of clients is ready at a time. For them a look at each tag and
//! deadline costs less than keeping two heaps in order, and a charge to one that waits costs
//! two words. [`WfqCore`](super::core_state::WfqCore) changes to the heaps when there are
//! more than [`FEW`], and back when a quarter of that is left, so that each change is paid
//! for by the arrivals or departures before it.
//!
//! # Invariants
//! In no order. Who stands where is known to the clients themselves (`Client::place`). The one
//! in service keeps its place, so that nothing is moved where it comes back.

use alloc::vec::Vec;

use vortex_grid::policy::ClientId;

use crate::heap::Entry;
use crate::virtual_time::Virtual;

/// How many are looked through: about as many as the heaps would take the same time for. In
/// tests fewer, so that random sequences go to and fro.
pub(super) const FEW: usize = if cfg!(test) { 4 } else { 16 };

/// A ready client, with what a decision looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) tag: Virtual,
    /// Its deadline, and who it is.
    pub(super) due: Entry,
}

impl Waiter {
    #[inline]
    pub(super) const fn id(self) -> ClientId {
        self.due.id()
    }
}

pub(super) struct Few(Vec<Waiter>);

impl Few {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(FEW))
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= FEW
    }

    /// Puts one behind the others; says where. Nobody may be put into a full array.
    #[inline]
    pub(super) fn push(&mut self, waiter: Waiter) -> usize {
        let place = self.0.len();
        self.0.push(waiter);
        place
    }

    /// Puts one in the place of another, or of itself.
    #[inline]
    pub(super) fn put(&mut self, place: usize, waiter: Waiter) {
        if let Some(entry) = self.0.get_mut(place) {
            *entry = waiter;
        }
    }

    /// Takes one out of its place. Says who stands there now, if anybody does.
    #[inline]
    pub(super) fn remove(&mut self, place: usize) -> Option<ClientId> {
        let last = self.0.pop()?;
        let gap = self.0.get_mut(place)?;
        *gap = last;
        Some(last.id())
    }

    /// Whoever stands there is in service: nobody to choose, but the place stays its own.
    #[inline]
    pub(super) fn bar(&mut self, place: usize) {
        if let Some(entry) = self.0.get_mut(place) {
            entry.tag = Virtual::END;
        }
    }

    /// Of those whose tag is not after `now` the one with the earliest deadline, and where it
    /// stands; among equal ones the smallest identifier, as in the heaps.
    #[inline]
    pub(super) fn first_eligible(&self, now: Virtual) -> Option<(ClientId, usize)> {
        let mut first = (Entry::LAST, 0);
        for (place, waiter) in self.0.iter().enumerate() {
            // The deadline first: it is what most fail by.
            if waiter.due < first.0 && waiter.tag <= now {
                first = (waiter.due, place);
            }
        }
        (first.0 != Entry::LAST).then_some((first.0.id(), first.1))
    }

    /// The least tag of those who wait.
    pub(super) fn least_tag(&self) -> Option<Virtual> {
        let tags = self.0.iter().map(|waiter| waiter.tag);
        tags.min().filter(|least| *least < Virtual::END)
    }

    /// Takes out the last.
    pub(super) fn pop(&mut self) -> Option<ClientId> {
        self.0.pop().map(Waiter::id)
    }

    #[cfg(test)]
    pub(super) fn at(&self, place: usize) -> Option<Waiter> {
        self.0.get(place).copied()
    }

    #[cfg(test)]
    pub(super) fn contains(&self, id: ClientId) -> bool {
        self.0.iter().any(|waiter| waiter.id() == id)
    }
}
