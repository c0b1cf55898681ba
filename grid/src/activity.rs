//! The table of activities: who there is, what each may use, and what of it is in use.
//!
//! Shared by all cores. What changes on the hot path is one counter of nodes an activity.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};
use alloc::boxed::Box;
use alloc::sync::Arc;

use spin::Mutex;
use vortex_units::{ActivityId, CoreId, Cycles};

use crate::entitlement::{Class, Entitlement};
use crate::parts::Root;
use crate::policy::ClientParams;

/// Why a root request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such activity, or no longer.
    NoSuchActivity,
    /// The activity is dying: it starts nothing new.
    Dying,
    /// It has as many requests outstanding as it may.
    TooManyRequests,
    /// Its debt has reached its cap (law 2): it is refused until some of it is worn off.
    OverBudget,
    /// The machine has no memory for another request.
    NoMemory,
    /// There is no such resource instance, or none on any core.
    NoSuchInstance,
    /// Its dependency label is in use with another affinity label.
    LabelConflict,
}

/// A root denied, and whether a node was taken that is to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    Untouched(Refused),
    Taken(Refused),
}

/// Why an activity could not be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

const FREE: u32 = 0;
const LIVE: u32 = 1;
const ZOMBIE: u32 = 2;
const CLOSING: u32 = 3;
const OPENING: u32 = 4;

pub(crate) struct Place {
    state: AtomicU32,
    generation: AtomicU32,
    /// Nodes in use, on all cores.
    nodes: AtomicU32,
    pub(crate) limit: AtomicU32,
    /// Cores that have closed their accounts.
    closed: AtomicU32,
    /// Bytes of the kernel's heap that are held for it.
    held: AtomicU64,
    /// What it is entitled to, less what its parts are.
    pub(crate) entitlement: Mutex<Option<Arc<Entitlement>>>,
    /// What it is a part of, and what parts it has.
    pub(crate) root: Root,
    /// Cycles received on each core, published by that core for load sharing.
    received: Box<[AtomicU64]>,
}

/// The activities of a grid.
pub struct Activities {
    places: Box<[Place]>,
    /// Where to begin to look for a free place: likely there is none before it.
    free_from: AtomicU32,
    /// Held while an entitlement is divided or made whole: rare, and short.
    pub(crate) dividing: Mutex<()>,
}

impl Activities {
    pub(crate) fn new(capacity: u32, cores: usize, infrastructure: Entitlement) -> Self {
        let places = (0..capacity.max(1))
            .map(|_| Place {
                state: AtomicU32::new(FREE),
                generation: AtomicU32::new(0),
                nodes: AtomicU32::new(0),
                limit: AtomicU32::new(0),
                closed: AtomicU32::new(0),
                held: AtomicU64::new(0),
                entitlement: Mutex::new(None),
                root: Root::default(),
                received: (0..cores).map(|_| AtomicU64::new(0)).collect(),
            })
            .collect();
        let table = Self { places, free_from: AtomicU32::new(1), dividing: Mutex::new(()) };
        table.occupy(0, infrastructure);
        table
    }

    fn occupy(&self, index: usize, entitlement: Entitlement) {
        let Some(place) = self.places.get(index) else { return };
        place.limit.store(entitlement.nodes, Ordering::Relaxed);
        place.held.store(0, Ordering::Relaxed);
        place.closed.store(0, Ordering::Relaxed);
        let entitlement = Arc::new(entitlement);
        place.root.begin(entitlement.clone());
        *place.entitlement.lock() = Some(entitlement);
        for received in &place.received {
            received.store(0, Ordering::Relaxed);
        }
        place.state.store(LIVE, Ordering::Release);
    }

    /// Creates an activity.
    ///
    /// # Errors
    /// [`TableFull`] at the number of activities for which the grid was made.
    pub fn create(&self, entitlement: Entitlement) -> Result<ActivityId, TableFull> {
        let hint = self.free_from.load(Ordering::Relaxed) as usize;
        // The hint may be too high where a place became free meanwhile: then look at all.
        let index = self.seize(hint).or_else(|| self.seize(1)).ok_or(TableFull)?;
        let place = self.places.get(index).ok_or(TableFull)?;
        self.occupy(index, entitlement);
        let index = u32::try_from(index).map_err(|_| TableFull)?;
        self.free_from.store(index.saturating_add(1), Ordering::Relaxed);
        Ok(ActivityId::new(index, place.generation.load(Ordering::Relaxed)))
    }

