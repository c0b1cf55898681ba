//! Start-time fair queueing of clients, charged afterwards: who has been served how far. For
//! policies that decide by something else too, and keep to shares within a bound.
//!
//! After Goyal, Vin & Cheng, "Start-time Fair Queuing" (ToN 1997): a client has a start tag, the
//! virtual time up to which it has been served; a charge of c moves it by c/w. Virtual time V is
//! the least tag of the clients that were ready at the last decision. Who comes back begins at
//! V or at its own tag, whichever is later: absence earns no credit, and debt is not lost. A
//! policy may let V go on with what is served ([`Fair::pass_on`]).
//!
//! # Rules where the paper has none
//! Those of `propshare.wfq`: charges from elsewhere take a tag to V + `debt_cap` / (weight of
//! all) and no further; a credit takes it back to V at most; a correction counts in full, for a
//! busy client also to behind V; a suspended client stays as far from V as it is; a client
//! divided from another begins ahead of V by what that one is; one that inherits is ahead by as
//! much more, up to the cap.

use vortex_grid::policy::{ClientId, ClientStatistics, Direction, Metric, Record, RecordKind};
use vortex_units::Cycles;

use crate::common::worn_off;
use crate::table::Table;
use crate::tally::Tally;
use crate::virtual_time::{Inverse, Virtual};

/// What a client is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has nothing to do.
    Empty,
    /// It waits.
    Ready,
    /// It was chosen last, and has not said since that it has more.
    Serving,
    /// It must not be chosen.
    Suspended,
}

/// The most that one record counts for, as in `propshare.wfq`.
const LONGEST: u64 = 1 << 48;

/// A client's account.
pub(crate) struct Account {
    pub(crate) tag: Virtual,
    /// While suspended: where V was.
    since: Virtual,
    pub(crate) state: State,
    pub(crate) weight: u64,
    inverse: Inverse,
    forgiven: u64,
    at_cap: bool,
    tally: Tally,
}

/// The accounts of a core's clients.
pub(crate) struct Fair {
    metric: Metric,
    debt_cap: u64,
    now: Virtual,
    registered: u64,
    ceiling: Virtual,
    accounts: Table<Account>,
    serving: Option<ClientId>,
}

impl Account {
    fn new(weight: u64, now: Virtual) -> Self {
        Self {
            tag: now,
            since: now,
            state: State::Empty,
            weight,
            inverse: Inverse::of(weight),
            forgiven: 0,
            at_cap: false,
            tally: Tally::default(),
        }
    }

    /// What of virtual time it is ahead of, or behind.
    fn present(&self, now: Virtual) -> Virtual {
        if self.state == State::Suspended { self.since } else { now }
    }

    fn charge_elsewhere(&mut self, amount: u64, present: Virtual, ceiling: Virtual) {
        let room = present.plus(ceiling).since(self.tag);
        let asked = self.inverse.of_amount(amount);
        // Until half of it is worn off: what little comes meanwhile ends nothing.
        self.at_cap = asked >= room || self.at_cap && room.times(2) <= ceiling;
        if asked > room {
            let taken = room.at_weight(self.weight).min(amount);
            self.forgiven = self.forgiven.saturating_add(amount - taken);
        }
        self.tag = self.tag.plus(asked.min(room));
    }
}

impl Fair {
    pub(crate) fn new(metric: Metric, debt_cap: u64) -> Self {
        Self {
            metric,
            debt_cap,
            now: Virtual::ZERO,
            registered: 0,
            ceiling: Virtual::ZERO,
            accounts: Table::new(),
            serving: None,
        }
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// A span of virtual time in which so much is consumed by all clients together.
    pub(crate) fn span(&self, amount: u64) -> Virtual {
        Inverse::of(self.registered).of_amount(amount)
    }

    pub(crate) fn add(&mut self, id: ClientId, weight: u64, beside: Option<ClientId>) {
        self.remove(id);
        let mut account = Account::new(weight, self.now);
        if let Some(whole) = beside.and_then(|whole| self.accounts.get(whole)) {
            account.tag = self.now.plus(whole.tag.since(whole.present(self.now)));
        }
        self.accounts.insert(id, account);
        self.register(self.registered.saturating_add(weight));
    }

    pub(crate) fn remove(&mut self, id: ClientId) {
        if let Some(account) = self.accounts.remove(id) {
            self.register(self.registered.saturating_sub(account.weight));
        }
        if self.serving == Some(id) {
            self.serving = None;
        }
    }

    fn register(&mut self, weight: u64) {
        self.registered = weight;
        self.ceiling = Inverse::of(weight).of_amount(self.debt_cap);
    }

    /// Gives a client another weight; with more, what it is ahead or behind stays the same
    /// consumption.
    pub(crate) fn reweigh(&mut self, id: ClientId, weight: u64) {
        let now = self.now;
        let Some(account) = self.accounts.get_mut(id) else { return };
        let (present, before) = (account.present(now), account.weight);
        let inverse = Inverse::of(weight);
        if weight > before {
            let ahead = account.tag.since(present).at_weight(before);
            let behind = present.since(account.tag).at_weight(before);
            account.tag = present.plus(inverse.of_amount(ahead)).minus(inverse.of_amount(behind));
        }
        (account.weight, account.inverse) = (weight, inverse);
        self.register(self.registered.saturating_sub(before).saturating_add(weight));
    }

    /// What one is ahead of V, and has been charged, is another's from now on.
    pub(crate) fn inherit(&mut self, id: ClientId, from: ClientId) {
        let (now, ceiling) = (self.now, self.ceiling);
        if id == from || self.accounts.get(id).is_none() {
            return;
        }
        let Some(part) = self.accounts.get_mut(from) else { return };
        let present = part.present(now);
        let amount = part.tag.since(present).at_weight(part.weight);
        let mut tally = core::mem::take(&mut part.tally);
        part.tag = part.tag.min(present);
        let Some(account) = self.accounts.get_mut(id) else { return };
        account.tally.take_in(&mut tally);
        let present = account.present(now);
        if account.state == State::Empty {
            account.tag = account.tag.max(present);
        }
        account.charge_elsewhere(amount, present, ceiling);
    }

    /// What a client is behind is past.
    pub(crate) fn catch_up(&mut self, id: ClientId) {
        let now = self.now;
        if let Some(account) = self.accounts.get_mut(id) {
            account.tag = account.tag.max(account.present(now));
        }
    }

    /// A client that was ahead by this much under another policy is so here.
    pub(crate) fn go_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        let now = self.now;
        if let Some(account) = self.accounts.get_mut(id) {
            account.tag = account.present(now).plus(account.inverse.of_amount(debt.min(LONGEST)));
            account.at_cap = refused;
        }
    }

