//! The model: what holds of every sequence, said as simply as can be.

use std::collections::{BTreeMap, BTreeSet};

use vortex_memory::{Cookie, FrameId, OrderId, WaiterId};

/// What the model knows of a frame that is not free.
#[derive(Debug, Default)]
pub struct Held {
    /// Who, in the order of coming, and how often.
    pub holders: Vec<(usize, u32)>,
    pub resource: u8,
    pub cookie: u64,
    pub pins: u32,
    /// Newest last.
    pub redirects: Vec<(u8, u64)>,
    pub huge: bool,
    pub reserve: bool,
    /// Everybody has left, but its pins.
    pub doomed: bool,
    /// An order is out for it.
    pub ordered: bool,
}

#[derive(Debug)]
pub struct Waiting {
    pub activity: usize,
    pub wanted: usize,
    pub earmarks: BTreeSet<FrameId>,
    pub told: bool,
    pub token: Cookie,
}

/// An order as the model knows it.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    pub id: OrderId,
    pub frame: FrameId,
    pub waiter: WaiterId,
    /// Who is to give.
    pub bill: usize,
    /// Given back while pinned.
    pub given: bool,
    /// It waits for pins.
    pub parked: bool,
}

#[derive(Debug, Default)]
pub struct Model {
    pub frames: BTreeMap<FrameId, Held>,
    pub waiters: BTreeMap<WaiterId, Waiting>,
    pub orders: Vec<Out>,
    pub closed: BTreeSet<usize>,
    pub retired: BTreeSet<usize>,
    /// Kernel objects: whose, and of how many bytes.
    pub objects: Vec<(usize, u64)>,
}

impl Model {
    /// What an activity is charged: the full price of all that it holds or is earmarked.
    pub fn charged(&self, activity: usize) -> u64 {
        let held = self.frames.values().filter(|held| !held.reserve);
        let held = held.filter(|held| held.holders.iter().any(|holder| holder.0 == activity));
        let held: u64 = held.map(|held| if held.huge { 512 } else { 1 }).sum();
        let waiting = self.waiters.values().filter(|waiting| waiting.activity == activity);
        held + waiting.map(|waiting| waiting.earmarks.len() as u64).sum::<u64>()
    }

    /// Bytes of an activity's objects, and the frames that they begin.
    pub fn objects_of(&self, activity: usize) -> (u64, u64) {
        let own = self.objects.iter().filter(|object| object.0 == activity);
        let bytes = own.map(|object| object.1).sum::<u64>();
        (bytes, bytes.div_ceil(4096))
    }

    /// Whether the frame is a waiter's.
    pub fn earmarked(&self, frame: FrameId) -> bool {
        self.waiters.values().any(|waiting| waiting.earmarks.contains(&frame))
    }

    /// Frames of this activity that are on their way back.
    pub fn on_their_way(&self, activity: usize) -> u64 {
        let ordered = self.frames.values().filter(|held| held.ordered);
        ordered.filter(|held| held.holders.iter().any(|holder| holder.0 == activity)).count() as u64
    }

    /// Who is asked first for a frame.
    pub fn first(&self, frame: FrameId) -> (u8, Cookie) {
        let held = &self.frames[&frame];
        let (to, cookie) = held.redirects.last().copied().unwrap_or((held.resource, held.cookie));
        (to, Cookie(cookie))
    }
}