    /// Takes the first free place at or after `from`.
    fn seize(&self, from: usize) -> Option<usize> {
        let free = |place: &Place| {
            place.state.compare_exchange(FREE, OPENING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let places = self.places.get(from..)?;
        places.iter().position(free).map(|offset| from + offset)
    }

    /// How many there can be, dead ones included.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The activity that now lives, or is dying, in this place.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<ActivityId> {
        let place = self.places.get(index)?;
        if place.state.load(Ordering::Acquire) == FREE {
            return None;
        }
        let index = u32::try_from(index).ok()?;
        Some(ActivityId::new(index, place.generation.load(Ordering::Relaxed)))
    }

    pub(crate) fn place(&self, activity: ActivityId) -> Option<&Place> {
        let place = self.places.get(activity.index())?;
        (place.generation.load(Ordering::Relaxed) == activity.generation()
            && place.state.load(Ordering::Acquire) != FREE)
            .then_some(place)
    }

    /// Refuses the activity new roots: it is a zombie until its last node has returned.
    pub(crate) fn kill(&self, activity: ActivityId) -> bool {
        let killed = activity != ActivityId::INFRASTRUCTURE
            && self.place(activity).is_some_and(|place| {
                place
                    .state
                    .compare_exchange(LIVE, ZOMBIE, Ordering::SeqCst, Ordering::Relaxed)
                    .is_ok()
            });
        fence(Ordering::SeqCst);
        killed
    }

    /// Whether the activity lives, or only its last requests do.
    #[must_use]
    pub fn is_alive(&self, activity: ActivityId) -> bool {
        self.place(activity).is_some_and(|place| place.state.load(Ordering::Relaxed) == LIVE)
    }

    /// Whether the activity is gone altogether or was never there.
    #[must_use]
    pub fn is_gone(&self, activity: ActivityId) -> bool {
        self.place(activity).is_none()
    }

    /// Begins to end a zombie that has no node left. True for the one caller that must
    /// tell all cores to close its accounts.
    pub(crate) fn reap(&self, activity: ActivityId) -> bool {
        self.place(activity).is_some_and(|place| {
            place.nodes.load(Ordering::Acquire) == 0
                && place
                    .state
                    .compare_exchange(ZOMBIE, CLOSING, Ordering::AcqRel, Ordering::Relaxed)
                    .is_ok()
        })
    }

    /// A core has closed its accounts. True if it was the last: then the identifier names
    /// nobody any more.
    pub(crate) fn closed(&self, activity: ActivityId, cores: u32) -> bool {
        let Some(place) = self.place(activity) else { return false };
        if place.closed.fetch_add(1, Ordering::AcqRel) + 1 < cores {
            return false;
        }
        self.make_whole(activity);
        *place.entitlement.lock() = None;
        place.root.end();
        place.generation.fetch_add(1, Ordering::Relaxed);
        place.state.store(FREE, Ordering::Release);
        self.free_from.fetch_min(activity.index() as u32, Ordering::Relaxed);
        true
    }

    /// Takes a node on the activity's bill as a root; only roots are refused.
    ///
    /// The node is taken first and the state looked at afterwards, as a dying activity's
    /// state is set first and its nodes are looked at afterwards: one of the two sees the
    /// other.
    pub(crate) fn charge_root(&self, activity: ActivityId) -> Result<(), Denied> {
        let place = self.place(activity).ok_or(Denied::Untouched(Refused::NoSuchActivity))?;
        let before = place.nodes.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if place.generation.load(Ordering::Relaxed) != activity.generation() {
            return Err(Denied::Taken(Refused::NoSuchActivity));
        }
        if place.state.load(Ordering::SeqCst) != LIVE {
            return Err(Denied::Taken(Refused::Dying));
        }
        if before >= place.limit.load(Ordering::Relaxed) {
            return Err(Denied::Taken(Refused::TooManyRequests));
        }
        Ok(())
    }

    /// Whether the activity has room for so many more beside its roots. What handlers send
    /// may be as much again as the roots: so that roots alone cannot keep those in progress
    /// from finishing.
    pub(crate) fn has_room(&self, activity: ActivityId, nodes: u32) -> bool {
        self.places.get(activity.index()).is_some_and(|place| {
            place.nodes.load(Ordering::Relaxed).saturating_add(nodes)
                <= place.limit.load(Ordering::Relaxed).saturating_mul(2)
        })
    }

    /// Whether the activity may have another root.
    pub(crate) fn takes_roots(&self, activity: ActivityId) -> bool {
        self.places.get(activity.index()).is_some_and(|place| {
            place.nodes.load(Ordering::Relaxed) < place.limit.load(Ordering::Relaxed)
        })
    }

    /// Whether the activity is so far over its limit that its next request is refused: four
    /// times its roots, and what one handler may send.
    pub(crate) fn is_far_over(&self, activity: ActivityId, fan_out: u32) -> bool {
        self.places.get(activity.index()).is_some_and(|place| {
            let most = place.limit.load(Ordering::Relaxed).saturating_mul(4);
            place.nodes.load(Ordering::Relaxed) > most.saturating_add(fan_out)
        })
    }

    /// Whether consumption can still be billed to the activity: it lives, or its last
    /// requests do. Once cores close its accounts it is too late.
    pub(crate) fn takes_bills(&self, activity: ActivityId) -> bool {
        self.place(activity)
            .is_some_and(|place| matches!(place.state.load(Ordering::Acquire), LIVE | ZOMBIE))
    }

    /// Takes a node for which room was found before the handler ran.
    pub(crate) fn charge(&self, activity: ActivityId) {
        if let Some(place) = self.places.get(activity.index()) {
            place.nodes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Gives a node back. True if it was the last one of a zombie.
    pub(crate) fn discharge(&self, activity: ActivityId) -> bool {
        self.places.get(activity.index()).is_some_and(|place| {
            let last = place.nodes.fetch_sub(1, Ordering::SeqCst) == 1;
            fence(Ordering::SeqCst);
            last && place.state.load(Ordering::SeqCst) == ZOMBIE
        })
    }

    /// Nodes now in use by the activity.
    #[must_use]
    pub fn nodes(&self, activity: ActivityId) -> u32 {
        self.place(activity).map_or(0, |place| place.nodes.load(Ordering::Relaxed))
    }

    /// Bytes of the kernel's heap that are now held for the activity.
    #[must_use]
    pub fn held(&self, activity: ActivityId) -> u64 {
        self.place(activity).map_or(0, |place| place.held.load(Ordering::Relaxed))
    }

    pub(crate) fn hold(&self, activity: ActivityId, bytes: u64) {
        if let Some(place) = self.place(activity) {
            place.held.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn release(&self, activity: ActivityId, bytes: u64) {
        if let Some(place) = self.place(activity) {
            place.held.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// All that the activity is entitled to now; `None` if it is gone.
    #[must_use]
    pub fn entitlement(&self, activity: ActivityId) -> Option<Arc<Entitlement>> {
        self.place(activity)?.entitlement.lock().clone()
    }

    /// What the activity is entitled to at a resource on a core.
    #[must_use]
    pub fn params(&self, activity: ActivityId, class: Class, core: CoreId) -> ClientParams {
        let entitlement = self.place(activity).and_then(|place| place.entitlement.lock().clone());
        match entitlement {
            Some(entitlement) => ClientParams {
                activity,
                share: entitlement.share_at(class, core),
                priority: entitlement.priority_at(class, core),
                reservation: entitlement.reservation_at(class, core),
                limit: entitlement.limit_at(class, core),
                period: entitlement.period_at(class, core),
                group: entitlement.group,
                beside: None,
            },
            None => ClientParams { activity, ..ClientParams::default() },
        }
    }

    /// Publishes what the activity has received on this core.
    pub(crate) fn publish(&self, activity: ActivityId, core: CoreId, received: Cycles) {
        let place = self.places.get(activity.index());
        if let Some(cell) = place.and_then(|place| place.received.get(core.index())) {
            cell.store(received.get(), Ordering::Relaxed);
        }
    }

    /// What the activity has received on a core, as that core last published it.
    pub(crate) fn received(&self, activity: ActivityId, core: CoreId) -> u64 {
        self.place(activity)
            .and_then(|place| place.received.get(core.index()))
            .map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}
