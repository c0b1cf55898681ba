//! Accounts: what each activity has, by resource, and what it may have.
//!
//! The claim of an activity is the larger of its minimum and what it is charged. The sum of
//! all claims, what is available, and the reserve are all memory, exactly; so a minimum is
//! there without a search, however full memory is: a charge within it needs nothing, one
//! beyond it a grant out of what is available.
//!
//! What an activity's kernel objects fill (`objects.rs`) counts against its hard limit too, but
//! is no claim: the heap's frames are the infrastructure's.
//!
//! # Invariants
//! - A change of what is charged from v to w takes, or gives back, just as many grants as
//!   `max(minimum, ·)` changes; both happen with one compare-and-swap.
//! - Frames and objects together are never more than the hard limit, but by what is charged
//!   without being asked for ([`Entry::force_objects`]): both are in one word.

use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use vortex_units::{ActivityId, Bytes, Frames};

use crate::names::{RESOURCES, Rejected, ResourceId, Why};
use crate::objects::KINDS;

/// What an activity may have. `minimum ≤ soft ≤ hard`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Set aside for it, whatever others need.
    pub minimum: Frames,
    /// Beyond this it is the first to give back; `None`: no such line.
    pub soft: Option<Frames>,
    /// It never has more, kernel objects included; `None`: what there is.
    pub hard: Option<Frames>,
    /// Kernel objects in all; `None`: what the heap has.
    pub objects: Option<Bytes>,
}

/// Why an account cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// There is no place for this activity, or it is taken.
    Place(ActivityId),
    /// The lines cross.
    Crossed(Budget),
    /// The minimum is more than is left of memory, with all minimums before it and the
    /// reserve.
    Promised {
        /// The minimum.
        wanted: Frames,
        /// What is left.
        left: Frames,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(activity) => write!(f, "{activity} has an account, or can have none"),
            Self::Crossed(_) => write!(f, "the budget's lines cross: minimum ≤ soft ≤ hard"),
            Self::Promised { wanted, left } => write!(
                f,
                "a minimum of {wanted} does not fit: minimums and reserve leave {left} of memory"
            ),
        }
    }
}

impl core::error::Error for OpenError {}

/// Where an activity stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it is charged: the full price of each frame that it holds.
    pub charged: Frames,
    /// What its kernel objects fill, begun frames as whole ones.
    pub objects: Frames,
    /// Its budget.
    pub budget: Budget,
}

impl Standing {
    /// By how much it is over its soft limit.
    #[must_use]
    pub fn over(&self) -> Frames {
        self.budget.soft.map_or(Frames::ZERO, |soft| self.filled().saturating_sub(soft))
    }

    /// What it fills of memory: frames and kernel objects.
    #[must_use]
    pub const fn filled(&self) -> Frames {
        self.charged.saturating_add(self.objects)
    }

    /// Whether its hard limit stands in the way of so many frames more.
    #[must_use]
    pub fn is_full_for(&self, more: Frames) -> bool {
        let line = |hard: Frames| Frames::new(line_of_frames(hard.get()));
        let then = self.filled().saturating_add(more);
        self.budget.hard.is_some_and(|hard| then > line(hard))
    }
}

/// Of so many frames of a hard limit, one is left to kernel objects alone.
const OBJECTS_ONE_OF: u64 = 64;
/// The most that are left so.
const OBJECTS_MOST: u64 = 64;

/// How far frames may fill a hard limit: what is left is the objects' of a call that the
/// activity makes when its pages fill the rest, and comes back with the next page that leaves.
const fn line_of_frames(hard: u64) -> u64 {
    let left = hard / OBJECTS_ONE_OF;
    hard - if left < OBJECTS_MOST { left } else { OBJECTS_MOST }
}

/// Of so many frames of a hard limit, one is left to frames alone; at least so many are, or half
/// of a limit that is smaller.
const FRAMES_ONE_OF: u64 = 8;
const FRAMES_LEAST: u64 = 64;

/// How far kernel objects may fill a hard limit. What is left keeps a program going that has
/// filled the rest: with fewer pages than its next instructions need at once, it would only
/// change one for the other.
const fn line_of_objects(hard: u64) -> u64 {
    let least = if hard / 2 < FRAMES_LEAST { hard / 2 } else { FRAMES_LEAST };
    let left = hard / FRAMES_ONE_OF;
    hard - if left < least { least } else { left }
}

