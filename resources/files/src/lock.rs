//! Locks on files: `flock`, and those of `fcntl`, which are on ranges.
//!
//! Three kinds, each with its own owner: `flock` belongs to an open file, and does not know
//! of the others; POSIX locks belong to a process (to its descriptors) and are let go when
//! it closes any descriptor of the file; open file description locks are ranges that belong
//! to an open file. The two kinds of ranges stand in each other's way.
//!
//! Invariant: ranges of one owner do not overlap.

use alloc::vec::Vec;

use crate::accounts::{Accounts, Gone, Kept};
use crate::description::OpenId;
use crate::{Errno, Owner};

/// The most ranges that are locked of one file: one call looks through all, and may join them, in
/// one run (law 5; about 110 instructions each).
const MOST: usize = 256;
/// Ranges in one piece of the list.
const PIECE: usize = 64;

/// Whose a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOwner {
    /// A process, by the number of its descriptors' table.
    Process(u64),
    /// An open file.
    Open(OpenId),
}

/// What is locked: from the first byte to the last, for others to read or for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Nobody else may lock it at all.
    pub exclusive: bool,
}

/// A lock that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// On what.
    pub range: Range,
    /// By whom.
    pub owner: LockOwner,
    /// The process that took it, as `F_GETLK` tells it.
    pub pid: i32,
    /// Who pays for it.
    pub payer: Owner,
}

/// What a lock costs.
pub(crate) const LOCK_COST: u64 = 96;
/// The most that one call makes: its own, and two ends of what it splits.
const MADE: u64 = 3;

/// The locks of one file.
#[derive(Default)]
pub(crate) struct Locks {
    /// In pieces, so that nothing long is copied when there are more.
    ranges: Vec<Vec<Held>>,
    whole: Vec<(OpenId, bool, Owner)>,
}

