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
        bills.charge(activity, bytes).then_some(Self { bills, activity, bytes })
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.bills.refund(self.activity, self.bytes);
    }
}
