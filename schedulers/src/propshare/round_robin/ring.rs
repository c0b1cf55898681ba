//! One core's line of clients, its rounds, and whose turn it is.

use alloc::collections::BTreeMap;

use vortex_grid::policy::{ClientId, Metric};

use super::client::{Client, State};
use crate::heap::{Heap, Key};
use crate::line::Line;
use crate::table::Table;
use crate::virtual_time::{Inverse, Virtual};

/// # Invariants
/// The first `left` of `line` have not had their turn in this round. `parked` holds ready
/// clients by the round in which their debt is worn off. `ready` counts those who may be
/// chosen: in line, parked, or with the turn and ready.
pub(super) struct Ring {
    pub(super) metric: Metric,
    pub(super) debt_cap: u64,
    pub(super) ceiling: Virtual,
    pub(super) registered: u64,
    /// How many clients have each share, to know the smallest.
    pub(super) shares: BTreeMap<u32, u32>,
    smallest: Inverse,
    longest: u64,
    pub(super) round: u64,
    /// What of a round has passed while nobody wanted a turn.
    unwanted: Virtual,
    left: usize,
    turn: Option<ClientId>,
    pub(super) ready: usize,
    line: Line,
    pub(super) parked: Heap,
    pub(super) clients: Table<Client>,
}

impl Ring {
    pub(super) fn new(metric: Metric, debt_cap: u64) -> Self {
        Self {
            metric,
            debt_cap,
            ceiling: Virtual::ZERO,
            registered: 0,
            shares: BTreeMap::new(),
            smallest: Inverse::of(1),
            longest: 1,
            round: 0,
            unwanted: Virtual::ZERO,
            left: 0,
            turn: None,
            ready: 0,
            line: Line::new(),
            parked: Heap::new(),
            clients: Table::new(),
        }
    }

    /// Q: how much virtual time a turn allows.
    pub(super) fn turn_length(&self) -> Virtual {
        self.smallest.of_amount(self.longest)
    }

    pub(super) fn lengthen(&mut self, amount: u64) {
        self.longest = self.longest.max(amount);
    }

    pub(super) fn add(&mut self, id: ClientId, share: u32, beside: Option<ClientId>) {
        self.remove(id);
        self.line.admit(id);
        self.parked.admit(id);
        self.clients.insert(id, Client::new(share, self.round));
        *self.shares.entry(share).or_insert(0) += 1;
        self.register(self.registered + u64::from(share));
        if let Some(whole) = beside {
            self.begin_beside(id, whole);
        }
    }

    pub(super) fn remove(&mut self, id: ClientId) {
        self.suspend(id);
        let Some(client) = self.clients.remove(id) else { return };
        self.drop_share(client.weight);
        self.register(self.registered.saturating_sub(client.weight));
    }

    /// One client less has this share.
    pub(super) fn drop_share(&mut self, weight: u64) {
        let share = u32::try_from(weight).unwrap_or(u32::MAX);
        if let Some(count) = self.shares.get_mut(&share) {
            *count -= 1;
            if *count == 0 {
                self.shares.remove(&share);
            }
        }
    }

    pub(super) fn register(&mut self, weight: u64) {
        self.registered = weight;
        self.ceiling = Inverse::of(weight).of_amount(self.debt_cap);
        let smallest = self.shares.first_key_value().map_or(1, |(share, _)| *share);
        self.smallest = Inverse::of(u64::from(smallest));
    }

    pub(super) fn make_ready(&mut self, id: ClientId) {
        let (round, turn) = (self.round, self.turn_length());
        let Some(client) = self.clients.get_mut(id) else { return };
        match client.state {
            State::Ready | State::Parked { .. } | State::Turn { ready: true } => return,
            State::Turn { .. } => client.state = State::Turn { ready: true },
            State::Empty { .. } | State::Suspended => {
                client.catch_up(round, turn);
                client.state = State::Ready;
            }
        }
        let goes_on = matches!(client.state, State::Turn { .. }) && client.has_left();
        self.ready += 1;
        if !goes_on {
            self.queue(id);
        }
    }

