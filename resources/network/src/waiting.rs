//! Packets of an activity that wait for its sockets: each has a buffer, of which there are so many
//! for all.
//!
//! # Invariant
//! A socket has counted what waits for it, and what is left when it is no more is taken off: so a
//! count is right whatever becomes of a packet's request.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU32, Ordering};

use spin::Mutex;
use vortex_units::ActivityId;

/// Packets of one activity, whatever its connections are.
const MOST: u32 = 512;
/// The same where it is in debt.
const OWED: u32 = 64;
/// Counts of activities that are no more, at most, before they are looked for.
const GONE: usize = 64;

/// What waits of one activity, shared by its sockets.
#[derive(Debug, Default)]
pub(crate) struct Waiting(AtomicU32);

impl Waiting {
    /// So many more. False, and nothing is counted, if there are enough.
    pub fn comes(&self, count: u32) -> bool {
        let room = self.0.fetch_add(count, Ordering::Relaxed) < MOST;
        if !room {
            self.go(count);
        }
        room
    }

    /// So many wait no more.
    pub fn go(&self, count: u32) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// Whether they are few enough for one that is in debt.
    pub fn are_few(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= OWED
    }
}

/// All activities' counts, as long as they have sockets.
#[derive(Debug, Default)]
pub(crate) struct All(Mutex<BTreeMap<ActivityId, Weak<Waiting>>>);

impl All {
    /// An activity's.
    pub fn of(&self, activity: ActivityId) -> Arc<Waiting> {
        let all = &mut *self.0.lock();
        if let Some(known) = all.get(&activity).and_then(Weak::upgrade) {
            return known;
        }
        if all.len() > GONE {
            all.retain(|_, waiting| waiting.strong_count() > 0);
        }
        let new = Arc::new(Waiting::default());
        all.insert(activity, Arc::downgrade(&new));
        new
    }
}
