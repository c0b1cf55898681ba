//! Kernel objects: bytes of the kernel's heap that an activity has filled. Whoever fills a
//! kernel table pays, and has a limit.
//!
//! The heap's own frames are the infrastructure's; here is who causes their use.

use core::sync::atomic::Ordering;

use vortex_units::{ActivityId, Bytes};

use crate::Multiplexor;
use crate::names::{Rejected, Why};

/// What the heap gives at least, and rounds to.
const GRAIN: u64 = 16;

/// What an activity's kernel objects take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectCount {
    /// As the heap rounds them.
    pub bytes: Bytes,
    /// The most; `None`: what the heap has.
    pub limit: Option<Bytes>,
}

fn rounded(bytes: Bytes) -> u64 {
    bytes.get().max(1).checked_next_multiple_of(GRAIN).unwrap_or(u64::MAX)
}

impl Multiplexor {
    /// Charges a kernel object, before it is made.
    ///
    /// # Errors
    /// [`Rejected`] at the activity's limit.
    pub fn charge_object(&self, activity: ActivityId, bytes: Bytes) -> Result<(), Rejected> {
        let entry = self.accounts.open_one(activity)?;
        let limit = entry.objects_limit.load(Ordering::Relaxed);
        let update = |now: u64| now.checked_add(rounded(bytes)).filter(|&then| then <= limit);
        let charged = entry.objects.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        charged.map(drop).map_err(|_| Rejected { activity, why: Why::Objects })
    }

    /// The object is no more.
    pub fn refund_object(&self, activity: ActivityId, bytes: Bytes) {
        if let Ok(entry) = self.accounts.find(activity) {
            entry.objects.fetch_sub(rounded(bytes), Ordering::AcqRel);
        }
    }

    /// What an activity's kernel objects take.
    ///
    /// # Errors
    /// [`Rejected`] if it has no account.
    pub fn objects(&self, activity: ActivityId) -> Result<ObjectCount, Rejected> {
        let entry = self.accounts.find(activity)?;
        let bytes = Bytes::new(entry.objects.load(Ordering::Acquire));
        Ok(ObjectCount { bytes, limit: entry.standing().budget.objects })
    }
}
