//! The end of an instance, and who has to be told of it.
//!
//! ```text
//!   born ──► a core makes its part: `enter` ──► `close` ──► each core that made one:
//!                                                          `left` ──► the place is free
//! ```
//!
//! # Invariants
//! - A core that makes its part first says so and then looks whether the instance is closed;
//!   who closes it first says so and then looks for cores that have a part, each with a full
//!   fence between the two. So a part that the closer does not see is not made. (Tested under
//!   loom: `models.rs`.)
//! - A label noted here has a binding; once closed, none is noted.

use crate::sync::{AtomicBool, AtomicU32, Ordering, fence};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_units::ActivityId;

use crate::instance::by_place;

/// A label, as an instance knows it: of whom, and which.
type Labels = BTreeSet<(ActivityId, u64)>;

/// What of an instance is one core's.
struct Here {
    /// Labels of this instance alone that are bound here.
    bound: AtomicU32,
    /// The core has a part of it.
    present: AtomicBool,
}

/// The life of an instance.
pub(crate) struct Life {
    closed: AtomicBool,
    /// Cores that still have a part, once it is closed.
    left: AtomicU32,
    here: Box<[Here]>,
    labels: Mutex<Labels>,
}

impl Life {
    pub fn new(places: usize) -> Self {
        let here = || Here { bound: AtomicU32::new(0), present: AtomicBool::new(false) };
        Self {
            closed: AtomicBool::new(false),
            left: AtomicU32::new(0),
            here: by_place(places, here),
            labels: Mutex::new(Labels::default()),
        }
    }

    /// What it needs of the heap beside itself.
    pub const fn bytes(places: usize) -> usize {
        places * size_of::<Here>()
    }

    /// How many labels of it are bound at this place.
    pub fn bound_at(&self, place: usize) -> Option<&AtomicU32> {
        self.here.get(place).map(|here| &here.bound)
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// A core is about to make its part. False if it must not: the instance is closed.
    #[must_use]
    pub fn enter(&self, place: usize) -> bool {
        if let Some(here) = self.here.get(place) {
            here.present.store(true, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        !self.is_closed()
    }

    /// Ends it: the places of the cores that have a part and must be told, before this says
    /// so to them. `None` if it was closed before.
    pub fn close(&self) -> Option<Vec<usize>> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return None;
        }
        fence(Ordering::SeqCst);
        let present =
            |(place, here): (usize, &Here)| here.present.load(Ordering::SeqCst).then_some(place);
        let places: Vec<_> = self.here.iter().enumerate().filter_map(present).collect();
        self.left.store(u32::try_from(places.len()).unwrap_or(u32::MAX), Ordering::Release);
        Some(places)
    }

    /// A core that was told has no part of it any more. True for the last.
    pub fn left(&self) -> bool {
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// A label was bound. False if it must not be: the instance is closed.
    #[must_use]
    pub fn note(&self, activity: ActivityId, affinity: u64) -> bool {
        let mut labels = self.labels.lock();
        if self.is_closed() {
            return false;
        }
        labels.insert((activity, affinity));
        true
    }

    /// A label is bound no more.
    pub fn forget(&self, activity: ActivityId, affinity: u64) {
        self.labels.lock().remove(&(activity, affinity));
    }

    /// The labels that are bound when it has been closed.
    pub fn take_labels(&self) -> Vec<(ActivityId, u64)> {
        core::mem::take(&mut *self.labels.lock()).into_iter().collect()
    }
}
