//! Limits on kernel objects of one kind, for all of an activity's processes together.
//!
//! # Invariants
//! What is counted is what is held: who holds gives back when it is dropped. So when an
//! activity's last process has gone, nothing is counted.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use vortex_units::{ActivityId, Bytes};

use crate::bill::ObjectKind;

/// How many of a kind an activity may have, and has.
#[derive(Debug)]
pub struct Quota {
    most: u32,
    held: AtomicU32,
    weight: Option<Weight>,
}

/// What one of a kind takes of the kernel's memory, and on whose bill that is.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// Who pays.
    pub activity: ActivityId,
    /// What it is.
    pub kind: ObjectKind,
    /// How much it takes.
    pub each: Bytes,
}

impl Weight {
    fn of(self, count: u32) -> Bytes {
        Bytes::new(self.each.get().saturating_mul(count.into()))
    }
}

impl Quota {
    /// So many; any number if `None`.
    #[must_use]
    pub fn new(most: Option<u32>) -> Arc<Self> {
        Arc::new(Self { most: most.unwrap_or(u32::MAX), held: AtomicU32::new(0), weight: None })
    }

    /// The same, of what takes so much memory each.
    #[must_use]
    pub fn weighing(most: Option<u32>, weight: Weight) -> Arc<Self> {
        let (most, weight) = (most.unwrap_or(u32::MAX), Some(weight));
        Arc::new(Self { most, held: AtomicU32::new(0), weight })
    }

    /// How many there are.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.held.load(Ordering::Acquire)
    }

    /// Whether there is room for so many more.
    #[must_use]
    pub fn has_room(&self, more: u32) -> bool {
        let fits = |weight: Weight| {
            vortex_machine::object_fits(weight.activity, weight.kind, weight.of(more))
        };
        self.held().checked_add(more).is_some_and(|all| all <= self.most)
            && self.weight.is_none_or(fits)
    }

    fn take(&self, more: u32) -> bool {
        let taken = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
            held.checked_add(more).filter(|&all| all <= self.most)
        });
        let charge = |weight: Weight| {
            vortex_machine::charge_object(weight.activity, weight.kind, weight.of(more))
        };
        let charged = taken.is_ok() && self.weight.is_none_or(charge);
        if taken.is_ok() && !charged {
            self.held.fetch_sub(more, Ordering::AcqRel);
        }
        charged
    }

    /// So many more, room or not.
    fn put(&self, more: u32) {
        self.held.fetch_add(more, Ordering::AcqRel);
        if let Some(weight) = self.weight {
            vortex_machine::force_object(weight.activity, weight.kind, weight.of(more));
        }
    }

    fn give(&self, fewer: u32) {
        // No more is given than was taken: it cannot wrap.
        self.held.fetch_sub(fewer, Ordering::AcqRel);
        if let Some(weight) = self.weight {
            vortex_machine::refund_object(weight.activity, weight.kind, weight.of(fewer));
        }
    }
}

/// What one holder has of a quota; without one, it counts and nothing is refused.
#[derive(Debug, Default)]
pub struct Held {
    quota: Option<Arc<Quota>>,
    count: u32,
}

impl Held {
    /// Nothing yet.
    #[must_use]
    pub fn of(quota: Arc<Quota>) -> Self {
        Self { quota: Some(quota), count: 0 }
    }

    /// Whose it is.
    #[must_use]
    pub fn quota(&self) -> Option<&Arc<Quota>> {
        self.quota.as_ref()
    }

    /// One more, if there is room.
    #[must_use]
    pub fn take(&mut self) -> bool {
        self.set(self.count.saturating_add(1))
    }

    /// One less.
    pub fn give(&mut self) {
        self.give_some(1);
    }

    /// So many less.
    pub fn give_some(&mut self, fewer: u32) {
        let _ = self.set(self.count.saturating_sub(fewer));
    }

    /// Holds so many from now on. False, with nothing changed, if there is no room.
    #[must_use]
    pub fn set(&mut self, count: u32) -> bool {
        let more = count.saturating_sub(self.count);
        if more > 0 && self.quota.as_ref().is_some_and(|quota| !quota.take(more)) {
            return false;
        }
        if let Some(quota) = self.quota.as_ref().filter(|_| count < self.count) {
            quota.give(self.count - count);
        }
        self.count = count;
        true
    }

    /// Holds so many, room or not: they are there.
    pub fn put(&mut self, count: u32) {
        if !self.set(count)
            && let Some(quota) = &self.quota
        {
            quota.put(count.saturating_sub(self.count));
            self.count = count;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_fits_is_taken_and_no_more_and_all_comes_back() {
        let quota = Quota::new(Some(3));
        let (mut one, mut other) = (Held::of(quota.clone()), Held::of(quota.clone()));
        assert!(one.take() && one.take() && other.take());
        assert!(!other.take() && !quota.has_room(1));
        assert_eq!(quota.held(), 3, "what was refused is not counted");
        one.give();
        assert!(other.take(), "what one gives back another can have");
        assert!(!other.set(9) && quota.held() == 3, "all or nothing");
        other.put(9);
        assert_eq!(quota.held(), 10, "what is there is counted");
        drop(one);
        drop(other);
        assert_eq!(quota.held(), 0);
    }

    #[test]
    fn without_a_limit_it_is_counted_all_the_same() {
        let quota = Quota::new(None);
        let mut held = Held::of(quota.clone());
        assert!(held.set(1_000_000));
        assert_eq!(quota.held(), 1_000_000);
        assert!(Held::default().set(5), "of nobody");
    }
}
