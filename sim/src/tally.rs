//! What only the simulation's own resources can count: memory held, and calls that failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use spin::Mutex;
use vortex_units::{ActivityId, Frames};

#[derive(Default)]
struct Counts {
    /// By activity and resource: held now, and the most held at a time.
    memory: BTreeMap<(ActivityId, u32), (Frames, Frames)>,
    failures: BTreeMap<(ActivityId, &'static str), u64>,
}

/// Counts shared by all resources.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<Counts>>);

impl Tally {
    pub fn allocate(&self, activity: ActivityId, resource: u32, frames: Frames) {
        let mut counts = self.0.lock();
        let (held, most) = counts.memory.entry((activity, resource)).or_default();
        *held += frames;
        *most = (*most).max(*held);
    }

    pub fn free(&self, activity: ActivityId, resource: u32, frames: Frames) {
        let mut counts = self.0.lock();
        if let Some((held, _)) = counts.memory.get_mut(&(activity, resource)) {
            *held = held.saturating_sub(frames);
        }
    }

    /// A request ended without its reply, or could not be sent.
    pub fn fail(&self, activity: ActivityId) {
        *self.0.lock().failures.entry((activity, "no reply")).or_default() += 1;
    }

    /// What came from outside was dropped where its causer became known.
    pub fn refuse(&self, causer: ActivityId) {
        *self.0.lock().failures.entry((causer, "too many requests")).or_default() += 1;
    }

    /// The most memory that the activity held at the resource at a time.
    pub fn peak(&self, activity: ActivityId, resource: u32) -> Frames {
        let counts = self.0.lock();
        counts.memory.get(&(activity, resource)).map_or(Frames::ZERO, |(_, most)| *most)
    }

    /// What was counted by activity and reason.
    pub fn failures(&self) -> BTreeMap<(ActivityId, &'static str), u64> {
        self.0.lock().failures.clone()
    }
}
