//! What the policy keeps of a client.

use vortex_grid::policy::ClientId;

use super::few::Waiter;
use crate::heap::Entry;
use crate::tally::Tally;
use crate::virtual_time::{Inverse, Virtual};

/// What a client is doing. The weights of all but `Empty` and `Suspended` count in W.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing to do, and V has passed its tag.
    Empty,
    /// Nothing to do, but its tag is ahead of V: in the heap `owing`.
    Owing,
    /// Waiting, in `few` or in one of the heaps `eligible` and `ahead`.
    Ready,
    /// Chosen; in no heap.
    Serving,
    /// Chosen and ready again: in no heap until the next decision, which may choose it without
    /// it ever having been in one.
    Returned,
    /// Must not be chosen; in none of these, at a fixed distance to V.
    Suspended,
}

/// What a charge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// What the client was chosen for.
    Chosen,
    /// What was predicted too low of that.
    Correction,
    /// What this scheduler did not choose.
    Elsewhere,
}

pub(super) struct Client {
    pub(super) tag: Virtual,
    /// While suspended: where V was when the tag was last set against it.
    pub(super) since: Virtual,
    pub(super) state: State,
    /// Where in `few` it stands, if it does.
    pub(super) place: usize,
    pub(super) weight: u64,
    inverse: Inverse,
    /// Eight times the average charge; zero before the first.
    average: u64,
    pub(super) forgiven: u64,
    /// The last charge from elsewhere found no room, or left none.
    pub(super) at_cap: bool,
    pub(super) tally: Tally,
}

impl Client {
    pub(super) fn new(weight: u64, now: Virtual) -> Self {
        Self {
            tag: now,
            since: now,
            state: State::Empty,
            place: 0,
            weight,
            inverse: Inverse::of(weight),
            average: 0,
            forgiven: 0,
            at_cap: false,
            tally: Tally::default(),
        }
    }

    /// Gives it another weight; with more, what it is ahead or behind stays the same
    /// consumption (what it is behind, at most). Says what it had.
    pub(super) fn reweigh(&mut self, weight: u64, now: Virtual) -> u64 {
        let (present, before) = (self.present(now), self.weight);
        let inverse = Inverse::of(weight);
        if weight > before {
            let (ahead, behind) = (self.tag.since(present), present.since(self.tag));
            let ahead = inverse.of_amount_up(ahead.at_weight(before));
            self.tag = present.plus(ahead).minus(inverse.of_amount(behind.at_weight(before)));
        }
        (self.weight, self.inverse) = (weight, inverse);
        before
    }

    /// Its tag, were it ahead by so much.
    pub(super) fn ahead_by(&self, amount: u64, now: Virtual) -> Virtual {
        self.present(now).plus(self.inverse.of_amount(amount.min(super::LONGEST)))
    }

    /// What of virtual time it is ahead of, or behind: V, unless it is frozen.
    #[inline]
    pub(super) fn present(&self, now: Virtual) -> Virtual {
        if self.state == State::Suspended { self.since } else { now }
    }

    /// When its next request should have been served, if it is of the usual length.
    #[inline]
    pub(super) fn deadline(&self) -> Virtual {
        self.tag.plus(self.inverse.of_amount(self.average / 8))
    }

    /// As `few` has it.
    #[inline]
    pub(super) fn waiter(&self, id: ClientId) -> Waiter {
        Waiter { tag: self.tag, due: Entry::new(id, self.deadline().key()) }
    }

    /// Charges as much as may be. Says how much that was.
    #[inline]
    pub(super) fn charge(
        &mut self,
        amount: u64,
        of: Charge,
        now: Virtual,
        ceiling: Virtual,
    ) -> u64 {
        match of {
            Charge::Elsewhere => return self.charge_elsewhere(amount, now, ceiling),
            Charge::Chosen => self.charge_chosen(amount),
            Charge::Correction => self.tag = self.tag.plus(self.inverse.of_amount(amount)),
        }
        amount
    }

    /// Charges what was chosen: in full, and it says how long requests are.
    #[inline]
    pub(super) fn charge_chosen(&mut self, amount: u64) {
        self.tag = self.tag.plus(self.inverse.of_amount(amount));
        self.at_cap = false;
        self.average = if self.average == 0 {
            amount.saturating_mul(8)
        } else {
            (self.average - self.average / 8).saturating_add(amount)
        };
    }

    /// Charges what came from elsewhere, up to so far ahead of the present. Says how much was
    /// taken.
    #[inline]
    pub(super) fn charge_elsewhere(&mut self, amount: u64, now: Virtual, ceiling: Virtual) -> u64 {
        let (asked, room) = (self.inverse.of_amount(amount), now.plus(ceiling).since(self.tag));
        // Until half of it is worn off: what little comes meanwhile ends nothing.
        self.at_cap = asked >= room || self.at_cap && room.times(2) <= ceiling;
        if asked <= room {
            self.tag = self.tag.plus(asked);
            return amount;
        }
        self.charge_to_cap(amount, room)
    }

    /// Charges what there is room for, and forgives the rest.
    #[inline(never)]
    fn charge_to_cap(&mut self, amount: u64, room: Virtual) -> u64 {
        let taken = room.at_weight(self.weight).min(amount);
        self.tag = self.tag.plus(room);
        self.forgiven = self.forgiven.saturating_add(amount - taken);
        taken
    }

    /// Takes consumption back, but not to before `least`. Says how much was given.
    pub(super) fn credit(&mut self, amount: u64, least: Virtual) -> u64 {
        let (asked, room) = (self.inverse.of_amount(amount), self.tag.since(least));
        self.tag = self.tag.minus(asked.min(room));
        if asked <= room { amount } else { room.at_weight(self.weight) }
    }
}
