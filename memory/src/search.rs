//! The search for a frame to take: a hand that goes round all frames, and of the next few
//! candidates the one that the policy would take first.
//!
//! # Bound
//! A slice looks at 256 frames, or passes over as many blocks of 64 in which those who are to give
//! have none, by the blocks' bits; where it looks at a whole block for that, it counts as a quarter
//! of its frames; of a frame that several have, each of the others counts as one more. To go over
//! all accounts for a rank counts as half of a slice at its beginning, and is its end
//! elsewhere. A search goes round once for each rank of the policy, and there are no more ranks
//! than activities.

use core::sync::atomic::Ordering;

use crate::Multiplexor;
use crate::account::Entry;
use crate::blocks::{FRAMES, Look, bit};
use crate::cold::{Cold, Waiter, WaiterId};
use crate::links::Link;
use crate::names::FrameId;
use crate::policy::{Candidate, Policy};
use crate::record::{
    DOOMED, EARMARKED, HEAD, KERNEL, LINKED, MODIFIED, ORDERED, RESERVE, Record, TAIL, UNNEEDED,
    USED,
};

/// Frames that a slice looks at.
const SLICE: u32 = 256;
/// As how many it counts to go over all accounts for a rank.
const RANK: u32 = SLICE / 2;
/// As how many a whole block counts that is looked at only for who has its frames.
const WHOLE: u32 = FRAMES / 4;
/// Candidates among which the policy chooses.
const WINDOW: u32 = 32;

/// What was found.
pub(crate) enum Found {
    Frame(FrameId),
    /// Only this one, when its pins are gone.
    Pinned(FrameId),
    Again,
    /// Something may be found when an order that is under way has ended.
    Later,
    Nothing,
}

/// A search that is not at its end.
#[derive(Clone, Copy)]
pub(crate) struct Search {
    waiter: WaiterId,
    own: bool,
    rank: u64,
    /// The bits of those who have this rank (`blocks.rs`).
    wanted: u64,
    visited: u32,
    seen: u32,
    best: Option<(u64, FrameId)>,
    pinned: Option<FrameId>,
    later: bool,
}

/// Whether a frame may be taken.
enum Taking {
    Yes,
    /// Not as long as as many orders are under way as now.
    Later,
    No,
}

/// For whom is searched.
struct Seeker {
    id: WaiterId,
    place: u32,
    /// Only what it holds itself helps it.
    own: bool,
}

impl Multiplexor {
    /// Goes on with the search for this waiter, for a slice. `None` if there is no such.
    pub(crate) fn search(&self, cold: &mut Cold, place: usize) -> Option<Found> {
        let &Waiter { id, account, own, .. } = cold.waiters.get(place)?;
        let seeker = Seeker { id, place: account.activity.index() as u32, own };
        let going_on = cold.search.take().filter(|search| search.waiter == id && search.own == own);
        let looked = if going_on.is_some() { 0 } else { RANK };
        let begun = going_on.or_else(|| {
            let rank = self.next_rank(cold.policy, &seeker, None)?;
            let (visited, seen, best, pinned, later) = (0, 0, None, None, false);
            let wanted = self.wanted(cold.policy, &seeker, rank);
            Some(Search { waiter: id, own, rank, wanted, visited, seen, best, pinned, later })
        });
        let Some(mut search) = begun else { return Some(Found::Nothing) };
        let found = self.slice(cold, &seeker, &mut search, looked);
        match found {
            Found::Again => cold.search = Some(search),
            // What was seen in an earlier slice may be another's by now.
            Found::Frame(frame) | Found::Pinned(frame) => {
                let record = self.record(frame)?;
                let taking = self.may_take(cold, &seeker, search.rank, record, &mut 0);
                let is_free = record.pins() == 0;
                if !matches!(taking, Taking::Yes) || is_free != matches!(found, Found::Frame(_)) {
                    return Some(Found::Again);
                }
            }
            // What was on its way when it was passed by has arrived: there is nobody to wait for.
            Found::Later if cold.orders.iter().all(Option::is_none) => {
                return Some(Found::Again);
            }
            Found::Later | Found::Nothing => {}
        }
        Some(found)
    }

