//! Memory on an activity's bill until this is dropped.

use alloc::sync::Arc;

use vortex_units::ActivityId;

/// Where bills are kept.
pub trait Bills: Send + Sync {
    /// Bytes on an activity's bill; false where it has no room for them.
    fn charge(&self, activity: ActivityId, bytes: u64) -> bool;
    /// They are free again.
    fn refund(&self, activity: ActivityId, bytes: u64);
}

/// Some bytes.
pub struct Charged {
    bills: Arc<dyn Bills>,
    activity: ActivityId,
    bytes: u64,
}

impl Charged {
    /// Charges them; `None` where the activity has no room for them.
    pub fn new(bills: &Arc<dyn Bills>, activity: ActivityId, bytes: u64) -> Option<Self> {
        let bills = bills.clone();
        // Made only then: what is dropped is refunded.
        let charged = bills.charge(activity, bytes);
        charged.then(|| Self { bills, activity, bytes })
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.bills.refund(self.activity, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// How much is charged, of at most ten bytes.
    struct Ten(AtomicU64);

    impl Bills for Ten {
        fn charge(&self, _: ActivityId, bytes: u64) -> bool {
            let fits = |now: u64| Some(now + bytes).filter(|&then| then <= 10);
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
        }

        fn refund(&self, _: ActivityId, bytes: u64) {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_was_refused_is_not_given_back() {
        let ten = Arc::new(Ten(AtomicU64::new(0)));
        let bills: Arc<dyn Bills> = ten.clone();
        let activity = ActivityId::new(1, 0);
        let held = Charged::new(&bills, activity, 7);
        assert!(held.is_some() && Charged::new(&bills, activity, 4).is_none());
        assert_eq!(ten.0.load(Ordering::Relaxed), 7);
        drop(held);
        assert_eq!(ten.0.load(Ordering::Relaxed), 0);
    }
}
