//! Kernel objects on bills: bytes of the heap, charged to the activity for which they are taken
//! before they are (`vortex_memory`'s objects).
//!
//! # Invariants
//! What is charged is there to be had: when the heap, with all that it can grow by, has no more
//! than [`CUSHION`], charges are refused. So what cannot fail, being small and charged before,
//! finds memory.

use core::sync::atomic::{AtomicU64, Ordering};

use vortex_memory::ObjectKind;
use vortex_units::{ActivityId, Bytes, Frames};

use super::heap_counters;
use super::multiplexed::multiplexor;
use crate::statics;

/// What charges leave of the heap.
const CUSHION: Bytes = Bytes::new(512 << 10);
/// After so many frames that were begun the heap is set beside the bills.
const BETWEEN: u64 = 16;

/// What of the heap is on no activity's bill.
#[derive(Debug)]
pub(crate) struct Rest {
    begun: AtomicU64,
    most: AtomicU64,
}

impl Rest {
    pub const fn none() -> Self {
        Self { begun: AtomicU64::new(0), most: AtomicU64::new(0) }
    }
}

/// Charges an object of so many bytes, before it is made. False where the activity may not
/// have it, or the heap has no room for it; then nothing is charged.
#[must_use]
pub fn charge_object(activity: ActivityId, kind: ObjectKind, bytes: Bytes) -> bool {
    let Some(memory) = multiplexor() else { return true };
    let Ok(begun) = memory.charge_object(activity, kind, bytes) else { return false };
    if begun.is_zero() || activity == ActivityId::INFRASTRUCTURE {
        return true;
    }
    let before = statics::REST.begun.fetch_add(begun.get(), Ordering::Relaxed);
    if before / BETWEEN != (before + begun.get()) / BETWEEN {
        heap_rest();
    }
    if has_room(memory.kernel_room()) {
        return true;
    }
    memory.refund_object(activity, kind, bytes);
    false
}

/// Whether the heap has more than its cushion, if it can grow so far.
fn has_room(growth: Frames) -> bool {
    if growth.bytes() > CUSHION {
        return true;
    }
    let (claimed, used) = heap_counters();
    claimed.saturating_sub(used) > CUSHION
}

/// Whether an object could be charged now.
#[must_use]
pub fn object_fits(activity: ActivityId, kind: ObjectKind, bytes: Bytes) -> bool {
    let fits = charge_object(activity, kind, bytes);
    if fits {
        refund_object(activity, kind, bytes);
    }
    fits
}

/// Charges an object that is there, whatever the limits.
pub fn force_object(activity: ActivityId, kind: ObjectKind, bytes: Bytes) {
    if let Some(memory) = multiplexor() {
        memory.force_object(activity, kind, bytes);
    }
}

/// Charges what a page takes that leaves. False where objects have all that they may.
#[must_use]
pub fn charge_leaving(activity: ActivityId, kind: ObjectKind, bytes: Bytes) -> bool {
    multiplexor().is_none_or(|memory| memory.charge_leaving(activity, kind, bytes).is_ok())
}

/// The object is no more.
pub fn refund_object(activity: ActivityId, kind: ObjectKind, bytes: Bytes) {
    if let Some(memory) = multiplexor() {
        memory.refund_object(activity, kind, bytes);
    }
}

/// What of the heap is on nobody's bill, and the most that was ever seen of it.
pub fn heap_rest() -> (Bytes, Bytes) {
    let charged = multiplexor().map_or(Bytes::ZERO, vortex_memory::Multiplexor::all_objects);
    let (_, used) = heap_counters();
    let rest = used.saturating_sub(charged);
    let most = statics::REST.most.fetch_max(rest.get(), Ordering::Relaxed).max(rest.get());
    (rest, Bytes::new(most))
}