/// Of so many frames of a hard limit, two are left to what is charged without being asked for, and
/// no more than a few: pages that leave take a little of the heap before their frames are free. A
/// smaller limit leaves none.
const FORCED_TWO_OF: u64 = 256;
const FORCED_MOST: u64 = 8;

/// How far frames and objects that are asked for may fill a hard limit together.
const fn line_of_both(hard: u64) -> u64 {
    let left = hard / FORCED_TWO_OF * 2;
    hard - if left < FORCED_MOST { left } else { FORCED_MOST }
}

/// Where the objects' frames stand in the word of both.
const OBJECTS_AT: u32 = 32;

/// Frames and objects' frames out of the word.
const fn both(word: u64) -> (u64, u64) {
    (word & u32::MAX as u64, word >> OBJECTS_AT)
}

const NOBODY: u32 = 0;
const OPEN: u32 = 1;
const CLOSING: u32 = 2;
/// Not written: no limit.
const NEVER: u64 = u64::MAX;
/// More frames than there can be.
const MOST: u64 = u32::MAX as u64;

/// The account of an activity.
#[derive(Default)]
pub(crate) struct Entry {
    state: AtomicU32,
    generation: AtomicU32,
    minimum: AtomicU64,
    soft: AtomicU64,
    hard: AtomicU64,
    /// Frames in the lower half, frames that objects fill in the upper one.
    charged: AtomicU64,
    most: AtomicU64,
    /// Frames of it that are being ordered back.
    pub ordered: AtomicU32,
    by_resource: [AtomicU64; RESOURCES],
    /// Resources, a bit each, that can give back none of its frames for now.
    stuck: AtomicU32,
    /// How often objects were refused only because frames fill the hard limit.
    pub crowded: AtomicU32,
    pub objects: AtomicU64,
    pub objects_limit: AtomicU64,
    pub objects_by_kind: [AtomicU64; KINDS],
}

impl Entry {
    /// Charges so many frames. `assure` has so many grants, or says no.
    #[inline]
    pub fn charge(&self, frames: u64, mut assure: impl FnMut(u64) -> bool) -> Result<u64, Why> {
        let minimum = self.minimum.load(Ordering::Relaxed);
        let line = line_of_frames(self.hard.load(Ordering::Relaxed));
        let mut word = self.charged.load(Ordering::Acquire);
        loop {
            let (had, objects) = both(word);
            let has = had.checked_add(frames).filter(|&has| has <= MOST).ok_or(Why::Hard)?;
            if has + objects > line {
                return Err(Why::Hard);
            }
            let need = has.saturating_sub(had.max(minimum));
            if need > 0 && !assure(need) {
                return Err(Why::Low);
            }
            let then = word + frames;
            let swapped =
                self.charged.compare_exchange_weak(word, then, Ordering::AcqRel, Ordering::Acquire);
            match swapped {
                Ok(_) => {
                    self.most.fetch_max(has + objects, Ordering::Relaxed);
                    return Ok(need);
                }
                Err(now) => word = now,
            }
        }
    }

    /// Charges so many frames that objects begin to fill.
    pub fn charge_objects(&self, frames: u64) -> Result<(), Why> {
        let hard = self.hard.load(Ordering::Relaxed);
        self.charge_objects_to(frames, hard, line_of_both(hard))
    }

    /// The same of what a page takes that leaves: only how far objects may go counts.
    pub fn charge_leaving(&self, frames: u64) -> Result<(), Why> {
        self.charge_objects_to(frames, self.hard.load(Ordering::Relaxed), u64::MAX)
    }

    /// Whether objects have all of the hard limit that they may.
    pub fn has_all_objects(&self) -> bool {
        let (_, objects) = both(self.charged.load(Ordering::Acquire));
        objects >= line_of_objects(self.hard.load(Ordering::Relaxed))
    }

    fn charge_objects_to(&self, frames: u64, hard: u64, both_line: u64) -> Result<(), Why> {
        let line = line_of_objects(hard).min(MOST);
        let update = |word: u64| {
            let (charged, objects) = both(word);
            let then = objects.checked_add(frames).filter(|&then| then <= line)?;
            (charged + then <= both_line).then_some(word + (frames << OBJECTS_AT))
        };
        let had = self.charged.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        let (charged, objects) = match had {
            Ok(word) => both(word),
            Err(word) => {
                if both(word).1.saturating_add(frames) <= line {
                    self.crowded.fetch_add(1, Ordering::Relaxed);
                }
                return Err(Why::Hard);
            }
        };
        self.most.fetch_max(charged + objects + frames, Ordering::Relaxed);
        Ok(())
    }

