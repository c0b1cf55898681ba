//! Walks that are longer than one run of a handler may be: where they are is kept, and the call
//! is made again.

use alloc::vec::Vec;

use crate::WaitKey;
use crate::inode::InodeId;
use crate::mounted::{Ask, Ending};
use crate::walk::{Found, Progress};

/// Components that are looked at in one run.
const STEPS: u32 = 40;

/// Files that are evicted for a call.
const EVICTED: u8 = 32;

/// A walk of a call.
enum Known {
    /// It needs no more than one run.
    Short,
    /// It has come so far.
    Half(Progress),
    /// It has ended.
    Done(Found),
}

/// What is kept of a call while it waits to be made again: its walks, in their order, and what
/// a disk is asked. A call that makes them walks before it changes
/// anything, so that it can be made again.
#[derive(Default)]
pub struct Walks {
    known: Vec<Known>,
    /// The walk that comes next.
    next: usize,
    left: u32,
    suspended: bool,
    /// What a disk is to be asked before the call is made again.
    ask: Option<Ask>,
    /// What is to be waited for before the call is made again.
    wait: Option<WaitKey>,
    /// What the call has made, and is to open.
    opens: Option<InodeId>,
    /// It has made that: it is not made again from its beginning.
    pub(crate) has_made: bool,
    /// How many files were evicted to make room for it.
    evicted: u8,
    /// The file that the call has emptied, and does not empty again when it is made again.
    pub(crate) emptied: Option<InodeId>,
    /// What the call waits for of programs that have ended.
    pub(crate) ending: Ending,
}

/// How a walk begins.
pub(crate) enum Begin {
    New,
    From(Progress),
    Not(Found),
}

impl Walks {
    /// The call is made, or made again.
    pub fn begin(&mut self) {
        (self.next, self.left, self.suspended) = (0, STEPS, false);
        (self.ask, self.wait) = (None, None);
    }

    /// What is to be asked of a disk, whatever the call has answered.
    pub fn take_ask(&mut self) -> Option<Ask> {
        self.ask.take()
    }

    /// What is to be waited for, whatever the call has answered.
    pub fn take_wait(&mut self) -> Option<WaitKey> {
        self.wait.take()
    }

    /// The call is made again, and opens what was made for it.
    pub fn open(&mut self, made: InodeId) {
        self.opens = Some(made);
        self.has_made = true;
    }

    /// Whether one more file may be evicted to make room for it: those that stay do not hold it up
    /// for ever.
    pub fn may_evict(&mut self) -> bool {
        self.evicted = self.evicted.saturating_add(1);
        self.evicted <= EVICTED
    }

    pub(crate) fn take_opens(&mut self) -> Option<InodeId> {
        self.opens.take()
    }

    /// Whether a disk is to be asked, or something to be waited for.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.ask.is_some() || self.wait.is_some()
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.ask = Some(ask);
    }

    pub(crate) fn wait(&mut self, key: WaitKey) {
        self.wait = Some(key);
    }

    /// The call is to be made again.
    pub(crate) fn again(&mut self) {
        self.suspended = true;
    }

    /// Whether the call is to be made again, whatever it has answered.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    pub(crate) fn next(&mut self) -> Begin {
        let place = self.next;
        self.next = place.saturating_add(1);
        match self.known.get_mut(place) {
            None | Some(Known::Short) => Begin::New,
            Some(Known::Done(found)) => Begin::Not(found.clone()),
            Some(half) => match core::mem::replace(half, Known::Short) {
                Known::Half(progress) => Begin::From(progress),
                _ => Begin::New,
            },
        }
    }

    /// Whether the walk may look at one component more.
    pub(crate) fn step(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }

    /// The walk that was begun last has come so far.
    pub(crate) fn keep(&mut self, progress: Progress) {
        self.put(Known::Half(progress));
    }

    /// It has ended, after it was suspended.
    pub(crate) fn done(&mut self, found: &Found) {
        self.put(Known::Done(found.clone()));
    }

    fn put(&mut self, known: Known) {
        let place = self.next.saturating_sub(1);
        while self.known.len() <= place {
            self.known.push(Known::Short);
        }
        if let Some(own) = self.known.get_mut(place) {
            *own = known;
        }
    }
}
