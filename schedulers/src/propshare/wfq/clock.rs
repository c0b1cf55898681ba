//! Virtual time V of one core, and the weight W of those it is passing for.

use crate::virtual_time::{Carry, Inverse, Virtual};

/// # Invariants
/// V never goes back. `inverse` is that of `inverse_of`, which may be an earlier W. While
/// `steady`, it is W's, W is not zero, nothing is held and the carry is small: a charge moves
/// V by one multiplication.
pub(super) struct Clock {
    now: Virtual,
    weight: u64,
    inverse_of: u64,
    inverse: Inverse,
    /// Consumption credited for which V had moved already, and which it will not count
    /// again when it is charged to another.
    held: u64,
    carry: Carry,
    steady: bool,
}

impl Clock {
    pub(super) fn new() -> Self {
        let inverse = Inverse::of(1);
        Self {
            now: Virtual::ZERO,
            weight: 0,
            inverse_of: 1,
            inverse,
            held: 0,
            carry: Carry::default(),
            steady: false,
        }
    }

    /// V, to the end of its instant: tags not after it are not ahead of V.
    #[inline]
    pub(super) const fn now(&self) -> Virtual {
        self.now.end_of_instant()
    }

    #[inline]
    pub(super) const fn enter(&mut self, weight: u64) {
        self.weight += weight;
        self.steady = false;
    }

    /// With nobody left, nobody is owed the time held back either.
    #[inline]
    pub(super) const fn leave(&mut self, weight: u64) {
        self.weight = self.weight.saturating_sub(weight);
        self.steady = false;
        if self.weight == 0 {
            self.held = 0;
        }
    }

    pub(super) const fn hold(&mut self, amount: u64) {
        if self.weight > 0 {
            self.held = self.held.saturating_add(amount);
            self.steady = false;
        }
    }

    #[inline]
    pub(super) const fn is_steady(&self) -> bool {
        self.steady
    }

    /// Moves V by a charge of this much, while steady.
    #[inline]
    pub(super) fn run(&mut self, amount: u64) {
        self.now = self.now.plus(self.inverse.of_amount_up(amount));
    }

    /// What is left of a charge for V to move by.
    pub(super) fn release(&mut self, amount: u64) -> u64 {
        if self.held == 0 && self.carry.is_small() {
            return amount;
        }
        self.settle(amount)
    }

    #[inline(never)]
    fn settle(&mut self, amount: u64) -> u64 {
        let amount = amount.saturating_add(self.carry.take_whole());
        let used = amount.min(self.held);
        self.held -= used;
        amount - used
    }

    /// Where V would be after a charge of this much; rounded up as tags are rounded down, so
    /// that a tag exactly at V is not taken to be ahead of it.
    #[inline]
    pub(super) fn after(&mut self, amount: u64) -> Virtual {
        if self.weight == 0 {
            return self.now;
        }
        if self.inverse_of != self.weight {
            self.inverse_of = self.weight;
            self.inverse = Inverse::of(self.weight);
        }
        self.now.plus(self.inverse.of_amount_up(amount))
    }

    /// Moves V on; says how much charge that took.
    #[inline]
    pub(super) fn pass(&mut self, to: Virtual) -> u64 {
        let span = to.since(self.now);
        self.set(to);
        self.steady = false;
        self.carry.at_weight_up(span, self.weight)
    }

    /// Moves V to where [`Self::after`] says, which is not before it.
    pub(super) const fn move_to(&mut self, to: Virtual) {
        self.now = to;
        self.steady = self.weight > 0
            && self.inverse_of == self.weight
            && self.held == 0
            && self.carry.is_small();
    }

    /// Moves V on, never back.
    #[inline]
    pub(super) fn set(&mut self, to: Virtual) {
        self.now = self.now.max(to);
    }

    pub(super) const fn weight(&self) -> u64 {
        self.weight
    }
}
