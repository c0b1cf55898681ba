//! Kernel memory on the bill of the activity that fills it, and its end with what it was for.

use vortex_files::{Bill, Kept, Owner};
pub use vortex_memory::ObjectKind;
use vortex_units::{ActivityId, Bytes};

/// Bytes on a bill, until this is dropped.
#[derive(Debug)]
pub struct Charged {
    activity: ActivityId,
    kind: ObjectKind,
    bytes: Bytes,
}

impl Charged {
    // Made only where it was charged: what is dropped is refunded.

    /// Charges so many; `None` where the activity has no room for them.
    #[must_use]
    pub fn new(activity: ActivityId, kind: ObjectKind, bytes: Bytes) -> Option<Self> {
        vortex_machine::charge_object(activity, kind, bytes).then(|| Self { activity, kind, bytes })
    }

    /// Charges so many for a page that leaves; `None` where objects have all that they may.
    #[must_use]
    pub fn leaving(activity: ActivityId, kind: ObjectKind, bytes: Bytes) -> Option<Self> {
        vortex_machine::charge_leaving(activity, kind, bytes).then(|| Self {
            activity,
            kind,
            bytes,
        })
    }

    /// Charges so many, room or not: it was looked for before.
    #[must_use]
    pub fn there(activity: ActivityId, kind: ObjectKind, bytes: Bytes) -> Self {
        vortex_machine::force_object(activity, kind, bytes);
        Self { activity, kind, bytes }
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        vortex_machine::refund_object(self.activity, self.kind, self.bytes);
    }
}

/// Who pays for what an activity has in the file system.
#[must_use]
pub const fn owner_of(activity: ActivityId) -> Owner {
    Owner::new((activity.generation() as u64) << 32 | activity.index() as u64)
}

/// The same the other way round.
pub(crate) const fn activity_of(owner: Owner) -> ActivityId {
    ActivityId::new(owner.get() as u32, (owner.get() >> 32) as u32)
}

/// The most that an activity can have of the kernel's memory, as far as that is set.
pub(crate) fn limit_of(activity: ActivityId) -> Bytes {
    let memory = vortex_machine::multiplexor();
    let standing = memory.and_then(|memory| memory.standing(activity).ok());
    let budget = standing.map(|standing| standing.budget).unwrap_or_default();
    let no = Bytes::new(u64::MAX);
    budget.hard.map_or(no, |hard| hard.bytes()).min(budget.objects.unwrap_or(no))
}

/// The bills of what the file system keeps.
#[derive(Debug)]
pub struct FileBill;

impl FileBill {
    const fn kind(kept: Kept) -> ObjectKind {
        match kept {
            Kept::Tree => ObjectKind::File,
            Kept::Open => ObjectKind::Open,
        }
    }
}

impl Bill for FileBill {
    fn charge(&self, owner: Owner, kept: Kept, bytes: u64) -> bool {
        vortex_machine::charge_object(activity_of(owner), Self::kind(kept), Bytes::new(bytes))
    }

    fn force(&self, owner: Owner, kept: Kept, bytes: u64) {
        vortex_machine::force_object(activity_of(owner), Self::kind(kept), Bytes::new(bytes));
    }

    fn credit(&self, owner: Owner, kept: Kept, bytes: u64) {
        vortex_machine::refund_object(activity_of(owner), Self::kind(kept), Bytes::new(bytes));
    }

    fn limit(&self, owner: Owner) -> u64 {
        limit_of(activity_of(owner)).get()
    }
}
