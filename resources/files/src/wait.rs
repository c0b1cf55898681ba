//! What a call waits for, and whom a call wakes.
//!
//! Nothing blocks here. A call that cannot go on returns the [`WaitKey`] that its caller
//! waits for and calls again when that key is woken; a call that changes an object's
//! readiness adds the keys to its [`Effects`]. A wake is a hint: who is woken tries again
//! and may wait again, so that a needless wake costs time and a missing one is a bug.

use alloc::vec::Vec;

/// What about the object is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// There is something to read, or the last writer is gone.
    Readable,
    /// There is room to write, or the last reader is gone.
    Writable,
    /// The other end of a FIFO has been opened.
    Partner,
    /// A lock was let go.
    Unlocked,
    /// A change on a disk has ended.
    Settled,
    /// An end is gone: whoever watches it for anything looks again.
    Ended,
}

/// A condition to wait for. The object's number is its inode number: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitKey {
    /// The object.
    pub object: u64,
    /// What about it.
    pub side: Side,
}

/// What a call did beyond its result, for the caller to act upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    wakes: Vec<WaitKey>,
    released: Vec<u64>,
    arms: Vec<Arm>,
}

/// A time of which who keeps time is to tell, in nanoseconds of the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Whose it is.
    pub timer: u64,
    /// When.
    pub at: u64,
}

impl Effects {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { wakes: Vec::new(), released: Vec::new(), arms: Vec::new() }
    }

    /// Conditions that may now hold.
    #[must_use]
    pub fn wakes(&self) -> &[WaitKey] {
        &self.wakes
    }

    /// Tags of the external objects that nothing refers to any more.
    #[must_use]
    pub fn released(&self) -> &[u64] {
        &self.released
    }

    /// The next time of which is to be told; they are not forgotten with the rest.
    pub fn take_arm(&mut self) -> Option<Arm> {
        self.arms.pop()
    }

    /// It cannot be told of now: it is to be tried again.
    pub fn arm_later(&mut self, arm: Arm) {
        self.arms.push(arm);
    }

    pub(crate) fn arm(&mut self, arm: Arm) {
        self.arms.push(arm);
    }

    /// Forgets all, to be used again.
    pub fn clear(&mut self) {
        self.wakes.clear();
        self.released.clear();
    }

    pub(crate) fn wake(&mut self, object: u64, side: Side) {
        let key = WaitKey { object, side };
        // Only the usual repetition is left out: a needless wake does no harm.
        if self.wakes.last() != Some(&key) {
            self.wakes.push(key);
        }
    }

    pub(crate) fn release(&mut self, tag: u64) {
        self.released.push(tag);
    }
}

/// What came of moving bytes.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This many were moved.
    Done(usize),
    /// None could be moved yet: wait for this, then call again.
    WouldBlock(WaitKey),
    /// The object is a device that the caller serves.
    Device(crate::Dev),
    /// The object is a disk: its bytes from a place on, of which so many are left, are the
    /// caller's to move.
    Disk {
        /// Which.
        dev: crate::Dev,
        /// From where on.
        at: u64,
        /// How many bytes there are from there on.
        left: u64,
    },
    /// The object is the caller's own, with this tag.
    External(u64),
    /// Signals are read, of these.
    Signals(u64),
    /// Nothing yet, for it is more than is done at once: call again.
    More,
}