    /// The same whatever the limit: the objects are there.
    pub fn force_objects(&self, frames: u64) {
        let (charged, objects) =
            both(self.charged.fetch_add(frames << OBJECTS_AT, Ordering::AcqRel));
        self.most.fetch_max(charged + objects + frames, Ordering::Relaxed);
    }

    /// Objects fill so many frames less.
    pub fn refund_objects(&self, frames: u64) {
        self.charged.fetch_sub(frames << OBJECTS_AT, Ordering::AcqRel);
    }

    /// Takes a charge back; returns the grants that it has freed.
    #[inline]
    pub fn refund(&self, frames: u64) -> u64 {
        let minimum = self.minimum.load(Ordering::Relaxed);
        let (had, _) = both(self.charged.fetch_sub(frames, Ordering::AcqRel));
        had.saturating_sub(had.saturating_sub(frames).max(minimum))
    }

    /// Notes what a resource has more.
    #[inline]
    pub fn add(&self, resource: ResourceId, frames: u64) {
        if let Some(used) = self.by_resource.get(resource.index()) {
            used.fetch_add(frames, Ordering::Relaxed);
        }
    }

    /// Notes what a resource has less.
    #[inline]
    pub fn subtract(&self, resource: ResourceId, frames: u64) {
        if let Some(used) = self.by_resource.get(resource.index()) {
            used.fetch_sub(frames, Ordering::Relaxed);
        }
    }

    /// Says whether a resource can give back none of its frames for now.
    pub fn set_stuck(&self, resource: ResourceId, stuck: bool) {
        let bit = 1 << resource.index();
        if stuck {
            self.stuck.fetch_or(bit, Ordering::AcqRel);
        } else {
            self.stuck.fetch_and(!bit, Ordering::AcqRel);
        }
    }

    /// Whether that is so.
    pub fn is_stuck(&self, resource: ResourceId) -> bool {
        self.stuck.load(Ordering::Acquire) >> resource.index() & 1 == 1
    }

    pub fn used_by(&self, resource: ResourceId) -> Frames {
        let used = self.by_resource.get(resource.index());
        Frames::new(used.map_or(0, |used| used.load(Ordering::Relaxed)))
    }

    pub fn charged(&self) -> u64 {
        both(self.charged.load(Ordering::Acquire)).0
    }

    /// The most it ever filled.
    pub fn most(&self) -> Frames {
        Frames::new(self.most.load(Ordering::Relaxed))
    }

    /// What it is charged, or is set aside for it.
    pub fn claim(&self) -> u64 {
        match self.state.load(Ordering::Acquire) {
            NOBODY => 0,
            _ => self.charged().max(self.minimum.load(Ordering::Relaxed)),
        }
    }

    /// Whether it keeps its minimum with one frame less than it will have once all is back
    /// that is ordered back.
    pub fn can_give(&self) -> bool {
        let ordered = u64::from(self.ordered.load(Ordering::Relaxed));
        self.charged() > self.minimum.load(Ordering::Relaxed).saturating_add(ordered)
    }

    /// Whether it keeps its minimum with one frame less than it has.
    pub fn is_above_minimum(&self) -> bool {
        self.charged() > self.minimum.load(Ordering::Relaxed)
    }

    /// Whether one frame more would be too much for its hard limit.
    pub fn is_full(&self) -> bool {
        let (charged, objects) = both(self.charged.load(Ordering::Acquire));
        charged + objects >= line_of_frames(self.hard.load(Ordering::Relaxed))
    }

    pub fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }

    pub fn standing(&self) -> Standing {
        let limit = |of: &AtomicU64| Some(of.load(Ordering::Relaxed)).filter(|&n| n != NEVER);
        let (charged, objects) = both(self.charged.load(Ordering::Acquire));
        Standing {
            charged: Frames::new(charged),
            objects: Frames::new(objects),
            budget: Budget {
                minimum: Frames::new(self.minimum.load(Ordering::Relaxed)),
                soft: limit(&self.soft).map(Frames::new),
                hard: limit(&self.hard).map(Frames::new),
                objects: limit(&self.objects_limit).map(Bytes::new),
            },
        }
    }
}

