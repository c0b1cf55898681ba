//! What is known of each frame: who has it, with which cookie, pins, and the information
//! records of resources.
//!
//! # Invariants
//! - `USED` is set as long as somebody holds the frame; without it all else is void.
//! - The bits change by compare-and-swap, so that of giving back and ordering back one comes
//!   first.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::names::{Cookie, ResourceId};

/// Somebody holds it.
pub(crate) const USED: u32 = 1;
/// The first of a huge frame.
pub(crate) const HEAD: u32 = 1 << 1;
/// Another part of a huge frame.
pub(crate) const TAIL: u32 = 1 << 2;
/// Reserved for a waiter.
pub(crate) const EARMARKED: u32 = 1 << 3;
/// Out of the reserve: in no budget.
pub(crate) const RESERVE: u32 = 1 << 4;
/// Touched since the last aging.
pub(crate) const ACCESSED: u32 = 1 << 5;
/// Its contents are nowhere else.
pub(crate) const MODIFIED: u32 = 1 << 6;
/// Nobody wants it any more; it is free when its pins are gone.
pub(crate) const DOOMED: u32 = 1 << 7;
/// It is being ordered back.
pub(crate) const ORDERED: u32 = 1 << 8;
/// There is something of it in the table of links.
pub(crate) const LINKED: u32 = 1 << 9;
/// The kernel's own for good.
pub(crate) const KERNEL: u32 = 1 << 10;
/// What is in it is given up: it can be had where nothing has room to keep it.
pub(crate) const UNNEEDED: u32 = 1 << 11;
/// What a frame may have of these for the short way of giving it back.
const PLAIN: u32 = USED | ORDERED | LINKED | DOOMED | HEAD | TAIL | RESERVE | EARMARKED | KERNEL;
const RESOURCE: u32 = 16;
const AGE: u32 = 24;

/// A resource information record (§3.2): what a resource has seen of a frame's use since it
/// last said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Information {
    /// It was read or written.
    pub accessed: bool,
    /// It was written; what it holds is nowhere else.
    pub modified: bool,
}

/// What became of a frame that somebody has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It is free, or the waiter's who had it ordered back.
    Freed,
    /// Others hold it.
    Held,
    /// It is free once its pins are gone; until then on the bill of who left it last.
    Pinned,
}

#[derive(Default)]
pub(crate) struct Record {
    pub cookie: AtomicU64,
    pub state: AtomicU32,
    /// The place of the activity that came first of those who hold it.
    pub owner: AtomicU32,
    /// How often that activity holds it.
    pub holds: AtomicU32,
    pub pins: AtomicU32,
    pub born: AtomicU32,
    /// The newest waiter when its resource last would not, or could not, give it.
    pub refused: AtomicU32,
    /// Its entries in the table of links: only under that table's lock.
    pub links: AtomicU32,
}

impl Record {
    pub fn state(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    pub fn has(&self, flags: u32) -> bool {
        self.state() & flags != 0
    }

    pub fn set(&self, flags: u32) {
        self.state.fetch_or(flags, Ordering::AcqRel);
    }

    pub fn clear(&self, flags: u32) {
        self.state.fetch_and(!flags, Ordering::AcqRel);
    }

    pub fn pins(&self) -> u32 {
        self.pins.load(Ordering::Acquire)
    }

    pub fn owner(&self) -> u32 {
        self.owner.load(Ordering::Relaxed)
    }

    pub fn cookie(&self) -> Cookie {
        Cookie(self.cookie.load(Ordering::Relaxed))
    }

    pub fn resource(&self) -> Option<ResourceId> {
        ResourceId::new((self.state() >> RESOURCE) as u8)
    }

    /// From now on it is this resource's.
    pub fn belong(&self, to: ResourceId) {
        let update =
            |state: u32| Some(state & !(0xff << RESOURCE) | u32::from(to.number()) << RESOURCE);
        let _always = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
    }

    /// Recency of use: the higher, the later. Each aging halves it.
    pub fn recency(&self) -> u8 {
        (self.state() >> AGE) as u8
    }

    /// The frame is somebody's now; it was nobody's.
    #[inline]
    pub fn begin(&self, owner: u32, resource: ResourceId, cookie: Cookie, flags: u32, born: u32) {
        self.owner.store(owner, Ordering::Relaxed);
        self.holds.store(1, Ordering::Relaxed);
        self.pins.store(0, Ordering::Relaxed);
        self.cookie.store(cookie.0, Ordering::Relaxed);
        self.born.store(born, Ordering::Relaxed);
        self.refused.store(0, Ordering::Relaxed);
        // New is recent: the most significant bit of its age is set.
        let state = USED | flags | u32::from(resource.number()) << RESOURCE | 0x80 << AGE;
        self.state.store(state, Ordering::Release);
    }

    /// Takes in what a resource has seen, and lets the frame age by one step.
    pub fn inform(&self, seen: Information) {
        let update = |state: u32| {
            let age = (state >> AGE) >> 1 | u32::from(seen.accessed) << 7;
            let mut flags = state & !(0xff << AGE);
            if seen.modified {
                flags = flags & !UNNEEDED | MODIFIED;
            }
            if seen.accessed {
                flags |= ACCESSED;
            }
            (state & USED != 0).then_some(flags | age << AGE)
        };
        let _unused = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
    }

    /// What was seen of its use is forgotten.
    pub fn forget_use(&self) {
        self.state.fetch_and(!(0xff << AGE | MODIFIED | ACCESSED), Ordering::AcqRel);
    }

    /// What is in it is needed no more.
    pub fn unneed(&self) {
        self.forget_use();
        let update = |state: u32| (state & USED != 0).then_some(state | UNNEEDED);
        let _unused = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
    }

    /// Marks it as ordered back, if it is held and not so marked.
    pub fn order(&self) -> bool {
        let update = |state: u32| (state & (USED | ORDERED) == USED).then_some(state | ORDERED);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }

    /// Ends its use where nothing stands in the way: no link, no order, no pin.
    #[inline]
    pub fn end_plainly(&self) -> bool {
        let update = |state: u32| (state & PLAIN == USED).then_some(0);
        self.holds.load(Ordering::Acquire) == 1
            && self.pins() == 0
            && self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }
}
