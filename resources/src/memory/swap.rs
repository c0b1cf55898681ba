//! The swap resource's volume (SR, §3.2), first version: frames of memory set aside at boot,
//! outside of every budget. What is kept there cannot be made again from elsewhere.
//!
//! # Invariants
//! - A place is free, or one [`Place`] names it; its contents do not change while it is
//!   named, so that a fork's copies share it.
//! - An activity has no more places than its part: who swaps does not keep others from it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use spin::Mutex;
use vortex_machine::{Frame, Use};
use vortex_units::{ActivityId, Frames};

/// The volume.
#[derive(Debug, Default)]
pub struct Volume {
    frames: Vec<Frame>,
    free: Mutex<Vec<u32>>,
    /// Places in use, by activity.
    used: Vec<AtomicU32>,
    part: u32,
}

/// A page that is kept, or a place for one.
#[derive(Debug)]
pub struct Place {
    volume: Arc<Volume>,
    number: u32,
    owner: usize,
}

impl Volume {
    /// One of so many pages, for so many activities beside the infrastructure; `None` where
    /// memory has not so many.
    #[must_use]
    pub fn new(pages: Frames, activities: usize) -> Option<Arc<Self>> {
        let pages = u32::try_from(pages.get()).ok()?;
        let (mut frames, mut free, mut used) = (Vec::new(), Vec::new(), Vec::new());
        frames.try_reserve_exact(pages as usize).ok()?;
        free.try_reserve_exact(pages as usize).ok()?;
        used.try_reserve_exact(activities + 1).ok()?;
        for number in 0..pages {
            frames.push(Frame::zeroed_for(ActivityId::INFRASTRUCTURE, Use::Swap)?);
            free.push(number);
        }
        used.resize_with(activities + 1, AtomicU32::default);
        let part = pages / u32::try_from(activities.max(1)).ok()?;
        Some(Arc::new(Self { frames, free: Mutex::new(free), used, part }))
    }

    /// A place for a page of an activity; `None` where its part is used up.
    #[must_use]
    pub fn place(self: &Arc<Self>, activity: ActivityId) -> Option<Place> {
        let owner = activity.index();
        let used = self.used.get(owner)?;
        let update = |now: u32| (now < self.part).then_some(now + 1);
        used.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).ok()?;
        match self.free.lock().pop() {
            Some(number) => Some(Place { volume: self.clone(), number, owner }),
            None => {
                used.fetch_sub(1, Ordering::AcqRel);
                None
            }
        }
    }

    /// Pages that are kept.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.iter().map(|used| u64::from(used.load(Ordering::Relaxed))).sum()
    }
}

impl Place {
    /// Keeps a page's contents. Before anybody else has the place.
    pub fn write(&self, page: &Frame) {
        if let Some(frame) = self.volume.frames.get(self.number as usize) {
            frame.copy_from(page);
        }
    }

    /// The contents, in a frame of the activity; `None` where it gets none.
    #[must_use]
    pub fn read(&self, owner: ActivityId) -> Option<Frame> {
        Frame::copy_of(self.volume.frames.get(self.number as usize)?, owner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(used) = self.volume.used.get(self.owner) {
            used.fetch_sub(1, Ordering::AcqRel);
        }
        // There is room: it was taken out.
        self.volume.free.lock().push(self.number);
    }
}
