//! Which activities have frames where: a word for each block of 64 frames, with a bit for each
//! activity, by its place; so that who looks for an activity's frames passes over the rest.
//!
//! # Invariants
//! A bit is set after a frame is given out, and cleared only together with a look at all
//! frames of its block: so where somebody has a frame its bit is set, or about to be set by
//! who has just got it. A bit may be set for nothing.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::names::FrameId;
use crate::record::{LINKED, Record, USED};

/// Frames of a block.
pub(crate) const FRAMES: u32 = 64;

/// The bit of the activity at this place, which others may have too.
pub(crate) const fn bit(place: u32) -> u64 {
    1 << (place % u64::BITS)
}

/// What is in a block of what somebody looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing, by its bits alone.
    Without,
    /// Nothing any more, by a look at its frames.
    HadOnce,
    /// Something, by a look at its frames.
    Has,
}

pub(crate) struct Blocks(Vec<AtomicU64>);

impl Blocks {
    /// For so many frames; `None` where the heap has no room.
    pub fn new(frames: usize) -> Option<Self> {
        let mut words = Vec::new();
        let count = frames.div_ceil(FRAMES as usize);
        words.try_reserve_exact(count).ok()?;
        words.resize_with(count, AtomicU64::default);
        Some(Self(words))
    }

    /// The activity at this place has the frame.
    #[inline]
    pub fn mark(&self, frame: FrameId, place: u32) {
        if let Some(word) = self.0.get((frame.get() / FRAMES) as usize) {
            word.fetch_or(bit(place), Ordering::AcqRel);
        }
    }

    /// Whether one of these activities may have a frame of the block of this one. Where it is
    /// said so it is looked at, so that it is not said again for nothing.
    pub fn look(&self, records: &[Record], first: u32, wanted: u64) -> Look {
        let Some(word) = self.0.get((first / FRAMES) as usize) else { return Look::Has };
        if word.load(Ordering::Acquire) & wanted == 0 {
            return Look::Without;
        }
        // Whoever marks before this is seen in the records, whoever marks after it stays.
        word.swap(0, Ordering::AcqRel);
        let begin = (first / FRAMES * FRAMES) as usize;
        let block = records.get(begin..).unwrap_or_default().iter().take(FRAMES as usize);
        let has = block.fold(0, |has, record| match record.state() {
            state if state & USED == 0 => has,
            // It has further holders.
            state if state & LINKED != 0 => u64::MAX,
            _ => has | bit(record.owner()),
        });
        word.fetch_or(has, Ordering::AcqRel);
        if has & wanted != 0 { Look::Has } else { Look::HadOnce }
    }
}
