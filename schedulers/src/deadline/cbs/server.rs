//! A constant bandwidth server: a budget, and when the next one comes.

use vortex_grid::Frequency;
use vortex_units::{Cycles, Micros, Rate};

/// What one client may have for certain.
pub(super) struct Server {
    /// Q: what a period brings.
    full: i64,
    period: Cycles,
    /// What is left; below zero, what the next pays for.
    budget: i64,
    /// How far below zero charges from elsewhere may take it.
    least: i64,
    deadline: Cycles,
    forgiven: u64,
    at_cap: bool,
    /// It was chosen for its budget last.
    pub(super) reserved: bool,
}

/// What a rate brings in a time, rounded down.
fn amount(rate: Rate, span: Micros) -> i64 {
    let amount = u128::from(rate.get()) * u128::from(span.get()) / 1_000_000;
    i64::try_from(amount).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

impl Server {
    pub(super) fn new(
        rate: Rate,
        period: Micros,
        debt: Micros,
        frequency: Frequency,
        now: Cycles,
    ) -> Self {
        let full = amount(rate, period).max(1);
        Self {
            full,
            period: frequency.cycles(period).max(Cycles::new(1)),
            budget: full,
            least: -amount(rate, debt),
            deadline: now,
            forgiven: 0,
            at_cap: false,
            reserved: false,
        }
    }

    /// Has spent of its budget the same part as another, and has its deadline.
    pub(super) fn go_on_as(&mut self, other: &Self) {
        let part = i128::from(other.budget) * i128::from(self.full) / i128::from(other.full);
        self.budget = part.clamp(i128::from(i64::MIN / 4), i128::from(self.full)) as i64;
        self.deadline = other.deadline;
        (self.forgiven, self.reserved) = (other.forgiven, other.reserved);
    }

    pub(super) const fn has_budget(&self) -> bool {
        self.budget > 0
    }

    pub(super) const fn deadline(&self) -> Cycles {
        self.deadline
    }

    /// Its client has something to do again: a period begins, unless what is left of the last
    /// is no more than its bandwidth gives until that ends.
    pub(super) fn come_back(&mut self, now: Cycles) {
        let left = self.deadline.saturating_sub(now);
        // budget > (deadline − now)·Q/T
        let more = i128::from(self.budget) * i128::from(self.period.get())
            > i128::from(left.get()) * i128::from(self.full);
        if left.is_zero() {
            self.begin_next(now);
        } else if more {
            self.deadline = now.saturating_add(self.period);
            self.budget = self.full;
        }
    }

    /// The period that is under way now: what is overdrawn is paid for by all that have begun
    /// since.
    pub(super) fn begin_next(&mut self, now: Cycles) {
        let (period, late) = (self.period.get(), now.saturating_sub(self.deadline).get());
        // One has begun at the deadline, and where that is long ago, others.
        let begun = if late < period { 1 } else { late / period + 1 };
        let next = self.deadline.get().saturating_add(period.saturating_mul(begun));
        self.deadline = Cycles::new(next);
        let brought = i128::from(self.full) * i128::from(begun);
        let budget = i128::from(self.budget.min(0)) + brought;
        self.budget = budget.min(i128::from(self.full)) as i64;
    }

    pub(super) fn charge(&mut self, amount: u64) {
        self.budget = self.budget.saturating_sub(signed(amount)).max(i64::MIN / 4);
        self.at_cap = false;
    }

    pub(super) fn charge_elsewhere(&mut self, amount: u64) {
        let room = u64::try_from(self.budget.saturating_sub(self.least)).unwrap_or(0);
        // What little comes until half of it is worn off ends nothing.
        self.at_cap = amount >= room || self.is_at_cap();
        self.forgiven = self.forgiven.saturating_add(amount.saturating_sub(room));
        self.budget = self.budget.saturating_sub(signed(amount.min(room)));
    }

    /// It begins with so much to be paid for.
    pub(super) fn overdraw(&mut self, debt: u64, refused: bool) {
        if debt > 0 {
            self.budget = signed(debt).saturating_neg();
        }
        self.at_cap = refused;
    }

    pub(super) fn credit(&mut self, amount: u64) {
        self.budget = self.budget.saturating_add(signed(amount)).min(self.full);
    }

    /// What the next budgets are to pay for.
    pub(super) fn overdraft(&self) -> u64 {
        u64::try_from(self.budget.saturating_neg()).unwrap_or(0)
    }

    /// The same, which is another's from now on.
    pub(super) fn take_overdraft(&mut self) -> u64 {
        let overdraft = self.overdraft();
        self.budget = self.budget.max(0);
        overdraft
    }

    pub(super) const fn forgiven(&self) -> u64 {
        self.forgiven
    }

    /// Whether it owes so much that it is to be refused: until half of it is worn off.
    pub(super) const fn is_at_cap(&self) -> bool {
        self.at_cap && self.budget <= self.least / 2
    }
}