    /// Puts a client at the end of the line.
    fn queue(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id) {
            client.forfeit();
            client.state = State::Ready;
            client.entered = self.round;
            self.line.push(id);
            if self.turn == Some(id) {
                self.turn = None;
            }
        }
    }

    pub(super) fn suspend(&mut self, id: ClientId) {
        let (round, turn) = (self.round, self.turn_length());
        let Some(client) = self.clients.get_mut(id) else { return };
        client.catch_up(round, turn);
        client.forfeit();
        let before = core::mem::replace(&mut client.state, State::Suspended);
        let waiting = client.entered < round;
        match before {
            State::Ready => {
                self.line.remove(id);
                if waiting {
                    self.left = self.left.saturating_sub(1);
                }
            }
            State::Parked { .. } => {
                self.parked.remove(id);
            }
            State::Turn { .. } => self.turn = None,
            State::Empty { .. } | State::Suspended => {}
        }
        if matches!(before, State::Ready | State::Parked { .. } | State::Turn { ready: true }) {
            self.ready = self.ready.saturating_sub(1);
        }
    }

    /// Goes on with the turn, or gives it to the next in line that is not too deep in debt.
    pub(super) fn choose(&mut self) -> Option<ClientId> {
        self.end_turn();
        while self.ready > 0 {
            let id = match self.turn {
                Some(id) => id,
                None => self.next_in_line()?,
            };
            let client = self.clients.get_mut(id)?;
            if client.has_left() {
                client.state = State::Turn { ready: false };
                self.turn = Some(id);
                self.ready -= 1;
                return Some(id);
            }
            self.park(id);
        }
        None
    }

    /// The core had nothing to do for so long as this much takes: rounds pass of turns that
    /// nobody wanted, each no longer than what can be owed.
    pub(super) fn go_idle(&mut self, amount: u64) {
        if self.ready > 0 {
            return;
        }
        self.end_turn();
        let turn = self.turn_length().min(self.ceiling);
        let passed = self.unwanted.plus(Inverse::of(self.registered).of_amount(amount));
        let rounds = passed.spans_of(turn);
        self.unwanted = passed.since(turn.times(rounds));
        self.round = self.round.saturating_add(rounds);
    }

    /// Ends a turn whose client is empty, or has used it up.
    fn end_turn(&mut self) {
        let Some(id) = self.turn else { return };
        let Some(client) = self.clients.get_mut(id) else { return };
        match client.state {
            State::Turn { ready: true } if client.has_left() => {}
            State::Turn { ready: true } => self.queue(id),
            _ => {
                client.forfeit();
                client.state = State::Empty { since: self.round };
                self.turn = None;
            }
        }
    }

    /// The next client, with the allowance of its turn.
    fn next_in_line(&mut self) -> Option<ClientId> {
        if self.left == 0 {
            self.begin_round();
        }
        let id = self.line.pop()?;
        self.left = self.left.saturating_sub(1);
        let turn = self.turn_length();
        let client = self.clients.get_mut(id)?;
        client.allowed = client.allowed.plus(turn);
        Some(id)
    }

    /// Lets those back in line whose debt is worn off; if there is nobody else, at once.
    fn begin_round(&mut self) {
        self.round += 1;
        if self.line.len() == 0
            && let Some(first) = self.parked.first()
        {
            self.round = self.round.max(first.key().second());
        }
        let turn = self.turn_length();
        while let Some(first) = self.parked.first()
            && first.key().second() <= self.round
        {
            let id = first.id();
            self.parked.pop();
            if let Some(client) = self.clients.get_mut(id) {
                // This round's turn will be allowed when it comes.
                client.catch_up(self.round - 1, turn);
                client.state = State::Ready;
                client.entered = self.round - 1;
                self.line.push(id);
            }
        }
        self.left = self.line.len();
    }

    /// Takes a client out of the line for as many rounds as its debt takes to wear off.
    pub(super) fn park(&mut self, id: ClientId) {
        let (round, turn) = (self.round, self.turn_length());
        if let Some(client) = self.clients.get_mut(id) {
            let rounds = client.debt().spans_of(turn).saturating_add(1);
            client.state = State::Parked { since: round };
            self.parked.set(id, Key::of_pair(0, round.saturating_add(rounds)));
        }
    }
}