/// All accounts, by activity.
pub(crate) struct Accounts {
    entries: Vec<Entry>,
    /// No place from here on was ever used.
    top: AtomicUsize,
}

impl Accounts {
    pub fn new(activities: usize) -> Option<Self> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(activities).ok()?;
        entries.resize_with(activities, Entry::default);
        Some(Self { entries, top: AtomicUsize::new(0) })
    }

    /// The account of this place, whoever has it.
    pub fn at(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    /// All that were ever open, by their place.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().take(self.top.load(Ordering::Acquire))
    }

    /// The account of an activity, open or not.
    #[inline]
    pub fn find(&self, activity: ActivityId) -> Result<&Entry, Rejected> {
        let entry = self.entries.get(activity.index()).filter(|entry| {
            entry.generation.load(Ordering::Relaxed) == activity.generation()
                && entry.state.load(Ordering::Acquire) != NOBODY
        });
        entry.ok_or(Rejected { activity, why: Why::Closed })
    }

    /// The account of an activity that may still have more.
    #[inline]
    pub fn open_one(&self, activity: ActivityId) -> Result<&Entry, Rejected> {
        let entry = self.find(activity)?;
        if entry.is_open() { Ok(entry) } else { Err(Rejected { activity, why: Why::Closed }) }
    }

    /// Names the activity that has this place.
    pub fn name(&self, index: u32) -> Option<ActivityId> {
        let entry = self.at(index)?;
        Some(ActivityId::new(index, entry.generation.load(Ordering::Relaxed)))
    }

    /// Opens an account; the minimum comes out of what is available.
    pub fn open(
        &self,
        activity: ActivityId,
        budget: Budget,
        available: &AtomicU64,
    ) -> Result<(), OpenError> {
        let soft = budget.soft.unwrap_or(Frames::MAX);
        let hard = budget.hard.unwrap_or(Frames::MAX);
        if budget.minimum > soft.min(hard) || budget.soft.is_some() && soft > hard {
            return Err(OpenError::Crossed(budget));
        }
        let entry = self.entries.get(activity.index()).ok_or(OpenError::Place(activity))?;
        if entry.state.load(Ordering::Acquire) != NOBODY {
            return Err(OpenError::Place(activity));
        }
        let wanted = budget.minimum.get();
        let update = |now: u64| now.checked_sub(wanted);
        if let Err(left) = available.fetch_update(Ordering::AcqRel, Ordering::Acquire, update) {
            return Err(OpenError::Promised { wanted: budget.minimum, left: Frames::new(left) });
        }
        entry.generation.store(activity.generation(), Ordering::Relaxed);
        entry.minimum.store(wanted, Ordering::Relaxed);
        entry.soft.store(budget.soft.map_or(NEVER, Frames::get), Ordering::Relaxed);
        entry.hard.store(hard.get(), Ordering::Relaxed);
        entry.objects_limit.store(budget.objects.map_or(NEVER, Bytes::get), Ordering::Relaxed);
        entry.most.store(0, Ordering::Relaxed);
        entry.crowded.store(0, Ordering::Relaxed);
        entry.stuck.store(0, Ordering::Relaxed);
        self.top.fetch_max(activity.index() + 1, Ordering::AcqRel);
        entry.state.store(OPEN, Ordering::Release);
        Ok(())
    }

    /// From now on it gets nothing more.
    pub fn close(&self, activity: ActivityId) {
        if let Ok(entry) = self.find(activity) {
            entry.state.store(CLOSING, Ordering::Release);
        }
    }

    /// Ends a closed account once all is back; its minimum becomes available. False as long
    /// as something is on it, or it is not closed.
    pub fn retire(&self, activity: ActivityId, available: &AtomicU64) -> bool {
        let Ok(entry) = self.find(activity) else { return false };
        let empty = entry.charged() == 0 && entry.objects.load(Ordering::Acquire) == 0;
        if !empty {
            return false;
        }
        let ended =
            entry.state.compare_exchange(CLOSING, NOBODY, Ordering::AcqRel, Ordering::Acquire);
        if ended.is_ok() {
            available.fetch_add(entry.minimum.load(Ordering::Relaxed), Ordering::AcqRel);
        }
        ended.is_ok()
    }
}