    fn slice(
        &self,
        cold: &mut Cold,
        seeker: &Seeker,
        search: &mut Search,
        mut looked: u32,
    ) -> Found {
        let all = self.records.len() as u32;
        while looked < SLICE {
            looked += 1;
            if search.visited >= all {
                if let Some((_, frame)) = search.best {
                    return Found::Frame(frame);
                }
                let Some(rank) = self.next_rank(cold.policy, seeker, Some(search.rank)) else {
                    let none = if search.later { Found::Later } else { Found::Nothing };
                    return search.pinned.map_or(none, Found::Pinned);
                };
                (search.rank, search.visited) = (rank, 0);
                search.wanted = self.wanted(cold.policy, seeker, rank);
                return Found::Again;
            }
            if cold.hand.is_multiple_of(FRAMES) {
                let look = self.blocks.look(&self.records, cold.hand, search.wanted);
                if look != Look::Without {
                    looked += WHOLE;
                }
                if look != Look::Has {
                    let passed = FRAMES.min(all - cold.hand);
                    cold.hand = if cold.hand + passed < all { cold.hand + passed } else { 0 };
                    search.visited += passed;
                    continue;
                }
            }
            let frame = FrameId::new(cold.hand);
            cold.hand = if cold.hand + 1 < all { cold.hand + 1 } else { 0 };
            search.visited += 1;
            let Some(record) = self.record(frame) else { continue };
            let mut others = 0;
            let taking = self.may_take(cold, seeker, search.rank, record, &mut others);
            looked = looked.saturating_add(others);
            match taking {
                Taking::Yes => {}
                Taking::Later => {
                    search.later = true;
                    continue;
                }
                Taking::No => continue,
            }
            if record.pins() > 0 {
                search.pinned = search.pinned.or(Some(frame));
                continue;
            }
            let key = cold.policy.key(&Candidate {
                recency: record.recency(),
                modified: record.has(MODIFIED),
                born: record.born.load(Ordering::Relaxed),
                // As far as policies tell them apart.
                sharers: u8::try_from(others.saturating_add(1)).unwrap_or(u8::MAX),
            });
            if search.best.is_none_or(|(least, _)| key < least) {
                search.best = Some((key, frame));
            }
            search.seen += 1;
            if search.seen >= WINDOW
                && let Some((_, frame)) = search.best
            {
                return Found::Frame(frame);
            }
        }
        Found::Again
    }

    /// Whether the frame may be taken for this waiter: its holders have more than their
    /// minimums, and one of them has the rank. Counts the others that have it, beside its owner,
    /// where that was to be known.
    fn may_take(
        &self,
        cold: &Cold,
        seeker: &Seeker,
        rank: u64,
        record: &Record,
        others: &mut u32,
    ) -> Taking {
        let state = record.state();
        let never = EARMARKED | DOOMED | RESERVE | HEAD | TAIL | KERNEL;
        let refused = record.refused.load(Ordering::Relaxed) >= seeker.id.0;
        let reclaimable = || record.resource().is_some_and(|of| self.may_reclaim(of));
        if state & (USED | never) != USED || refused || !reclaimable() {
            return Taking::No;
        }
        let owner = self.accounts.at(record.owner());
        let is_stuck = |entry: &Entry| record.resource().is_some_and(|of| entry.is_stuck(of));
        let stuck = state & UNNEEDED == 0 && owner.is_some_and(is_stuck);
        let (mut own, mut highest, mut now, mut ever) = (false, 0, true, true);
        let mut look = |place: u32| {
            let Some(entry) = self.accounts.at(place) else { return };
            highest = highest.max(cold.policy.rank(&entry.standing()));
            if place == seeker.place {
                own = true;
            } else {
                now &= entry.can_give();
                ever &= entry.is_above_minimum();
            }
        };
        look(record.owner());
        if state & LINKED != 0 {
            for link in cold.links.of(record) {
                if let Link::Sharer(place, _) = link {
                    *others = others.saturating_add(1);
                    look(place);
                }
            }
        }
        let helps = if seeker.own { own } else { highest >= rank };
        match state & ORDERED != 0 {
            _ if !helps || !ever => Taking::No,
            // Whatever becomes of it, something has ended then.
            true => Taking::Later,
            false if stuck => Taking::No,
            false if !now => Taking::Later,
            false => Taking::Yes,
        }
    }

    /// The bits of those whose frames help this seeker, at this rank or a higher one.
    fn wanted(&self, policy: &dyn Policy, seeker: &Seeker, rank: u64) -> u64 {
        if seeker.own {
            return bit(seeker.place);
        }
        let ranked = |entry: &Entry| entry.charged() > 0 && policy.rank(&entry.standing()) >= rank;
        let places = (0..).zip(self.accounts.iter()).filter(|(_, entry)| ranked(entry));
        places.fold(0, |all, (place, _)| all | bit(place))
    }

    /// The highest rank below this one of any activity that could give.
    fn next_rank(&self, policy: &dyn Policy, seeker: &Seeker, below: Option<u64>) -> Option<u64> {
        if seeker.own {
            return below.is_none().then_some(0);
        }
        let gives = |(place, entry): &(usize, &Entry)| {
            entry.charged() > 0 && (*place == seeker.place as usize || entry.is_above_minimum())
        };
        let givers = self.accounts.iter().enumerate().filter(gives);
        let ranks = givers.map(|(_, entry)| policy.rank(&entry.standing()));
        ranks.filter(|&rank| below.is_none_or(|below| rank < below)).max()
    }
}
