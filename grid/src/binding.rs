//! Which core serves which label (§3.1.1): the table that all cores read.
//!
//! Two facts are kept, each under the leaf lock of one shard: to which core an affinity
//! label is bound at a resource, and which affinity label a dependency label in use has
//! fixed. A core keeps copies of bindings and asks here only when its copy has expired,
//! which is safe because a binding does not change before its expiry.
//!
//! # Invariants
//! - Only the core that a label is bound to rebinds it, and only after its expiry.
//! - While a rebinding is under way (`settled` false) the new core holds what arrives.

use ::core::hash::{BuildHasher, Hash};
use ::core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use alloc::boxed::Box;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId};

use crate::shards::{Key, Map};

const SHARDS: usize = 64;
/// Shards that are swept at a time: a run of a handler is not to wait for all labels (law 5).
const SWEPT: usize = 4;
const RECENT: usize = 4096;
const NOWHERE: u16 = u16::MAX;

/// A label at a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Label {
    pub instance: InstanceId,
    pub activity: ActivityId,
    pub affinity: u64,
}

impl Label {
    /// What stands for all labels at a resource that one core serves for good. No label of an
    /// activity's own is this one: those without a label have another (`place_unlabelled`).
    pub const fn of_all(instance: InstanceId) -> Self {
        Self { instance, activity: ActivityId::INFRASTRUCTURE, affinity: u64::MAX - 1 }
    }
}

impl Key for Label {
    #[inline]
    fn bits(&self) -> u64 {
        let instance = (self.instance.index() as u64) << 32;
        self.affinity ^ instance ^ ((self.activity.index() as u64) << 48)
    }
}

/// A binding as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub core: CoreId,
    /// `None`: for good.
    pub expires: Option<Cycles>,
    /// A sweep has found it expired, and nobody has asked for it since.
    pub doomed: bool,
    /// False while the old core has not handed over all that it had.
    pub settled: bool,
}

impl Bound {
    pub fn expired(&self, now: Cycles) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Order {
    sender: InstanceId,
    activity: ActivityId,
    dependency: u64,
}

struct Fixed {
    affinity: u64,
    outstanding: u32,
}

/// The dependency label is in use with another affinity label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conflict;

/// The table.
pub(crate) struct Bindings {
    bound: [Mutex<Map<Label, Bound>>; SHARDS],
    fixed: [Mutex<Map<Order, Fixed>>; SHARDS],
    /// The core on which an affinity label last ran, by hash: a hint, so collisions only
    /// cost locality. In the heap from the first: a kernel's stack has no room for it.
    recent: Box<[AtomicU16]>,
    locks: AtomicU64,
}

fn hash<K: Hash>(key: &K) -> usize {
    // The low bits choose the shard; the map uses the high ones for its tags.
    foldhash::fast::FixedState::default().hash_one(key) as usize
}

impl Bindings {
    pub fn new() -> Self {
        Self {
            bound: [const { Mutex::new(Map::with_hasher(foldhash::fast::FixedState::with_seed(0))) };
                SHARDS],
            fixed: [const { Mutex::new(Map::with_hasher(foldhash::fast::FixedState::with_seed(0))) };
                SHARDS],
            recent: (0..RECENT).map(|_| AtomicU16::new(NOWHERE)).collect(),
            locks: AtomicU64::new(0),
        }
    }

