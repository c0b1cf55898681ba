//! A core's magazine (Bonwick and Adams, USENIX 2001): a few free frames, and the right to
//! charge a few, so that an allocation takes no lock that another core wants.
//!
//! # Invariants
//! Its frames are free, and its grants are part of what is available: both are taken back
//! from all cores before anybody is told that there are none ([`crate::Multiplexor`]).

use core::sync::atomic::{AtomicU64, Ordering};

use crate::buddy::Buddy;
use crate::names::FrameId;

/// The most frames in it.
const ROOM: usize = 64;
/// Frames, and grants, that are moved at a time.
const BATCH: usize = ROOM / 2;

pub(crate) struct Magazine {
    frames: [u32; ROOM],
    count: usize,
    grants: u64,
    /// When it was filled, in fillings of all cores: the birth of its frames.
    pub era: u32,
}

impl Magazine {
    pub const fn new() -> Self {
        Self { frames: [0; ROOM], count: 0, grants: 0, era: 0 }
    }

    pub const fn frames(&self) -> u64 {
        self.count as u64
    }

    pub const fn grants(&self) -> u64 {
        self.grants
    }

    #[inline]
    pub fn pop(&mut self) -> Option<FrameId> {
        let count = self.count.checked_sub(1)?;
        self.count = count;
        self.frames.get(count).copied().map(FrameId::new)
    }

    /// False if it is full.
    #[inline]
    pub fn push(&mut self, frame: FrameId) -> bool {
        match self.frames.get_mut(self.count) {
            Some(place) => {
                *place = frame.get();
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// Takes a batch from the pool.
    pub fn fill(&mut self, pool: &mut Buddy, era: u32) {
        self.era = era;
        while self.count < BATCH {
            let Some(frame) = pool.take(0) else { return };
            self.push(frame);
        }
    }

    /// Gives frames to the pool until no more than a batch is left; or all.
    pub fn drain(&mut self, pool: &mut Buddy, all: bool) {
        let keep = if all { 0 } else { BATCH };
        while self.count > keep {
            let Some(frame) = self.pop() else { return };
            pool.give(frame, 0);
        }
    }

    /// Has so many grants at least; false, and nothing changed, where it cannot.
    #[inline]
    pub fn ensure(&mut self, need: u64, available: &AtomicU64, may_take: bool) -> bool {
        if self.grants >= need {
            return true;
        }
        if !may_take {
            return false;
        }
        let missing = need - self.grants;
        let taken = take_up_to(available, missing, missing.max(BATCH as u64));
        self.grants += taken;
        taken > 0
    }

    /// Spends what [`Self::ensure`] has assured.
    #[inline]
    pub fn spend(&mut self, grants: u64) {
        self.grants = self.grants.saturating_sub(grants);
    }

    /// Takes grants back; what is more than it should keep, or all, becomes available.
    #[inline]
    pub fn refund(&mut self, grants: u64, available: &AtomicU64, keep: bool) {
        self.grants += grants;
        let most = if keep { ROOM as u64 } else { 0 };
        if self.grants > most {
            let rest = if keep { BATCH as u64 } else { 0 };
            available.fetch_add(self.grants - rest, Ordering::AcqRel);
            self.grants = rest;
        }
    }
}

/// Takes as much as there is, between these two; zero if there is less than the first.
fn take_up_to(available: &AtomicU64, least: u64, most: u64) -> u64 {
    let mut taken = 0;
    let update = |now: u64| {
        taken = now.min(most);
        (taken >= least).then(|| now - taken)
    };
    match available.fetch_update(Ordering::AcqRel, Ordering::Acquire, update) {
        Ok(_) => taken,
        Err(_) => 0,
    }
}