    /// Notes that a client has something to do. False if that is known, or there is none.
    pub(crate) fn ready(&mut self, id: ClientId) -> bool {
        let now = self.now;
        let Some(account) = self.accounts.get_mut(id) else { return false };
        match account.state {
            State::Ready => return false,
            State::Serving => {}
            State::Empty => account.tag = account.tag.max(now),
            State::Suspended => {
                account.tag = account.tag.plus(now.since(account.since)).max(now);
            }
        }
        account.state = State::Ready;
        true
    }

    /// A client must not be chosen.
    pub(crate) fn suspend(&mut self, id: ClientId) {
        let now = self.now;
        if let Some(account) = self.accounts.get_mut(id)
            && account.state != State::Suspended
        {
            if account.state == State::Empty {
                account.tag = account.tag.max(now);
            }
            (account.state, account.since) = (State::Suspended, now);
        }
    }

    /// Who is served next. `least` is the least tag of those that were ready, it among them.
    pub(crate) fn chosen(&mut self, id: ClientId, least: Virtual) {
        self.now = self.now.max(least);
        if let Some(before) = self.serving.replace(id)
            && let Some(account) = self.accounts.get_mut(before)
            && account.state == State::Serving
        {
            account.state = State::Empty;
        }
        if let Some(account) = self.accounts.get_mut(id) {
            account.state = State::Serving;
        }
    }

    /// The core had nothing to do for `idle`, of the `cap` after which nothing is owed. To be
    /// called while nobody is ready.
    pub(crate) fn go_idle(&mut self, idle: Cycles, cap: Cycles) {
        if let Some(account) = self.serving.take().and_then(|id| self.accounts.get_mut(id))
            && account.state == State::Serving
        {
            account.state = State::Empty;
        }
        self.now = self.now.plus(self.span(worn_off(self.debt_cap, idle, cap)));
    }

    /// Lets V go on as a server does that has given so much to clients of this weight.
    pub(crate) fn pass_on(&mut self, amount: u64, weight: u64) {
        if amount > 0 && weight > 0 {
            self.now = self.now.plus(Inverse::of(weight).of_amount(amount));
        }
    }

    /// Counts consumption that moves no tag.
    pub(crate) fn count(&mut self, id: ClientId, record: &Record) {
        let amount = self.metric.measure(record);
        if let Some(account) = self.accounts.get_mut(id) {
            account.tally.note(record, amount);
        }
    }

    /// Takes note of consumption. How much of what this scheduler has chosen.
    pub(crate) fn note(&mut self, id: ClientId, record: &Record) -> u64 {
        let amount = self.metric.measure(record);
        let (now, ceiling) = (self.now, self.ceiling);
        let Some(account) = self.accounts.get_mut(id) else { return 0 };
        account.tally.note(record, amount);
        let amount = amount.min(LONGEST);
        if amount == 0 {
            return 0;
        }
        let present = account.present(now);
        if account.state == State::Empty {
            account.tag = account.tag.max(now);
        }
        let busy = matches!(account.state, State::Ready | State::Serving);
        match (record.direction, record.kind) {
            (Direction::Credit, kind) => {
                let floor =
                    if kind == RecordKind::CORRECTION && busy { Virtual::ZERO } else { present };
                let back = account.inverse.of_amount(amount).min(account.tag.since(floor));
                account.tag = account.tag.minus(back);
                0
            }
            (
                Direction::Charge,
                RecordKind::THROUGH | RecordKind::IN_TURN | RecordKind::BILLED_BACK,
            ) => {
                account.charge_elsewhere(amount, present, ceiling);
                0
            }
            (Direction::Charge, _) => {
                account.tag = account.tag.plus(account.inverse.of_amount(amount));
                account.at_cap = false;
                amount
            }
        }
    }

    pub(crate) fn statistics(&self, id: ClientId) -> ClientStatistics {
        let Some(account) = self.accounts.get(id) else { return ClientStatistics::default() };
        let ahead = account.tag.since(account.present(self.now));
        ClientStatistics {
            debt: ahead.at_weight(account.weight),
            forgiven: account.forgiven,
            // Until half of it is worn off.
            refuse: account.at_cap && ahead.times(2) >= self.ceiling,
            ..account.tally.statistics()
        }
    }
}

#[cfg(test)]
mod tests;