impl Locks {
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.whole.is_empty()
    }

    /// A range of somebody else's that stands in the way: the first by its place.
    pub fn conflict(&self, owner: LockOwner, wanted: Range) -> Option<Held> {
        let mut first: Option<Held> = None;
        for held in self.ranges.iter().flat_map(|piece| piece.iter()) {
            // Most are one's own, or elsewhere.
            if held.owner == owner
                || held.range.first > wanted.last
                || wanted.first > held.range.last
                || !(held.range.exclusive || wanted.exclusive)
            {
                continue;
            }
            if first.is_none_or(|first| held.range.first < first.range.first) {
                first = Some(*held);
            }
        }
        first
    }

    /// Locks a range in which no conflict is, or lets it go (`None`). True if others may
    /// be able to go on.
    pub fn set(
        &mut self,
        owner: LockOwner,
        pid: i32,
        (first, last): (u64, u64),
        exclusive: Option<bool>,
        (payer, accounts): (Owner, &mut Accounts),
    ) -> Result<bool, Errno> {
        // What is split leaves two pieces of one.
        if self.ranges.iter().map(Vec::len).sum::<usize>() >= MOST {
            return Err(Errno::ENOLCK);
        }
        let room = |piece: &Vec<Held>| piece.len().saturating_add(2) <= PIECE;
        if !self.ranges.iter().any(room) {
            let mut piece = Vec::new();
            let reserved = piece.try_reserve_exact(PIECE).and(self.ranges.try_reserve(1));
            reserved.map_err(|_| Errno::ENOLCK)?;
            self.ranges.push(piece);
        }
        let room = MADE.saturating_mul(LOCK_COST);
        accounts.charge(payer, Kept::Open, room).map_err(|_| Errno::ENOLCK)?;
        let (mut freed, mut rests) = (false, Vec::new());
        let mut range = exclusive.map(|exclusive| Range { first, last, exclusive });
        // Of one owner what touches and is the same is one already: so what this one grows to
        // touches no more than it did at first.
        let (before, behind) = (first.saturating_sub(1), last.saturating_add(1));
        let keep = |held: &Held| {
            let old = held.range;
            // Most are elsewhere, or somebody else's.
            if old.first > behind || before > old.last || held.owner != owner {
                return true;
            }
            let meets = old.first <= last && first <= old.last;
            let same = exclusive == Some(old.exclusive);
            if !meets && !same {
                return true;
            }
            match &mut range {
                // What is the same becomes one.
                Some(range) if range.exclusive == old.exclusive => {
                    range.first = range.first.min(old.first);
                    range.last = range.last.max(old.last);
                }
                _ => {
                    freed |= meets;
                    if let Some(end) = first.checked_sub(1).filter(|end| old.first <= *end) {
                        rests.push(Held { range: Range { last: end, ..old }, payer, ..*held });
                    }
                    if let Some(begin) = last.checked_add(1).filter(|at| *at <= old.last) {
                        rests.push(Held { range: Range { first: begin, ..old }, payer, ..*held });
                    }
                }
            }
            false
        };
        self.keep(accounts, keep);
        rests.extend(range.map(|range| Held { range, owner, pid, payer }));
        let unused = MADE.saturating_sub(rests.len() as u64).saturating_mul(LOCK_COST);
        accounts.credit(payer, Kept::Open, unused);
        for held in rests {
            match self.ranges.iter_mut().find(|piece| piece.len() < PIECE) {
                Some(piece) => piece.push(held),
                None => self.ranges.push(Vec::from([held])),
            }
        }
        Ok(freed)
    }

    /// Lets go all ranges of an owner; whether there were any.
    pub fn release(&mut self, owner: LockOwner, accounts: &mut Accounts) -> bool {
        let mut any = false;
        self.keep(accounts, |held| {
            any |= held.owner == owner;
            held.owner != owner
        });
        any
    }

    /// Keeps those for which this holds; the others are on nobody's bill any more.
    fn keep(&mut self, accounts: &mut Accounts, mut keep: impl FnMut(&Held) -> bool) {
        let mut gone = Gone::of(Kept::Open);
        for piece in &mut self.ranges {
            piece.retain(|held| {
                let kept = keep(held);
                if !kept {
                    gone.add(accounts, held.payer, LOCK_COST);
                }
                kept
            });
        }
        gone.end(accounts);
        self.ranges.retain(|piece| !piece.is_empty());
    }

    /// `flock`: whether it is locked now. Another kind of lock first lets the old one go.
    pub fn lock_whole(
        &mut self,
        open: OpenId,
        exclusive: bool,
        (payer, accounts): (Owner, &mut Accounts),
    ) -> Result<bool, Errno> {
        if self.whole.iter().any(|&(other, how, _)| (other, how) == (open, exclusive)) {
            return Ok(true);
        }
        self.unlock_whole(open, accounts);
        if self.whole.iter().any(|(_, other, _)| *other || exclusive) {
            return Ok(false);
        }
        if self.whole.len() >= MOST {
            return Err(Errno::ENOLCK);
        }
        self.whole.try_reserve(1).map_err(|_| Errno::ENOLCK)?;
        accounts.charge(payer, Kept::Open, LOCK_COST).map_err(|_| Errno::ENOLCK)?;
        self.whole.push((open, exclusive, payer));
        Ok(true)
    }

    /// Lets go the lock of an open file; whether there was one.
    pub fn unlock_whole(&mut self, open: OpenId, accounts: &mut Accounts) -> bool {
        let before = self.whole.len();
        self.whole.retain(|(other, _, payer)| {
            let kept = *other != open;
            if !kept {
                accounts.credit(*payer, Kept::Open, LOCK_COST);
            }
            kept
        });
        self.whole.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use vortex_units::Bytes;

    const A: LockOwner = LockOwner::Process(1);
    const B: LockOwner = LockOwner::Process(2);
    const PAYER: Owner = Owner::new(7);

    fn held(locks: &Locks) -> Vec<(u64, u64, bool)> {
        let of = |held: &Held| (held.range.first, held.range.last, held.range.exclusive);
        let mut all: Vec<_> = locks.ranges.iter().flatten().map(of).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn ranges_of_one_owner_join_split_and_change() {
        let mut locks = Locks::default();
        let mut accounts = Accounts::new(Bytes::new(10_000));
        assert_eq!(locks.set(A, 1, (0, 9), Some(false), (PAYER, &mut accounts)), Ok(false));
        assert_eq!(locks.set(A, 1, (10, 19), Some(false), (PAYER, &mut accounts)), Ok(false));
        assert_eq!(held(&locks), vec![(0, 19, false)]);
        assert_eq!(locks.set(A, 1, (5, 7), Some(true), (PAYER, &mut accounts)), Ok(true));
        assert_eq!(held(&locks), vec![(0, 4, false), (5, 7, true), (8, 19, false)]);
        assert_eq!(accounts.held(PAYER), 3 * LOCK_COST);
        assert_eq!(locks.set(A, 1, (6, 6), None, (PAYER, &mut accounts)), Ok(true));
        assert_eq!(held(&locks), vec![(0, 4, false), (5, 5, true), (7, 7, true), (8, 19, false)]);
        assert_eq!(locks.set(A, 1, (0, u64::MAX), None, (PAYER, &mut accounts)), Ok(true));
        assert!(locks.is_empty());
        assert_eq!(accounts.held(PAYER), 0);
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        let mut locks = Locks::default();
        let mut accounts = Accounts::new(Bytes::new(10_000));
        let whole = |exclusive| Range { first: 0, last: u64::MAX, exclusive };
        assert_eq!(locks.set(A, 1, (3, 4), Some(false), (PAYER, &mut accounts)), Ok(false));
        assert_eq!(locks.conflict(B, whole(false)), None);
        assert_eq!(locks.conflict(B, whole(true)).map(|held| held.owner), Some(A));
        assert_eq!(locks.conflict(A, whole(true)), None, "one's own is none");
        assert!(locks.release(A, &mut accounts));
        assert_eq!(locks.conflict(B, whole(true)), None);
    }
}