    fn shard<'a, K: Hash, V>(
        &self,
        shards: &'a [Mutex<Map<K, V>>; SHARDS],
        key: &K,
    ) -> spin::MutexGuard<'a, Map<K, V>> {
        self.locks.fetch_add(1, Ordering::Relaxed);
        shards[hash(key) % SHARDS].lock()
    }

    /// Locks taken so far.
    pub fn locks_taken(&self) -> u64 {
        self.locks.load(Ordering::Relaxed)
    }

    /// The binding of a label, made by `choose` if there is none.
    pub fn bind(&self, label: Label, choose: impl FnOnce() -> Bound) -> Bound {
        if let Some(bound) = self.shard(&self.bound, &label).get_mut(&label) {
            bound.doomed = false;
            return *bound;
        }
        // The scheduler is asked without the lock; whoever comes first is right.
        let chosen = choose();
        *self.shard(&self.bound, &label).entry(label).or_insert(chosen)
    }

    /// What the table has of a label.
    pub fn lookup(&self, label: Label) -> Option<Bound> {
        self.shard(&self.bound, &label).get(&label).copied()
    }

    /// How many labels are bound.
    pub fn len(&self) -> usize {
        self.bound.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Changes a binding; only its core may. One that was removed is not made again.
    pub fn rebind(&self, label: Label, bound: Bound) {
        if let Some(known) = self.shard(&self.bound, &label).get_mut(&label) {
            *known = bound;
        }
    }

    /// Forgets a label whose instance has gone. Says to which core it was bound.
    pub fn remove(&self, label: Label) -> Option<CoreId> {
        self.shard(&self.bound, &label).remove(&label).map(|bound| bound.core)
    }

    /// Forgets the bindings of an activity that is gone; returns them.
    pub fn forget(&self, gone: impl Fn(&Label) -> bool) -> Vec<(Label, CoreId)> {
        let mut removed = Vec::new();
        for shard in &self.bound {
            shard.lock().retain(|label, bound| {
                let goes = gone(label);
                if goes {
                    removed.push((*label, bound.core));
                }
                !goes
            });
        }
        removed
    }

    /// Forgets this core's bindings that have expired and are not `used` by a request that
    /// the core has, in one part of the table; returns them. To be called now and then, by that
    /// core, with one number after the other.
    ///
    /// A binding is only marked at first, and forgotten by the core's next sweep if nobody
    /// has asked for it in between. Sweeps are further apart than a turn of any core's loop
    /// takes, so whoever asked before the mark has sent, and the request has arrived.
    pub fn sweep(
        &self,
        part: usize,
        core: CoreId,
        now: Cycles,
        used: impl Fn(&Label) -> bool,
    ) -> Vec<(Label, CoreId)> {
        const FEW: usize = 4;
        let mut removed = Vec::new();
        let first = part % (SHARDS / SWEPT) * SWEPT;
        for shard in self.bound.iter().skip(first).take(SWEPT) {
            let mut shard = shard.lock();
            if shard.len() <= FEW {
                continue;
            }
            shard.retain(|label, bound| {
                let over = bound.core == core && bound.settled && bound.expired(now);
                let goes = over && bound.doomed && !used(label);
                if over {
                    bound.doomed = true;
                }
                if goes {
                    removed.push((*label, bound.core));
                }
                !goes
            });
        }
        removed
    }

    /// Notes one more outstanding request with this dependency label.
    pub fn fix(
        &self,
        sender: InstanceId,
        activity: ActivityId,
        dependency: u64,
        affinity: u64,
    ) -> Result<(), Conflict> {
        let order = Order { sender, activity, dependency };
        let mut shard = self.shard(&self.fixed, &order);
        let fixed = shard.entry(order).or_insert(Fixed { affinity, outstanding: 0 });
        if fixed.affinity != affinity {
            return Err(Conflict);
        }
        fixed.outstanding += 1;
        Ok(())
    }

    /// One of them has ended.
    pub fn unfix(&self, sender: InstanceId, activity: ActivityId, dependency: u64) {
        let order = Order { sender, activity, dependency };
        let mut shard = self.shard(&self.fixed, &order);
        if let Some(fixed) = shard.get_mut(&order) {
            fixed.outstanding -= 1;
            if fixed.outstanding == 0 {
                shard.remove(&order);
            }
        }
    }

    /// Notes where a label ran.
    pub fn ran(&self, affinity: u64, core: CoreId) {
        let Some(cell) = self.recent.get(hash(&affinity) % RECENT) else { return };
        if cell.load(Ordering::Relaxed) != core.get() {
            cell.store(core.get(), Ordering::Relaxed);
        }
    }

    /// Where a label last ran, as far as is remembered.
    pub fn last_ran(&self, affinity: u64) -> Option<CoreId> {
        match self.recent.get(hash(&affinity) % RECENT)?.load(Ordering::Relaxed) {
            NOWHERE => None,
            core => Some(CoreId::new(core)),
        }
    }
}
