//! What a client was allowed and what it used, as virtual time.

use crate::tally::Tally;
use crate::virtual_time::{Inverse, Virtual};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing to do; what it used too much is worn off by the rounds since this one.
    Empty { since: u64 },
    /// Waiting for its turn.
    Ready,
    /// Sitting out rounds: in the heap of those in debt.
    Parked { since: u64 },
    /// It has the turn; whether it is ready, too.
    Turn { ready: bool },
    /// Must not be chosen; debt stays.
    Suspended,
}

pub(super) struct Client {
    pub(super) state: State,
    /// The round in which it entered the line: the next is the first that finds it there.
    pub(super) entered: u64,
    pub(super) allowed: Virtual,
    pub(super) used: Virtual,
    pub(super) weight: u64,
    inverse: Inverse,
    pub(super) forgiven: u64,
    pub(super) at_cap: bool,
    pub(super) tally: Tally,
}

impl Client {
    pub(super) fn new(share: u32, round: u64) -> Self {
        Self {
            state: State::Empty { since: round },
            entered: round,
            allowed: Virtual::ZERO,
            used: Virtual::ZERO,
            weight: u64::from(share),
            inverse: Inverse::of(u64::from(share)),
            forgiven: 0,
            at_cap: false,
            tally: Tally::default(),
        }
    }

    /// Gives it another weight; with more, what it used too much, or has left, stays the same
    /// consumption. Says what it had.
    pub(super) fn reweigh(&mut self, share: u32) -> u64 {
        let (before, weight) = (self.weight, u64::from(share));
        let inverse = Inverse::of(weight);
        if weight > before {
            let (debt, left) = (self.debt(), self.allowed.since(self.used));
            let debt = inverse.of_amount_up(debt.at_weight(before));
            self.used = self.allowed.plus(debt);
            self.used = self.used.minus(inverse.of_amount(left.at_weight(before)));
        }
        (self.weight, self.inverse) = (weight, inverse);
        before
    }

    /// It has used so much too much.
    pub(super) fn begin_owing(&mut self, amount: u64) {
        self.used = self.allowed.plus(self.inverse.of_amount_up(amount.min(1 << 48)));
    }

    /// Whether it has something of its turn left.
    pub(super) fn has_left(&self) -> bool {
        self.used < self.allowed
    }

    pub(super) fn debt(&self) -> Virtual {
        self.used.since(self.allowed)
    }

    /// What it is still in debt in this round, if it is one that rounds wear off.
    pub(super) fn debt_at(&self, round: u64, turn: Virtual) -> Virtual {
        match self.state {
            State::Empty { since } | State::Parked { since } => {
                self.debt().since(turn.times(round.saturating_sub(since)))
            }
            _ => self.debt(),
        }
    }

    /// Takes note of the rounds that have passed while it was empty or parked.
    pub(super) fn catch_up(&mut self, round: u64, turn: Virtual) {
        let debt = self.debt_at(round, turn);
        if let State::Empty { since } | State::Parked { since } = &mut self.state {
            *since = round;
            self.allowed = self.used.minus(debt);
        }
    }

    /// Its turn is over: what is left of it is lost.
    pub(super) fn forfeit(&mut self) {
        self.allowed = self.allowed.min(self.used);
    }

    /// Rounded up as turns are rounded down: what uses up a turn leaves nothing of it.
    pub(super) fn charge_chosen(&mut self, amount: u64) {
        self.used = self.used.plus(self.inverse.of_amount_up(amount));
        self.at_cap = false;
    }

    /// Charges what came from elsewhere, as far as debt may go.
    pub(super) fn charge_elsewhere(&mut self, amount: u64, ceiling: Virtual) {
        let asked = self.inverse.of_amount_up(amount);
        let room = self.allowed.plus(ceiling).since(self.used);
        // Until half of it is worn off: what little comes meanwhile ends nothing.
        self.at_cap = asked >= room || self.at_cap && room.times(2) <= ceiling;
        if asked > room {
            let taken = room.at_weight(self.weight).min(amount);
            self.forgiven = self.forgiven.saturating_add(amount - taken);
        }
        self.used = self.used.plus(asked.min(room));
    }

    /// Takes back what was not used at all.
    pub(super) fn correct(&mut self, amount: u64) {
        self.used = self.used.minus(self.inverse.of_amount(amount));
    }

    /// Takes back what was used too much, and no more.
    pub(super) fn credit(&mut self, amount: u64) {
        self.used = self.used.minus(self.inverse.of_amount(amount).min(self.debt()));
    }
}
