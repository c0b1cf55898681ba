//! The threads that wait for a word of memory: futex(2).
//!
//! The table knows nothing of the words. Whoever calls it has compared the word and keeps it
//! from changing in between; who waits is the caller's type. A waiter is woken in the order
//! of waiting, and keeps its number when it is moved to another word.
//!
//! No call looks at more than [`STEP`] waiters: a long one says how to go on, and does not
//! see those who came since it began, so that it ends.
//!
//! Whoever calls it sees to it that the frame of a [`Key::Shared`] stays where it is while one
//! waits there: it may be memory that can leave.
//!
//! Invariant: `waiters` and `places` have the same waiters; a sequence number is used once.
//!
//! Sources: futex(2), and set_robust_list(2) for [`robust`].

mod operation;
pub mod robust;

#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;

use vortex_abi::Errno;

pub use operation::Operation;

/// So many waiters are looked at in one call.
pub const STEP: usize = 12;
/// And so many are woken: each is an answer to be delivered.
pub const WOKEN: usize = 6;

/// Which word is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Of one address space.
    Private {
        /// Its number.
        space: u64,
        /// Where in it.
        address: u64,
    },
    /// Of memory that several may have, at different addresses.
    Shared {
        /// The frame of memory.
        frame: u64,
        /// Where in it.
        offset: u32,
    },
}

impl Key {
    /// A word by both that it may be known by: as one of its space, and of its frame.
    #[must_use]
    pub fn both(space: u64, address: u64, frame: u64, offset: usize) -> [Self; 2] {
        // An offset within a frame fits.
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        [Self::Private { space, address }, Self::Shared { frame, offset }]
    }
}

/// Names a waiter from its beginning to its end; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(u64);

/// Place in the order of waiting.
type Turn = u64;

#[derive(Debug)]
struct Waiter<W> {
    id: WaiterId,
    bitset: u32,
    waiter: W,
}

/// Who waits for which word.
#[derive(Debug)]
pub struct FutexTable<W> {
    waiters: BTreeMap<(Key, Turn), Waiter<W>>,
    places: BTreeMap<WaiterId, (Key, Turn)>,
    next: u64,
}

/// A wake, or what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    key: Key,
    left: u32,
    bitset: u32,
    span: Span,
}

/// A requeue, or what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requeue {
    from: Key,
    to: Key,
    wake: u32,
    moves: u32,
    span: Span,
}

/// The turns that a call has still to look at: from, and up to where there were none when it
/// began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: Turn,
    end: Option<Turn>,
}

const WHOLE: Span = Span { from: 0, end: None };

impl Wake {
    /// Wakes so many of those who wait with one of these bits. As on Linux, none or fewer is
    /// one.
    pub fn new(key: Key, count: i32, bitset: u32) -> Result<Self, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Self { key, left: count.max(1).unsigned_abs(), bitset, span: WHOLE })
    }
}

impl Requeue {
    /// Wakes so many of those who wait for a word, and lets so many of the others wait for
    /// another one.
    pub fn new(from: Key, to: Key, wake: i32, moves: i32) -> Result<Self, Errno> {
        let count = |count: i32| u32::try_from(count).map_err(|_| Errno::EINVAL);
        Ok(Self { from, to, wake: count(wake)?, moves: count(moves)?, span: WHOLE })
    }
}

impl<W> Default for FutexTable<W> {
    fn default() -> Self {
        Self { waiters: BTreeMap::new(), places: BTreeMap::new(), next: 0 }
    }
}

impl<W> FutexTable<W> {
    /// Lets one wait, behind the others. `EINVAL` if no wake could match.
    pub fn wait(&mut self, key: Key, bitset: u32, waiter: W) -> Result<WaiterId, Errno> {
        if bitset == 0 {
            return Err(Errno::EINVAL);
        }
        let turn = self.turn();
        let id = WaiterId(turn);
        self.waiters.insert((key, turn), Waiter { id, bitset, waiter });
        self.places.insert(id, (key, turn));
        Ok(id)
    }

    /// One waits no more: its time is over, or a signal has come. None if it was woken.
    pub fn cancel(&mut self, id: WaiterId) -> Option<W> {
        let place = self.places.remove(&id)?;
        self.waiters.remove(&place).map(|waiter| waiter.waiter)
    }

    /// Wakes; gives those who wait no more to `woken`, in their order. Returns what is left to
    /// do, with the next call.
    #[must_use]
    pub fn wake(&mut self, mut wake: Wake, mut woken: impl FnMut(W)) -> Option<Wake> {
        let end = wake.span.end.unwrap_or(self.next);
        let (mut from, mut count) = (wake.span.from, 0);
        for _ in 0..STEP {
            if wake.left == 0 {
                return None;
            }
            if count == WOKEN {
                break;
            }
            let (turn, bitset) = self.next_of(wake.key, from, end)?;
            from = turn + 1;
            if bitset & wake.bitset != 0 {
                self.remove(wake.key, turn).map(&mut woken);
                count += 1;
                wake.left -= 1;
            }
        }
        let more = wake.left > 0 && self.next_of(wake.key, from, end).is_some();
        more.then_some(Wake { span: Span { from, end: Some(end) }, ..wake })
    }

    /// Wakes some, giving them to `woken`, and lets others wait for another word, showing them
    /// to `moved`. Returns how many wait there now, and what is left to do, with the next call.
    #[must_use]
    pub fn requeue(
        &mut self,
        mut requeue: Requeue,
        mut woken: impl FnMut(W),
        mut moved: impl FnMut(&mut W),
    ) -> (u32, Option<Requeue>) {
        let Requeue { from: key, to, span, .. } = requeue;
        let end = span.end.unwrap_or(self.next);
        let (mut from, mut moves, mut count) = (span.from, 0, 0);
        for _ in 0..STEP {
            if requeue.wake == 0 && requeue.moves == 0 {
                return (moves, None);
            }
            if requeue.wake > 0 && count == WOKEN {
                break;
            }
            let Some((turn, _)) = self.next_of(key, from, end) else { return (moves, None) };
            from = turn + 1;
            if requeue.wake > 0 {
                self.remove(key, turn).map(&mut woken);
                requeue.wake -= 1;
                count += 1;
            } else {
                self.move_to(key, turn, to, &mut moved);
                requeue.moves -= 1;
                moves += 1;
            }
        }
        let more =
            (requeue.wake > 0 || requeue.moves > 0) && self.next_of(key, from, end).is_some();
        (moves, more.then_some(Requeue { span: Span { from, end: Some(end) }, ..requeue }))
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    fn turn(&mut self) -> Turn {
        let turn = self.next;
        self.next = turn.wrapping_add(1);
        turn
    }

    /// The first who waits for a word in these turns, and its bits.
    fn next_of(&self, key: Key, from: Turn, end: Turn) -> Option<(Turn, u32)> {
        if from >= end {
            return None;
        }
        let first = self.waiters.range((key, from)..(key, end)).next();
        first.map(|((_, turn), waiter)| (*turn, waiter.bitset))
    }

    fn remove(&mut self, key: Key, turn: Turn) -> Option<W> {
        let waiter = self.waiters.remove(&(key, turn))?;
        self.places.remove(&waiter.id);
        Some(waiter.waiter)
    }

    /// Where both words are the same one, it keeps its turn.
    fn move_to(&mut self, from: Key, turn: Turn, to: Key, moved: impl FnOnce(&mut W)) {
        if from != to
            && let Some(mut waiter) = self.waiters.remove(&(from, turn))
        {
            moved(&mut waiter.waiter);
            let place = (to, self.turn());
            self.places.insert(waiter.id, place);
            self.waiters.insert(place, waiter);
        }
    }
}
